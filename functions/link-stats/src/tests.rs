//! The handler from its events, against the embedded stores.

use domain::{
    Click, ClickId, Definition, Destination, Domain, Link, LinkId, RedirectStatus, Retention, Slug,
    WorkspaceId,
};
use embedded::Embedded;
use lambda::{Env, Function, Invocation, Random};
use serde_json::{Value, json};
use store::Tables;
use store::ledger::{NewClick, Recording};
use testkit::probe::{Fault, On, Probe};

use super::*;

const LINK: &str = "lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y";

/// The function with the events' link, and with clicks of three days.
struct World {
    function: Function,
    probe: Probe,
}

impl World {
    async fn new() -> Self {
        let embedded = Embedded::in_memory().unwrap();
        let (probe, aws) = Probe::between(&embedded.sdk_config());
        let tables = Tables { links: "links", clicks: "clicks", accounts: "accounts" };
        store::create_tables(&aws, tables).await.unwrap();
        LinkStore::new(&aws, "links").create(&link()).await.unwrap();
        let how = Recording {
            now: now(),
            retention: Retention::DEFAULT,
            within: std::time::Duration::from_secs(10),
            random: 1,
        };
        LedgerStore::new(&aws, "clicks", "links").record(&clicks(), how).await;
        let settings = [("LINKS_TABLE", "links"), ("CLICKS_TABLE", "clicks")];
        let boot = Boot {
            name: env!("CARGO_PKG_NAME"),
            env: Env::fixed(settings.map(|(name, value)| (name, value.to_owned()))),
            aws,
            clock: Clock::fixed(now()),
            random: Random::seeded(1),
        };
        let function = Function::http(boot, load, handle).await.unwrap();
        probe.take_calls();
        Self { function, probe }
    }

    /// The status and the body of the answer to an event.
    async fn answer(&self, event: Value) -> (u64, Value) {
        let event = serde_json::to_vec(&event).unwrap();
        let answer = self.function.invoke(Invocation::new(event, "r-1")).await.unwrap();
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let body = answer["body"].as_str().unwrap();
        (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(body).unwrap())
    }
}

fn event(name: &str) -> Value {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/link-stats");
    serde_json::from_slice(&std::fs::read(format!("{folder}/{name}.json")).unwrap()).unwrap()
}

/// An event with this query.
fn asking(query: &str) -> Value {
    let mut event = event("minimal");
    let decoded = |text: &str| text.replace("%3A", ":").replace('+', " ").replace("%2B", "+");
    let parameters: serde_json::Map<_, _> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), json!(decoded(value))))
        .collect();
    event["rawQueryString"] = json!(query);
    event["queryStringParameters"] = Value::Object(parameters);
    event
}

fn now() -> Timestamp {
    "2026-11-20T14:03:27.412Z".parse().unwrap()
}

fn link() -> Link {
    let id = LinkId::parse(LINK).unwrap();
    Link {
        id,
        workspace: WorkspaceId::parse("wrk_01K9Z0000000000000000000AA").unwrap(),
        domain: Domain::stored("go.example.com"),
        slug: Slug::parse("spring").unwrap(),
        aliases: Vec::new(),
        definition: Definition {
            url: Destination::stored("https://example.com/"),
            redirect_status: RedirectStatus::default(),
            title: None,
            tags: Vec::new(),
            starts_at: None,
            expires_at: None,
            fallback_url: None,
            max_clicks: None,
            forward_query: false,
        },
        updated_at: id.at(),
        revision: 1,
        click_shards: 1,
    }
}

/// Of 18 November 30 clicks with 2 bots, of 20 November 15 with 3, from midnight on one each
/// minute.
fn clicks() -> Vec<NewClick> {
    let mut clicks = Vec::new();
    for (day, count, bots) in [("2026-11-18", 30, 2), ("2026-11-20", 15, 3)] {
        let midnight: Timestamp = format!("{day}T00:00:00Z").parse().unwrap();
        for number in 0..count {
            let at = midnight + SignedDuration::from_mins(number);
            let click = Click {
                id: ClickId::new(at, u128::from(number.unsigned_abs())),
                link: link().id,
                workspace: link().workspace,
                domain: "go.example.com".to_owned(),
                slug: "spring".to_owned(),
                shard: 0,
                status: 302,
                referrer: None,
                user_agent: None,
            };
            clicks.push(NewClick { click, bot: (number < bots).then_some("curl") });
        }
    }
    clicks
}

