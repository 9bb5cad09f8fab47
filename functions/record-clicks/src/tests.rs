//! The worker from its events, against the embedded stores.

use std::collections::BTreeSet;

use domain::rollup::Counts;
use domain::{Click, ClickId, LinkId};
use jiff::SignedDuration;
use lambda::{Function, Invocation};
use queue::{ClickMessage, OrphanMessage};
use serde_json::{Value, json};
use store::ledger::Subject;
use testkit::probe::{Fault, On, Service};
use testkit::{Event, SPRING, World, event, now};

use super::*;

async fn worker(world: &World) -> Function {
    Function::sqs(world.boot("record-clicks"), load, handle).await.unwrap()
}

/// The ids of the messages that must come back.
fn failures(answer: &Value) -> Vec<String> {
    let failures = answer["batchItemFailures"].as_array().unwrap();
    failures.iter().map(|f| f["itemIdentifier"].as_str().unwrap().to_owned()).collect()
}

/// The id of message number `at` of an event.
fn id(event: &Event, at: usize) -> String {
    event.json()["Records"][at]["messageId"].as_str().unwrap().to_owned()
}

async fn counts(world: &World) -> Counts {
    let spring = LinkId::parse(SPRING).unwrap();
    world.ledger().totals(Subject::Link(spring)).await.unwrap()
}

/// A batch of so many clicks on the link of the events.
fn batch(count: u16) -> Event {
    let records: Vec<_> = (0..count)
        .map(|number| {
            let click = Click {
                user_agent: Some("Mozilla/5.0 Firefox/145.0".to_owned()),
                ..testkit::click(ClickId::new(now(), u128::from(number)))
            };
            let body = serde_json::to_string(&ClickMessage::from(&click)).unwrap();
            json!({ "messageId": format!("m-{number}"), "body": body })
        })
        .collect();
    Event::of(json!({ "Records": records }))
}

#[tokio::test]
async fn clicks_are_recorded_and_what_is_none_comes_back() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    let event = event("record-clicks/full");
    let answer = event.invoke(&worker).await;
    assert_eq!(failures(&answer), [id(&event, 2)]);
    assert_eq!(counts(&world).await, Counts { human: 2, bot: 1 });

    // The raw object is there before the ledger is touched.
    let calls: Vec<_> = world.probe.take_calls().into_iter().map(|call| call.operation).collect();
    assert_eq!(calls, ["PUT", "BatchGetItem", "TransactWriteItems"]);
}

#[tokio::test]
async fn copies_count_once_and_none_of_them_comes_back() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    for _ in 0..2 {
        let answer = event("record-clicks/duplicate").invoke(&worker).await;
        assert!(failures(&answer).is_empty());
        assert_eq!(counts(&world).await, Counts { human: 2, bot: 0 });
    }
}

#[tokio::test]
async fn events_of_every_kind_are_dealt_with() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    for name in ["minimal", "two-links", "unknown-field"] {
        let answer = event(&format!("record-clicks/{name}")).invoke(&worker).await;
        assert!(failures(&answer).is_empty(), "{name}");
    }
    // Nothing of it is a click: the invocation fails, so that the alarm on errors sees it.
    for name in ["malformed", "unknown-version"] {
        let event = event(&format!("record-clicks/{name}")).json().to_string();
        let outcome = worker.invoke(Invocation::new(event.into_bytes(), "r-1")).await;
        assert!(outcome.is_err(), "{name}");
    }
}

#[tokio::test]
async fn when_the_bucket_is_away_the_batch_fails_and_nothing_is_counted() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    let away = Fault::Error { status: 503, code: "SlowDown" };
    world.probe.inject(On::service(Service::S3), away);
    let event = event("record-clicks/minimal").json().to_string();
    let outcome = worker.invoke(Invocation::new(event.into_bytes(), "r-1")).await;
    assert!(outcome.is_err());
    assert!(world.probe.take_calls().iter().all(|call| call.service == Service::S3));
    assert_eq!(counts(&world).await, Counts::default());
}

#[tokio::test]
async fn what_cannot_be_recorded_in_time_comes_back() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    world.probe.inject(On::operation("TransactWriteItems").after(1), Fault::THROTTLED);
    let event = batch(150);
    // A second is kept for the answer.
    let invocation = Invocation {
        timeout: Duration::from_millis(1_500),
        ..Invocation::new(event.json().to_string().into_bytes(), "r-1")
    };
    let answer = worker.invoke(invocation).await.unwrap();
    let came_back = failures(&serde_json::from_slice(&answer).unwrap());
    assert_eq!(came_back.len(), 150 - 96);
    assert_eq!(counts(&world).await.human, 96);

    world.probe.heal();
    assert!(failures(&event.invoke(&worker).await).is_empty());
    assert_eq!(counts(&world).await.human, 150);
}

