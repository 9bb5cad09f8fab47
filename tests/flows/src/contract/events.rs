//! The sample events: of a shape that AWS sends, for a route that exists, and used.

use serde_json::{Value, json};

use crate::openapi::OpenApi;
use crate::repository::{assert_none, files, folders, list, read, text};
use crate::workers::Workers;

/// All events: function, name without extension, content.
pub(super) fn all() -> Vec<(String, String, Value)> {
    let mut events = Vec::new();
    for function in folders("events") {
        for path in files(format!("events/{function}"), "json") {
            let event = serde_json::from_str(&read(&path));
            let event = event.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            events.push((function.clone(), name, event));
        }
    }
    events
}

#[test]
fn an_event_is_one_of_its_functions_trigger() {
    let (api, workers) = (OpenApi::get(), Workers::get().workers);
    let mut faults = Vec::new();
    for (function, name, event) in all() {
        let place = format!("events/{function}/{name}.json");
        if event["Records"].is_array() {
            let from_queue = |record: &Value| record["eventSource"] == "aws:sqs";
            if !list(&event["Records"]).iter().all(from_queue) {
                faults.push(format!("{place}: a record is not of SQS"));
            }
            continue;
        }
        if let Some(worker) = workers.get(&function) {
            if worker.schedule.is_none() {
                faults.push(format!("{place}: its queue sends `Records`"));
            }
            faults.extend(schedule_faults(&event).into_iter().map(|it| format!("{place}: {it}")));
            continue;
        }
        if event["version"] != "2.0" {
            faults.push(format!("{place}: the payload is not of version 2.0"));
        }
        let route = text(&event["routeKey"]);
        let operation = api.operations.iter().find(|operation| operation.route() == route);
        match operation {
            // The authorizer stands before all of them.
            Some(operation) if function == "authorize" && operation.secured => {}
            Some(operation) if operation.function == function => {}
            None if route == "$default" && function == api.default_function() => {}
            Some(_) | None => {
                faults.push(format!("{place}: `{route}` is no route of this function"));
            }
        }
        for copy in ["/requestContext/routeKey"] {
            if event.pointer(copy) != Some(&event["routeKey"]) {
                faults.push(format!("{place}: `{copy}` differs from `routeKey`"));
            }
        }
        let path = event.pointer("/requestContext/http/path");
        if path != Some(&event["rawPath"]) {
            faults.push(format!("{place}: the path in `requestContext` differs from `rawPath`"));
        }
        let authorizer = event.pointer("/requestContext/authorizer");
        let passed =
            operation.is_some_and(|operation| operation.secured) && function != "authorize";
        if authorizer.is_some() != passed {
            faults.push(format!("{place}: what the authorizer says is there, or is missing"));
        }
    }
    assert_none(&faults);
}

/// Everything in which an event is not as EventBridge sends those of its schedules.
fn schedule_faults(event: &Value) -> Vec<String> {
    let mut faults = Vec::new();
    let fixed = [
        ("version", json!("0")),
        ("detail-type", json!("Scheduled Event")),
        ("source", json!("aws.events")),
        ("detail", json!({})),
    ];
    for (field, value) in fixed {
        if event[field] != value {
            faults.push(format!("`{field}` is not {value}"));
        }
    }
    for field in ["id", "account", "time", "region"] {
        if text(&event[field]).is_empty() {
            faults.push(format!("`{field}` is missing"));
        }
    }
    let of_a_rule = |arn: &Value| text(arn).contains(":rule/");
    if list(&event["resources"]).is_empty() || !list(&event["resources"]).iter().all(of_a_rule) {
        faults.push("`resources` does not name the rule".to_owned());
    }
    faults
}

#[test]
fn every_operation_has_an_event() {
    let events = all();
    let mut faults = Vec::new();
    for operation in &OpenApi::get().operations {
        let route = operation.route();
        let is_its = |(function, _, event): &(String, String, Value)| {
            *function == operation.function && event["routeKey"] == route.as_str()
        };
        if !events.iter().any(is_its) {
            faults.push(format!("events/{}: there is no event of `{route}`", operation.function));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_event_is_used_by_a_test_of_its_function() {
    let mut faults = Vec::new();
    for (function, name, _) in all() {
        let tests: String = files(format!("functions/{function}"), "rs")
            .iter()
            .filter(|path| path.to_string_lossy().contains("tests"))
            .map(read)
            .collect();
        if !tests.contains(&format!("\"{function}/{name}\""))
            && !tests.contains(&format!("\"{name}\""))
        {
            faults.push(format!(
                "events/{function}/{name}.json: no test of functions/{function} uses it"
            ));
        }
    }
    assert_none(&faults);
}
