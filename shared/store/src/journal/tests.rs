//! What is written beside a change, against the embedded stores.

use domain::{Action, AuditId, KeyId, KeyRecord, WorkspaceId};
use jiff::SignedDuration;
use testkit::people::key;
use testkit::probe::{Fault, On};
use testkit::{WORKSPACE, World, link, now};

use super::*;
use crate::{
    AccountStore, CreateError, CreateKeyError, DeleteError, DeleteKeyError, LinkStore, UpdateError,
};

fn workspace() -> WorkspaceId {
    WorkspaceId::parse(WORKSPACE).unwrap()
}

fn event(number: u128, action: Action) -> AuditEvent {
    AuditEvent::new(AuditId::new(now(), number), workspace(), key().id, action, "lnk_1")
}

fn answer(text: &str) -> Answer {
    Answer {
        id: "00ff".to_owned(),
        fingerprint: "ff00".to_owned(),
        sealed: text.as_bytes().to_vec(),
        at: now(),
    }
}

fn journal(number: u128) -> Journal {
    Journal::new("accounts", event(number, Action::LinkCreated))
}

fn answered(number: u128) -> Journal {
    journal(number).answered(Some(answer(&number.to_string())))
}

fn other_key(number: u128) -> KeyRecord {
    KeyRecord { id: KeyId::new(now(), number), ..key() }
}

/// A world, and its stores as functions see them.
async fn start() -> (World, LinkStore, AccountStore) {
    let world = World::new().await;
    let aws = world.boot("test").aws;
    let (links, accounts) = (LinkStore::new(&aws, "links"), AccountStore::new(&aws, "accounts"));
    (world, links, accounts)
}

async fn entries(accounts: &AccountStore) -> Vec<AuditEvent> {
    accounts.audit(workspace(), None, 100).await.unwrap().items
}

async fn kept(accounts: &AccountStore) -> Option<Answer> {
    accounts.find_answer("00ff", now()).await.unwrap()
}

#[tokio::test]
async fn an_entry_and_an_answer_are_there_with_the_change_in_one_call() {
    let (world, links, accounts) = start().await;
    let journal = answered(1).with("role", "admin").and(event(2, Action::MemberAdded));
    links.create(&link("a"), &journal).await.unwrap();
    assert_eq!(world.probe.take_operations(), ["TransactWriteItems"]);
    let log = entries(&accounts).await;
    assert_eq!(
        log,
        [event(2, Action::MemberAdded), event(1, Action::LinkCreated).with("role", "admin")]
    );
    assert_eq!(kept(&accounts).await, Some(answer("1")));
}

#[tokio::test]
async fn where_there_is_no_change_there_is_no_entry_and_no_answer() {
    let (_world, links, accounts) = start().await;
    links.create(&link("a"), &Journal::none()).await.unwrap();
    let mut rival = link("b");
    rival.slug = link("a").slug;
    let error = links.create(&rival, &answered(1)).await.unwrap_err();
    assert!(matches!(error, CreateError::SlugTaken(_)));
    let mut stale = link("a");
    stale.revision = 7;
    let error = links.delete(&stale, now(), &journal(2)).await.unwrap_err();
    assert!(matches!(error, DeleteError::Changed(_)));
    let error = accounts.delete_key(workspace(), key().id, &journal(3)).await.unwrap_err();
    assert!(matches!(error, DeleteKeyError::NotFound(_)));
    assert_eq!((entries(&accounts).await, kept(&accounts).await), (Vec::new(), None));
}

#[tokio::test]
async fn a_change_that_arrived_before_is_known_by_its_entry() {
    let (_world, links, accounts) = start().await;
    let (old, journals) = (link("a"), [journal(1), journal(2), journal(3), journal(4)]);
    let mut new = old.clone();
    (new.revision, new.definition.forward_query) = (2, true);
    // Twice each, as if only the answer of the first had been lost, and DynamoDB had forgotten the
    // token by then.
    for _ in 0..2 {
        links.create(&old, &journals[0]).await.unwrap();
    }
    for _ in 0..2 {
        links.update(&old, &new, &journals[1]).await.unwrap();
    }
    for _ in 0..2 {
        links.delete(&new, now(), &journals[2]).await.unwrap();
    }
    accounts.put_key(&key()).await.unwrap();
    for _ in 0..2 {
        accounts.delete_key(workspace(), key().id, &journals[3]).await.unwrap();
    }
    assert_eq!(entries(&accounts).await.len(), 4);
    // Somebody else's deletion is another one.
    let error = links.delete(&new, now(), &journal(5)).await.unwrap_err();
    assert!(matches!(error, DeleteError::Changed(_)));
}

