//! Raw clicks, in the embedded S3.

use aws_sdk_s3::Client;
use domain::{Click, ClickId, RecordedClick};
use embedded::Embedded;
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::probe::{Fault, On, Probe};

use super::RawClicks;

const BUCKET: &str = "raw-clicks";

fn now() -> Timestamp {
    "2026-11-22T09:08:07.654Z".parse().unwrap()
}

/// A click of which nothing is known that need not be.
fn click(number: u128) -> RecordedClick {
    let click = Click {
        slug: "été".to_owned(),
        user_agent: Some("a \"quoted\"\u{2028}one".to_owned()),
        ..testkit::click(ClickId::new(now(), number))
    };
    testkit::by_somebody(click)
}

async fn lake() -> (RawClicks, Probe, Client) {
    let aws = Embedded::in_memory().unwrap().sdk_config();
    let client = Client::new(&aws);
    client.create_bucket().bucket(BUCKET).send().await.unwrap();
    let (probe, through) = Probe::between(&aws);
    (RawClicks::new(&through, BUCKET), probe, client)
}

#[tokio::test]
async fn a_batch_is_one_object_with_a_line_for_each_click() {
    let (lake, probe, client) = lake().await;
    let (one, two) = (click(1), testkit::full_click(ClickId::new(now(), 2)));
    let key = lake.put(&[one.clone(), two.clone(), one.clone()], now(), 7).await.unwrap();

    assert_eq!(key, "raw/dt=2026-11-22/hr=09/01M8186HV60000000000000007.jsonl");
    assert_eq!(probe.take_calls().len(), 1);
    let object = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(object.content_type(), Some("application/x-ndjson"));
    let body = object.body.collect().await.unwrap().to_vec();
    let lines: Vec<Value> =
        body.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 3, "copies included");
    assert_eq!(lines[0]["id"], one.click.id.to_string());
    assert_eq!(lines[0]["at"], "2026-11-22T09:08:07.654Z");
    assert_eq!(lines[0]["slug"], "été");
    assert_eq!(lines[0]["user_agent"], "a \"quoted\"\u{2028}one");
    // What is unknown is said to be so.
    let nulls = |line: &Value| line.as_object().unwrap().values().filter(|v| v.is_null()).count();
    assert_eq!((nulls(&lines[0]), nulls(&lines[1])), (25, 0));
    assert_eq!(
        lines[1],
        json!({
            "v": 1, "id": two.click.id.to_string(), "at": "2026-11-22T09:08:07.654Z",
            "workspace": two.click.workspace.to_string(), "link": two.click.link.to_string(),
            "domain": "go.example.com", "slug": "spring", "shard": 3, "method": "GET",
            "status": 302, "destination": "https://example.com/spring",
            "referrer": "news.example.org", "referrer_url": "https://news.example.org/",
            "user_agent": two.click.user_agent, "browser": "Firefox", "os": "Linux",
            "device": "desktop", "bot": "(prefetch)", "bot_why": "prefetch",
            "purpose": "prefetch", "language": "de-AT", "country": "DE", "region": "BE",
            "city": "Berlin", "network": 64_500,
            "utm_source": "newsletter", "utm_medium": "email", "utm_campaign": "spring",
            "utm_term": "shoes", "utm_content": "top",
            "asked_utm_source": "poster", "asked_utm_medium": "print",
            "asked_utm_campaign": "summer", "asked_utm_term": "boots",
            "asked_utm_content": "bottom", "visitor": "00000000000000ff",
        })
    );
}

#[tokio::test]
async fn batches_of_the_same_moment_do_not_replace_each_other() {
    let (lake, _, client) = lake().await;
    let one = click(1);
    for random in 0..3 {
        lake.put(std::slice::from_ref(&one), now(), random).await.unwrap();
    }
    let listed = client.list_objects_v2().bucket(BUCKET).prefix("raw/").send().await.unwrap();
    assert_eq!(listed.contents().len(), 3);
}

#[tokio::test]
async fn a_bucket_that_is_away_is_an_error_that_names_the_object() {
    let (lake, probe, _) = lake().await;
    probe.inject(On::any(), Fault::Error { status: 503, code: "SlowDown" });
    let one = click(1);
    let error = lake.put(&[one], now(), 7).await.unwrap_err().to_string();
    assert_eq!(probe.count("PUT"), 3);
    assert!(error.starts_with("putting `raw/dt=2026-11-22/hr=09/"), "{error}");
    assert!(error.ends_with("into the bucket `raw-clicks`"), "{error}");
}
