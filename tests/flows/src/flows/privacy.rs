//! Visitors are told from each other for a day, and nothing that is kept says who they were.

use std::collections::BTreeSet;

use domain::Day;
use jiff::SignedDuration;
use lambda::{Function, Kind};
use serde_json::{Value, json};
use testkit::{World, event};

use crate::functions;
use crate::repository::{list, text};
use crate::service::{BROWSER, Service};

const BEHIND_CLOUDFRONT: &[(&str, &str)] = &[("ORIGIN_SECRET", "a secret")];

/// Where the visitors are.
const ADDRESSES: [&str; 3] = ["203.0.113.9", "198.51.100.200", "2001:db8:77::1"];

/// The redirect as it is behind CloudFront. The others need not be, and know nothing of viewers.
async fn behind_cloudfront(service: &Service) -> Function {
    functions::load(service.world.boot_with("redirect", BEHIND_CLOUDFRONT)).await.unwrap()
}

async fn rotate(service: &Service) {
    event("rotate-salts/minimal").invoke(service.function("rotate-salts")).await;
}

/// Somebody at this address follows a link.
async fn follow_from(redirect: &Function, slug: &str, address: &str) {
    let get = event("redirect/through-cloudfront")
        .path("slug", slug)
        .without_header("sec-purpose")
        .header("user-agent", BROWSER)
        .header("x-forwarded-for", address)
        .header("cloudfront-viewer-address", &format!("{address}:4711"));
    assert_eq!(get.send(redirect).await.status, 302);
}

/// The visitors of a link's clicks, newest first.
async fn visitors(service: &Service, link: &Value) -> Vec<String> {
    service.record().await;
    let page = service.clicks(text(&link["id"]), "limit=100").await.json();
    list(&page["items"]).iter().map(|click| text(&click["visitor"]).to_owned()).collect()
}

/// All rows of all tables, as text.
#[expect(
    clippy::disallowed_methods,
    reason = "whoever looks for what must be nowhere looks everywhere"
)]
async fn rows(world: &World) -> Vec<String> {
    let client = aws_sdk_dynamodb::Client::new(&world.aside());
    let tables = client.list_tables().send().await.expect("the store answers");
    let mut rows = Vec::new();
    for table in tables.table_names() {
        let scan = client.scan().table_name(table).send().await.expect("the store answers");
        rows.extend(scan.items().iter().map(|row| format!("{table}: {row:?}")));
    }
    rows
}

/// All objects of the bucket, as text.
async fn objects(world: &World) -> Vec<String> {
    let config = aws_sdk_s3::config::Builder::from(&world.aside()).force_path_style(true).build();
    let client = aws_sdk_s3::Client::from_conf(config);
    let listed = client.list_objects_v2().bucket("raw-clicks").send().await;
    let mut objects = Vec::new();
    for object in listed.expect("the store answers").contents() {
        let key = object.key().unwrap_or_default();
        let get = client.get_object().bucket("raw-clicks").key(key).send().await;
        let body = get.expect("the store answers").body.collect().await.expect("it is whole");
        let body = body.to_vec();
        objects.push(format!("{key}: {}", String::from_utf8_lossy(&body)));
    }
    objects
}

#[tokio::test]
async fn an_address_is_in_no_row_no_message_and_no_object() {
    let service = Service::start().await;
    let redirect = behind_cloudfront(&service).await;
    rotate(&service).await;
    let link = service.create(json!({ "url": "https://example.com/", "slug": "spring" })).await;
    for address in ADDRESSES {
        follow_from(&redirect, "spring", address).await;
    }
    // Of what is not there something is told, too.
    let nowhere = event("redirect/through-cloudfront").path("slug", "sprong");
    let answer = nowhere.without_header("accept").send(&redirect).await;
    answer.assert_problem(Kind::NotFound);
    let visitors: BTreeSet<_> = visitors(&service, &link).await.into_iter().collect();
    assert_eq!(visitors.len(), ADDRESSES.len(), "they were told from each other");

    // All that was sent to tables and queues, with what was rejected or deleted since.
    let calls = service.world.probe.take_calls();
    let sent = calls.iter().map(|call| format!("{}: {}", call.operation, call.body));
    let (rows, objects) = (rows(&service.world).await, objects(&service.world).await);
    let visitor = visitors.first().expect("there are some").as_str();
    for place in [&rows, &objects, &sent.clone().collect()] {
        assert!(place.iter().any(|text| text.contains(visitor)), "here it could be found");
    }
    let everything: Vec<_> = sent.chain(rows).chain(objects).collect();
    for address in ADDRESSES.iter().chain(&["198.51.100.10", "203.0.113.7"]) {
        let found: Vec<_> = everything.iter().filter(|text| text.contains(address)).collect();
        assert!(found.is_empty(), "{address} is in {found:#?}");
    }
}

#[tokio::test]
async fn who_came_on_one_day_is_nobody_on_the_next_and_cannot_be_found_again() {
    let service = Service::start().await;
    let redirect = behind_cloudfront(&service).await;
    let link = service.create(json!({ "url": "https://example.com/", "slug": "spring" })).await;
    let mut seen = BTreeSet::new();
    let mut salts = BTreeSet::new();
    // For a week, hour by hour, the same person comes twice a day.
    for hour in 0..(7 * 24) {
        rotate(&service).await;
        let kept: BTreeSet<_> = rows(&service.world)
            .await
            .into_iter()
            .filter(|row| row.starts_with("salts: "))
            .collect();
        assert!(kept.len() <= 3, "{kept:?}");
        salts = kept;
        if hour % 12 == 0 {
            follow_from(&redirect, "spring", ADDRESSES[0]).await;
        }
        service.world.clock.advance(SignedDuration::from_hours(1));
    }
    let visitors = visitors(&service, &link).await;
    assert_eq!(visitors.len(), 14);
    seen.extend(visitors);
    // The first click was in the afternoon, so there are eight days; on six of them there were two.
    assert_eq!(seen.len(), 8, "{seen:?}");
    // Nothing with which they were made is left, but that of the last days.
    let today = Day::of(service.world.clock.now());
    for days in 2..8 {
        let day = today.plus(-days).to_string();
        assert!(!salts.iter().any(|row| row.contains(&day)), "{salts:?}");
        let salt = service.world.salt_reader().read(today.plus(-days)).await;
        assert_eq!(salt.expect("the store answers"), None);
    }
}
