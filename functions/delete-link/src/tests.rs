//! The handler from its events, against the embedded DynamoDB.

use std::sync::Arc;

use domain::{LinkChange, LinkId, Slug, Tag, WorkspaceId};
use lambda::Function;
use store::ledger::{PurgeOrder, Target};
use store::{CreateError, Filter, Found, Journal};
use testkit::probe::{Fault, On, Service};
use testkit::{OTHER_WORKSPACE, SPRING, WORKSPACE, World, event, link, now};
use tokio::sync::Barrier;

use super::*;

/// A world with the events' link, and the function.
async fn start() -> (World, Function) {
    let world = World::with_spring().await;
    let function = Function::http(world.boot("delete-link"), load, handle).await.unwrap();
    (world, function)
}

fn spring() -> LinkId {
    LinkId::parse(SPRING).unwrap()
}

async fn stored(world: &World) -> Option<Link> {
    world.links().find(WorkspaceId::parse(WORKSPACE).unwrap(), spring()).await.unwrap()
}

async fn follow(world: &World, slug: &str) -> Found {
    world.routes().follow(&link("x").domain, &Slug::parse(slug).unwrap()).await.unwrap()
}

/// The link gets a title by another way than this function.
async fn edit(world: &World) {
    let old = stored(world).await.unwrap();
    let change = LinkChange { forward_query: Some(true), ..LinkChange::default() };
    let new = old.edited(change, now()).unwrap();
    world.links().update(&old, &new, &Journal::none()).await.unwrap();
}

#[tokio::test]
async fn a_deleted_link_is_gone_with_all_its_slugs() {
    let (world, function) = start().await;
    let answer = event("delete-link/minimal").send(&function).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(world.probe.take_operations(), ["UpdateItem", "GetItem", "TransactWriteItems"]);
    assert_eq!(stored(&world).await, None);
    for slug in ["spring", "fruehling"] {
        assert_eq!(follow(&world, slug).await, Found::Deleted, "{slug}");
    }
}

#[tokio::test]
async fn the_log_says_who_deleted_it() {
    let (world, function) = start().await;
    for status in [204, 404] {
        assert_eq!(event("delete-link/minimal").send(&function).await.status, status);
    }
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    let log = world.accounts().audit(workspace, None, 100).await.unwrap().items;
    let [entry] = log.try_into().unwrap();
    assert_eq!((entry.action, entry.subject.as_str()), (Action::LinkDeleted, SPRING));
    assert_eq!(entry.actor.to_string(), testkit::people::KEY);
}

#[tokio::test]
async fn deletions_are_limited_and_say_what_is_left() {
    let world = World::with_spring().await;
    let boot = world.boot_with("delete-link", &[("WRITES_PER_MINUTE", "1")]);
    let function = Function::http(boot, load, handle).await.unwrap();
    let answer = event("delete-link/unknown-link").send(&function).await;
    assert_eq!((answer.status, answer.header("ratelimit")), (404, "\"writes\";r=0;t=60"));
    event("delete-link/minimal").send(&function).await.assert_problem(Kind::RateLimited);
    assert!(stored(&world).await.is_some());
}

#[tokio::test]
async fn its_tags_and_its_limit_go_with_it() {
    let world = World::new().await;
    let mut link = link("spring");
    link.id = spring();
    link.definition.tags = vec![Tag::parse("mail").unwrap()];
    link.definition.max_clicks = Some(5);
    world.add(&link).await;
    let function = Function::http(world.boot("delete-link"), load, handle).await.unwrap();
    assert_eq!(event("delete-link/minimal").send(&function).await.status, 204);
    let filter = Filter { tag: Tag::parse("mail").ok(), prefix: None };
    let page = world.links().page(link.workspace, &filter, None, 10).await.unwrap();
    assert!(page.links.is_empty());
    // Nothing is left that could be spent.
    assert_eq!(world.routes().spend(link.id, 1).await.unwrap(), store::Spent::Unlimited);
}

#[tokio::test]
async fn its_slugs_are_free_for_its_own_workspace_only() {
    let (world, function) = start().await;
    assert_eq!(event("delete-link/minimal").send(&function).await.status, 204);
    let mut stranger = link("spring");
    stranger.workspace = WorkspaceId::parse(OTHER_WORKSPACE).unwrap();
    let outcome = world.links().create(&stranger, &Journal::none()).await;
    assert!(matches!(outcome, Err(CreateError::SlugTaken(_))), "{outcome:?}");
    world.add(&link("spring")).await;
    assert!(matches!(follow(&world, "spring").await, Found::Route(_)));
}

