//! The handler from its events, against the embedded stores.

use domain::InvitationToken;
use lambda::Function;
use testkit::people::{ADA, INVITATION, INVITATION_TOKEN};
use testkit::probe::{Fault, On};
use testkit::{WORKSPACE, World, event};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("delete-invitation"), load, handle).await.unwrap();
    (world, function)
}

/// Whether somebody can still use the token.
async fn is_open(world: &World) -> bool {
    let token = InvitationToken::parse(INVITATION_TOKEN).unwrap();
    world.accounts().invitation_of(&token).await.unwrap().is_some()
}

#[tokio::test]
async fn an_invitation_that_was_taken_back_is_worth_nothing() {
    let (world, function) = start().await;
    let answer = event("delete-invitation/minimal").send(&function).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let operations = world.probe.take_operations();
    assert_eq!(operations, ["UpdateItem", "GetItem", "TransactWriteItems"]);
    assert!(!is_open(&world).await);
    let log = world.audit_log(WORKSPACE).await;
    assert_eq!(log, [format!("invitation.deleted {ADA} {INVITATION} role=member")]);
    event("delete-invitation/minimal").send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn what_is_not_there_and_what_another_workspace_owns_look_the_same() {
    let (world, function) = start().await;
    let mut bodies = Vec::new();
    for name in ["other-workspace", "unknown-invitation", "not-an-id"] {
        let answer = event(&format!("delete-invitation/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
        bodies.push(answer.text);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert!(is_open(&world).await);
}

#[tokio::test]
async fn of_two_at_once_one_takes_it_back() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let event = event("delete-invitation/minimal");
    let (a, b) = tokio::join!(event.send(&function), event.send(&function));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_still_a_204() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(event("delete-invitation/minimal").send(&function).await.status, 204);
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events =
        [event("delete-invitation/not-authorized"), event("delete-invitation/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("delete-invitation/minimal");
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event, &function).await;
}
