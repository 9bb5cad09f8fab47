//! The handler from its events, against the embedded stores.

use lambda::{Function, Kind};
use serde_json::json;
use testkit::people::{ADA, ADA_EMAIL, GRACE, GRACE_EMAIL};
use testkit::{World, event, people};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("list-members"), load, handle).await.unwrap();
    (world, function)
}

#[tokio::test]
async fn members_are_shown_with_their_names_and_addresses() {
    let (world, function) = start().await;
    let answer = event("list-members/minimal").send(&function).await;
    let expected = json!({
        "items": [
            {"user_id": ADA, "name": "Ada Example", "email": ADA_EMAIL, "role": "owner",
             "joined_at": people::workspace().created_at().to_string()},
            {"user_id": GRACE, "name": "Grace Example", "email": GRACE_EMAIL, "role": "member",
             "joined_at": people::grace().created_at().to_string()}
        ],
        "next": null
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(world.probe.take_operations(), ["Query", "BatchGetItem"]);
}

#[tokio::test]
async fn pages_show_each_once() {
    let (_world, function) = start().await;
    let first = event("list-members/full").send(&function).await.json();
    assert_eq!(first["items"][0]["user_id"], ADA);
    assert_eq!(first["items"].as_array().unwrap().len(), 1);
    let query = format!("limit=1&cursor={}", first["next"].as_str().unwrap());
    let second = event("list-members/minimal").query(&query).send(&function).await.json();
    assert_eq!(second["items"][0]["user_id"], GRACE);
    assert!(second["next"].is_null());
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let (_world, function) = start().await;
    let answer = event("list-members/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["limit"]);
    // A cursor of another list is none of this one.
    let cursor = After(people::workspace().id).to_text();
    let query = format!("cursor={cursor}");
    let answer = event("list-members/minimal").query(&query).send(&function).await;
    assert_eq!(answer.faults(), ["cursor"]);
}

#[tokio::test]
async fn members_of_another_workspace_are_not_found() {
    let (world, function) = start().await;
    let answer = event("list-members/other-workspace").send(&function).await;
    answer.assert_problem(Kind::NotFound);
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events = [event("list-members/not-authorized"), event("list-members/missing-scope")];
    world.assert_credentials_come_first(events, "links:read", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("list-members/minimal");
    world.assert_unavailable_without(&["Query", "BatchGetItem"], &event, &function).await;
}
