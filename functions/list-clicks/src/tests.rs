//! The handler from its events, against the embedded stores.

use std::time::Duration;

use domain::Retention;
use jiff::SignedDuration;
use lambda::{Function, Kind};
use serde_json::{Value, json};
use store::ledger::Recording;
use testkit::probe::{Fault, On};
use testkit::{Event, SPRING, World, event, link, now};

use super::*;

/// A world with the events' link in four click partitions, and five clicks on it, and the
/// function.
async fn world() -> (World, Function) {
    let world = World::new().await;
    world.add(&spring()).await;
    record(&world, &(0..5).map(click).collect::<Vec<_>>()).await;
    let function = Function::http(world.boot("list-clicks"), load, handle).await.unwrap();
    (world, function)
}

async fn record(world: &World, clicks: &[RecordedClick]) {
    let how = Recording {
        now: now(),
        retention: Retention::DEFAULT,
        within: Duration::from_secs(10),
        random: 1,
    };
    world.ledger().record(clicks, how).await;
}

fn spring() -> Link {
    Link { id: LinkId::parse(SPRING).unwrap(), click_shards: 4, ..link("spring") }
}

/// An event with this query.
fn asking(query: &str) -> Event {
    event("list-clicks/minimal").query(query)
}

/// One click each minute, by a bot and a person in turn.
fn click(number: u16) -> RecordedClick {
    let at = now() - SignedDuration::from_mins(i64::from(number));
    let bot = number.is_multiple_of(2).then_some("Slack");
    let click = domain::Click {
        slug: "fruehling".to_owned(),
        shard: number % 4,
        referrer: bot.is_none().then(|| "news.example.org".to_owned()),
        user_agent: Some("agent".to_owned()),
        ..testkit::click(ClickId::new(at, u128::from(number)))
    };
    testkit::by(click, bot)
}

#[tokio::test]
async fn clicks_are_listed_newest_first_with_all_that_is_known() {
    let (world, function) = world().await;
    let body = event("list-clicks/minimal").send(&function).await.json();
    assert_eq!(body["items"].as_array().unwrap().len(), 5);
    assert!(body["next"].is_null());
    let nothing =
        json!({ "source": null, "medium": null, "campaign": null, "term": null, "content": null });
    assert_eq!(
        body["items"][0],
        json!({
            "id": click(0).click.id.to_string(), "at": "2026-11-20T14:03:27.412Z",
            "slug": "fruehling", "domain": "go.example.com", "status": 302,
            "destination": null, "referrer": null, "referrer_url": null,
            "user_agent": "agent", "browser": null, "os": null, "device": null,
            "bot": "Slack", "bot_why": "user-agent", "language": null,
            "country": null, "region": null, "city": null,
            "utm": nothing, "asked_utm": nothing, "visitor": null,
        })
    );
    assert_eq!(body["items"][1]["referrer"], "news.example.org");
    assert!(body["items"][1]["bot"].is_null() && body["items"][1]["bot_why"].is_null());
    let calls = world.probe.take_calls();
    // The link, and each partition.
    assert_eq!(calls.len(), 5);
}

#[tokio::test]
async fn a_click_of_which_everything_is_known_is_listed_with_all_of_it() {
    let (world, function) = world().await;
    let at = now() + SignedDuration::from_secs(1);
    record(&world, &[testkit::full_click(ClickId::new(at, 1))]).await;
    let body = event("list-clicks/minimal").send(&function).await.json();
    assert_eq!(
        body["items"][0],
        json!({
            "id": ClickId::new(at, 1).to_string(), "at": "2026-11-20T14:03:28.412Z",
            "slug": "spring", "domain": "go.example.com", "status": 302,
            "destination": "https://example.com/spring",
            "referrer": "news.example.org", "referrer_url": "https://news.example.org/",
            "user_agent":
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "browser": "Firefox", "os": "Linux", "device": "desktop",
            "bot": "(prefetch)", "bot_why": "prefetch", "language": "de-AT",
            "country": "DE", "region": "BE", "city": "Berlin",
            "utm": {
                "source": "newsletter", "medium": "email", "campaign": "spring",
                "term": "shoes", "content": "top",
            },
            "asked_utm": {
                "source": "poster", "medium": "print", "campaign": "summer",
                "term": "boots", "content": "bottom",
            },
            "visitor": "00000000000000ff",
        })
    );
}

