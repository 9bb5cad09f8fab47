//! The handler from its events, against the embedded stores.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{ClickId, KeyId, LinkId, Place, Principal, RecordedClick, Visitor, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use lambda::{Function, Kind};
use serde_json::{Value, json};
use store::ledger::{PurgeOrder, Recording, Subject, Target};
use testkit::probe::{Fault, On};
use testkit::{Event, SPRING, World, event, now};

use super::*;

/// The events' world, with clicks of two days, and the function.
async fn world() -> (World, Function) {
    let world = World::with_spring().await;
    record(&world, &clicks()).await;
    let function = Function::http(world.boot("link-stats"), load, handle).await.unwrap();
    (world, function)
}

async fn record(world: &World, clicks: &[RecordedClick]) {
    let how = Recording {
        now: now(),
        retention: Retention::DEFAULT,
        within: std::time::Duration::from_secs(10),
        random: 1,
    };
    world.ledger().record(clicks, how).await;
}

/// The counts of these names of a part of an answer.
fn counts(part: &Value) -> [u64; 3] {
    ["clicks", "human", "bot"].map(|name| part[name].as_u64().unwrap())
}

/// The values of a dimension, with their clicks.
fn values(body: &Value, dimension: &str) -> Vec<(String, [u64; 3])> {
    let values = body["breakdown"][dimension].as_array().unwrap().iter();
    values.map(|it| (it["value"].as_str().unwrap().to_owned(), counts(it))).collect()
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
            let id = ClickId::new(at, u128::from(number.unsigned_abs()));
            // Seven people, of whom each third click is from Austria.
            let country = if number % 3 == 0 { "AT" } else { "DE" };
            let click = domain::Click {
                place: Place { country: Some(country.to_owned()), ..Place::default() },
                visitor: Visitor::parse(&format!("{:016x}", number % 7)),
                ..testkit::click(id)
            };
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
            "tz": "UTC",
            "totals": { "clicks": 45, "human": 40, "bot": 5, "unique": 14 },
            "series": [
                { "start": "2026-11-18T00:00:00Z", "clicks": 30, "human": 28, "bot": 2, "unique": 7 },
                { "start": "2026-11-19T00:00:00Z", "clicks": 0, "human": 0, "bot": 0, "unique": 0 },
                { "start": "2026-11-20T00:00:00Z", "clicks": 15, "human": 12, "bot": 3, "unique": 7 },
            ],
            "unique": {
                "visitor_days": true,
                "from": "2026-11-18T00:00:00Z",
                "to": "2026-11-21T00:00:00Z",
                "standard_error": 0.008125,
            },
            "breakdown": {},
            "bounds": {},
            "breakdown_from": null,
            "breakdown_to": null,
            "previous": null,
            "change": null,
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
        assert_eq!(counts(&body["totals"]), [15, 12, 3]);
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
        (
            event("link-stats/unknown-zone"),
            vec!["tz", "interval", "dimensions", "filter", "compare"],
        ),
        (asking("dimensions=country,country"), vec!["dimensions"]),
        (asking("dimensions=link"), vec!["dimensions"]),
        (asking("dimensions="), vec!["dimensions"]),
        (asking("filter=country&filter=os%3Aa,os%3Ab&filter="), vec!["filter"; 3]),
        (asking("tz=UTC&tz=UTC"), vec!["tz"]),
        (asking("from=2020-01-01&to=2026-01-01&interval=month&dimensions=os"), vec!["from"]),
        (asking("from=1990-01-01&to=2026-01-01&interval=month"), vec!["from"]),
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

#[tokio::test]
async fn by_dimension_the_biggest_values_come_first() {
    let (_world, function) = world().await;
    let query = "from=2026-11-18&to=2026-11-21&dimensions=country,bot,browser";
    let body = asking(query).send(&function).await.json();
    assert_eq!(
        values(&body, "country"),
        [("DE".to_owned(), [30, 27, 3]), ("AT".to_owned(), [15, 13, 2])]
    );
    assert_eq!(
        values(&body, "bot"),
        [("(unknown)".to_owned(), [40, 40, 0]), ("curl".to_owned(), [5, 0, 5])]
    );
    assert_eq!(values(&body, "browser"), [("(unknown)".to_owned(), [45, 40, 5])]);
    assert_eq!(body["bounds"]["country"], json!({ "limit": 256, "missed": 0 }));
    assert_eq!(body["breakdown_from"], body["from"]);
    assert_eq!(body["breakdown_to"], body["to"]);
}

#[tokio::test]
async fn a_day_of_a_zone_is_counted_on_its_own_clock() {
    let (_world, function) = world().await;
    // In Kathmandu it is 05:45 at midnight UTC: the clicks from midnight on are of the same day.
    let query = "from=2026-11-18&to=2026-11-21&tz=asia/kathmandu&dimensions=country";
    let body = asking(query).send(&function).await.json();
    assert_eq!(body["tz"], "Asia/Kathmandu");
    assert_eq!(body["from"], "2026-11-17T18:15:00Z");
    let series: Vec<_> = body["series"].as_array().unwrap().iter().map(counts).collect();
    assert_eq!(series, [[30, 28, 2], [0, 0, 0], [15, 12, 3]]);
    assert!(body["series"][0]["unique"].is_null());

    // And one that ends within the fifteen minutes is rounded to the quarter hour.
    let query = "from=2026-11-20T05:45:00%2B05:45&to=2026-11-20T05:50:00%2B05:45&tz=Asia/Kathmandu";
    let body = asking(query).send(&function).await.json();
    assert_eq!(counts(&body["totals"]), [15, 12, 3]);
    assert_eq!(body["to"], "2026-11-20T00:15:00Z");
}

#[tokio::test]
async fn one_dimension_of_whole_days_is_filtered_without_reading_clicks() {
    let (world, function) = world().await;
    for (filter, expected) in [
        ("country%3ADE", [30, 27, 3]),
        ("country%3Ade%7CAT", [45, 40, 5]),
        ("country%3ADE,bot%3Atrue", [3, 0, 3]),
        ("bot%3Acurl", [5, 0, 5]),
        ("bot%3Afalse", [40, 40, 0]),
        ("country%3A(unknown)", [0, 0, 0]),
    ] {
        world.probe.take_calls();
        let query = format!("from=2026-11-18&to=2026-11-21&filter={filter}");
        let body = asking(&query).send(&function).await.json();
        assert_eq!(counts(&body["totals"]), expected, "{filter}");
        assert_eq!(world.probe.take_calls().len(), 2, "{filter}");
    }
}

#[tokio::test]
async fn what_counts_cannot_tell_is_counted_click_by_click() {
    let (world, function) = world().await;
    let body = event("link-stats/two-filters").send(&function).await.json();
    assert_eq!(counts(&body["totals"]), [0, 0, 0]);
    // Counts, and the clicks of one stretch: on the day between there were none.
    let calls: Vec<_> = world.probe.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["GetItem", "Query", "Query"]);

    let query = "from=2026-11-18T00:15:00Z&to=2026-11-21&filter=country%3AAT&dimensions=bot";
    let body = asking(query).send(&function).await.json();
    // Of 18 November minutes 15 to 29, of 20 November all: 5 and 5 from Austria, 1 of them a bot.
    assert_eq!(counts(&body["totals"]), [10, 9, 1]);
    assert_eq!(
        values(&body, "bot"),
        [("(unknown)".to_owned(), [9, 9, 0]), ("curl".to_owned(), [1, 0, 1])]
    );
    assert_eq!(body["unique"]["standard_error"], 0.0);
}

