//! The handler from its events, against the embedded stores.

use std::sync::Arc;

use domain::{UserId, WorkspaceId};
use lambda::Function;
use serde_json::{Value, json};
use store::Journal;
use testkit::people::{ADA, GRACE, GRACE_EMAIL, KEY};
use testkit::probe::{Fault, On};
use testkit::{Event, WORKSPACE, World, event, people};
use tokio::sync::Barrier;

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("update-member"), load, handle).await.unwrap();
    (world, function)
}

async fn member(world: &World, user: &str) -> Member {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    let found = world.accounts().find_member(workspace, UserId::parse(user).unwrap()).await;
    found.unwrap().unwrap()
}

/// Gives somebody a role by another way than this function.
async fn make(world: &World, user: &str, role: Role) {
    let old = member(world, user).await;
    world.accounts().change_role(&old, role, &Journal::none()).await.unwrap();
}

/// Ada makes Grace this.
fn grace(role: Role) -> Event {
    event("update-member/minimal").body(&json!({"role": role.as_str()}))
}

#[tokio::test]
async fn a_member_gets_another_role() {
    let (world, function) = start().await;
    let answer = event("update-member/minimal").send(&function).await;
    let expected = json!({
        "user_id": GRACE, "name": "Grace Example", "email": GRACE_EMAIL, "role": "viewer",
        "joined_at": people::grace().created_at().to_string()
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    let operations = world.probe.take_operations();
    assert_eq!(operations, ["UpdateItem", "GetItem", "GetItem", "GetItem", "TransactWriteItems"]);
    assert_eq!(member(&world, GRACE).await.role, Role::Viewer);
    let line = format!("member.updated {ADA} {GRACE} old_role=member role=viewer");
    assert_eq!(world.audit_log(WORKSPACE).await, [line]);
}

#[tokio::test]
async fn the_role_that_somebody_has_is_not_written_again() {
    let (world, function) = start().await;
    let answer = grace(Role::Member).send(&function).await;
    assert_eq!((answer.status, answer.json()["role"].as_str()), (200, Some("member")));
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
    assert!(world.audit_log(WORKSPACE).await.is_empty());
}

#[tokio::test]
async fn a_key_manages_as_an_admin_does() {
    let (world, function) = start().await;
    assert_eq!(event("update-member/by-key").send(&function).await.status, 200);
    assert_eq!(member(&world, GRACE).await.role, Role::Admin);
    let log = world.audit_log(WORKSPACE).await;
    assert!(log[0].starts_with(&format!("member.updated {KEY} {GRACE}")), "{log:?}");
    let answer = event("update-member/new-owner-by-key").send(&function).await;
    answer.assert_problem(Kind::Forbidden);
    assert_eq!(member(&world, GRACE).await.role, Role::Admin);
}

#[tokio::test]
async fn only_an_owner_makes_and_unmakes_owners() {
    let (world, function) = start().await;
    event("update-member/owner-by-admin").send(&function).await.assert_problem(Kind::Forbidden);
    // Whoever could make an owner could become one.
    let herself = grace(Role::Owner).of_principal(GRACE).of_role("admin");
    herself.send(&function).await.assert_problem(Kind::Forbidden);
    assert_eq!(member(&world, ADA).await.role, Role::Owner);
    assert_eq!(grace(Role::Owner).send(&function).await.status, 200);
    assert_eq!(member(&world, GRACE).await.role, Role::Owner);
    // There is another owner now, so the first may go.
    assert_eq!(event("update-member/last-owner").send(&function).await.status, 200);
    assert_eq!(member(&world, ADA).await.role, Role::Admin);
}

#[tokio::test]
async fn a_token_of_the_scope_is_not_enough_without_the_role() {
    let (_world, function) = start().await;
    for role in ["member", "viewer"] {
        let answer = grace(Role::Viewer).of_role(role).send(&function).await;
        answer.assert_problem(Kind::Forbidden);
    }
}

#[tokio::test]
async fn whoever_was_demoted_a_moment_ago_does_not_take_it_back() {
    let (world, function) = start().await;
    make(&world, GRACE, Role::Viewer).await;
    // As the gateway has kept it: she was an owner.
    let herself = grace(Role::Owner).of_principal(GRACE);
    herself.send(&function).await.assert_problem(Kind::Forbidden);
    assert_eq!(member(&world, GRACE).await.role, Role::Viewer);
}

#[tokio::test]
async fn the_last_owner_cannot_be_demoted() {
    let (world, function) = start().await;
    let answer = event("update-member/last-owner").send(&function).await;
    answer.assert_problem(Kind::Conflict);
    assert_eq!(member(&world, ADA).await.role, Role::Owner);
}

#[tokio::test]
async fn of_two_owners_who_demote_each_other_at_once_one_stays() {
    let (world, function) = start().await;
    make(&world, GRACE, Role::Owner).await;
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let ada = event("update-member/last-owner").of_principal(GRACE);
    let grace = grace(Role::Viewer);
    let (a, b) = tokio::join!(ada.send(&function), grace.send(&function));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let roles = [member(&world, ADA).await.role, member(&world, GRACE).await.role];
    assert_eq!(roles.iter().filter(|role| **role == Role::Owner).count(), 1);
}

#[tokio::test]
async fn whoever_became_an_owner_meanwhile_is_out_of_an_admins_reach() {
    let (world, function) = start().await;
    let barrier = Arc::new(Barrier::new(2));
    let on = On::operation("TransactWriteItems").once();
    world.probe.inject(on, Fault::Meet(Arc::clone(&barrier)));
    let by_key = event("update-member/by-key").body(&json!({"role": "viewer"}));
    let (answer, ()) = tokio::join!(by_key.send(&function), async {
        world.probe.wait_for(1).await;
        make(&world, GRACE, Role::Owner).await;
        barrier.wait().await;
    });
    answer.assert_problem(Kind::Forbidden);
    assert_eq!(member(&world, GRACE).await.role, Role::Owner);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_made_once() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(grace(Role::Owner).send(&function).await.status, 200);
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1);
    // Counted once: with one of two gone, the other is the last.
    make(&world, GRACE, Role::Viewer).await;
    let answer = event("update-member/last-owner").send(&function).await;
    answer.assert_problem(Kind::Conflict);
}

#[tokio::test]
async fn whoever_always_loses_is_told_so() {
    let (world, function) = start().await;
    let lost = Fault::cancel("ConditionalCheckFailed", |item| item.sk.contains(GRACE));
    world.probe.inject(On::operation("TransactWriteItems"), lost);
    grace(Role::Viewer).send(&function).await.assert_problem(Kind::Conflict);
    assert_eq!(world.probe.count("TransactWriteItems"), TRIES);
}

#[tokio::test]
async fn bad_input_is_named_field_by_field() {
    let (_world, function) = start().await;
    let answer = event("update-member/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/role", "/colour"]);
    for body in [json!({}), json!({"role": Value::Null}), json!({"role": ["owner"]})] {
        let answer = event("update-member/minimal").body(&body).send(&function).await;
        assert_eq!(answer.faults(), ["/role"], "{body}");
    }
}

#[tokio::test]
async fn who_is_no_member_is_not_found_nor_is_another_workspace() {
    let (_world, function) = start().await;
    for name in ["unknown-member", "other-workspace"] {
        let answer = event(&format!("update-member/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
    }
    let stranger = event("update-member/minimal").path("user_id", people::ALAN);
    stranger.send(&function).await.assert_problem(Kind::NotFound);
    let no_id = event("update-member/minimal").path("user_id", "grace");
    no_id.send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events = [event("update-member/not-authorized"), event("update-member/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("update-member/minimal");
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event, &function).await;
}
