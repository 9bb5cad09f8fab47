//! The handler from its events, against the embedded stores.

use std::time::Duration;

use domain::{ClickId, Retention};
use lambda::{Function, Kind};
use serde_json::json;
use store::ledger::Recording;
use testkit::probe::{Fault, On, Service};
use testkit::{SPRING, World, event, now};

use super::*;

/// A world with the events' link, and the function.
async fn start() -> (World, Function) {
    let world = World::with_spring().await;
    let function = Function::http(world.boot("get-link"), load, handle).await.unwrap();
    (world, function)
}

/// Two people and a bot follow the events' link.
async fn follow(world: &World) {
    let clicks: Vec<_> = [None, None, Some("curl")]
        .into_iter()
        .zip(1..)
        .map(|(bot, number)| testkit::by(testkit::click(ClickId::new(now(), number)), bot))
        .collect();
    let how = Recording {
        now: now(),
        retention: Retention::DEFAULT,
        within: Duration::from_secs(10),
        random: 1,
    };
    world.ledger().record(&clicks, how).await;
}

#[tokio::test]
async fn a_link_is_answered_whole_with_its_clicks_and_its_version() {
    let (world, function) = start().await;
    follow(&world).await;
    let answer = event("get-link/minimal").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"1\""));
    assert_eq!(
        answer.json(),
        json!({
            "id": SPRING,
            "domain": "go.example.com",
            "slug": "spring",
            "short_url": "https://go.example.com/spring",
            "url": "https://example.com/spring",
            "title": null,
            "tags": [],
            "redirect_status": 302,
            "starts_at": null,
            "expires_at": null,
            "fallback_url": null,
            "max_clicks": null,
            "forward_query": false,
            "aliases": ["fruehling"],
            "created_at": "2026-11-02T09:00:00Z",
            "updated_at": "2026-11-20T14:03:27.412Z",
            "clicks": { "total": 3, "human": 2, "bot": 1 },
        })
    );
    let calls: Vec<_> = world.probe.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetItem", "Query"]);
}

#[tokio::test]
async fn cookies_and_unknown_headers_do_not_disturb() {
    let (_world, function) = start().await;
    assert_eq!(event("get-link/full").send(&function).await.status, 200);
}

#[tokio::test]
async fn clicks_do_not_change_the_version() {
    let (world, function) = start().await;
    let before = event("get-link/minimal").send(&function).await;
    follow(&world).await;
    let after = event("get-link/minimal").send(&function).await;
    assert_ne!(before.json()["clicks"], after.json()["clicks"]);
    assert_eq!(before.header("etag"), after.header("etag"));
}

#[tokio::test]
async fn what_is_not_there_or_belongs_to_others_is_not_found_alike() {
    let (_world, function) = start().await;
    let mut answers = Vec::new();
    for name in ["unknown-link", "other-workspace", "not-an-id"] {
        let answer = event(&format!("get-link/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
        answers.push(answer.json());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "nobody may tell them apart: {answers:?}");
}

#[tokio::test]
async fn no_id_that_is_none_breaks_anything() {
    let (world, function) = start().await;
    let lower = SPRING.to_lowercase();
    let ids = ["lnk_", "lnk_01M6DQS9M08V7Q2K4N6T9W3X5", &lower, "..", "%00", "lnk_é", "L#x", "a b"];
    for id in ids {
        let answer = event("get-link/minimal").path("id", id).send(&function).await;
        answer.assert_problem(Kind::NotFound);
    }
    assert!(world.probe.take_calls().is_empty(), "what is no id is not looked for");
}

#[tokio::test]
async fn nobody_reads_without_credentials_or_without_the_scope() {
    let (world, function) = start().await;
    let events = [event("get-link/not-authorized"), event("get-link/missing-scope")];
    world.assert_credentials_come_first(events, "links:read", &function).await;
}

#[tokio::test]
async fn without_dynamodb_it_says_try_again_and_nothing_of_the_cause() {
    let (world, function) = start().await;
    let event = event("get-link/minimal");
    world.assert_unavailable_without(&["GetItem", "Query"], &event, &function).await;
}

#[tokio::test]
async fn a_throttle_that_passes_is_not_seen() {
    let (world, function) = start().await;
    world.probe.inject(On::service(Service::DynamoDb).times(2), Fault::THROTTLED);
    assert_eq!(event("get-link/minimal").send(&function).await.status, 200);
    assert_eq!(world.probe.fired(), 2);
}
