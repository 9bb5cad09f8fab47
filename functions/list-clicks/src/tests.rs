//! The handler from its events, against the embedded stores.

use std::time::Duration;

use domain::{
    ClickId, Definition, Destination, Domain, Link, LinkId, RedirectStatus, Retention, Slug,
    WorkspaceId,
};
use embedded::Embedded;
use jiff::{SignedDuration, Timestamp};
use lambda::{Clock, Env, Function, Invocation, Random};
use serde_json::{Value, json};
use store::Tables;
use store::ledger::{NewClick, Recording};
use testkit::probe::{Fault, On, Probe};

use super::*;

/// The function with the events' link and five clicks on it, in four partitions.
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
            within: Duration::from_secs(10),
            random: 1,
        };
        let clicks: Vec<_> = (0..5).map(click).collect();
        LedgerStore::new(&aws, "clicks", "links").record(&clicks, how).await;
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
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../events/list-clicks");
    serde_json::from_slice(&std::fs::read(format!("{folder}/{name}.json")).unwrap()).unwrap()
}

/// An event with these parameters.
fn asking(parameters: &[(&str, &str)]) -> Value {
    let mut event = event("minimal");
    let pairs: Vec<_> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
    event["rawQueryString"] = json!(pairs.join("&"));
    event["queryStringParameters"] =
        parameters.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    event
}

fn now() -> Timestamp {
    "2026-11-20T14:03:27.412Z".parse().unwrap()
}

fn link() -> Link {
    let id = LinkId::parse("lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y").unwrap();
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
        click_shards: 4,
    }
}

/// One click each minute, by a bot and a person in turn.
fn click(number: u16) -> NewClick {
    let at = now() - SignedDuration::from_mins(i64::from(number));
    let bot = number.is_multiple_of(2).then_some("Slack");
    let click = domain::Click {
        id: ClickId::new(at, u128::from(number)),
        link: link().id,
        workspace: link().workspace,
        domain: "go.example.com".to_owned(),
        slug: "fruehling".to_owned(),
        shard: number % 4,
        status: 302,
        referrer: bot.is_none().then(|| "news.example.org".to_owned()),
        user_agent: Some("agent".to_owned()),
    };
    NewClick { click, bot }
}

#[tokio::test]
async fn clicks_are_listed_newest_first_with_all_that_is_known() {
    let world = World::new().await;
    let (status, body) = world.answer(event("minimal")).await;
    assert_eq!(status, 200);
    assert_eq!(body["items"].as_array().unwrap().len(), 5);
    assert!(body["next"].is_null());
    assert_eq!(
        body["items"][0],
        json!({
            "id": click(0).click.id.to_string(), "at": "2026-11-20T14:03:27.412Z",
            "slug": "fruehling", "domain": "go.example.com", "status": 302,
            "referrer": null, "user_agent": "agent", "bot": "Slack",
        })
    );
    assert_eq!(body["items"][1]["referrer"], "news.example.org");
    assert!(body["items"][1]["bot"].is_null());
    let calls = world.probe.take_calls();
    // The link, and each partition.
    assert_eq!(calls.len(), 5);
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let world = World::new().await;
    let (_, first) = world.answer(event("full")).await;
    let (_, second) =
        world.answer(asking(&[("limit", "2"), ("cursor", first["next"].as_str().unwrap())])).await;
    let (_, third) =
        world.answer(asking(&[("limit", "2"), ("cursor", second["next"].as_str().unwrap())])).await;
    assert!(third["next"].is_null());
    let ids: Vec<_> = [first, second, third]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap().clone())
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<_> = (0..5).map(|number| click(number).click.id.to_string()).collect();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn wrong_parameters_are_named_all_at_once_and_nothing_is_read() {
    let world = World::new().await;
    for (event, parameters) in [
        (event("invalid"), vec!["limit", "cursor"]),
        (asking(&[("limit", "101")]), vec!["limit"]),
        (asking(&[("limit", "-1"), ("page", "2")]), vec!["limit", "page"]),
        // A cursor, but of another link.
        (
            asking(&[(
                "cursor",
                "eyJ2IjoxLCJsaW5rIjoibG5rXzAxTTZGQjk4MDAwMDAwMDAwMDAwMDAwMDAwIiwiY2xpY2siOiJjbGtfMDFNN1dNOVc5TU0zRjVIN0s5TjJRNFM2VjgifQ",
            )]),
            vec!["cursor"],
        ),
    ] {
        let (status, body) = world.answer(event).await;
        assert_eq!(status, 400, "{body}");
        let errors = body["errors"].as_array().unwrap();
        let named: Vec<_> = errors.iter().map(|e| e["parameter"].as_str().unwrap()).collect();
        assert_eq!(named, parameters, "{body}");
    }
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
async fn when_dynamodb_is_away_it_is_a_503() {
    for operation in ["GetItem", "Query"] {
        let world = World::new().await;
        world.probe.inject(On::operation(operation), Fault::THROTTLED);
        assert_eq!(world.answer(event("minimal")).await.0, 503);
    }
}
