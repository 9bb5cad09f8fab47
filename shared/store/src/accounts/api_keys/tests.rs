//! API keys against the embedded DynamoDB.

use domain::{Action, AuditEvent, AuditId};
use jiff::SignedDuration;
use testkit::people::key;
use testkit::probe::{Fault, On};
use testkit::{OTHER_WORKSPACE, World, now};

use super::*;

fn at(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

async fn start() -> (World, AccountStore) {
    let world = World::new().await;
    let store = AccountStore::new(&world.boot("test").aws, "accounts");
    (world, store)
}

fn made(number: u128) -> KeyRecord {
    KeyRecord { id: KeyId::new(at(i64::try_from(number).unwrap()), number), ..key() }
}

#[tokio::test]
async fn a_key_reads_back_whole_and_is_listed() {
    let (_world, store) = start().await;
    let full = KeyRecord {
        expires_at: Some(at(1)),
        writes_per_minute: Some(600),
        last_used_at: Some(at(0)),
        ..key()
    };
    let bare = KeyRecord { created_by: None, scopes: Vec::new(), ..made(1) };
    for key in [&full, &bare] {
        store.create_key(key, &Journal::none()).await.unwrap();
        assert_eq!(store.find_key(key.id).await.unwrap().as_ref(), Some(key));
    }
    let page = store.keys(full.workspace, None, 100).await.unwrap();
    assert_eq!((page.items, page.next), (vec![bare, full.clone()], None));
    let other = WorkspaceId::parse(OTHER_WORKSPACE).unwrap();
    assert!(store.keys(other, None, 100).await.unwrap().items.is_empty());
    // Written over by the platform that made it.
    store.put_key(&full).await.unwrap();
    assert_eq!(store.keys(full.workspace, None, 100).await.unwrap().items.len(), 2);
}

#[tokio::test]
async fn a_full_page_says_where_the_next_one_begins() {
    let (_world, store) = start().await;
    for number in 0..3 {
        store.create_key(&made(number), &Journal::none()).await.unwrap();
    }
    let first = store.keys(key().workspace, None, 2).await.unwrap();
    assert_eq!(first.items, [made(2), made(1)]);
    let second = store.keys(key().workspace, first.next, 2).await.unwrap();
    assert_eq!((second.items, second.next), (vec![made(0)], None));
    // The one at which it begins may be gone.
    store.delete_key(key().workspace, made(1).id, &Journal::none()).await.unwrap();
    let again = store.keys(key().workspace, first.next, 2).await.unwrap();
    assert_eq!(again.items, [made(0)]);
}

#[tokio::test]
async fn an_id_that_is_taken_makes_nobody_elses_key() {
    let (_world, store) = start().await;
    store.create_key(&key(), &Journal::none()).await.unwrap();
    let stranger = WorkspaceId::parse(OTHER_WORKSPACE).unwrap();
    let stolen = KeyRecord { workspace: stranger, ..key() };
    let error = store.create_key(&stolen, &Journal::none()).await.unwrap_err();
    assert!(matches!(error, CreateKeyError::Unavailable(_)));
    let error = store.delete_key(stranger, key().id, &Journal::none()).await.unwrap_err();
    assert!(matches!(error, DeleteKeyError::NotFound(_)));
    assert_eq!(store.find_key(key().id).await.unwrap(), Some(key()));
}

#[tokio::test]
async fn a_key_that_no_list_has_is_listed_once_and_can_be_revoked_then() {
    let (_world, store) = start().await;
    store.create_key(&key(), &Journal::none()).await.unwrap();
    store.list_key(&key()).await.unwrap();
    let unlisted = keys::key_of(key().workspace, key().id);
    let delete = store.client.delete_item().table_name(&store.table);
    delete.set_key(Some(unlisted.attributes())).send().await.unwrap();
    assert!(store.keys(key().workspace, None, 10).await.unwrap().items.is_empty());
    for _ in 0..2 {
        store.list_key(&key()).await.unwrap();
        let listed = store.keys(key().workspace, None, 10).await.unwrap();
        assert_eq!(listed.items, [key()]);
    }
    store.delete_key(key().workspace, key().id, &Journal::none()).await.unwrap();
    assert_eq!(store.find_key(key().id).await.unwrap(), None);
}

#[tokio::test]
async fn of_many_that_use_a_key_at_once_one_writes_it_down() {
    let (world, store) = start().await;
    store.create_key(&key(), &Journal::none()).await.unwrap();
    world.probe.inject(On::operation("UpdateItem").times(2), Fault::meet(2));
    let seen = key();
    let (a, b) = tokio::join!(store.touch_key(&seen, at(5)), store.touch_key(&seen, at(6)));
    assert!(a.is_ok() && b.is_ok());
    let used = store.find_key(key().id).await.unwrap().unwrap();
    let first = used.last_used_at.unwrap();
    assert!([at(5), at(6)].contains(&first));
    // Whoever has read it before knows too little.
    store.touch_key(&seen, at(7)).await.unwrap();
    assert_eq!(store.find_key(key().id).await.unwrap(), Some(used.clone()));
    store.touch_key(&used, at(3700)).await.unwrap();
    let used = store.find_key(key().id).await.unwrap().unwrap();
    assert_eq!(used.last_used_at, Some(at(3700)));
    assert_eq!(KeyRecord { last_used_at: None, ..used }, key(), "nothing else changes");
}

#[tokio::test]
async fn a_key_that_was_revoked_does_not_come_back_by_its_use() {
    let (_world, store) = start().await;
    store.create_key(&key(), &Journal::none()).await.unwrap();
    let event = AuditEvent::new(
        AuditId::new(now(), 1),
        key().workspace,
        key().id,
        Action::KeyDeleted,
        key().id,
    );
    store.delete_key(key().workspace, key().id, &Journal::new("accounts", event)).await.unwrap();
    store.touch_key(&key(), at(5)).await.unwrap();
    let used = KeyRecord { last_used_at: Some(at(1)), ..key() };
    store.touch_key(&used, at(5)).await.unwrap();
    assert_eq!(store.find_key(key().id).await.unwrap(), None);
}
