//! Making API keys, from the events of `events/create-key`.

use domain::{AuditEvent, WorkspaceId};
use lambda::{Function, Kind};
use serde_json::json;
use testkit::people::ADA;
use testkit::probe::{Fault, On};
use testkit::{WORKSPACE, World, event};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("create-key"), load, handle).await.unwrap();
    (world, function)
}

fn workspace() -> WorkspaceId {
    WorkspaceId::parse(WORKSPACE).unwrap()
}

/// The keys besides the one that the events name.
async fn made(world: &World) -> Vec<KeyRecord> {
    let page = world.accounts().keys(workspace(), None, 100).await.unwrap();
    page.items.into_iter().filter(|key| key.id != testkit::people::key().id).collect()
}

async fn log(world: &World) -> Vec<AuditEvent> {
    world.accounts().audit(workspace(), None, 100).await.unwrap().items
}

#[tokio::test]
async fn a_key_is_shown_once_and_opens_what_it_says() {
    let (world, function) = start().await;
    let answer = event("create-key/minimal").send(&function).await;
    assert_eq!(answer.status, 201);
    let mut body = answer.json();
    let key = ApiKey::parse(body["key"].as_str().unwrap()).unwrap();
    assert!(!answer.headers.contains_key("location"), "a key is read in the list only");
    body.as_object_mut().unwrap().remove("key");
    assert_eq!(
        body,
        json!({
            "id": key.id().to_string(), "name": "newsletter", "scopes": ["links:write"],
            "created_at": "2026-11-20T14:03:27.412Z", "created_by": ADA, "expires_at": null,
            "last_used_at": null, "writes_per_minute": null,
        })
    );
    let record = world.accounts().find_key(key.id()).await.unwrap().unwrap();
    assert_eq!(record.admits(&key, world.clock.now()), Ok(()));
    assert_eq!(record.workspace, workspace());
    assert_eq!(made(&world).await, [record]);
}

#[tokio::test]
async fn every_field_is_kept() {
    let (world, function) = start().await;
    let answer = event("create-key/full").send(&function).await;
    assert_eq!(answer.status, 201);
    let body = answer.json();
    assert_eq!(body["scopes"], json!(["links:read", "stats:read"]));
    assert_eq!(body["expires_at"], "2099-12-31T23:59:59Z");
    assert_eq!(body["writes_per_minute"], 60);
    let [record] = made(&world).await.try_into().unwrap();
    assert_eq!(record.writes_per_minute, Some(60));
    assert_eq!(record.expires_at.unwrap().to_string(), "2099-12-31T23:59:59Z");
}

#[tokio::test]
async fn a_key_that_manages_makes_keys_and_is_named_as_their_maker() {
    let (world, function) = start().await;
    let answer = event("create-key/by-key").send(&function).await;
    assert_eq!((answer.status, &answer.json()["created_by"]), (201, &json!(testkit::people::KEY)));
    assert_eq!(log(&world).await[0].actor.to_string(), testkit::people::KEY);
}

#[tokio::test]
async fn it_is_written_in_the_log_with_what_the_key_may() {
    let (world, function) = start().await;
    let answer = event("create-key/full").send(&function).await.json();
    let [entry] = log(&world).await.try_into().unwrap();
    assert_eq!(entry.action, Action::KeyCreated);
    assert_eq!(
        (entry.actor.to_string(), &entry.subject),
        (ADA.to_owned(), &answer["id"].as_str().unwrap().to_owned())
    );
    assert_eq!(entry.details["scopes"], "links:read stats:read");
}

#[tokio::test]
async fn the_same_request_again_shows_the_same_key_and_makes_no_other() {
    let (world, function) = start().await;
    let first = event("create-key/full").send(&function).await;
    let second = event("create-key/full").send(&function).await;
    assert_eq!((second.status, second.json()), (201, first.json()));
    assert_eq!(second.header("idempotency-replayed"), "true");
    assert_eq!(made(&world).await.len(), 1);
}

#[tokio::test]
async fn the_secret_is_in_no_row() {
    let (world, function) = start().await;
    let answer = event("create-key/full").send(&function).await.json();
    let secret = answer["key"].as_str().unwrap()[29..72].to_owned();
    let writes: Vec<_> = world.probe.take_calls().into_iter().map(|call| call.body).collect();
    assert!(writes.iter().any(|body| body["TransactItems"].is_array()));
    assert!(writes.iter().all(|body| !body.to_string().contains(&secret)));
}

#[tokio::test]
async fn every_fault_is_told_at_once_with_its_place() {
    let (world, function) = start().await;
    let answer = event("create-key/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    let places = ["/name", "/scopes", "/expires_at", "/writes_per_minute", "/colour"];
    let mut faults = answer.faults();
    faults.sort_by_key(|fault| places.iter().position(|place| place == fault));
    assert_eq!(faults, places);
    for (body, place) in [
        (json!({ "name": "a" }), "/scopes"),
        (json!({ "name": "a", "scopes": null }), "/scopes"),
        (json!({ "name": "a", "scopes": ["links:read", "links:read"] }), "/scopes"),
        (json!({ "name": "a", "scopes": ["links:read", "links:*"] }), "/scopes/1"),
        (json!({ "name": "a", "scopes": [1] }), "/scopes/0"),
        (json!({ "scopes": ["links:read"] }), "/name"),
        (json!({ "name": "a", "scopes": ["admin"], "writes_per_minute": 0 }), "/writes_per_minute"),
        (
            json!({ "name": "a", "scopes": ["admin"], "expires_at": "2026-11-20T14:03:27.412Z" }),
            "/expires_at",
        ),
    ] {
        let answer = event("create-key/minimal").body(&body).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), [place], "{body}");
    }
    assert!(made(&world).await.is_empty());
}

#[tokio::test]
async fn what_belongs_to_people_no_key_can_have() {
    let (_, function) = start().await;
    let answer = event("create-key/account-scope").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/scopes/1"]);
}

#[tokio::test]
async fn credentials_come_before_everything_else() {
    let (world, function) = start().await;
    let events = [event("create-key/not-authorized"), event("create-key/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn whoever_was_demoted_or_revoked_a_moment_ago_leaves_no_key_behind() {
    let (world, function) = start().await;
    // As the gateway has kept it: she was an owner.
    let demoted = event("create-key/minimal").of_principal(testkit::people::GRACE);
    demoted.send(&function).await.assert_problem(Kind::Forbidden);
    let (key, nothing) = (testkit::people::key().id, store::Journal::none());
    world.accounts().delete_key(workspace(), key, &nothing).await.unwrap();
    let revoked = event("create-key/minimal").of_principal(testkit::people::KEY);
    revoked.send(&function).await.assert_problem(Kind::Unauthorized);
    assert!(made(&world).await.is_empty());
}

#[tokio::test]
async fn without_dynamodb_it_says_try_again_and_nothing_of_the_cause() {
    let (world, function) = start().await;
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event("create-key/full"), &function).await;
    assert!(made(&world).await.is_empty());
}

#[tokio::test]
async fn a_lost_answer_makes_one_key() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(event("create-key/minimal").send(&function).await.status, 201);
    assert_eq!(made(&world).await.len(), 1);
}
