//! The handler from its events, against the embedded stores.

use domain::{Member, Role, UserId, WorkspaceId};
use lambda::Function;
use store::Journal;
use testkit::people::{ADA, ALAN, GRACE, KEY};
use testkit::probe::{Fault, On};
use testkit::{WORKSPACE, World, event};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("delete-member"), load, handle).await.unwrap();
    (world, function)
}

async fn member(world: &World, user: &str) -> Option<Member> {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    world.accounts().find_member(workspace, UserId::parse(user).unwrap()).await.unwrap()
}

/// Gives somebody a role by another way than this function.
async fn make(world: &World, user: &str, role: Role) {
    let old = member(world, user).await.unwrap();
    world.accounts().change_role(&old, role, &Journal::none()).await.unwrap();
}

#[tokio::test]
async fn a_removed_member_is_in_neither_list() {
    let (world, function) = start().await;
    let answer = event("delete-member/remove").send(&function).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let operations = world.probe.take_operations();
    assert_eq!(operations, ["UpdateItem", "GetItem", "GetItem", "TransactWriteItems"]);
    assert_eq!(member(&world, GRACE).await, None);
    let accounts = world.accounts();
    let page = accounts.members(WorkspaceId::parse(WORKSPACE).unwrap(), None, 9).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert!(accounts.all_workspaces_of(UserId::parse(GRACE).unwrap()).await.unwrap().is_empty());
    let log = world.audit_log(WORKSPACE).await;
    assert_eq!(log, [format!("member.removed {ADA} {GRACE} role=member")]);
    event("delete-member/remove").send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn everybody_may_leave() {
    let (world, function) = start().await;
    make(&world, GRACE, Role::Viewer).await;
    assert_eq!(event("delete-member/leave").send(&function).await.status, 204);
    assert_eq!(member(&world, GRACE).await, None);
    let log = world.audit_log(WORKSPACE).await;
    assert_eq!(log, [format!("member.removed {GRACE} {GRACE} role=viewer")]);
    event("delete-member/leave").send(&function).await.assert_problem(Kind::NotFound);
    let other = event("delete-member/leave").path("id", "wrk_01K9Z0000000000000000000BB");
    other.send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn a_key_sees_people_off_but_no_owner_and_is_nobody_who_could_leave() {
    let (world, function) = start().await;
    assert_eq!(event("delete-member/minimal").send(&function).await.status, 204);
    assert_eq!(member(&world, GRACE).await, None);
    let log = world.audit_log(WORKSPACE).await;
    assert_eq!(log, [format!("member.removed {KEY} {GRACE} role=member")]);
    let owner = event("delete-member/minimal").path("user_id", ADA);
    owner.send(&function).await.assert_problem(Kind::Forbidden);
    for scopes in ["admin", "admin account"] {
        let key = event("delete-member/leave").of_principal(KEY).of_scopes(scopes);
        key.send(&function).await.assert_problem(Kind::Forbidden);
    }
    assert!(member(&world, ADA).await.is_some());
}

#[tokio::test]
async fn whoever_was_demoted_or_revoked_a_moment_ago_removes_nobody() {
    let (world, function) = start().await;
    // As the gateway has kept it: she was an owner.
    let demoted = event("delete-member/remove").of_principal(GRACE).path("user_id", ADA);
    demoted.send(&function).await.assert_problem(Kind::Forbidden);
    let (shop, key) = (WorkspaceId::parse(WORKSPACE).unwrap(), testkit::people::key().id);
    world.accounts().delete_key(shop, key, &Journal::none()).await.unwrap();
    event("delete-member/minimal").send(&function).await.assert_problem(Kind::Unauthorized);
    assert!(member(&world, ADA).await.is_some() && member(&world, GRACE).await.is_some());
}

#[tokio::test]
async fn me_is_nobody_whom_an_admin_could_name() {
    let (world, function) = start().await;
    let event = event("delete-member/remove").path("user_id", "me");
    event.send(&function).await.assert_problem(Kind::NotFound);
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn the_last_owner_cannot_go_and_another_one_can() {
    let (world, function) = start().await;
    let answer = event("delete-member/last-owner").send(&function).await;
    answer.assert_problem(Kind::Conflict);
    assert!(member(&world, ADA).await.is_some());
    make(&world, GRACE, Role::Owner).await;
    assert_eq!(event("delete-member/last-owner").send(&function).await.status, 204);
    assert_eq!(member(&world, GRACE).await.unwrap().role, Role::Owner);
}

#[tokio::test]
async fn of_two_owners_who_leave_at_once_one_stays() {
    let (world, function) = start().await;
    make(&world, GRACE, Role::Owner).await;
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let (ada, grace) = (event("delete-member/last-owner"), event("delete-member/leave"));
    let (a, b) = tokio::join!(ada.send(&function), grace.send(&function));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409]);
    assert!(member(&world, ADA).await.is_some() != member(&world, GRACE).await.is_some());
}

#[tokio::test]
async fn others_are_removed_by_who_manages_them_only() {
    let (world, function) = start().await;
    make(&world, GRACE, Role::Admin).await;
    // Grace wants Ada to go, who is an owner.
    event("delete-member/too-small-a-role").send(&function).await.assert_problem(Kind::Forbidden);
    assert!(member(&world, ADA).await.is_some());
    // A token that carries less than its holder's role is good for less.
    let narrow = event("delete-member/remove").of_scopes("links:write account");
    narrow.send(&function).await.assert_problem(Kind::Forbidden);
    assert!(member(&world, GRACE).await.is_some());
}

#[tokio::test]
async fn who_manages_nobody_does_not_learn_who_is_there() {
    let (world, function) = start().await;
    let mut bodies = Vec::new();
    for user in [ADA, ALAN, "usr_01K9Z0000000000000000000TZ"] {
        let event = event("delete-member/missing-scope").path("user_id", user);
        let answer = event.send(&function).await;
        answer.assert_problem(Kind::Forbidden);
        bodies.push(answer.text);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert_eq!(world.probe.count("GetItem"), 0);
}

#[tokio::test]
async fn who_is_no_member_is_not_found_nor_is_another_workspace() {
    let (_world, function) = start().await;
    for name in ["unknown-member", "other-workspace"] {
        let answer = event(&format!("delete-member/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
    }
    let no_id = event("delete-member/remove").path("user_id", "grace");
    no_id.send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_still_a_204() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(event("delete-member/remove").send(&function).await.status, 204);
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1);
}

#[tokio::test]
async fn whoever_always_loses_is_told_so() {
    let (world, function) = start().await;
    let lost = Fault::cancel("ConditionalCheckFailed", |item| item.sk.contains(GRACE));
    world.probe.inject(On::operation("TransactWriteItems"), lost);
    event("delete-member/remove").send(&function).await.assert_problem(Kind::Conflict);
    assert_eq!(world.probe.count("TransactWriteItems"), TRIES);
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let without = || event("delete-member/not-authorized");
    let removes = [without(), event("delete-member/missing-scope")];
    world.assert_credentials_come_first(removes, "admin", &function).await;
    let leaves = [without(), event("delete-member/leave").of_scopes("admin")];
    world.assert_credentials_come_first(leaves, "account", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("delete-member/remove");
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event, &function).await;
}