#[tokio::test]
async fn pages_go_on_where_the_one_before_ended() {
    let (_world, function) = world().await;
    let next = async |page: &Value| {
        let cursor = page["next"].as_str().unwrap();
        asking(&format!("limit=2&cursor={cursor}")).send(&function).await.json()
    };
    let first = event("list-clicks/full").send(&function).await.json();
    let second = next(&first).await;
    let third = next(&second).await;
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
    let (world, function) = world().await;
    let of_another_link = concat!(
        "cursor=eyJ2IjoxLCJsaW5rIjoibG5rXzAxTTZGQjk4MDAwMDAwMDAwMDAwMDAwMDAwIiwiY2xpY2siOiJjbGtf",
        "MDFNN1dNOVc5TU0zRjVIN0s5TjJRNFM2VjgifQ",
    );
    for (event, parameters) in [
        (event("list-clicks/invalid"), vec!["limit", "cursor"]),
        (asking("limit=101"), vec!["limit"]),
        (asking("limit=-1&page=2"), vec!["limit", "page"]),
        (asking(of_another_link), vec!["cursor"]),
        (event("list-clicks/from-after-to"), vec!["from"]),
        (asking("from=now&to=2026&tz=Mars&filter=link%3Aa"), vec!["tz", "from", "to", "filter"]),
    ] {
        let answer = event.send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), parameters, "{answer:?}");
    }
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
        event(&format!("list-clicks/{name}")).send(&function).await.assert_problem(expected);
    }
    assert!(world.probe.take_calls().iter().all(|call| call.operation == "GetItem"));
}

#[tokio::test]
async fn when_dynamodb_is_away_it_is_unavailable() {
    for operation in ["GetItem", "Query"] {
        let (world, function) = world().await;
        world.probe.inject(On::operation(operation), Fault::THROTTLED);
        let answer = event("list-clicks/minimal").send(&function).await;
        answer.assert_problem(Kind::Unavailable);
    }
}

#[tokio::test]
async fn a_filter_leaves_out_and_pages_go_on_behind_what_was_looked_at() {
    let (_world, function) = world().await;
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
    };
    let id = |number| click(number).click.id.to_string();
    // People are the odd ones, and a day in Berlin began 15 hours ago.
    let first = event("list-clicks/filter").send(&function).await.json();
    assert_eq!(ids(&first), [id(1)]);
    let cursor = first["next"].as_str().unwrap();
    let second = asking(&format!("filter=bot%3Afalse&limit=1&cursor={cursor}"));
    let second = second.send(&function).await.json();
    assert_eq!(ids(&second), [id(3)]);
    let cursor = second["next"].as_str().unwrap();
    let third = asking(&format!("filter=bot%3Afalse&limit=1&cursor={cursor}"));
    let third = third.send(&function).await.json();
    assert!(ids(&third).is_empty() && third["next"].is_null());

    // From 14:00:00, up to 14:02:27.412, which is not included.
    let between = "from=2026-11-20T14:00:00Z&to=2026-11-20T14:02:27.412Z";
    let page = asking(between).send(&function).await.json();
    assert_eq!(ids(&page), [id(2), id(3)]);
    assert!(page["next"].is_null());
    let page = asking(&format!("{between}&limit=1")).send(&function).await.json();
    let cursor = page["next"].as_str().unwrap();
    let page = asking(&format!("{between}&limit=1&cursor={cursor}")).send(&function).await.json();
    assert_eq!(ids(&page), [id(3)]);
    // Where a page is full, only the next one finds out that there is nothing more.
    let cursor = page["next"].as_str().unwrap();
    let page = asking(&format!("{between}&limit=1&cursor={cursor}")).send(&function).await.json();
    assert_eq!((ids(&page), &page["next"]), (vec![], &Value::Null));
}

#[tokio::test]
async fn a_page_ends_after_so_many_clicks_and_the_next_one_goes_on() {
    let (world, function) = world().await;
    let many: Vec<_> = (0..2_100_u16)
        .map(|number| {
            let at =
                now() - SignedDuration::from_hours(1) - SignedDuration::from_secs(number.into());
            let shard = number % 4;
            let slug = if number == 2_050 { "rare" } else { "spring" };
            let click = testkit::click(ClickId::new(at, number.into()));
            testkit::by(domain::Click { shard, slug: slug.to_owned(), ..click }, None)
        })
        .collect();
    record(&world, &many).await;
    world.probe.take_calls();
    let page = asking("filter=slug%3Arare").send(&function).await.json();
    assert!(page["items"].as_array().unwrap().is_empty());
    // The link, and four times its four partitions.
    assert_eq!(world.probe.take_calls().len(), 17);
    let cursor = page["next"].as_str().unwrap();
    let page = asking(&format!("filter=slug%3Arare&cursor={cursor}")).send(&function).await.json();
    assert_eq!(page["items"][0]["slug"], "rare");
    assert!(page["next"].is_null());
}
