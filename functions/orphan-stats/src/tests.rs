//! The handler from its events, against the embedded stores.

use std::time::Duration;

use domain::{ClickId, Orphan};
use jiff::{SignedDuration, Timestamp};
use lambda::{Function, Kind};
use serde_json::{Value, json};
use store::ledger::Recording;
use testkit::{Event, World, event, now};

use super::*;

/// The events' world, with requests of two days for what is not there, and the function.
async fn world() -> (World, Function) {
    let world = World::new().await;
    let how = Recording {
        now: now(),
        retention: Retention::DEFAULT,
        within: Duration::from_secs(10),
        random: 1,
    };
    world.ledger().record_orphans(&orphans(), how).await;
    let function = Function::http(world.boot("orphan-stats"), load, handle).await.unwrap();
    (world, function)
}

/// Five requests for `sprnig` and one for `sring` on 20 November, with nine before it of which
/// nothing is told; one on the 18th; and one on another domain.
fn orphans() -> Vec<Orphan> {
    let orphan = |day: &str, minute: i64, slug: &str, count: u64| {
        let midnight: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        let id = ClickId::new(midnight + SignedDuration::from_mins(minute), 1);
        let domain = if slug == "elsewhere" { "go.example.org" } else { "go.example.com" };
        Orphan { id, domain: domain.to_owned(), slug: slug.to_owned(), count }
    };
    let typed = (0..5).map(|minute| orphan("2026-11-20", minute, "sprnig", 1));
    let others = [
        orphan("2026-11-20", 600, "sring", 10),
        orphan("2026-11-20", 600, "elsewhere", 1),
        orphan("2026-11-18", 0, "sprnig", 1),
    ];
    typed.chain(others).collect()
}

fn asking(query: &str) -> Event {
    event("orphan-stats/minimal").query(query)
}

fn slugs(body: &Value) -> Vec<(&str, u64)> {
    let values = body["breakdown"]["slug"].as_array().unwrap().iter();
    values.map(|it| (it["value"].as_str().unwrap(), it["clicks"].as_u64().unwrap())).collect()
}

#[tokio::test]
async fn what_led_nowhere_is_counted_and_named_as_far_as_it_was_told() {
    let (world, function) = world().await;
    let body = asking("from=2026-11-18&dimensions=slug").send(&function).await.json();
    assert_eq!(body["domain"], "go.example.com");
    assert_eq!(body["totals"], json!({ "clicks": 16, "human": 16, "bot": 0, "unique": null }));
    assert!(body["unique"].is_null());
    assert_eq!(slugs(&body), [("sprnig", 6), ("sring", 1), ("(other)", 9)]);
    // Each of the nine may have been for any slug.
    assert_eq!(body["bounds"]["slug"], json!({ "limit": 50, "missed": 9 }));
    let calls: Vec<_> = world.probe.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["Query"]);
    let csv = event("orphan-stats/csv").send(&function).await;
    assert!(csv.text.starts_with("dimension,value,clicks,human,bot\r\nslug,sprnig,6,6,0\r\n"));
}

#[tokio::test]
async fn a_filter_is_answered_where_every_slug_of_the_day_is_known() {
    let (_world, function) = world().await;
    let body = asking("from=2026-11-18&to=2026-11-19&filter=slug%3Asprnig").send(&function).await;
    assert_eq!(body.json()["totals"]["clicks"], 1);
    event("orphan-stats/full").send(&function).await.assert_problem(Kind::FilterTooWide);
}

#[tokio::test]
async fn wrong_parameters_are_named_all_at_once_and_nothing_is_read() {
    let (world, function) = world().await;
    for (event, parameters) in [
        (event("orphan-stats/invalid"), vec!["domain", "dimensions", "filter"]),
        (asking("slug=a&compare=last"), vec!["compare", "slug"]),
    ] {
        let answer = event.send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), parameters, "{answer:?}");
    }
    for (name, expected) in
        [("not-authorized", Kind::Unauthorized), ("missing-scope", Kind::Forbidden)]
    {
        event(&format!("orphan-stats/{name}")).send(&function).await.assert_problem(expected);
    }
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn when_dynamodb_is_away_it_is_unavailable() {
    let (world, function) = world().await;
    let event = event("orphan-stats/minimal");
    world.assert_unavailable_without(&["Query"], &event, &function).await;
}