#[tokio::test]
async fn a_breakdown_of_a_part_of_a_day_is_exact_while_the_clicks_are_kept() {
    let (world, function) = world().await;
    let query = "from=2026-11-18T00:15:00Z&to=2026-11-21&dimensions=country";
    let body = asking(query).send(&function).await.json();
    assert_eq!(counts(&body["totals"]), [30, 27, 3]);
    assert_eq!(body["breakdown_from"], "2026-11-18T00:15:00Z");
    let sum: u64 = values(&body, "country").iter().map(|(_, [clicks, ..])| clicks).sum();
    assert_eq!(sum, 30);

    // In a year the rows are gone, and the day counts as a whole, which the answer says.
    world.clock.advance(SignedDuration::from_hours(365 * 24));
    let body = asking(query).send(&function).await.json();
    assert_eq!(counts(&body["totals"]), [30, 27, 3]);
    assert_eq!(body["breakdown_from"], "2026-11-18T00:00:00Z");
    let sum: u64 = values(&body, "country").iter().map(|(_, [clicks, ..])| clicks).sum();
    assert_eq!(sum, 45);
    assert_eq!(body["unique"]["from"], "2026-11-19T00:00:00Z");
    assert_eq!(body["totals"]["unique"], 7);

    // What needs rows is not guessed.
    let answer = event("link-stats/two-filters").send(&function).await;
    answer.assert_problem(Kind::FilterTooWide);
    let detail = "this needs clicks one by one, and those are kept for 90 days";
    assert_eq!(answer.json()["detail"], detail);
}

