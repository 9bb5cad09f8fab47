//! Every answer that an event brings forth is one that `openapi.yaml` promises.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use testkit::probe::{Fault, On, Service as Aws};
use testkit::{Answer, Event, World};

use super::{events, worlds};
use crate::openapi::OpenApi;
use crate::repository::assert_none;
use crate::service::Service;

/// Sends every HTTP event to its function, each in a world of its own.
async fn answers(prepare: impl Fn(&World)) -> Vec<(String, Event, Answer)> {
    let mut answers = Vec::new();
    for (function, name, event) in events::all() {
        if function == "authorize" || event["version"] != "2.0" {
            continue;
        }
        let world = worlds::of(&function).await;
        prepare(&world);
        let service = Service::only(&function, world).await;
        let event = Event::of(event);
        let answer = event.send(service.function(&function)).await;
        answers.push((format!("events/{function}/{name}.json"), event, answer));
    }
    answers
}

fn faults(answers: &[(String, Event, Answer)]) -> Vec<String> {
    let api = OpenApi::get();
    let all = answers.iter().flat_map(|(place, event, answer)| {
        api.faults(event, answer).into_iter().map(move |fault| format!("{place}: {fault}"))
    });
    all.collect()
}

#[tokio::test]
async fn every_event_is_answered_as_promised() {
    let answers = answers(|_| {}).await;
    let mut faults = faults(&answers);
    for (place, _, answer) in &answers {
        if 500 <= answer.status {
            faults.push(format!("{place}: {} {}", answer.status, answer.text));
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn the_shortest_and_the_fullest_event_succeed() {
    let mut faults = Vec::new();
    for (place, event, answer) in answers(|_| {}).await {
        let is_sample = ["/minimal.json", "/full.json"].iter().any(|end| place.ends_with(end));
        // Where no route fits, a 404 is what there is.
        let is_operation = OpenApi::get().operation(&event).is_some();
        // Nor is there an identity provider here: `scripts/sign-in` has one.
        let is_sign_in = ["start-sign-in", "finish-sign-in"].iter().any(|it| place.contains(it));
        if is_sample && is_operation && !is_sign_in && 400 <= answer.status {
            faults.push(format!("{place}: {} {}", answer.status, answer.text));
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn without_aws_every_event_is_still_answered_as_promised() {
    let away = |world: &World| {
        for service in [Aws::DynamoDb, Aws::Sqs, Aws::S3] {
            world.probe.inject(On::service(service), Fault::Unreachable);
        }
    };
    let answers = answers(away).await;
    let mut faults = faults(&answers);
    for (place, _, answer) in &answers {
        // A redirect that nobody can look up is no 404, and nothing is a bug.
        if answer.status == 500 {
            faults.push(format!("{place}: {} {}", answer.status, answer.text));
        }
    }
    let unavailable = answers.iter().filter(|(_, _, answer)| answer.status == 503).count();
    assert!(0 < unavailable, "nothing noticed that AWS is away");
    assert_none(&faults);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered_as_promised() {
    let mut faults = Vec::new();
    let service = Service::over(World::new().await).await;
    for operation in &OpenApi::get().operations {
        let own = events::all().into_iter().find(|(function, _, event)| {
            *function == operation.function && event["routeKey"] == operation.route()
        });
        let Some((function, _, event)) = own else { continue };
        let event = Event::of(event).text_body(&"x".repeat(262_145));
        let answer = event.send(service.function(&function)).await;
        faults.extend(OpenApi::get().faults(&event, &answer));
        if answer.status != 413 {
            faults.push(format!("`{}` answers {} to a huge body", operation.id, answer.status));
        }
    }
    let promise = OpenApi::get().document["info"]["description"].to_string();
    assert!(
        promise.contains("413"),
        "openapi.yaml: say in `info` that every operation may answer 413"
    );
    assert_none(&faults);
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_is_refused() {
    let mut faults = Vec::new();
    for operation in &OpenApi::get().operations {
        // OAuth has rules of its own, and whoever watches the service may pass caches by.
        if !operation.path.starts_with("/api/v1/") || operation.function == "health" {
            continue;
        }
        let own = events::all().into_iter().filter(|(function, _, event)| {
            *function == operation.function && event["routeKey"] == operation.route()
        });
        // With a body as it should be, where there is one.
        let Some((function, _, mut event)) = own.min_by_key(|(_, name, _)| name != "minimal")
        else {
            panic!("no event of `{}`", operation.route())
        };
        event["rawQueryString"] = json!("not-a-parameter=1");
        event["queryStringParameters"] = json!({ "not-a-parameter": "1" });
        let event = Event::of(event);
        let service = Service::only(&function, worlds::of(&function).await).await;
        let answer = event.send(service.function(&function)).await;
        faults.extend(OpenApi::get().faults(&event, &answer));
        if answer.status != 400 || !answer.text.contains("\"parameter\":\"not-a-parameter\"") {
            faults.push(format!("`{}`: {} {}", operation.id, answer.status, answer.text));
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn an_address_of_the_contract_names_its_methods_to_whoever_takes_another() {
    let service = Service::only("not-found", World::new().await).await;
    let mut methods: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for operation in &OpenApi::get().operations {
        methods.entry(&operation.path).or_default().insert(&operation.method);
    }
    let mut faults = Vec::new();
    for (template, methods) in methods {
        // A value that is a path's own, such as `me`, would bring in the methods of that one.
        let path = template.replace('{', "a-").replace('}', "");
        let mut event = testkit::event("not-found/wrong-method").json().clone();
        event["rawPath"] = json!(path);
        event["requestContext"]["http"]["path"] = json!(path);
        let answer = Event::of(event).send(service.function("not-found")).await;
        let allowed: BTreeSet<_> = answer.header("allow").split(", ").collect();
        if answer.status != 405 || allowed != methods {
            faults.push(format!("PUT {template}: {}, and it has {allowed:?}", answer.status));
        }
    }
    assert_none(&faults);
}