#[tokio::test]
async fn a_window_of_days_has_a_point_for_each_of_them() {
    let world = World::new().await;
    let (status, body) = world.answer(event("full")).await;
    assert_eq!(status, 200);
    assert_eq!(
        body,
        json!({
            "link": LINK,
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
    let world = World::new().await;
    let (status, body) = world.answer(event("minimal")).await;
    assert_eq!(status, 200);
    assert_eq!(body["from"], "2026-10-21T14:00:00Z");
    assert_eq!(body["to"], "2026-11-20T14:15:00Z");
    assert_eq!(body["series"].as_array().unwrap().len(), 31);
    assert_eq!(body["totals"]["clicks"], 45);

    let (_, body) = world.answer(asking("interval=hour")).await;
    assert_eq!(body["from"], "2026-11-13T14:00:00Z");
    assert_eq!(body["series"].as_array().unwrap().len(), 7 * 24 + 1);
}

#[tokio::test]
async fn ends_within_an_hour_are_rounded_outwards_and_said() {
    let world = World::new().await;
    let (_, body) = world.answer(event("hours")).await;
    assert_eq!(body["from"], "2026-11-20T07:00:00Z");
    assert_eq!(body["to"], "2026-11-20T12:30:00Z");

    // 00:10 to 00:20 in a zone two hours ahead, with a `+` that was escaped and one that was not.
    for plus in ["%2B", "+"] {
        let zone = format!("{plus}02%3A00");
        let query = format!(
            "from=2026-11-20T02%3A10%3A00{zone}&to=2026-11-20T02%3A20%3A00{zone}&interval=hour"
        );
        let (_, body) = world.answer(asking(&query)).await;
        assert_eq!(body["from"], "2026-11-20T00:00:00Z", "{query}");
        assert_eq!(body["to"], "2026-11-20T00:30:00Z");
        assert_eq!(body["totals"], json!({ "clicks": 15, "human": 12, "bot": 3 }));
        assert_eq!(body["series"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn wrong_parameters_are_named_all_at_once_and_nothing_is_read() {
    let world = World::new().await;
    for (event, parameters) in [
        (event("invalid"), vec!["from", "to", "interval"]),
        (event("from-after-to"), vec!["from"]),
        (event("too-many-points"), vec!["from"]),
        (event("unknown-parameter"), vec!["since"]),
        (asking("from=2026-02-30&to=20261120&interval=Day"), vec!["from", "to", "interval"]),
        (asking("from=9999-12-30T22:00:01Z"), vec!["from"]),
    ] {
        let (status, body) = world.answer(event).await;
        assert_eq!(status, 400, "{body}");
        let errors = body["errors"].as_array().unwrap();
        let named: Vec<_> = errors.iter().map(|e| e["parameter"].as_str().unwrap()).collect();
        assert_eq!(named, parameters, "{body}");
    }
    let (_, body) = world.answer(event("too-many-points")).await;
    assert_eq!(body["detail"], "16512 points of one hour are more than 3000");
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn only_the_callers_own_links_are_there() {
    let world = World::new().await;
    for (name, expected) in [
        ("not-authorized", 401),
        ("missing-scope", 403),
        ("other-workspace", 404),
        ("unknown-link", 404),
    ] {
        let (status, _) = world.answer(event(name)).await;
        assert_eq!(status, expected, "{name}");
    }
}

#[tokio::test]
async fn when_dynamodb_is_away_it_is_a_503_without_words() {
    for operation in ["GetItem", "Query"] {
        let world = World::new().await;
        world.probe.inject(On::operation(operation), Fault::THROTTLED);
        let (status, body) = world.answer(event("minimal")).await;
        assert_eq!(status, 503);
        assert!(body["detail"].is_null(), "{body}");
    }
}