#[tokio::test]
async fn a_second_time_there_is_nothing_to_delete() {
    let (_world, function) = start().await;
    assert_eq!(event("delete-link/minimal").send(&function).await.status, 204);
    event("delete-link/minimal").send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn a_condition_is_kept() {
    let (world, function) = start().await;
    let answer = event("delete-link/wrong-if-match").send(&function).await;
    answer.assert_problem(Kind::PreconditionFailed);
    assert!(stored(&world).await.is_some());
    assert_eq!(event("delete-link/if-match").send(&function).await.status, 204);
}

#[tokio::test]
async fn any_version_will_do_for_a_star() {
    let (world, function) = start().await;
    edit(&world).await;
    let event = event("delete-link/minimal").header("if-match", "*");
    assert_eq!(event.send(&function).await.status, 204);
}

#[tokio::test]
async fn a_condition_that_is_none_is_refused_with_its_place() {
    let (world, function) = start().await;
    let answer = event("delete-link/invalid-if-match").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["If-Match"]);
    assert_eq!(world.probe.take_operations(), ["UpdateItem"]);
}

#[tokio::test]
async fn what_is_not_there_or_belongs_to_others_is_not_found_and_stays() {
    let (world, function) = start().await;
    for name in ["unknown-link", "other-workspace"] {
        let answer = event(&format!("delete-link/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
    }
    let answer = event("delete-link/minimal").path("id", "spring").send(&function).await;
    answer.assert_problem(Kind::NotFound);
    assert!(stored(&world).await.is_some());
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn nobody_deletes_without_credentials_or_without_the_scope() {
    let (world, function) = start().await;
    let events = [event("delete-link/not-authorized"), event("delete-link/missing-scope")];
    world.assert_credentials_come_first(events, "links:write", &function).await;
}

#[tokio::test]
async fn without_dynamodb_it_says_try_again_and_nothing_of_the_cause() {
    let (world, function) = start().await;
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event("delete-link/minimal"), &function).await;
    assert!(stored(&world).await.is_some());
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_deletes_once() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(event("delete-link/minimal").send(&function).await.status, 204);
    assert_eq!(world.probe.count("TransactWriteItems"), 2);
}

#[tokio::test]
async fn two_transactions_that_meet_are_not_the_callers_business() {
    let (world, function) = start().await;
    let conflict = Fault::cancel("TransactionConflict", |_| true);
    world.probe.inject(On::service(Service::DynamoDb).holding("TransactItems").times(3), conflict);
    assert_eq!(event("delete-link/minimal").send(&function).await.status, 204);
    assert_eq!(world.probe.fired(), 3);
}

/// Deletes by this event while somebody else edits the link between the read and the write.
async fn race(world: &World, function: &Function, event: testkit::Event) -> testkit::Answer {
    let gate = Arc::new(Barrier::new(2));
    let write = On::operation("TransactWriteItems").once();
    world.probe.inject(write, Fault::Meet(Arc::clone(&gate)));
    let other = async {
        world.probe.wait_for(1).await;
        edit(world).await;
        gate.wait().await;
    };
    tokio::join!(event.send(function), other).0
}

#[tokio::test]
async fn a_link_that_is_edited_meanwhile_is_deleted_all_the_same() {
    let (world, function) = start().await;
    let answer = race(&world, &function, event("delete-link/minimal")).await;
    assert_eq!(answer.status, 204);
    assert_eq!(stored(&world).await, None);
    assert_eq!(follow(&world, "spring").await, Found::Deleted);
}

#[tokio::test]
async fn a_link_that_is_edited_meanwhile_is_kept_where_a_version_was_named() {
    let (world, function) = start().await;
    let answer = race(&world, &function, event("delete-link/if-match")).await;
    answer.assert_problem(Kind::PreconditionFailed);
    assert_eq!(stored(&world).await.unwrap().revision, 2);
}

#[tokio::test]
async fn a_link_that_others_never_leave_alone_is_a_conflict() {
    let (world, function) = start().await;
    let fault = Fault::cancel("ConditionalCheckFailed", |item| item.action == "Delete");
    world.probe.inject(On::operation("TransactWriteItems"), fault);
    event("delete-link/minimal").send(&function).await.assert_problem(Kind::Conflict);
    assert_eq!(world.probe.count("TransactWriteItems"), TRIES);
    assert!(stored(&world).await.is_some());
}

#[tokio::test]
async fn many_deletes_at_once_delete_once() {
    let (world, function) = start().await;
    // All of them read before the first one writes.
    world.probe.inject(On::operation("TransactWriteItems").times(8), Fault::meet(8));
    let answers: Vec<_> = (0..8)
        .map(|_| {
            let function = function.clone();
            tokio::spawn(async move { event("delete-link/minimal").send(&function).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for answer in answers {
        statuses.push(answer.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404, 404, 404, 404, 404, 404, 404]);
}

/// The events' link with what is stored of its purge.
async fn ordered(world: &World) -> Option<PurgeOrder> {
    world.ledger().purge_order(Target::Link(spring())).await.unwrap()
}

#[tokio::test]
async fn a_purge_is_ordered_with_the_deletion_and_told_to_the_worker() {
    let (world, function) = start().await;
    let answer = event("delete-link/purge").send(&function).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let expected = serde_json::json!({
        "id": SPRING, "ordered_at": "2026-11-20T14:03:27.412Z", "purged_at": null
    });
    assert_eq!(answer.json(), expected);
    let operations = world.probe.take_operations();
    assert_eq!(operations, ["UpdateItem", "GetItem", "SendMessage", "TransactWriteItems"]);
    assert_eq!(stored(&world).await, None);
    let order = ordered(&world).await.unwrap();
    assert_eq!(order.ordered_by.to_string(), testkit::people::KEY);
    // The message waits until this request has ended for certain.
    assert!(world.take_purges().await.is_empty());
    let mut log = world.audit_log(WORKSPACE).await;
    log.sort();
    let entry = |action| format!("{action} {} {SPRING}", testkit::people::KEY);
    assert_eq!(log, ["link.deleted", "link.purge_ordered"].map(entry));
}

#[tokio::test]
async fn what_was_deleted_before_can_be_purged_and_asked_for_again() {
    let (world, function) = start().await;
    assert_eq!(event("delete-link/minimal").send(&function).await.status, 204);
    assert_eq!(ordered(&world).await, None);
    for _ in 0..3 {
        assert_eq!(event("delete-link/purge").send(&function).await.status, 202);
    }
    assert_eq!(world.probe.count("SendMessage"), 1, "who asks how far it is starts nothing");
    // Unless it takes too long.
    world.clock.advance(jiff::SignedDuration::from_secs(3601));
    assert_eq!(event("delete-link/purge").send(&function).await.status, 202);
    assert_eq!(world.probe.count("SendMessage"), 2);
    let log = world.audit_log(WORKSPACE).await;
    let orders = log.iter().filter(|entry| entry.starts_with("link.purge_ordered"));
    assert_eq!(orders.count(), 1, "{log:?}");
    // When it is proved, asking says so, and nothing is sent any more.
    let order = ordered(&world).await.unwrap();
    let (ledger, removed) = (world.ledger(), store::ledger::Removed::default());
    ledger.prove_purge(&order, removed, now(), &Journal::none()).await.unwrap();
    let answer = event("delete-link/purge").send(&function).await;
    assert_eq!(answer.json()["purged_at"], "2026-11-20T14:03:27.412Z");
    assert_eq!(world.probe.count("SendMessage"), 2);
    // Without asking for the purge there is nothing to delete.
    event("delete-link/minimal").send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn a_purge_of_nothing_is_no_purge() {
    let (world, function) = start().await;
    let unknown = event("delete-link/unknown-link").query("purge=true");
    unknown.send(&function).await.assert_problem(Kind::NotFound);
    let other = event("delete-link/purge").of_workspace(OTHER_WORKSPACE);
    other.send(&function).await.assert_problem(Kind::NotFound);
    event("delete-link/invalid-purge").send(&function).await.assert_problem(Kind::InvalidRequest);
    let kept = event("delete-link/purge").query("purge=false").send(&function).await;
    assert_eq!(kept.status, 204);
    assert!(ordered(&world).await.is_none() && world.probe.count("SendMessage") == 0);
}

#[tokio::test]
async fn what_the_worker_cannot_be_told_is_neither_deleted_nor_ordered() {
    let (world, function) = start().await;
    world.probe.inject(On::service(Service::Sqs), Fault::Unreachable);
    event("delete-link/purge").send(&function).await.assert_problem(Kind::Unavailable);
    assert!(ordered(&world).await.is_none() && stored(&world).await.is_some());
    world.probe.heal();
    assert_eq!(event("delete-link/purge").send(&function).await.status, 202);
}
