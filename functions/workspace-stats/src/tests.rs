//! The handler from its events, against the embedded stores.

use std::time::Duration;

use domain::{Agent, ClickId, Link, LinkId, Place, RecordedClick};
use jiff::{SignedDuration, Timestamp};
use lambda::{Function, Kind};
use serde_json::Value;
use store::Journal;
use store::ledger::Recording;
use testkit::{Event, OTHER_WORKSPACE, SPRING, WORKSPACE, World, event, link, now};

use super::*;

/// The events' link and another one, with clicks on both, and the function.
async fn world() -> (World, Function) {
    let world = World::with_spring().await;
    world.add(&autumn()).await;
    record(&world, &clicks()).await;
    let function = Function::http(world.boot("workspace-stats"), load, handle).await.unwrap();
    (world, function)
}

async fn record(world: &World, clicks: &[RecordedClick]) {
    let how = Recording {
        now: now(),
        retention: Retention::DEFAULT,
        within: Duration::from_secs(30),
        random: 1,
    };
    world.ledger().record(clicks, how).await;
}

/// A link whose clicks are in two partitions.
fn autumn() -> Link {
    Link { click_shards: 2, ..link("autumn") }
}

fn click(link: LinkId, slug: &str, minute: i64) -> RecordedClick {
    let at =
        "2026-11-20T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minute);
    let number = u128::from(minute.unsigned_abs());
    let click = domain::Click {
        link,
        slug: slug.to_owned(),
        shard: u16::from(slug == "autumn" && minute % 2 == 1),
        place: Place { country: Some("DE".to_owned()), ..Place::default() },
        ..testkit::click(ClickId::new(at, number))
    };
    let os = Some(if minute % 3 == 0 { "Linux" } else { "Windows" }.to_owned());
    RecordedClick {
        agent: Agent { os, ..Agent::default() },
        ..testkit::by(click, (minute % 5 == 0).then_some("curl"))
    }
}

/// 12 clicks on the events' link, and 30 on the other.
fn clicks() -> Vec<RecordedClick> {
    let spring = LinkId::parse(SPRING).unwrap();
    let spring = (0..12).map(|minute| click(spring, "spring", minute));
    let autumn = (100..130).map(|minute| click(autumn().id, "autumn", minute));
    spring.chain(autumn).collect()
}

fn asking(query: &str) -> Event {
    event("workspace-stats/minimal").query(query)
}

fn counts(part: &Value) -> [u64; 3] {
    ["clicks", "human", "bot"].map(|name| part[name].as_u64().unwrap())
}

fn values(body: &Value, dimension: &str) -> Vec<(String, [u64; 3])> {
    let values = body["breakdown"][dimension].as_array().unwrap().iter();
    values.map(|it| (it["value"].as_str().unwrap().to_owned(), counts(it))).collect()
}

#[tokio::test]
async fn all_links_of_the_workspace_are_counted_and_the_top_ones_listed() {
    let (world, function) = world().await;
    let body = asking("from=2026-11-20&dimensions=link,slug").send(&function).await.json();
    assert_eq!(body["workspace"], WORKSPACE);
    assert_eq!(counts(&body["totals"]), [42, 33, 9]);
    let expected = [(autumn().id.to_string(), [30, 24, 6]), (SPRING.to_owned(), [12, 9, 3])];
    assert_eq!(values(&body, "link"), expected);
    assert_eq!(body["bounds"]["link"]["missed"], 0);
    let calls: Vec<_> = world.probe.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["Query"]);

    let csv = event("workspace-stats/csv").send(&function).await;
    assert_eq!(
        csv.text,
        "dimension,value,clicks,human,bot\r\nslug,autumn,30,24,6\r\nslug,spring,12,9,3\r\n"
    );
    let other = asking("from=2026-11-20").of_workspace(OTHER_WORKSPACE).send(&function).await;
    assert_eq!(counts(&other.json()["totals"]), [0, 0, 0]);
}

