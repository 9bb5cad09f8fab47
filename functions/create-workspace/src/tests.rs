//! The handler from its events, against the embedded stores.

use lambda::{Function, Kind};
use serde_json::{Value, json};
use testkit::people::ADA;
use testkit::probe::{Fault, On};
use testkit::{Answer, World, event, people};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("create-workspace"), load, handle).await.unwrap();
    (world, function)
}

fn id(answer: &Answer) -> WorkspaceId {
    WorkspaceId::parse(answer.json()["id"].as_str().unwrap()).unwrap()
}

/// How many workspaces Ada is in.
async fn count(world: &World) -> usize {
    world.accounts().all_workspaces_of(people::ada().id).await.unwrap().len()
}

#[tokio::test]
async fn whoever_makes_a_workspace_owns_it() {
    let (world, function) = start().await;
    let answer = event("create-workspace/minimal").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (201, "\"1\""));
    let id = id(&answer);
    assert_eq!(answer.header("location"), format!("/api/v1/workspaces/{id}"));
    let expected = json!({
        "id": id.to_string(), "name": "Example Shop", "role": "owner", "writes_per_minute": null,
        "created_at": "2026-11-20T14:03:27.412Z"
    });
    assert_eq!(answer.json(), expected);
    let operations = world.probe.take_operations();
    assert_eq!(operations, ["UpdateItem", "TransactWriteItems"]);
    let member = world.accounts().find_member(id, people::ada().id).await.unwrap().unwrap();
    assert_eq!(member.role, Role::Owner);
    let log = world.audit_log(&id.to_string()).await;
    assert_eq!(log, [format!("workspace.created {ADA} {id}")]);
}

#[tokio::test]
async fn a_person_who_is_in_none_can_make_their_first() {
    let (world, function) = start().await;
    let answer = event("create-workspace/first").send(&function).await;
    assert_eq!(answer.status, 201);
    let log = world.audit_log(&id(&answer).to_string()).await;
    assert_eq!(log.len(), 1, "it stands in the log of the workspace that it made");
}

#[tokio::test]
async fn with_an_idempotency_key_there_is_one_workspace() {
    let (world, function) = start().await;
    world.assert_made_once(&event("create-workspace/full"), &function).await;
    assert_eq!(count(&world).await, 2);
    let event = event("create-workspace/full").header("idempotency-key", "another");
    world.assert_made_once_at_once(&event, &function).await;
    assert_eq!(count(&world).await, 3);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_still_a_201() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    let answer = event("create-workspace/minimal").send(&function).await;
    assert_eq!((answer.status, world.probe.fired()), (201, 1));
    assert_eq!(count(&world).await, 2);
}

#[tokio::test]
async fn bad_input_is_named_field_by_field_and_nothing_is_written() {
    let (world, function) = start().await;
    let answer = event("create-workspace/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/name", "/title"]);
    let cases: [Value; 6] = [
        json!({}),
        json!({"name": null}),
        json!({"name": 1}),
        json!({"name": " a"}),
        json!({"name": "a\u{202e}b"}),
        json!({"name": "x".repeat(101)}),
    ];
    for body in cases {
        let answer = event("create-workspace/minimal").body(&body).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["/name"], "{body}");
    }
    assert_eq!(count(&world).await, 1);
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events =
        [event("create-workspace/not-authorized"), event("create-workspace/missing-scope")];
    world.assert_credentials_come_first(events, "account", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let minimal = event("create-workspace/minimal");
    world.assert_unavailable_without(&["TransactWriteItems"], &minimal, &function).await;
    let full = event("create-workspace/full");
    world.assert_unavailable_without(&["GetItem"], &full, &function).await;
}
