//! The event source of a queue, with a worker that answers as the test wants.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, QueueAttributeName};
use embedded::Embedded;
use lambda::{Clock, Random};
use serde_json::{Value, json};

use super::support::{stub, until};
use crate::contract::{Contract, Queue, Worker};
use crate::gateway::Load;
use crate::sources::{Schedule, Source, Stop, create_queues};

struct World {
    _embedded: Embedded,
    sqs: Client,
    url: String,
    dead_url: String,
    source: Source,
    events: Arc<Mutex<Vec<Value>>>,
}

fn queue(visibility_seconds: u32, dead_letters: bool) -> Queue {
    Queue {
        visibility_timeout_seconds: visibility_seconds,
        receive_wait_seconds: 20,
        message_retention_seconds: 3600,
        max_receive_count: dead_letters.then_some(5),
        dead_letter_queue: dead_letters.then(|| "dead".to_owned()),
    }
}

impl World {
    async fn new(
        visibility_seconds: u32,
        batch_size: usize,
        answer: impl Fn(&Value) -> Result<Value, &'static str> + Send + Sync + 'static,
    ) -> Self {
        let embedded = Embedded::in_memory().unwrap();
        let sqs = Client::new(&embedded.sdk_config());
        let queues = BTreeMap::from([
            ("clicks".to_owned(), queue(visibility_seconds, true)),
            ("dead".to_owned(), queue(visibility_seconds, false)),
        ]);
        let urls = create_queues(&sqs, &queues).await.unwrap();
        let worker = Worker {
            queue: "clicks".to_owned(),
            batch_size,
            timeout_seconds: 60,
            report_batch_item_failures: true,
        };
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let seen = Arc::clone(&events);
        let work = move |event: &Value| {
            seen.lock().unwrap().push(event.clone());
            answer(event)
        };
        let function = stub("worker", Arc::new(work)).await;
        let source = Source::new(
            sqs.clone(),
            &urls["clicks"],
            &queues["clicks"],
            &worker,
            function,
            Random::seeded(1),
        );
        let (url, dead_url) = (urls["clicks"].clone(), urls["dead"].clone());
        Self { _embedded: embedded, sqs, url, dead_url, source, events }
    }

    async fn send(&self, bodies: impl IntoIterator<Item = String>) {
        for body in bodies {
            self.sqs.send_message().queue_url(&self.url).message_body(body).send().await.unwrap();
        }
    }

    fn batches(&self) -> Vec<usize> {
        let events = self.events.lock().unwrap();
        events.iter().map(|event| event["Records"].as_array().unwrap().len()).collect()
    }
}

/// Visible and in flight.
async fn counts(sqs: &Client, url: &str) -> [u32; 2] {
    let answer = sqs
        .get_queue_attributes()
        .queue_url(url)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .unwrap();
    let attributes = answer.attributes.unwrap();
    [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
    ]
    .map(|name| attributes[&name].parse().unwrap())
}