#[tokio::test]
async fn two_dimensions_at_once_are_counted_in_the_clicks_of_each_link_also_a_deleted_one() {
    let (world, function) = world().await;
    let query = "from=2026-11-18&to=2026-11-21&filter=country%3ADE,os%3ALinux&dimensions=link";
    let linux = |from: i64, to: i64| (from..to).filter(|minute| minute % 3 == 0).count() as u64;
    let expected = linux(0, 12) + linux(100, 130);
    for deleted in [false, true] {
        if deleted {
            let links = world.links();
            let autumn = autumn();
            let found = links.find(autumn.workspace, autumn.id).await.unwrap().unwrap();
            links.delete(&found, now(), &Journal::none()).await.unwrap();
        }
        let body = asking(query).send(&function).await.json();
        assert_eq!(body["totals"]["clicks"], expected, "deleted: {deleted}");
        assert_eq!(values(&body, "link")[0].1[0], linux(100, 130));
    }
    let body = event("workspace-stats/rows").send(&function).await.json();
    assert_eq!(body["totals"]["clicks"], linux(0, 12));
}

#[tokio::test]
async fn with_more_links_than_are_named_the_listed_ones_are_exact_all_the_same() {
    let (world, function) = world().await;
    let id = |number: i64| LinkId::new(now(), u128::from(number.unsigned_abs()) + 1_000);
    let crowd: Vec<_> = (0..150).map(|number| click(id(number), "crowd", 300 + number)).collect();
    record(&world, &crowd).await;
    let body = asking("from=2026-11-20&to=2026-11-21&dimensions=link").send(&function).await.json();
    assert_eq!(counts(&body["totals"])[0], 192);
    let links = values(&body, "link");
    assert_eq!(links[0], (autumn().id.to_string(), [30, 24, 6]));
    assert_eq!(links[1], (SPRING.to_owned(), [12, 9, 3]));
    assert_eq!(links.iter().map(|(_, [clicks, ..])| clicks).sum::<u64>(), 192);
    assert!(1 <= body["bounds"]["link"]["missed"].as_u64().unwrap());

    // And the clicks of all of them are too many places to look at.
    let answer = event("workspace-stats/rows").send(&function).await;
    answer.assert_problem(Kind::FilterTooWide);
    let detail = "this needs clicks one by one, of more than 100 links";
    assert_eq!(answer.json()["detail"], detail);
}

#[tokio::test]
async fn what_is_remembered_of_the_workspace_and_its_links_is_what_is_there() {
    let (world, function) = world().await;
    let id = |number: i64| LinkId::new(now(), u128::from(number.unsigned_abs()) + 1_000);
    let click = |link: i64, minutes: i64| click(id(link), "crowd", minutes);
    let crowd: Vec<_> = (0..150).map(|number| click(number, 300 + number)).collect();
    record(&world, &crowd).await;
    let query = "from=2026-10-01&to=2026-11-21&dimensions=link,country&tz=Asia/Kolkata";
    // Nothing, a click of today, nothing, and one of days ago.
    for more in [None, None, None, Some(500), None, Some(501 - 9 * 24 * 60), None] {
        record(&world, &more.map(|minutes| click(7, minutes)).into_iter().collect::<Vec<_>>())
            .await;
        let answer = asking(query).send(&function).await.json();
        let fresh = Function::http(world.boot("workspace-stats"), load, handle).await.unwrap();
        assert_eq!(answer, asking(query).send(&fresh).await.json());
    }
}

#[tokio::test]
async fn a_window_on_another_clock_beside_the_one_before() {
    let (_world, function) = world().await;
    let body = event("workspace-stats/full").send(&function).await.json();
    assert_eq!(body["tz"], "Asia/Kolkata");
    assert_eq!(body["from"], "2026-11-17T18:30:00Z");
    assert_eq!(body["series"].as_array().unwrap().len(), 3);
    assert_eq!(counts(&body["totals"]), [33, 33, 0]);
    assert_eq!(body["previous"]["to"], "2026-11-17T18:30:00Z");
    assert!(body["change"]["clicks"].is_null());
}

#[tokio::test]
async fn wrong_parameters_are_named_all_at_once_and_nothing_is_read() {
    let (world, function) = world().await;
    for (event, parameters) in [
        (
            event("workspace-stats/invalid"),
            vec!["tz", "from", "to", "interval", "dimensions", "filter"],
        ),
        (asking("link=spring"), vec!["link"]),
    ] {
        let answer = event.send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), parameters, "{answer:?}");
    }
    for (name, expected) in
        [("not-authorized", Kind::Unauthorized), ("missing-scope", Kind::Forbidden)]
    {
        event(&format!("workspace-stats/{name}")).send(&function).await.assert_problem(expected);
    }
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn when_dynamodb_is_away_it_is_unavailable() {
    let (world, function) = world().await;
    let event = event("workspace-stats/rows");
    world.assert_unavailable_without(&["Query"], &event, &function).await;
}
