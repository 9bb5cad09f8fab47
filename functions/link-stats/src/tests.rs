//! The handler from its events, against the embedded stores.

use domain::{ClickId, RecordedClick, Retention};
use lambda::{Function, Kind};
use serde_json::json;
use store::ledger::Recording;
use testkit::probe::{Fault, On};
use testkit::{Event, SPRING, World, event, now};

use super::*;

/// The events' world, with clicks of two days, and the function.
async fn world() -> (World, Function) {
    let world = World::with_spring().await;
    let how = Recording {
        now: now(),
        retention: Retention::DEFAULT,
        within: std::time::Duration::from_secs(10),
        random: 1,
    };
    world.ledger().record(&clicks(), how).await;
    let function = Function::http(world.boot("link-stats"), load, handle).await.unwrap();
    (world, function)
}

/// An event with this query.
fn asking(query: &str) -> Event {
    event("link-stats/minimal").query(query)
}

/// Of 18 November 30 clicks with 2 bots, of 20 November 15 with 3, from midnight on one each
/// minute.
fn clicks() -> Vec<RecordedClick> {
    let mut clicks = Vec::new();
    for (day, count, bots) in [("2026-11-18", 30, 2), ("2026-11-20", 15, 3)] {
        let midnight: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        for number in 0..count {
            let at = midnight + SignedDuration::from_mins(number);
            let click = testkit::click(ClickId::new(at, u128::from(number.unsigned_abs())));
            clicks.push(testkit::by(click, (number < bots).then_some("curl")));
        }
    }
    clicks
}

#[tokio::test]
async fn a_window_of_days_has_a_point_for_each_of_them() {
    let (world, function) = world().await;
    let answer = event("link-stats/full").send(&function).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({
            "link": SPRING,
            "from": "2026-11-18T00:00:00Z",
            "to": "2026-11-21T00:00:00Z",
            "interval": "day",
            "totals": { "clicks": 45, "human": 40, "bot": 5 },
            "series": [
                { "start": "2026-11-18T00:00:00Z", "clicks": 30, "human": 28, "bot": 2 },
                { "start": "2026-11-19T00:00:00Z", "clicks": 0, "human": 0, "bot": 0 },
                { "start": "2026-11-20T00:00:00Z", "clicks": 15, "human": 12, "bot": 3 },
            ]
        })
    );
    let calls: Vec<_> = world.probe.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetItem", "Query"]);
}

#[tokio::test]
async fn without_parameters_it_is_the_last_thirty_days_up_to_this_quarter() {
    let (_world, function) = world().await;
    let body = event("link-stats/minimal").send(&function).await.json();
    assert_eq!(body["from"], "2026-10-21T14:00:00Z");
    assert_eq!(body["to"], "2026-11-20T14:15:00Z");
    assert_eq!(body["series"].as_array().unwrap().len(), 31);
    assert_eq!(body["totals"]["clicks"], 45);

    let body = asking("interval=hour").send(&function).await.json();
    assert_eq!(body["from"], "2026-11-13T14:00:00Z");
    assert_eq!(body["series"].as_array().unwrap().len(), 7 * 24 + 1);
}

#[tokio::test]
async fn ends_within_an_hour_are_rounded_outwards_and_said() {
    let (_world, function) = world().await;
    let body = event("link-stats/hours").send(&function).await.json();
    assert_eq!(body["from"], "2026-11-20T07:00:00Z");
    assert_eq!(body["to"], "2026-11-20T12:30:00Z");

    // 00:10 to 00:20 in a zone two hours ahead, with a `+` that was escaped and one that was not.
    for plus in ["%2B", "+"] {
        let zone = format!("{plus}02%3A00");
        let query = format!(
            "from=2026-11-20T02%3A10%3A00{zone}&to=2026-11-20T02%3A20%3A00{zone}&interval=hour"
        );
        let body = asking(&query).send(&function).await.json();
        assert_eq!(body["from"], "2026-11-20T00:00:00Z", "{query}");
        assert_eq!(body["to"], "2026-11-20T00:30:00Z");
        assert_eq!(body["totals"], json!({ "clicks": 15, "human": 12, "bot": 3 }));
        assert_eq!(body["series"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn before_there_were_clicks_there_are_zeros() {
    let (_world, function) = world().await;
    for query in [
        "from=-005001-12-31T00:00:00Z&to=-005000-01-02T00:00:00Z",
        "from=-009998-12-31T00:00:00Z&to=-009998-12-31T01:00:00Z",
        "from=1969-12-31&to=1970-01-02",
        "from=9999-12-01&to=9999-12-30",
    ] {
        let answer = asking(query).send(&function).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(answer.json()["totals"]["clicks"], 0, "{query}");
    }
}

#[tokio::test]
async fn wrong_parameters_are_named_all_at_once_and_nothing_is_read() {
    let (world, function) = world().await;
    for (event, parameters) in [
        (event("link-stats/invalid"), vec!["from", "to", "interval"]),
        (event("link-stats/from-after-to"), vec!["from"]),
        (event("link-stats/too-many-points"), vec!["from"]),
        (event("link-stats/unknown-parameter"), vec!["since"]),
        (asking("from=2026-02-30&to=20261120&interval=Day"), vec!["from", "to", "interval"]),
        (asking("from=9999-12-30T22:00:01Z"), vec!["from"]),
    ] {
        let answer = event.send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), parameters, "{answer:?}");
    }
    let answer = event("link-stats/too-many-points").send(&function).await;
    assert_eq!(answer.json()["detail"], "16512 points of one hour are more than 3000");
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn only_the_callers_own_links_are_there() {
    let (world, function) = world().await;
    for (name, expected) in [
        ("not-authorized", Kind::Unauthorized),
        ("missing-scope", Kind::Forbidden),
        ("other-workspace", Kind::NotFound),
        ("unknown-link", Kind::NotFound),
    ] {
        event(&format!("link-stats/{name}")).send(&function).await.assert_problem(expected);
    }
    assert!(world.probe.take_calls().iter().all(|call| call.operation == "GetItem"));
}

#[tokio::test]
async fn when_dynamodb_is_away_it_is_unavailable() {
    for operation in ["GetItem", "Query"] {
        let (world, function) = world().await;
        world.probe.inject(On::operation(operation), Fault::THROTTLED);
        let answer = event("link-stats/minimal").send(&function).await;
        answer.assert_problem(Kind::Unavailable);
    }
}
