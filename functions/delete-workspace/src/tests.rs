//! The handler from its events, against the embedded stores.

use lambda::Function;
use testkit::people::{ADA, GRACE};
use testkit::probe::{Fault as Broken, On, Service};
use testkit::{Event, WORKSPACE, World, event, people};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("delete-workspace"), load, handle).await.unwrap();
    (world, function)
}

async fn is_there(world: &World) -> bool {
    world.accounts().find_workspace(people::workspace().id).await.unwrap().is_some()
}

/// The same request by somebody else.
fn by(who: &str, role: &str) -> Event {
    let mut event = event("delete-workspace/minimal").json().clone();
    let context = &mut event["requestContext"]["authorizer"]["lambda"];
    context["principal"] = who.into();
    context["role"] = role.into();
    Event::of(event)
}

#[tokio::test]
async fn a_deleted_workspace_is_gone_and_its_purge_is_ordered() {
    let (world, function) = start().await;
    let answer = event("delete-workspace/minimal").send(&function).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let expected = serde_json::json!({
        "id": WORKSPACE, "ordered_at": "2026-11-20T14:03:27.412Z", "purged_at": null
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(
        world.probe.take_operations(),
        ["UpdateItem", "GetItem", "GetItem", "SendMessage", "TransactWriteItems"]
    );
    assert!(!is_there(&world).await);
    let target = Target::Workspace(people::workspace().id);
    let order = world.ledger().purge_order(target).await.unwrap().unwrap();
    assert_eq!((order.ordered_by.to_string().as_str(), order.proof), (ADA, None));
    assert_eq!(world.audit_log(WORKSPACE).await, [format!("workspace.deleted {ADA} {WORKSPACE}")]);
    // The list of those that she is in has it no more, although the worker has done nothing yet.
    assert!(world.accounts().all_workspaces_of(people::ada().id).await.unwrap().is_empty());
    event("delete-workspace/minimal").send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn nothing_is_deleted_without_its_name() {
    let (world, function) = start().await;
    for name in ["not-confirmed", "wrong-confirm"] {
        let answer = event(&format!("delete-workspace/{name}")).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert!(answer.text.contains("\"parameter\":\"confirm\""), "{}", answer.text);
    }
    assert!(is_there(&world).await);
    assert_eq!(world.probe.count("SendMessage"), 0);
}

#[tokio::test]
async fn only_an_owner_deletes_it() {
    let (world, function) = start().await;
    // What the gateway remembers of a role does not make an owner, nor does a key.
    for (who, role) in [(GRACE, "owner"), (ADA, "admin"), (people::KEY, "owner")] {
        by(who, role).send(&function).await.assert_problem(Kind::Forbidden);
    }
    event("delete-workspace/other-workspace").send(&function).await.assert_problem(Kind::NotFound);
    assert!(is_there(&world).await);
}

#[tokio::test]
async fn a_condition_is_kept() {
    let (world, function) = start().await;
    let answer = event("delete-workspace/wrong-if-match").send(&function).await;
    answer.assert_problem(Kind::PreconditionFailed);
    assert!(is_there(&world).await);
    assert_eq!(event("delete-workspace/if-match").send(&function).await.status, 202);
}

#[tokio::test]
async fn it_is_deleted_although_it_is_edited_at_the_same_time() {
    let (world, function) = start().await;
    let failed = Broken::cancel("ConditionalCheckFailed", |item| item.pk == "W");
    world.probe.inject(On::operation("TransactWriteItems").once(), failed);
    assert_eq!(event("delete-workspace/minimal").send(&function).await.status, 202);
    assert_eq!(world.probe.count("SendMessage"), 1);
    let failed = Broken::cancel("ConditionalCheckFailed", |item| item.pk == "W");
    world.probe.heal();
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems"), failed);
    event("delete-workspace/minimal").send(&function).await.assert_problem(Kind::Conflict);
    assert!(is_there(&world).await);
}

#[tokio::test]
async fn what_cannot_be_asked_for_is_not_deleted() {
    let (world, function) = start().await;
    world.probe.inject(On::service(Service::Sqs), Broken::Unreachable);
    event("delete-workspace/minimal").send(&function).await.assert_problem(Kind::Unavailable);
    assert!(is_there(&world).await);
    world.probe.heal();
    let event = event("delete-workspace/minimal");
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event, &function).await;
    assert!(is_there(&world).await);
}

#[tokio::test]
async fn credentials_come_first() {
    let (world, function) = start().await;
    let events = ["not-authorized", "missing-scope"];
    let events = events.map(|name| event(&format!("delete-workspace/{name}")));
    world.assert_credentials_come_first(events, "admin", &function).await;
}
