//! The handler from its events, against the embedded stores.

use domain::{Member, WorkspaceId};
use jiff::SignedDuration;
use lambda::Function;
use serde_json::json;
use store::Journal;
use testkit::people::{ALAN, GRACE, INVITATION_OF_ALAN};
use testkit::probe::{Fault, On};
use testkit::{WORKSPACE, World, event, people};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("accept-invitation"), load, handle).await.unwrap();
    (world, function)
}

/// What Alan is in the workspace that invited him.
async fn alan(world: &World) -> Option<Member> {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    world.accounts().find_member(workspace, people::alan().id).await.unwrap()
}

#[tokio::test]
async fn the_invited_person_becomes_a_member() {
    let (world, function) = start().await;
    let answer = event("accept-invitation/minimal").send(&function).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("location"), format!("/api/v1/workspaces/{WORKSPACE}"));
    let expected =
        json!({"workspace": {"id": WORKSPACE, "name": "Example Shop"}, "role": "member"});
    assert_eq!(answer.json(), expected);
    let operations = world.probe.take_operations();
    let reads = ["GetItem"; 5];
    assert_eq!(operations, [&["UpdateItem"][..], &reads, &["TransactWriteItems"]].concat());
    assert_eq!(alan(&world).await.unwrap().role, Role::Member);
    // In the log of the workspace that he joined, not of the one that his token is for.
    let log = world.audit_log(WORKSPACE).await;
    assert_eq!(log, [format!("invitation.accepted {ALAN} {INVITATION_OF_ALAN} role=member")]);
    event("accept-invitation/minimal").send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn whatever_is_wrong_looks_the_same() {
    let (world, function) = start().await;
    let mut bodies = Vec::new();
    for name in ["other-email", "unknown-token"] {
        let answer = event(&format!("accept-invitation/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
        bodies.push(answer.text);
    }
    // The right handle, and another secret.
    let id = people::invitation_of_alan().id;
    let forged = InvitationToken::of(id, [1, 2]).reveal();
    let forged = event("accept-invitation/minimal").body(&json!({"token": forged}));
    bodies.push(forged.send(&function).await.text);
    // The right token, in other hands.
    let stolen = event("accept-invitation/minimal").of_principal(GRACE);
    bodies.push(stolen.send(&function).await.text);
    world.clock.advance(SignedDuration::from_hours(168));
    let late = event("accept-invitation/minimal").send(&function).await;
    late.assert_problem(Kind::NotFound);
    bodies.push(late.text);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(alan(&world).await, None);
}

#[tokio::test]
async fn a_member_cannot_become_one_again() {
    let (world, function) = start().await;
    let ada = people::ada();
    let token = InvitationToken::of(domain::InvitationId::new(testkit::now(), 9), [1, 2]);
    let again = domain::Invitation {
        id: token.invitation().unwrap(),
        email: ada.email.clone(),
        role: Role::Viewer,
        hash: token.hash(),
        ..people::invitation()
    };
    world.accounts().create_invitation(&again, &Journal::none()).await.unwrap();
    let event = event("accept-invitation/minimal").of_principal(people::ADA);
    let answer = event.body(&json!({"token": token.reveal()})).send(&function).await;
    answer.assert_problem(Kind::Conflict);
    let still = world.accounts().find_member(again.workspace, ada.id).await.unwrap().unwrap();
    assert_eq!(still.role, Role::Owner);
}

#[tokio::test]
async fn of_two_at_once_one_is_accepted() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let event = event("accept-invitation/minimal");
    let (a, b) = tokio::join!(event.send(&function), event.send(&function));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 404]);
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1);
}

#[tokio::test]
async fn with_an_idempotency_key_all_get_the_first_answer() {
    let (world, function) = start().await;
    world.assert_made_once(&event("accept-invitation/full"), &function).await;
    assert!(alan(&world).await.is_some());
    let (world, function) = start().await;
    world.assert_made_once_at_once(&event("accept-invitation/full"), &function).await;
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1);
    let (world, function) = start().await;
    world.assert_made_once_meanwhile(&event("accept-invitation/full"), &function).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_still_a_201() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(event("accept-invitation/minimal").send(&function).await.status, 201);
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1);
}

#[tokio::test]
async fn an_invitation_by_somebody_who_could_not_make_it_now_is_worth_nothing() {
    let (world, function) = start().await;
    world.demote_ada(Role::Member).await;
    let answer = event("accept-invitation/minimal").send(&function).await;
    answer.assert_problem(Kind::NotFound);
    assert!(alan(&world).await.is_none());
    // Whoever still may is as good as before.
    let (world, function) = start().await;
    world.demote_ada(Role::Admin).await;
    assert_eq!(event("accept-invitation/minimal").send(&function).await.status, 201);
}

#[tokio::test]
async fn bad_input_is_named_field_by_field() {
    let (_world, function) = start().await;
    let answer = event("accept-invitation/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/token", "/colour"]);
    for body in [json!({}), json!({"token": null}), json!({"token": people::API_KEY})] {
        let answer = event("accept-invitation/minimal").body(&body).send(&function).await;
        assert_eq!(answer.faults(), ["/token"], "{body}");
    }
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events =
        [event("accept-invitation/not-authorized"), event("accept-invitation/missing-scope")];
    world.assert_credentials_come_first(events, "account", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("accept-invitation/minimal");
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event, &function).await;
}