#[tokio::test]
async fn a_worker_that_is_killed_at_any_call_counts_each_click_once() {
    let event = batch(120);
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        for k in 0.. {
            let world = World::with_spring().await;
            let worker = worker(&world).await;
            world.probe.inject(On::any().after(k).once(), fault.clone());
            tokio::select! {
                _ = event.invoke(&worker) => {}
                () = world.probe.stopped() => {}
            }
            let fired = world.probe.fired();
            world.probe.heal();
            assert!(failures(&event.invoke(&worker).await).is_empty());
            assert_eq!(counts(&world).await, Counts { human: 120, bot: 0 });
            assert_eq!(raw_ids(&world).await.len(), 120);
            if fired == 0 {
                assert_eq!(k, 4, "an object, a read and two transactions");
                break;
            }
        }
    }
}

/// The ids of all clicks in the bucket.
async fn raw_ids(world: &World) -> BTreeSet<String> {
    let client = aws_sdk_s3::Client::new(&world.aside());
    let listed = client.list_objects_v2().bucket("raw-clicks").send().await.unwrap();
    let mut ids = BTreeSet::new();
    for object in listed.contents() {
        let get = client.get_object().bucket("raw-clicks").key(object.key().unwrap());
        let body = get.send().await.unwrap().body.collect().await.unwrap().to_vec();
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_slice(line).unwrap();
            ids.insert(line["id"].as_str().unwrap().to_owned());
        }
    }
    ids
}

#[tokio::test]
async fn a_click_older_than_the_retention_comes_back_each_time_and_is_nowhere() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    world.clock.advance(SignedDuration::from_hours(91 * 24));
    let event = event("record-clicks/minimal").json().to_string();
    let outcome = worker.invoke(Invocation::new(event.into_bytes(), "r-1")).await;
    assert!(outcome.is_err());
    let calls = world.probe.take_calls();
    assert!(calls.iter().all(|call| call.operation == "PUT"));
    assert!(raw_ids(&world).await.is_empty());
}

#[tokio::test]
async fn a_retention_that_would_count_twice_is_refused_at_the_start() {
    let world = World::new().await;
    let boot = world.boot_with("record-clicks", &[("CLICK_RETENTION_DAYS", "14")]);
    let error = load(boot).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "environment variable `CLICK_RETENTION_DAYS` is `14`: clicks are kept for 21 to 3650 days"
    );
}

/// A message of so many requests for what is not there.
fn orphans(number: u64) -> Value {
    let id = ClickId::new(now(), u128::from(number));
    let (domain, slug) = ("go.example.com".to_owned(), format!("sprng-{}", number % 2));
    let orphan = Orphan { id, domain, slug, count: number };
    let body = serde_json::to_string(&OrphanMessage::from(&orphan)).unwrap();
    json!({ "messageId": format!("o-{number}"), "body": body })
}

#[tokio::test]
async fn several_clicks_of_a_message_count_once_and_it_comes_back_if_one_of_them_does_not() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    let body = |message: &Value| message["body"].as_str().unwrap().to_owned();
    let clicks =
        batch(3).json()["Records"].as_array().unwrap().iter().map(body).collect::<Vec<_>>();
    let newer = clicks[0].replace("\"v\":2", "\"v\":99");
    let several = |id: &str, parts: &[&str]| json!({ "messageId": id, "body": format!("[{}]", parts.join(",")) });
    let event = Event::of(json!({ "Records": [
        several("whole", &[&clicks[0], &clicks[1], &body(&orphans(1))]),
        several("half", &[&newer, &clicks[1], &newer, &clicks[2]]),
        several("empty", &[]),
    ] }));
    for _ in 0..2 {
        assert_eq!(failures(&event.invoke(&worker).await), ["empty", "half"]);
        assert_eq!(counts(&world).await.human, 3);
    }
}

#[tokio::test]
async fn orphans_take_no_time_from_clicks() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    let away = On::operation("TransactWriteItems").holding("R#orphans#");
    world.probe.inject(away, Fault::THROTTLED);
    let mut records = vec![orphans(1)];
    records.extend(batch(3).json()["Records"].as_array().unwrap().iter().cloned());
    let event = json!({ "Records": records });
    let invocation = Invocation {
        timeout: Duration::from_millis(2_000),
        ..Invocation::new(event.to_string().into_bytes(), "r-1")
    };
    let answer = worker.invoke(invocation).await.unwrap();
    assert_eq!(failures(&serde_json::from_slice(&answer).unwrap()), ["o-1"]);
    assert_eq!(counts(&world).await.human, 3);
}

#[tokio::test]
async fn orphans_are_counted_for_their_domain_once() {
    let world = World::with_spring().await;
    let worker = worker(&world).await;
    let unknown = json!({ "messageId": "u", "body": r#"{"v":2,"kind":"elephant","id":"","domain":"","slug":"","count":1}"# });
    let event = Event::of(json!({ "Records": [orphans(1), orphans(2), orphans(1), unknown] }));
    for _ in 0..2 {
        assert_eq!(failures(&event.invoke(&worker).await), ["u"]);
        let today = Day::of(now());
        let days = world.ledger().orphan_days("go.example.com", today..=today).await.unwrap();
        assert_eq!(days[&today].counts.total(), 3);
    }
    // They are no clicks: nothing of them is in the lake.
    assert!(raw_ids(&world).await.is_empty());
}
