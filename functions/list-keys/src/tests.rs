//! Listing API keys, from the events of `events/list-keys`.

use domain::{KeyId, KeyRecord};
use jiff::SignedDuration;
use lambda::{Function, Kind};
use serde_json::{Value, json};
use testkit::people::{ADA, API_KEY, KEY, key};
use testkit::{OTHER_WORKSPACE, World, event, now};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("list-keys"), load, handle).await.unwrap();
    (world, function)
}

/// Adds a key that was made so many seconds after the events.
async fn add(world: &World, second: i64) -> KeyId {
    let id = KeyId::new(now() + SignedDuration::from_secs(second), 1);
    world.accounts().put_key(&KeyRecord { id, ..key() }).await.unwrap();
    id
}

#[tokio::test]
async fn a_key_is_shown_without_its_secret() {
    let (world, function) = start().await;
    let used = KeyRecord {
        last_used_at: Some("2026-11-20T13:00:00Z".parse().unwrap()),
        writes_per_minute: Some(600),
        ..key()
    };
    world.accounts().put_key(&used).await.unwrap();
    let answer = event("list-keys/minimal").send(&function).await;
    assert_eq!(
        answer.json(),
        json!({
            "items": [{
                "id": KEY, "name": "newsletter",
                "scopes": ["links:read", "links:write", "stats:read"],
                "created_at": key().created_at().to_string(), "created_by": ADA,
                "expires_at": null, "last_used_at": "2026-11-20T13:00:00Z",
                "writes_per_minute": 600,
            }],
            "next": null,
        })
    );
    assert!(!answer.text.contains(&API_KEY[29..72]) && !answer.text.contains(&key().hash.to_hex()));
    assert_eq!(world.probe.take_operations(), ["Query", "BatchGetItem"]);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_newest_first() {
    let (world, function) = start().await;
    let mut expected = vec![KEY.to_owned()];
    for second in 1..=4 {
        expected.insert(0, add(&world, second).await.to_string());
    }
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = event("list-keys/full").query(&query).send(&function).await.json();
        let ids = page["items"].as_array().unwrap().iter();
        seen.extend(ids.map(|item| item["id"].as_str().unwrap().to_owned()));
        let Value::String(next) = &page["next"] else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_page_may_be_read_while_its_keys_are_revoked() {
    let (world, function) = start().await;
    let id = add(&world, 1).await;
    let nothing = store::Journal::none();
    world.accounts().delete_key(key().workspace, key().id, &nothing).await.unwrap();
    let page = event("list-keys/minimal").send(&function).await.json();
    assert_eq!(page["items"].as_array().unwrap().len(), 1);
    assert_eq!(page["items"][0]["id"], id.to_string());
}

#[tokio::test]
async fn another_workspace_has_its_own() {
    let (_, function) = start().await;
    let answer = event("list-keys/minimal").of_workspace(OTHER_WORKSPACE).send(&function).await;
    assert_eq!(answer.json(), json!({ "items": [], "next": null }));
}

#[tokio::test]
async fn what_is_not_a_page_is_refused_with_its_place() {
    let (world, function) = start().await;
    let answer = event("list-keys/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["limit", "colour"]);
    let foreign = After(testkit::people::ada().id).to_text();
    for cursor in ["x", foreign.as_str()] {
        let query = format!("cursor={cursor}");
        let answer = event("list-keys/minimal").query(&query).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["cursor"]);
    }
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn credentials_come_before_everything_else() {
    let (world, function) = start().await;
    let events = [event("list-keys/not-authorized"), event("list-keys/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn without_dynamodb_it_says_try_again_and_nothing_of_the_cause() {
    let (world, function) = start().await;
    let operations = ["Query", "BatchGetItem"];
    world.assert_unavailable_without(&operations, &event("list-keys/minimal"), &function).await;
}