#[tokio::test]
async fn clicks_that_are_gone_before_their_time_are_noticed() {
    let (world, function) = world().await;
    let gone = clicks()[3].click.id.to_string().replace("clk_", "");
    let rows = aws_sdk_dynamodb::Client::new(&world.aside()).delete_item().table_name("clicks");
    let key = |text: String| AttributeValue::S(text);
    let rows = rows.key("pk", key(format!("C#{SPRING}#0"))).key("sk", key(gone));
    rows.send().await.unwrap();
    let answer = event("link-stats/two-filters").send(&function).await;
    answer.assert_problem(Kind::FilterTooWide);
    // Without a filter the day counts as a whole.
    let body = asking("from=2026-11-18T00:15:00Z&to=2026-11-21&dimensions=country")
        .send(&function)
        .await
        .json();
    assert_eq!(counts(&body["totals"]), [30, 27, 3]);
}

#[tokio::test]
async fn what_was_before_is_beside_it() {
    let (_world, function) = world().await;
    let query = "from=2026-11-20&to=2026-11-22&compare=previous&filter=bot%3Afalse";
    let body = asking(query).send(&function).await.json();
    assert_eq!(body["previous"]["from"], "2026-11-18T00:00:00Z");
    assert_eq!(body["previous"]["to"], "2026-11-20T00:00:00Z");
    assert_eq!(counts(&body["previous"]["totals"]), [28, 28, 0]);
    assert_eq!(body["change"]["clicks"], -0.5714);
    assert!(body["change"]["bot"].is_null());
    assert_eq!(body["change"]["unique"], 0.0);
    // The answer to everything at once is of the same shape.
    let body = event("link-stats/everything").send(&function).await.json();
    assert_eq!(body["series"].as_array().unwrap().len(), 1);
    assert_eq!(body["tz"], "Europe/Berlin");
}

#[tokio::test]
async fn who_accepts_csv_gets_lines() {
    let (_world, function) = world().await;
    let answer = event("link-stats/csv").send(&function).await;
    assert_eq!(answer.header("content-type"), "text/csv; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(
        answer.text,
        "start,clicks,human,bot,unique\r\n2026-11-18T00:00:00Z,30,28,2,7\r\n\
         2026-11-19T00:00:00Z,0,0,0,0\r\n2026-11-20T00:00:00Z,15,12,3,7\r\n"
    );
    let answer = event("link-stats/csv-of-dimensions").send(&function).await;
    assert_eq!(
        answer.text,
        "dimension,value,clicks,human,bot\r\ncity,(unknown),45,40,5\r\n\
         bot,(unknown),40,40,0\r\nbot,curl,5,0,5\r\n"
    );
    let json = asking("").header("accept", "application/json, text/csv").send(&function).await;
    assert_eq!(json.header("content-type"), "application/json");
}

// --- What is remembered -------------------------------------------------------------------------

/// A year up to today, as whole days, and what is asked of them.
const YEAR: &str = "from=2025-11-21&to=2026-11-21";

/// A click at this time; no two of the same number.
fn click(number: u128, at: Timestamp) -> RecordedClick {
    let pick = |of: &[&str], seed: u128| of[usize::try_from(seed % 3).unwrap()].to_owned();
    let place = Place { country: Some(pick(&["AT", "DE", "FR"], number)), ..Place::default() };
    let visitor = Visitor::parse(&format!("{:016x}", number % 11));
    let click = domain::Click { place, visitor, ..testkit::click(ClickId::new(at, number)) };
    testkit::by(click, number.is_multiple_of(7).then_some("curl"))
}

fn days_ago(days: i64) -> Timestamp {
    now() - SignedDuration::from_hours(24 * days)
}