#[tokio::test]
async fn a_request_that_was_answered_changes_nothing_more() {
    let (_world, links, accounts) = start().await;
    links.create(&link("a"), &answered(1)).await.unwrap();
    let error = links.create(&link("b"), &answered(2)).await.unwrap_err();
    assert!(matches!(error, CreateError::Answered), "{error:?}");
    // Also where the same slug is in the way: the answer counts, and not the conflict.
    let mut rival = link("b");
    rival.slug = link("a").slug;
    let error = links.create(&rival, &answered(3)).await.unwrap_err();
    assert!(matches!(error, CreateError::Answered), "{error:?}");
    let error = accounts.create_key(&other_key(1), &answered(4)).await.unwrap_err();
    assert!(matches!(error, CreateKeyError::Answered), "{error:?}");
    assert_eq!(entries(&accounts).await.len(), 1);
    assert_eq!(kept(&accounts).await, Some(answer("1")));
    assert!(links.find(workspace(), rival.id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_answer_that_has_expired_makes_room() {
    let (_world, links, accounts) = start().await;
    links.create(&link("a"), &answered(1)).await.unwrap();
    let later = now() + SignedDuration::from_hours(24);
    assert_eq!(accounts.find_answer("00ff", later).await.unwrap(), None);
    let second = Answer { at: later, ..answer("2") };
    let soon = Answer { at: later - SignedDuration::from_secs(1), ..answer("2") };
    let error = links.create(&link("b"), &journal(2).answered(Some(soon))).await.unwrap_err();
    assert!(matches!(error, CreateError::Answered));
    links.create(&link("b"), &journal(2).answered(Some(second.clone()))).await.unwrap();
    assert_eq!(accounts.find_answer("00ff", later).await.unwrap(), Some(second));
}

#[tokio::test]
async fn a_condition_that_fails_while_others_write_the_answer_is_looked_at_again() {
    let (world, links, accounts) = start().await;
    let mut rival = link("b");
    rival.slug = link("a").slug;
    links.create(&link("a"), &answered(1)).await.unwrap();
    // The slug is taken already, and whether there is an answer is about to be decided.
    let mixed = |item: &testkit::probe::Item| match item.table.as_str() {
        "accounts" => Some("TransactionConflict"),
        _ if item.sk == "S" => Some("ConditionalCheckFailed"),
        _ => None,
    };
    let cancelled = Fault::Cancel(std::sync::Arc::new(mixed));
    world.probe.inject(On::operation("TransactWriteItems").times(2), cancelled);
    let error = links.create(&rival, &answered(2)).await.unwrap_err();
    assert!(matches!(error, CreateError::Answered), "{error:?}");
    assert_eq!(world.probe.fired(), 2);
    assert_eq!(entries(&accounts).await.len(), 1);
}

#[tokio::test]
async fn an_edit_that_does_not_hold_is_told_as_without_a_journal() {
    let (_world, links, _) = start().await;
    links.create(&link("a"), &journal(1)).await.unwrap();
    let mut stale = link("a");
    stale.revision = 7;
    let mut new = stale.clone();
    new.revision = 8;
    let error = links.update(&stale, &new, &journal(2)).await.unwrap_err();
    assert!(matches!(error, UpdateError::Changed(_)));
}

#[tokio::test]
async fn what_nobody_in_a_workspace_did_stands_in_their_own_log() {
    let (world, links, accounts) = start().await;
    let own = AuditEvent { workspace: None, ..event(1, Action::UserRegistered) };
    links.create(&link("a"), &Journal::new("accounts", own)).await.unwrap();
    assert!(entries(&accounts).await.is_empty());
    let calls = world.probe.take_calls();
    let write = calls.iter().find(|call| call.operation == "TransactWriteItems").unwrap();
    assert!(write.body.to_string().contains(&format!("A#{}", key().id)));
}
