//! The handler from its events, against the embedded stores.

use domain::WorkspaceId;
use lambda::{Function, Kind};
use serde_json::json;
use testkit::people::{self, ADA, GRACE};
use testkit::probe::{Fault, On};
use testkit::{Answer, Event, WORKSPACE, World, event};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("create-invitation"), load, handle).await.unwrap();
    (world, function)
}

fn inviting(body: &Value) -> Event {
    event("create-invitation/minimal").body(body)
}

/// The invitations besides those that the events name.
async fn stored(world: &World) -> Vec<Invitation> {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    let page = world.accounts().invitations(workspace, None, 100).await.unwrap();
    let known = [people::invitation().id, people::invitation_of_alan().id];
    page.items.into_iter().filter(|invitation| !known.contains(&invitation.id)).collect()
}

fn token(answer: &Answer) -> InvitationToken {
    InvitationToken::parse(answer.json()["token"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn an_address_is_enough() {
    let (world, function) = start().await;
    let answer = event("create-invitation/minimal").send(&function).await;
    assert_eq!(answer.status, 201);
    let id = answer.json()["id"].as_str().unwrap().to_owned();
    assert!(!answer.headers.contains_key("location"), "an invitation is read in the list only");
    let token = token(&answer);
    let expected = json!({
        "id": id, "email": "grace.hopper@example.com", "role": "member",
        "expires_at": "2026-11-27T14:03:27.412Z", "invited_by": ADA, "token": token.reveal()
    });
    assert_eq!(answer.json(), expected);
    let operations = world.probe.take_operations();
    let expected = ["UpdateItem", "GetItem", "GetItem", "GetItem", "TransactWriteItems"];
    assert_eq!(operations, expected);
    let found = world.accounts().invitation_of(&token).await.unwrap().unwrap();
    assert_eq!(found.id.to_string(), id);
    let invited = Email::parse("Grace.Hopper@example.com").unwrap();
    assert!(found.admits(&token, &invited, testkit::now()));
    let log = world.audit_log(WORKSPACE).await;
    assert_eq!(log, [format!("invitation.created {ADA} {id} role=member")]);
}

#[tokio::test]
async fn role_and_time_are_the_requests_choice() {
    let (world, function) = start().await;
    let answer = event("create-invitation/full").send(&function).await.json();
    assert_eq!(answer["role"], "admin");
    assert_eq!(answer["expires_at"], "2026-11-21T14:03:27.412Z");
    let nulls = json!({"email": "a@example.com", "role": null, "expires_in_hours": null});
    let answer = inviting(&nulls).send(&function).await.json();
    assert_eq!(
        (&answer["role"], &answer["expires_at"]),
        (&json!("member"), &json!("2026-11-27T14:03:27.412Z"))
    );
    assert_eq!(stored(&world).await.len(), 2);
}

#[tokio::test]
async fn the_token_is_stored_nowhere() {
    let (world, function) = start().await;
    let full = event("create-invitation/full").send(&function).await;
    let token = token(&full).reveal();
    let secret = &token[29..72];
    for call in world.probe.take_calls() {
        assert!(!call.body.to_string().contains(secret), "{}", call.operation);
    }
}

#[tokio::test]
async fn only_an_owner_invites_owners() {
    let (world, function) = start().await;
    let answer = event("create-invitation/owner-by-key").send(&function).await;
    answer.assert_problem(Kind::Forbidden);
    let owner = json!({"email": "a@example.com", "role": "owner"});
    inviting(&owner).of_role("admin").send(&function).await.assert_problem(Kind::Forbidden);
    assert!(stored(&world).await.is_empty());
    assert_eq!(inviting(&owner).send(&function).await.status, 201);
    assert_eq!(stored(&world).await[0].role, Role::Owner);
}

#[tokio::test]
async fn whoever_was_removed_a_moment_ago_invites_nobody() {
    let (world, function) = start().await;
    // As the gateway has kept it: she was an owner.
    let gone = || event("create-invitation/minimal").of_principal(GRACE);
    let (shop, grace) = (WorkspaceId::parse(WORKSPACE).unwrap(), people::grace().id);
    let owner = json!({"email": "a@example.com", "role": "owner"});
    gone().body(&owner).send(&function).await.assert_problem(Kind::Forbidden);
    let member = world.accounts().find_member(shop, grace).await.unwrap().unwrap();
    world.accounts().remove_member(&member, &store::Journal::none()).await.unwrap();
    gone().send(&function).await.assert_problem(Kind::Unauthorized);
    assert!(stored(&world).await.is_empty());
}

#[tokio::test]
async fn who_is_a_member_is_not_invited_again_and_whoever_else_is_here_is() {
    let (world, function) = start().await;
    world.probe.take_calls();
    let grace = json!({"email": people::GRACE_EMAIL, "role": "viewer"});
    inviting(&grace).send(&function).await.assert_problem(Kind::Conflict);
    assert_eq!(world.probe.take_operations(), ["UpdateItem", "GetItem", "GetItem", "GetItem"]);
    assert!(stored(&world).await.is_empty());
    world.probe.take_calls();
    // Alan is in another workspace, and the admin does not learn that he is here at all.
    let alan = json!({"email": people::ALAN_EMAIL});
    assert_eq!(inviting(&alan).send(&function).await.status, 201);
    let expected = ["UpdateItem", "GetItem", "GetItem", "GetItem", "TransactWriteItems"];
    assert_eq!(world.probe.take_operations(), expected);
}

#[tokio::test]
async fn with_an_idempotency_key_there_is_one_invitation_and_one_token() {
    let (world, function) = start().await;
    let answer = world.assert_made_once(&event("create-invitation/full"), &function).await;
    assert_eq!(stored(&world).await.len(), 1);
    assert!(world.accounts().invitation_of(&token(&answer)).await.unwrap().is_some());
    let event = event("create-invitation/full").header("idempotency-key", "another");
    world.assert_made_once_at_once(&event, &function).await;
    assert_eq!(stored(&world).await.len(), 2);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_still_a_201() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(event("create-invitation/minimal").send(&function).await.status, 201);
    assert_eq!((world.probe.fired(), stored(&world).await.len()), (1, 1));
}

#[tokio::test]
async fn bad_input_is_named_field_by_field_and_nothing_is_written() {
    let (world, function) = start().await;
    let answer = event("create-invitation/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/email", "/role", "/expires_in_hours", "/colour"]);
    for hours in [json!(0), json!(-1), json!(721), json!(1.5), json!("24"), json!(u64::MAX)] {
        let body = json!({"email": "a@example.com", "expires_in_hours": hours});
        let answer = inviting(&body).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["/expires_in_hours"], "{hours}");
    }
    assert_eq!(inviting(&json!({})).send(&function).await.faults(), ["/email"]);
    assert!(stored(&world).await.is_empty());
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events =
        [event("create-invitation/not-authorized"), event("create-invitation/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let minimal = event("create-invitation/minimal");
    world.assert_unavailable_without(&["TransactWriteItems"], &minimal, &function).await;
    let full = event("create-invitation/full");
    world.assert_unavailable_without(&["GetItem"], &full, &function).await;
}
