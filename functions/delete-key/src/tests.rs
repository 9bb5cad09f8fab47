//! Revoking API keys, from the events of `events/delete-key`.

use lambda::Function;
use testkit::people::{ADA, KEY, key};
use testkit::probe::{Fault, On};
use testkit::{World, event};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("delete-key"), load, handle).await.unwrap();
    (world, function)
}

async fn is_there(world: &World) -> bool {
    let found = world.accounts().find_key(key().id).await.unwrap().is_some();
    let listed = world.accounts().keys(key().workspace, None, 100).await.unwrap().items;
    assert_eq!(found, !listed.is_empty(), "the key and its place in the list are one thing");
    found
}

#[tokio::test]
async fn a_revoked_key_is_gone_and_the_log_says_who_revoked_it() {
    let (world, function) = start().await;
    let answer = event("delete-key/minimal").send(&function).await;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    assert_eq!(world.probe.take_operations(), ["UpdateItem", "TransactWriteItems"]);
    assert!(!is_there(&world).await);
    let log = world.accounts().audit(key().workspace, None, 100).await.unwrap().items;
    let [entry] = log.try_into().unwrap();
    assert_eq!((entry.action, entry.subject.as_str()), (Action::KeyDeleted, KEY));
    assert_eq!(entry.actor.to_string(), ADA);
}

#[tokio::test]
async fn what_is_not_there_or_belongs_to_others_is_not_found_and_stays() {
    let (world, function) = start().await;
    let mut bodies = Vec::new();
    for name in ["unknown-key", "other-workspace", "not-an-id"] {
        let answer = event(&format!("delete-key/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
        bodies.push(answer.json());
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    assert!(is_there(&world).await);
    let log = world.accounts().audit(key().workspace, None, 100).await.unwrap().items;
    assert!(log.is_empty(), "nothing was done");
}

#[tokio::test]
async fn a_second_time_there_is_nothing_to_revoke() {
    let (_, function) = start().await;
    assert_eq!(event("delete-key/minimal").send(&function).await.status, 204);
    event("delete-key/minimal").send(&function).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_is_still_a_204() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(event("delete-key/minimal").send(&function).await.status, 204);
    assert!(!is_there(&world).await);
}

#[tokio::test]
async fn of_two_at_once_one_revokes() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let event = event("delete-key/minimal");
    let (a, b) = tokio::join!(event.send(&function), event.send(&function));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 404]);
}

#[tokio::test]
async fn credentials_come_before_everything_else() {
    let (world, function) = start().await;
    let events = [event("delete-key/not-authorized"), event("delete-key/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn without_dynamodb_it_says_try_again_and_nothing_of_the_cause() {
    let (world, function) = start().await;
    let event = event("delete-key/minimal");
    world.assert_unavailable_without(&["TransactWriteItems"], &event, &function).await;
    assert!(is_there(&world).await);
}
