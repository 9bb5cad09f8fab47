//! What a request costs at AWS: calls and capacity, not seconds.

use jiff::SignedDuration;
use serde_json::json;
use testkit::Answer;

use crate::repository::text;
use crate::service::Service;

/// What a request has cost since the calls were taken last.
#[derive(Debug, Clone, PartialEq)]
struct Cost {
    calls: Vec<String>,
    units: f64,
}

impl Cost {
    fn of(service: &Service) -> Self {
        let calls = service.world.probe.take_calls();
        Self {
            units: calls.iter().map(|call| call.capacity).sum(),
            calls: calls.into_iter().map(|call| call.operation).collect(),
        }
    }
}

/// Asks, and says what that cost.
async fn cost(service: &Service, request: impl Future<Output = Answer>) -> Cost {
    service.world.probe.take_calls();
    let answer = request.await;
    assert!(answer.status < 400, "{answer:?}");
    Cost::of(service)
}

fn strings<const N: usize>(texts: [&str; N]) -> Vec<String> {
    texts.map(str::to_owned).to_vec()
}

#[tokio::test]
async fn a_redirect_is_one_read_and_none_where_it_is_remembered_and_then_the_click() {
    let service = Service::start().await;
    service.world.put_salts().await;
    for slug in ["first", "a"] {
        service.create(json!({ "url": "https://example.com/", "slug": slug })).await;
    }
    // The day's salt is read once in a process, when the answer is out.
    let first = cost(&service, service.follow("first")).await;
    assert_eq!((first.calls, first.units), (strings(["GetItem", "GetItem", "SendMessage"]), 1.0));
    let miss = cost(&service, service.follow("a")).await;
    assert_eq!(miss.calls, ["GetItem", "SendMessage"]);
    // Eventually consistent, and below 4 KB: half a unit.
    assert_eq!(miss.units, 0.5);
    let hit = cost(&service, service.follow("a")).await;
    assert_eq!((hit.calls.as_slice(), hit.units), (["SendMessage".to_owned()].as_slice(), 0.0));
    println!("redirect: {miss:?}, remembered: {hit:?}");
}

#[tokio::test]
async fn a_redirect_with_a_limit_spends_it_and_nothing_else() {
    let service = Service::start().await;
    service.world.put_salts().await;
    for slug in ["first", "a"] {
        let link = json!({ "url": "https://example.com/", "slug": slug, "max_clicks": 5 });
        service.create(link).await;
    }
    // With it the day's salt is read.
    service.follow("first").await;
    let miss = cost(&service, service.follow("a")).await;
    assert_eq!(miss.calls, ["GetItem", "TransactWriteItems", "SendMessage"]);
    let hit = cost(&service, service.follow("a")).await;
    assert_eq!(hit.calls, ["TransactWriteItems", "SendMessage"]);
    println!("limited redirect: {miss:?}, remembered: {hit:?}");
}

#[tokio::test]
async fn a_write_costs_a_token_and_one_transaction() {
    let service = Service::start().await;
    let body = json!({ "url": "https://example.com/", "slug": "a" });
    let create = testkit::event("create-link/minimal").body(&body);
    let created = cost(&service, service.send("create-link", create)).await;
    assert_eq!(created.calls, ["UpdateItem", "TransactWriteItems"]);
    // The token; link, slug and entry of the audit log, each below 1 KB, twice for all or none; and
    // the index of slugs.
    let plain = 1.0 + 2.0 * 3.0 + 1.0;
    assert_eq!(created.units, plain);
    let body = json!({ "url": "https://example.com/", "slug": "b" });
    let create = testkit::event("create-link/minimal").body(&body);
    let keyed = create.header("idempotency-key", "8e03978e-40d5");
    let created = cost(&service, service.send("create-link", keyed.clone())).await;
    assert_eq!(created.calls, ["UpdateItem", "GetItem", "TransactWriteItems"]);
    // The look for an answer, and the answer, below 1 KB too.
    assert_eq!(created.units, plain + 1.0 + 2.0);
    let again = cost(&service, service.send("create-link", keyed)).await;
    assert_eq!((again.calls.len(), again.units), (2, 1.0 + 1.0));
}

#[tokio::test]
async fn requests_cost_the_same_with_a_hundred_links_as_with_two_thousand() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for number in 0..10 {
        let slug = format!("a{number}");
        let body = json!({ "url": "https://example.com/", "slug": slug, "tags": ["t"] });
        let link = service.create(body).await;
        ids.push(text(&link["id"]).to_owned());
        service.world.clock.advance(SignedDuration::from_secs(1));
        for _ in 0..=number {
            assert_eq!(service.follow(&slug).await.status, 302);
        }
    }
    service.record().await;
    // The others are older than these, so that the same ones are on the first page.
    let add = async |numbers: std::ops::Range<u32>| {
        for number in numbers {
            let mut link = testkit::link(&format!("b{number}"));
            let older = testkit::now() - SignedDuration::from_secs(i64::from(number));
            link.id = domain::LinkId::new(older, u128::from(number));
            link.definition.tags = vec![domain::Tag::parse("t").unwrap()];
            service.world.add(&link).await;
        }
    };
    let (stats_from, id) = ("from=2026-11-01&interval=hour", ids[9].as_str());
    let all = async || {
        [
            ("list", cost(&service, service.list("limit=10")).await),
            ("list by tag", cost(&service, service.list("limit=10&tag=t")).await),
            ("list by prefix", cost(&service, service.list("limit=10&q=a")).await),
            ("list by both", cost(&service, service.list("limit=10&tag=t&q=a")).await),
            ("read", cost(&service, service.get(id)).await),
            ("stats", cost(&service, service.stats(id, stats_from)).await),
            ("clicks", cost(&service, service.clicks(id, "limit=5")).await),
            ("redirect", {
                service.world.clock.advance(SignedDuration::from_secs(30));
                cost(&service, service.follow("a1")).await
            }),
        ]
    };
    // The statistics' process remembers what it was asked for twice; from then on all are alike.
    for _ in 0..2 {
        service.stats(id, stats_from).await;
    }
    add(0..90).await;
    let of_hundred = all().await;
    add(90..1990).await;
    let of_two_thousand = all().await;
    for ((name, before), (_, after)) in of_hundred.iter().zip(&of_two_thousand) {
        println!(
            "{name:>14}: {:?} {} units; of 2,000 links {} units",
            before.calls, before.units, after.units
        );
        assert_eq!(before, after, "{name}");
    }
}

#[tokio::test]
async fn a_thousand_clicks_on_ten_links_are_a_dozen_calls() {
    let service = Service::start().await;
    for number in 0..10 {
        let body = json!({ "url": "https://example.com/", "slug": format!("a{number}") });
        service.create(body).await;
    }
    for number in 0..1000 {
        assert_eq!(service.follow(&format!("a{}", number % 10)).await.status, 302);
    }
    let clicks = service.world.take_clicks().await;
    service.world.probe.take_calls();
    assert!(service.deliver(&clicks).await.is_empty());
    println!("1,000 clicks on 10 links:\n{}", service.world.probe.summary());
    let cost = Cost::of(&service);
    let count = |name: &str| cost.calls.iter().filter(|call| *call == name).count();
    // What functions/record-clicks/README.md says.
    assert_eq!((count("PUT"), count("BatchGetItem"), count("TransactWriteItems")), (1, 1, 11));
    assert_eq!(cost.calls.len(), 13);
    // The same once more: all are found to be there.
    assert!(service.deliver(&clicks).await.is_empty());
    println!("the same again:\n{}", service.world.probe.summary());
    assert_eq!(service.verify().await.clicks, 1000);
}
