//! The handler from its events, against the embedded stores.

use jiff::SignedDuration;
use lambda::{Function, Kind};
use serde_json::json;
use testkit::people::{ADA, ALAN_EMAIL, INVITATION, INVITATION_OF_ALAN, LINUS_EMAIL};
use testkit::{OTHER_WORKSPACE, World, event};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("list-invitations"), load, handle).await.unwrap();
    (world, function)
}

#[tokio::test]
async fn open_invitations_are_shown_without_their_tokens() {
    let (world, function) = start().await;
    let answer = event("list-invitations/minimal").send(&function).await;
    let item = |id: &str, email: &str| {
        json!({
            "id": id, "email": email, "role": "member", "invited_by": ADA,
            "expires_at": "2026-11-27T14:03:27.412Z"
        })
    };
    let items = [item(INVITATION_OF_ALAN, ALAN_EMAIL), item(INVITATION, LINUS_EMAIL)];
    let expected = json!({"items": items, "next": null});
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert!(!answer.text.contains("si_"));
    assert_eq!(world.probe.take_operations(), ["Query"]);
}

#[tokio::test]
async fn pages_show_each_once_newest_first() {
    let (_world, function) = start().await;
    let first = event("list-invitations/full").send(&function).await.json();
    assert_eq!(first["items"][0]["id"], INVITATION_OF_ALAN);
    let query = format!("limit=1&cursor={}", first["next"].as_str().unwrap());
    let second = event("list-invitations/minimal").query(&query).send(&function).await.json();
    assert_eq!(second["items"][0]["id"], INVITATION);
    assert!(second["next"].is_null());
}

#[tokio::test]
async fn what_has_expired_is_not_shown() {
    let (world, function) = start().await;
    world.clock.advance(SignedDuration::from_hours(168));
    let answer = event("list-invitations/minimal").send(&function).await;
    assert_eq!(answer.json(), json!({"items": [], "next": null}));
}

#[tokio::test]
async fn another_workspace_has_its_own() {
    let (_world, function) = start().await;
    let stranger = event("list-invitations/minimal").of_workspace(OTHER_WORKSPACE);
    let answer = stranger.send(&function).await;
    assert_eq!(answer.json(), json!({"items": [], "next": null}));
}

#[tokio::test]
async fn bad_parameters_are_named() {
    let (_world, function) = start().await;
    let answer = event("list-invitations/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["limit"]);
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events =
        [event("list-invitations/not-authorized"), event("list-invitations/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("list-invitations/minimal");
    world.assert_unavailable_without(&["Query"], &event, &function).await;
}