/// Fails the messages whose bodies begin so.
fn failing(start: &'static str) -> impl Fn(&Value) -> Result<Value, &'static str> {
    move |event| {
        let records = event["Records"].as_array().unwrap().iter();
        let failed = records.filter(|it| it["body"].as_str().unwrap().starts_with(start));
        let failed: Vec<_> =
            failed.map(|record| json!({"itemIdentifier": record["messageId"]})).collect();
        Ok(json!({"batchItemFailures": failed}))
    }
}

#[tokio::test]
async fn the_event_has_the_form_that_it_has_in_the_cloud() {
    let world = World::new(60, 10, failing("never")).await;
    let attribute = |kind: &str| MessageAttributeValue::builder().data_type(kind);
    world
        .sqs
        .send_message()
        .queue_url(&world.url)
        .message_body("{\"a\": \"\\\"\n\"}")
        .message_attributes("text", attribute("String").string_value("é\"").build().unwrap())
        .message_attributes(
            "bytes",
            attribute("Binary")
                .binary_value(aws_sdk_sqs::primitives::Blob::new(*b"\0\xff"))
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    world.source.drain().await.unwrap();
    let made = world.events.lock().unwrap().remove(0);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/record-clicks/minimal.json");
    let wanted: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let names = |value: &Value| -> Vec<String> {
        let mut names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let (record, sample) = (&made["Records"][0], &wanted["Records"][0]);
    let mut of_record = names(record);
    of_record.retain(|name| name != "md5OfMessageAttributes");
    assert_eq!(of_record, names(sample));
    // Only traced requests have this one.
    let mut of_sample = names(&sample["attributes"]);
    of_sample.retain(|name| name != "AWSTraceHeader");
    assert_eq!(names(&record["attributes"]), of_sample);
    assert_eq!(record["body"], "{\"a\": \"\\\"\n\"}");
    assert_eq!(record["md5OfBody"], "9bf40091f80fe9735149377bf158e02e");
    assert_eq!(record["eventSource"], "aws:sqs");
    assert_eq!(record["eventSourceARN"], "arn:aws:sqs:eu-west-1:000000000000:clicks");
    assert_eq!(record["awsRegion"], "eu-west-1");
    assert_eq!(record["attributes"]["ApproximateReceiveCount"], "1");
    assert_eq!(
        record["messageAttributes"],
        json!({
            "text": {"stringValue": "é\"", "stringListValues": [], "binaryListValues": [],
                "dataType": "String"},
            "bytes": {"binaryValue": "AP8=", "stringListValues": [], "binaryListValues": [],
                "dataType": "Binary"},
        })
    );
}

#[tokio::test]
async fn what_succeeded_is_deleted_and_what_failed_comes_back() {
    let world = World::new(60, 100, failing("bad")).await;
    world.send((0..30).map(|n| if n % 10 == 0 { format!("bad{n}") } else { n.to_string() })).await;
    world.source.drain().await.unwrap();
    assert_eq!(world.batches(), [30]);
    assert_eq!(counts(&world.sqs, &world.url).await, [0, 3]);
}

#[tokio::test]
async fn batches_are_as_full_as_they_can_be_and_no_fuller() {
    let world = World::new(60, 25, failing("never")).await;
    world.send((0..60).map(|n| n.to_string())).await;
    world.source.drain().await.unwrap();
    assert_eq!(world.batches(), [25, 25, 10]);
    assert_eq!(counts(&world.sqs, &world.url).await, [0, 0]);
}

#[tokio::test]
async fn large_messages_make_small_batches() {
    let world = World::new(60, 1000, failing("never")).await;
    world.send((0..50).map(|_| "x".repeat(200_000))).await;
    world.source.drain().await.unwrap();
    let bytes_of = |event: &Value| event.to_string().len();
    assert!(world.events.lock().unwrap().iter().all(|event| bytes_of(event) < 6_000_000));
    assert_eq!(world.batches().iter().sum::<usize>(), 50);
}

#[tokio::test]
async fn a_failing_function_leaves_the_whole_batch() {
    for answer in [
        |_: &Value| Err("it failed"),
        |_: &Value| panic!("it panicked"),
        |_: &Value| Ok(json!("hello")),
        |_: &Value| Ok(json!({"batchItemFailures": [{"itemIdentifier": ""}]})),
        |_: &Value| Ok(json!({"batchItemFailures": [{"itemIdentifier": "unknown"}]})),
        |_: &Value| Ok(json!({"batchItemFailures": [{}]})),
    ] {
        let world = World::new(60, 10, answer).await;
        world.send(["a".to_owned(), "b".to_owned()]).await;
        assert!(world.source.drain().await.is_err());
        assert_eq!(counts(&world.sqs, &world.url).await, [0, 2]);
    }
}

#[tokio::test]
async fn an_answer_without_failures_is_a_success() {
    for answer in [
        |_: &Value| Ok(json!(null)),
        |_: &Value| Ok(json!({})),
        |_: &Value| Ok(json!({"batchItemFailures": null})),
        |_: &Value| Ok(json!({"batchItemFailures": []})),
    ] {
        let world = World::new(60, 10, answer).await;
        world.send(["a".to_owned()]).await;
        world.source.drain().await.unwrap();
        assert_eq!(counts(&world.sqs, &world.url).await, [0, 0]);
    }
}

#[tokio::test]
async fn after_five_tries_a_message_is_in_the_dead_letter_queue() {
    // It is visible again at once, so each receive meets it again.
    let world = World::new(0, 1, failing("bad")).await;
    world.send(["bad".to_owned(), "good".to_owned()]).await;
    world.source.drain().await.unwrap();
    assert_eq!(world.batches().len(), 6);
    assert_eq!(counts(&world.sqs, &world.url).await, [0, 0]);
    assert_eq!(counts(&world.sqs, &world.dead_url).await, [1, 0]);
}

#[tokio::test]
async fn polling_goes_on_after_a_failure_until_it_is_stopped() {
    let failed_once = Mutex::new(false);
    let world = World::new(1, 10, move |_| {
        let mut failed_once = failed_once.lock().unwrap();
        if *failed_once {
            return Ok(json!({}));
        }
        *failed_once = true;
        Err("it failed")
    })
    .await;
    let (sender, stop) = Stop::new();
    // Also while requests want the machine: it steps aside, and goes on.
    let polling = tokio::spawn(world.source.clone().run(Load::of(100), stop));
    world.send(["a".to_owned()]).await;
    until("the message is gone", async || counts(&world.sqs, &world.url).await == [0, 0]).await;
    assert_eq!(world.batches(), [1, 1]);
    sender.send_replace(true);
    tokio::time::timeout(super::support::LIMIT, polling).await.unwrap().unwrap();
}

#[tokio::test]
async fn queues_get_the_settings_of_the_contract_also_when_they_are_there() {
    let contract = Contract::read().unwrap();
    let embedded = Embedded::in_memory().unwrap();
    let sqs = Client::new(&embedded.sdk_config());
    sqs.create_queue().queue_name("clicks").send().await.unwrap();
    for _ in 0..2 {
        let urls = create_queues(&sqs, &contract.queues).await.unwrap();
        let attributes = sqs
            .get_queue_attributes()
            .queue_url(&urls["clicks"])
            .attribute_names(QueueAttributeName::All)
            .send()
            .await
            .unwrap()
            .attributes
            .unwrap();
        assert_eq!(attributes[&QueueAttributeName::VisibilityTimeout], "365");
        let policy = &attributes[&QueueAttributeName::RedrivePolicy];
        assert!(policy.contains("clicks-dead") && policy.contains('5'), "{policy}");
    }
}

/// A schedule of a worker that answers so.
async fn schedule(
    every: Duration,
    answer: impl Fn() -> Result<Value, &'static str> + Send + Sync + 'static,
) -> (Schedule, Arc<Mutex<Vec<Value>>>) {
    let events = Arc::<Mutex<Vec<Value>>>::default();
    let seen = Arc::clone(&events);
    let work = move |event: &Value| {
        seen.lock().unwrap().push(event.clone());
        answer()
    };
    let function = stub("worker", Arc::new(work)).await;
    let worker = crate::contract::Scheduled { every, timeout_seconds: 5 };
    let clock = Clock::fixed("2026-11-20T14:00:00.123Z".parse().unwrap());
    (Schedule::new(&worker, function, clock, Random::seeded(1)), events)
}

#[tokio::test]
async fn the_event_of_a_schedule_has_the_form_that_it_has_in_the_cloud() {
    let (schedule, events) = schedule(Duration::from_secs(60), || Ok(Value::Null)).await;
    schedule.once().await;
    let event = events.lock().unwrap()[0].clone();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/verify-ledger/minimal.json");
    let sample: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let names = |event: &Value| event.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&event), names(&sample));
    for field in ["version", "detail-type", "source", "time", "detail"] {
        assert_eq!(event[field], sample[field], "{field}");
    }
    let id = event["id"].as_str().unwrap();
    let is_uuid = |id: &str| id.len() == 36 && &id[14..15] == "4" && "89ab".contains(&id[19..20]);
    assert!(is_uuid(id) && is_uuid(sample["id"].as_str().unwrap()), "{id}");
}

#[tokio::test]
async fn a_schedule_goes_on_after_errors_and_panics_until_it_is_told_to_stop() {
    for answer in [|| Err("no"), || panic!("boom")] {
        let (schedule, events) = schedule(Duration::from_millis(5), answer).await;
        let (sender, stop) = Stop::new();
        let running = tokio::spawn(schedule.run(stop));
        until("it was time thrice", || async { 3 <= events.lock().unwrap().len() }).await;
        sender.send_replace(true);
        running.await.unwrap();
    }
}