/// What a process says that remembers nothing.
async fn plain(world: &World, query: &str) -> Value {
    let function = Function::http(world.boot("link-stats"), load, handle).await.unwrap();
    let answer = asking(query).send(&function).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn asked_again_it_reads_no_more_than_the_totals() {
    let (world, function) = world().await;
    let query = format!("{YEAR}&dimensions=country,bot");
    let ask = async |expected: u64, queries: usize| {
        let body = asking(&query).send(&function).await.json();
        assert_eq!(body["totals"]["clicks"], expected);
        let calls = world.probe.take_calls();
        let count = calls.iter().filter(|call| call.operation == "Query").count();
        assert_eq!((count, calls.len()), (queries, queries + 1), "{}", world.probe.summary());
        assert_eq!(body, plain(&world, &query).await);
        world.probe.take_calls();
    };
    ask(45, 1).await;
    // What is to be remembered is read between two looks, of three reads each.
    ask(45, 7).await;
    ask(45, 1).await;
    // Only the open days have changed.
    record(&world, &[click(100, now())]).await;
    ask(46, 3).await;
    ask(46, 1).await;
    // A late click: all is read again.
    record(&world, &[click(101, days_ago(40))]).await;
    ask(47, 3 + 7).await;
    ask(47, 1).await;
    // A click of before what is remembered is as late.
    let short = "from=2026-11-01&to=2026-11-21&dimensions=country,bot";
    for _ in 0..3 {
        let body = asking(short).send(&function).await.json();
        assert_eq!(body, plain(&world, short).await);
    }
}

#[tokio::test]
async fn whatever_comes_in_whatever_order_it_answers_as_if_it_remembered_nothing() {
    let queries = [
        YEAR.to_owned(),
        format!("{YEAR}&dimensions=country,bot,browser&interval=week"),
        format!("{YEAR}&filter=bot%3Afalse&dimensions=country&interval=month"),
        format!("{YEAR}&filter=bot%3Atrue&tz=Asia/Kolkata"),
        format!("{YEAR}&filter=country%3ADE"),
        "from=2026-09-01T00:15:00Z&to=2026-11-10T07:00:00Z&dimensions=country".to_owned(),
        "from=2026-09-01&to=2026-11-10&tz=Asia/Kathmandu&dimensions=bot".to_owned(),
        "from=2026-10-21T14:00:00Z&interval=day&compare=previous".to_owned(),
        "from=2026-11-01&to=2027-02-01&dimensions=country".to_owned(),
    ];
    let (world, function) = world().await;
    let mut state: u64 = 20_261_120;
    let mut chance = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut number = 1_000;
    for _ in 0..60 {
        for _ in 0..chance(3) {
            // Mostly of today, else of any day of which clicks are still taken.
            let days = if chance(3) == 0 { chance(85) } else { 0 };
            let at = days_ago(i64::try_from(days).unwrap())
                + SignedDuration::from_mins(i64::try_from(chance(540)).unwrap());
            number += 1;
            record(&world, &[click(number, at)]).await;
        }
        let query = &queries[usize::try_from(chance(9)).unwrap()];
        let answer = asking(query).send(&function).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json(), plain(&world, query).await, "{query}");
    }
}

#[tokio::test]
async fn while_clicks_come_every_answer_lies_between_before_and_after() {
    let (world, function) = world().await;
    let total = async || world.ledger().totals(Subject::Link(spring())).await.unwrap().total();
    let writing = async {
        for number in 0..150 {
            // Two of three are of today.
            let at = if number % 3 == 0 { days_ago(30) } else { now() };
            record(&world, &[click(5_000 + number, at)]).await;
        }
    };
    let asking = async {
        let query = format!("{YEAR}&dimensions=country");
        for _ in 0..40 {
            let before = total().await;
            let body = asking(&query).send(&function).await.json();
            let said = body["totals"]["clicks"].as_u64().unwrap();
            let after = total().await;
            assert!((before..=after).contains(&said), "{before} <= {said} <= {after}");
            let series = body["series"].as_array().unwrap();
            let sum: u64 = series.iter().map(|point| point["clicks"].as_u64().unwrap()).sum();
            let broken: u64 = values(&body, "country").iter().map(|(_, counts)| counts[0]).sum();
            assert_eq!((sum, broken), (said, said));
        }
    };
    tokio::join!(writing, asking);
    for query in [YEAR.to_owned(), format!("{YEAR}&dimensions=country")] {
        let body = self::asking(&query).send(&function).await.json();
        assert_eq!(body, plain(&world, &query).await);
        assert_eq!(body["totals"]["clicks"], 45 + 150);
    }
}

#[tokio::test]
async fn of_what_is_being_purged_nothing_is_remembered() {
    let (world, function) = world().await;
    for _ in 0..3 {
        assert_eq!(asking(YEAR).send(&function).await.json()["totals"]["clicks"], 45);
    }
    let workspace = WorkspaceId::parse(testkit::WORKSPACE).unwrap();
    let target = Target::Link(spring());
    let by = Principal::Key(KeyId::new(now(), 1));
    let order = PurgeOrder::new(target, workspace, by, now(), Retention::DEFAULT);
    world.ledger().fence(&order).await.unwrap();
    assert_eq!(asking(YEAR).send(&function).await.json()["totals"]["clicks"], 45);
    world.ledger().purge_counts(spring(), workspace).await.unwrap();
    for _ in 0..3 {
        assert_eq!(asking(YEAR).send(&function).await.json()["totals"]["clicks"], 0);
    }
}

fn spring() -> LinkId {
    LinkId::parse(SPRING).unwrap()
}
