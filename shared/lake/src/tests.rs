//! Raw clicks, in the embedded S3.

use aws_sdk_s3::Client;
use domain::{Click, ClickId, LinkId, WorkspaceId};
use embedded::Embedded;
use jiff::Timestamp;
use testkit::probe::{Fault, On, Probe};

use super::RawClicks;

const BUCKET: &str = "raw-clicks";

fn now() -> Timestamp {
    "2026-11-22T09:08:07.654Z".parse().unwrap()
}

fn click(number: u128) -> Click {
    Click {
        id: ClickId::new(now(), number),
        link: LinkId::new(Timestamp::UNIX_EPOCH, 1),
        workspace: WorkspaceId::new(Timestamp::UNIX_EPOCH, 1),
        domain: "go.example.com".to_owned(),
        slug: "été".to_owned(),
        shard: 0,
        status: 302,
        referrer: None,
        user_agent: Some("a \"quoted\"\u{2028}one".to_owned()),
    }
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
    let (one, two) = (click(1), click(2));
    let batch = [(&one, None), (&two, Some("curl")), (&one, None)];
    let key = lake.put(batch, now(), 7).await.unwrap();

    assert_eq!(key, "raw/dt=2026-11-22/hr=09/01M8186HV60000000000000007.jsonl");
    assert_eq!(probe.take_calls().len(), 1);
    let object = client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
    assert_eq!(object.content_type(), Some("application/x-ndjson"));
    let body = object.body.collect().await.unwrap().to_vec();
    let lines: Vec<serde_json::Value> =
        body.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    assert_eq!(lines.len(), 3, "copies included");
    assert_eq!(lines[0]["id"], one.id.to_string());
    assert_eq!(lines[0]["at"], "2026-11-22T09:08:07.654Z");
    assert_eq!(lines[0]["slug"], "été");
    assert_eq!(lines[0]["user_agent"], "a \"quoted\"\u{2028}one");
    assert!(lines[0]["bot"].is_null() && lines[0]["referrer"].is_null());
    assert_eq!(lines[1]["bot"], "curl");
}

#[tokio::test]
async fn batches_of_the_same_moment_do_not_replace_each_other() {
    let (lake, _, client) = lake().await;
    let one = click(1);
    for random in 0..3 {
        lake.put([(&one, None)], now(), random).await.unwrap();
    }
    let listed = client.list_objects_v2().bucket(BUCKET).prefix("raw/").send().await.unwrap();
    assert_eq!(listed.contents().len(), 3);
}

#[tokio::test]
async fn a_bucket_that_is_away_is_an_error_that_names_the_object() {
    let (lake, probe, _) = lake().await;
    probe.inject(On::any(), Fault::Error { status: 503, code: "SlowDown" });
    let one = click(1);
    let error = lake.put([(&one, None)], now(), 7).await.unwrap_err().to_string();
    assert_eq!(probe.count("PUT"), 3);
    assert!(error.starts_with("putting `raw/dt=2026-11-22/hr=09/"), "{error}");
    assert!(error.ends_with("into the bucket `raw-clicks`"), "{error}");
}
