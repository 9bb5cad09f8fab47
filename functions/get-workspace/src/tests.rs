//! The handler from its events, against the embedded stores.

use lambda::{Function, Kind};
use serde_json::{Value, json};
use testkit::{WORKSPACE, World, event, people};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("get-workspace"), load, handle).await.unwrap();
    (world, function)
}

#[tokio::test]
async fn the_workspace_of_the_token_is_shown_with_the_callers_role() {
    let (world, function) = start().await;
    let answer = event("get-workspace/minimal").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""));
    let expected = json!({
        "id": WORKSPACE, "name": "Example Shop", "role": "owner", "writes_per_minute": null,
        "created_at": people::workspace().created_at().to_string()
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(world.probe.take_operations(), ["GetItem"]);
}

#[tokio::test]
async fn a_key_has_no_role() {
    let (_world, function) = start().await;
    let answer = event("get-workspace/key").send(&function).await;
    assert_eq!((answer.status, answer.json()["role"].clone()), (200, Value::Null));
}

#[tokio::test]
async fn every_other_workspace_is_not_found_and_not_read() {
    let (world, function) = start().await;
    let mut bodies = Vec::new();
    for name in ["other-workspace", "not-an-id"] {
        let answer = event(&format!("get-workspace/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
        bodies.push(answer.text);
    }
    let nowhere = event("get-workspace/minimal").path("id", "wrk_01K9Z0000000000000000000ZZ");
    bodies.push(nowhere.send(&function).await.text);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn a_workspace_that_is_gone_is_not_found() {
    let world = World::new().await;
    let function = Function::http(world.boot("get-workspace"), load, handle).await.unwrap();
    event("get-workspace/minimal").send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events = [event("get-workspace/not-authorized"), event("get-workspace/missing-scope")];
    world.assert_credentials_come_first(events, "links:read", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("get-workspace/minimal");
    world.assert_unavailable_without(&["GetItem"], &event, &function).await;
}
