//! The handler from its events, against the embedded stores.

use lambda::Function;
use serde_json::json;
use testkit::people::ADA;
use testkit::probe::{Fault, On};
use testkit::{Event, WORKSPACE, World, event, people};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("update-workspace"), load, handle).await.unwrap();
    (world, function)
}

async fn stored(world: &World) -> Workspace {
    world.accounts().find_workspace(people::workspace().id).await.unwrap().unwrap()
}

fn patch(body: &Value) -> Event {
    event("update-workspace/minimal").body(body)
}

#[tokio::test]
async fn an_edit_changes_what_it_names_and_nothing_else() {
    let (world, function) = start().await;
    let answer = event("update-workspace/full").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    let expected = json!({
        "id": WORKSPACE, "name": "Example Shops", "role": "owner", "writes_per_minute": 600,
        "created_at": people::workspace().created_at().to_string()
    });
    assert_eq!(answer.json(), expected);
    let operations = world.probe.take_operations();
    assert_eq!(operations, ["UpdateItem", "GetItem", "TransactWriteItems"]);

    let answer = event("update-workspace/remove-limit").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"3\""));
    let workspace = stored(&world).await;
    assert_eq!((workspace.name.as_str(), workspace.writes_per_minute), ("Example Shops", None));
    let fields = ["name, writes_per_minute", "writes_per_minute"];
    let expected = fields.map(|f| format!("workspace.updated {ADA} {WORKSPACE} fields={f}"));
    let mut log = world.audit_log(WORKSPACE).await;
    log.sort();
    assert_eq!(log, expected);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_writes_nothing() {
    let (world, function) = start().await;
    for body in [json!({}), json!({"name": "Example Shop", "writes_per_minute": null})] {
        let answer = patch(&body).send(&function).await;
        assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""), "{body}");
    }
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
    assert!(world.audit_log(WORKSPACE).await.is_empty());
}

#[tokio::test]
async fn if_match_admits_the_version_that_was_read_only() {
    let (world, function) = start().await;
    let answer = event("update-workspace/wrong-if-match").send(&function).await;
    answer.assert_problem(Kind::PreconditionFailed);
    assert_eq!(event("update-workspace/if-match").send(&function).await.status, 200);
    let answer = event("update-workspace/if-match").send(&function).await;
    answer.assert_problem(Kind::PreconditionFailed);
    assert_eq!(stored(&world).await.revision, 2);
}

#[tokio::test]
async fn edits_at_once_are_all_made() {
    let (world, function) = start().await;
    let bodies = [json!({"name": "Mall"}), json!({"writes_per_minute": 7})];
    // Both have read the first version before one of them is written.
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let events = bodies.map(|body| patch(&body));
    let (a, b) = tokio::join!(events[0].send(&function), events[1].send(&function));
    assert_eq!((a.status, b.status), (200, 200));
    let workspace = stored(&world).await;
    assert_eq!((workspace.name.as_str(), workspace.writes_per_minute), ("Mall", Some(7)));
    assert_eq!(workspace.revision, 3);
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 2);
}

#[tokio::test]
async fn whoever_always_loses_is_told_so() {
    let (world, function) = start().await;
    let lost = Fault::cancel("ConditionalCheckFailed", |item| item.pk == "W");
    world.probe.inject(On::operation("TransactWriteItems"), lost);
    let answer = event("update-workspace/minimal").send(&function).await;
    answer.assert_problem(Kind::Conflict);
    assert_eq!(world.probe.count("TransactWriteItems"), TRIES);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_made_once() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    let answer = event("update-workspace/minimal").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1);
}

#[tokio::test]
async fn bad_input_is_named_field_by_field_and_nothing_is_written() {
    let (world, function) = start().await;
    let answer = event("update-workspace/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/name", "/writes_per_minute", "/colour"]);
    let numbers = [json!(-1), json!(60_001), json!(1.5), json!("9"), json!(u64::MAX)];
    for number in numbers {
        let answer = patch(&json!({"writes_per_minute": number})).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["/writes_per_minute"], "{number}");
    }
    assert_eq!(stored(&world).await.revision, 1);
}

#[tokio::test]
async fn another_workspace_is_not_found() {
    let (_world, function) = start().await;
    let answer = event("update-workspace/other-workspace").send(&function).await;
    answer.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events =
        [event("update-workspace/not-authorized"), event("update-workspace/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("update-workspace/minimal");
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event, &function).await;
}
