//! SQS by `aws-sdk-sqs`.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message,
    MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use crate::{Embedded, OpenError};

/// A queue `clicks` that gives a message three times before it goes to `clicks-dlq`, and a clock
/// that stands still until it is told otherwise.
struct World {
    sqs: Client,
    queue: String,
    dead: String,
    seconds: Arc<AtomicI64>,
}

impl World {
    async fn new() -> Self {
        let seconds = Arc::new(AtomicI64::new(1_800_000_000));
        let clock = Arc::clone(&seconds);
        let embedded =
            Embedded::in_memory_at(Arc::new(move || clock.load(Ordering::SeqCst) * 1000)).unwrap();
        let sqs = client(&embedded);
        let (queue, dead) = queues(&sqs).await;
        Self { sqs, queue, dead, seconds }
    }

    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    async fn send(&self, body: &str) -> String {
        let sent = self.sqs.send_message().queue_url(&self.queue).message_body(body);
        sent.send().await.unwrap().message_id.unwrap()
    }

    async fn receive(&self) -> Vec<Message> {
        receive(&self.sqs, &self.queue).await
    }

    async fn receive_one(&self) -> Message {
        let messages = self.receive().await;
        let [message] = messages.as_slice() else { panic!("{messages:?}") };
        message.clone()
    }

    async fn delete(&self, handle: &str) {
        let delete = self.sqs.delete_message().queue_url(&self.queue).receipt_handle(handle);
        delete.send().await.unwrap();
    }

    /// Visible, in flight, delayed.
    async fn counts(&self) -> [i64; 3] {
        counts(&self.sqs, &self.queue).await
    }
}

fn client(embedded: &Embedded) -> Client {
    Client::new(&embedded.sdk_config())
}

async fn queues(sqs: &Client) -> (String, String) {
    let dead = sqs.create_queue().queue_name("clicks-dlq").send().await.unwrap();
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:clicks-dlq","maxReceiveCount":"3"}"#;
    let queue = sqs
        .create_queue()
        .queue_name("clicks")
        .attributes(QueueAttributeName::VisibilityTimeout, "60")
        .attributes(QueueAttributeName::RedrivePolicy, policy)
        .send()
        .await
        .unwrap();
    (queue.queue_url.unwrap(), dead.queue_url.unwrap())
}

async fn receive(sqs: &Client, queue: &str) -> Vec<Message> {
    let request = sqs
        .receive_message()
        .queue_url(queue)
        .max_number_of_messages(10)
        .message_system_attribute_names(MessageSystemAttributeName::All)
        .message_attribute_names("All");
    request.send().await.unwrap().messages.unwrap_or_default()
}

async fn counts(sqs: &Client, queue: &str) -> [i64; 3] {
    let answer = sqs
        .get_queue_attributes()
        .queue_url(queue)
        .attribute_names(QueueAttributeName::All)
        .send()
        .await
        .unwrap();
    let attributes = answer.attributes.unwrap();
    [
        QueueAttributeName::ApproximateNumberOfMessages,
        QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        QueueAttributeName::ApproximateNumberOfMessagesDelayed,
    ]
    .map(|name| attributes[&name].parse().unwrap())
}

fn attribute(message: &Message, name: MessageSystemAttributeName) -> &str {
    &message.attributes().unwrap()[&name]
}

fn count_of(message: &Message) -> &str {
    attribute(message, MessageSystemAttributeName::ApproximateReceiveCount)
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body().unwrap()).collect()
}

// --- Queues --------------------------------------------------------------------------------------

#[tokio::test]
async fn a_queue_is_made_once_and_found_again() {
    let world = World::new().await;
    let sqs = &world.sqs;
    assert_eq!(world.queue, "http://embedded.local/000000000000/clicks");

    // With what is already so, whether it was given or is a default: the same queue.
    let again = sqs
        .create_queue()
        .queue_name("clicks")
        .attributes(QueueAttributeName::VisibilityTimeout, "60")
        .attributes(QueueAttributeName::DelaySeconds, "0");
    assert_eq!(again.send().await.unwrap().queue_url(), Some(world.queue.as_str()));
    let other = sqs
        .create_queue()
        .queue_name("clicks")
        .attributes(QueueAttributeName::VisibilityTimeout, "61");
    let error = other.send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_name_exists(), "{error:?}");

    let url = sqs.get_queue_url().queue_name("clicks").send().await.unwrap();
    assert_eq!(url.queue_url(), Some(world.queue.as_str()));
    let list = sqs.list_queues().queue_name_prefix("clicks-").send().await.unwrap();
    assert_eq!(list.queue_urls(), [world.dead.as_str()]);
    let sources = sqs.list_dead_letter_source_queues().queue_url(&world.dead).send().await.unwrap();
    assert_eq!(sources.queue_urls(), [world.queue.as_str()]);
}

#[tokio::test]
async fn attributes_are_set_and_checked() {
    let world = World::new().await;
    let set = |name: QueueAttributeName, value: &str| {
        let queue = &world.queue;
        world.sqs.set_queue_attributes().queue_url(queue).attributes(name, value).send()
    };
    set(QueueAttributeName::VisibilityTimeout, "5").await.unwrap();
    let attributes = world
        .sqs
        .get_queue_attributes()
        .queue_url(&world.queue)
        .attribute_names(QueueAttributeName::VisibilityTimeout)
        .attribute_names(QueueAttributeName::QueueArn)
        .send()
        .await
        .unwrap()
        .attributes
        .unwrap();
    assert_eq!(attributes.len(), 2);
    assert_eq!(attributes[&QueueAttributeName::VisibilityTimeout], "5");
    assert_eq!(
        attributes[&QueueAttributeName::QueueArn],
        "arn:aws:sqs:eu-west-1:000000000000:clicks"
    );

    let error = set(QueueAttributeName::VisibilityTimeout, "43201").await.unwrap_err();
    assert!(error.into_service_error().is_invalid_attribute_value());
    let error = set(QueueAttributeName::from("Colour"), "blue").await.unwrap_err();
    assert!(error.into_service_error().is_invalid_attribute_name());
    let nowhere =
        r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:000000000000:none","maxReceiveCount":3}"#;
    let error = set(QueueAttributeName::RedrivePolicy, nowhere).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    let error = set(QueueAttributeName::FifoQueue, "true").await.unwrap_err();
    assert!(error.into_service_error().is_unsupported_operation());
}

#[tokio::test]
async fn a_deleted_queue_is_gone_with_its_messages_and_handles() {
    let world = World::new().await;
    world.send("lost").await;
    let handle = world.receive_one().await.receipt_handle.unwrap();
    world.sqs.delete_queue().queue_url(&world.queue).send().await.unwrap();

    let send = world.sqs.send_message().queue_url(&world.queue).message_body("late");
    let error = send.send().await.unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
    let error = world.sqs.get_queue_url().queue_name("clicks").send().await.unwrap_err();
    assert!(error.into_service_error().is_queue_does_not_exist());

    let (queue, _) = queues(&world.sqs).await;
    assert_eq!(counts(&world.sqs, &queue).await, [0, 0, 0]);
    let delete = world.sqs.delete_message().queue_url(&queue).receipt_handle(handle);
    let error = delete.send().await.unwrap_err().into_service_error();
    assert!(error.is_receipt_handle_is_invalid(), "{error:?}");
}

#[tokio::test]
async fn a_purge_leaves_nothing() {
    let world = World::new().await;
    world.send("a").await;
    world.send("b").await;
    world.sqs.purge_queue().queue_url(&world.queue).send().await.unwrap();
    assert_eq!(world.counts().await, [0, 0, 0]);
}

// --- Messages ------------------------------------------------------------------------------------

#[tokio::test]
async fn a_message_is_sent_received_and_deleted() {
    let world = World::new().await;
    let sent = world
        .sqs
        .send_message()
        .queue_url(&world.queue)
        .message_body("hello")
        .send()
        .await
        .unwrap();
    assert_eq!(sent.md5_of_message_body(), Some("5d41402abc4b2a76b9719d911017c592"));
    assert_eq!(world.counts().await, [1, 0, 0]);

    let message = world.receive_one().await;
    assert_eq!(message.body(), Some("hello"));
    assert_eq!(message.message_id(), sent.message_id());
    assert_eq!(message.md5_of_body(), sent.md5_of_message_body());
    assert_eq!(count_of(&message), "1");
    assert_eq!(attribute(&message, MessageSystemAttributeName::SentTimestamp), "1800000000000");
    assert_eq!(world.counts().await, [0, 1, 0]);
    assert!(world.receive().await.is_empty());

    world.delete(message.receipt_handle().unwrap()).await;
    assert_eq!(world.counts().await, [0, 0, 0]);
    // Deleting twice is no error.
    world.delete(message.receipt_handle().unwrap()).await;
}

#[tokio::test]
async fn a_message_that_is_not_deleted_comes_back() {
    let world = World::new().await;
    world.send("again").await;
    let first = world.receive_one().await;
    world.pass(59);
    assert!(world.receive().await.is_empty());
    world.pass(1);
    let second = world.receive_one().await;
    assert_eq!(count_of(&second), "2");
    assert_eq!(second.message_id(), first.message_id());
    assert_eq!(
        attribute(&second, MessageSystemAttributeName::ApproximateFirstReceiveTimestamp),
        "1800000000000"
    );

    // The first handle is of a delivery that is over.
    world.delete(first.receipt_handle().unwrap()).await;
    assert_eq!(world.counts().await, [0, 1, 0]);
    // The second still counts when its time is over too, as long as nobody else has the message.
    world.pass(60);
    world.delete(second.receipt_handle().unwrap()).await;
    assert_eq!(world.counts().await, [0, 0, 0]);
}

#[tokio::test]
async fn messages_come_in_the_order_they_were_sent_ten_at_most() {
    let world = World::new().await;
    for number in 0..12 {
        world.send(&number.to_string()).await;
        if number % 2 == 0 {
            world.pass(1);
        }
    }
    let expected: Vec<_> = (0..12).map(|number| number.to_string()).collect();
    assert_eq!(bodies(&world.receive().await), expected[..10]);
    assert_eq!(bodies(&world.receive().await), expected[10..]);
    let eleven = world.sqs.receive_message().queue_url(&world.queue).max_number_of_messages(11);
    assert_eq!(eleven.send().await.unwrap_err().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn a_delay_is_the_messages_or_the_queues() {
    let world = World::new().await;
    let later = world.sqs.send_message().queue_url(&world.queue).message_body("later");
    later.delay_seconds(10).send().await.unwrap();
    world
        .sqs
        .set_queue_attributes()
        .queue_url(&world.queue)
        .attributes(QueueAttributeName::DelaySeconds, "20")
        .send()
        .await
        .unwrap();
    world.send("last").await;
    let now = world.sqs.send_message().queue_url(&world.queue).message_body("now");
    now.delay_seconds(0).send().await.unwrap();

    assert_eq!(world.counts().await, [1, 0, 2]);
    assert_eq!(bodies(&world.receive().await), ["now"]);
    world.pass(10);
    assert_eq!(bodies(&world.receive().await), ["later"]);
    world.pass(10);
    assert_eq!(bodies(&world.receive().await), ["last"]);
}

#[tokio::test]
async fn visibility_is_changed_while_in_flight_only() {
    let world = World::new().await;
    world.send("busy").await;
    let handle = world.receive_one().await.receipt_handle.unwrap();
    let hide = |handle: &str, seconds: i32| {
        let request = world.sqs.change_message_visibility().queue_url(&world.queue);
        request.receipt_handle(handle).visibility_timeout(seconds).send()
    };
    hide(&handle, 120).await.unwrap();
    world.pass(119);
    assert!(world.receive().await.is_empty());
    hide(&handle, 0).await.unwrap();
    let error = hide(&handle, 60).await.unwrap_err().into_service_error();
    assert!(error.is_message_not_inflight(), "{error:?}");

    let second = world.receive_one().await.receipt_handle.unwrap();
    let error = hide(&handle, 60).await.unwrap_err().into_service_error();
    assert!(error.is_message_not_inflight(), "{error:?}");
    world.delete(&second).await;
    assert_eq!(hide(&second, 60).await.unwrap_err().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn a_handle_that_was_never_given_out_is_refused() {
    let world = World::new().await;
    world.send("safe").await;
    let handle = world.receive_one().await.receipt_handle.unwrap();
    let forged = handle.replacen(".1.", ".2.", 1);
    assert_ne!(forged, handle);
    for bogus in ["", "bogus", "1.2.3.4", &forged, &format!("{handle}.")] {
        let delete = world.sqs.delete_message().queue_url(&world.queue).receipt_handle(bogus);
        let error = delete.send().await.unwrap_err().into_service_error();
        assert!(error.is_receipt_handle_is_invalid(), "{bogus}: {error:?}");
    }
    // Nor by another queue.
    let delete = world.sqs.delete_message().queue_url(&world.dead).receipt_handle(&handle);
    assert!(delete.send().await.unwrap_err().into_service_error().is_receipt_handle_is_invalid());
}

#[tokio::test]
async fn attributes_travel_with_their_message() {
    let world = World::new().await;
    let text = |kind: &str, value: &str| {
        MessageAttributeValue::builder().data_type(kind).string_value(value).build().unwrap()
    };
    let bytes = MessageAttributeValue::builder()
        .data_type("Binary.gz")
        .binary_value(Blob::new([0, 255, 7]))
        .build()
        .unwrap();
    let sent = world
        .sqs
        .send_message()
        .queue_url(&world.queue)
        .message_body("with attributes")
        .message_attributes("trace.id", text("String", "t-1"))
        .message_attributes("attempt", text("Number.int", "3"))
        .message_attributes("raw", bytes.clone())
        .send()
        .await
        .unwrap();
    // By the documented recipe, in another language.
    assert_eq!(sent.md5_of_message_attributes(), Some("deb96607ee6519b14303ea42b11b720b"));

    let message = world.receive_one().await;
    let attributes = message.message_attributes().unwrap();
    assert_eq!(attributes.len(), 3);
    assert_eq!(attributes["trace.id"].string_value(), Some("t-1"));
    assert_eq!(attributes["attempt"].data_type(), "Number.int");
    assert_eq!(attributes["raw"], bytes);
    assert_eq!(message.md5_of_message_attributes(), sent.md5_of_message_attributes());

    world.pass(60);
    let some =
        world.sqs.receive_message().queue_url(&world.queue).message_attribute_names("trace.*");
    let message = some.send().await.unwrap().messages.unwrap().remove(0);
    assert_eq!(message.message_attributes().unwrap().keys().collect::<Vec<_>>(), ["trace.id"]);
    assert!(message.attributes().is_none());
}

#[tokio::test]
async fn what_cannot_be_a_message_is_refused() {
    let world = World::new().await;
    let send =
        |body: &str| world.sqs.send_message().queue_url(&world.queue).message_body(body).send();
    let error = send("a\u{1}b").await.unwrap_err().into_service_error();
    assert!(error.is_invalid_message_contents(), "{error:?}");
    assert_eq!(send("").await.unwrap_err().code(), Some("MissingParameter"));
    send(&"x".repeat(1024 * 1024)).await.unwrap();
    let error = send(&"x".repeat(1024 * 1024 + 1)).await.unwrap_err();
    assert_eq!(error.code(), Some("InvalidParameterValue"));
    send("tabs\tand\nümläuts 🦀").await.unwrap();
}

// --- Batches -------------------------------------------------------------------------------------

fn entry(id: &str, body: &str) -> SendMessageBatchRequestEntry {
    SendMessageBatchRequestEntry::builder().id(id).message_body(body).build().unwrap()
}

#[tokio::test]
async fn entries_of_a_batch_fail_alone() {
    let world = World::new().await;
    let sent = world
        .sqs
        .send_message_batch()
        .queue_url(&world.queue)
        .entries(entry("good", "one"))
        .entries(entry("bad", "\u{ffff}"))
        .entries(entry("fine", "two"))
        .send()
        .await
        .unwrap();
    let ids: Vec<_> = sent.successful().iter().map(|it| it.id()).collect();
    assert_eq!(ids, ["good", "fine"]);
    let [failed] = sent.failed() else { panic!("{sent:?}") };
    assert_eq!((failed.id(), failed.code()), ("bad", "InvalidMessageContents"));
    assert!(failed.sender_fault());

    let messages = world.receive().await;
    assert_eq!(bodies(&messages), ["one", "two"]);
    let handle = |index: usize| messages[index].receipt_handle().unwrap();
    let change = |id: &str, handle: &str| {
        ChangeMessageVisibilityBatchRequestEntry::builder()
            .id(id)
            .receipt_handle(handle)
            .visibility_timeout(0)
            .build()
            .unwrap()
    };
    let changed = world
        .sqs
        .change_message_visibility_batch()
        .queue_url(&world.queue)
        .entries(change("a", handle(0)))
        .entries(change("b", "bogus"))
        .send()
        .await
        .unwrap();
    assert_eq!(changed.successful().iter().map(|it| it.id()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(changed.failed()[0].code(), "ReceiptHandleIsInvalid");
    assert_eq!(world.counts().await, [1, 1, 0]);

    let delete = |id: &str, handle: &str| {
        DeleteMessageBatchRequestEntry::builder().id(id).receipt_handle(handle).build().unwrap()
    };
    let deleted = world
        .sqs
        .delete_message_batch()
        .queue_url(&world.queue)
        .entries(delete("a", handle(0)))
        .entries(delete("b", handle(1)))
        .entries(delete("c", "bogus"))
        .send()
        .await
        .unwrap();
    assert_eq!(deleted.successful().len(), 2);
    assert_eq!((deleted.failed()[0].id(), deleted.failed().len()), ("c", 1));
    assert_eq!(world.counts().await, [0, 0, 0]);
}

#[tokio::test]
async fn a_batch_that_is_wrong_as_a_whole_sends_nothing() {
    let world = World::new().await;
    let send = |entries: Vec<SendMessageBatchRequestEntry>| {
        let request = world.sqs.send_message_batch().queue_url(&world.queue);
        request.set_entries(Some(entries)).send()
    };
    let eleven = (0..11).map(|id| entry(&id.to_string(), "x")).collect();
    let error = send(eleven).await.unwrap_err().into_service_error();
    assert!(error.is_too_many_entries_in_batch_request(), "{error:?}");
    let error = send(Vec::new()).await.unwrap_err().into_service_error();
    assert!(error.is_empty_batch_request(), "{error:?}");
    let error = send(vec![entry("a", "x"), entry("a", "y")]).await.unwrap_err();
    assert!(error.into_service_error().is_batch_entry_ids_not_distinct());
    let error = send(vec![entry("a b", "x")]).await.unwrap_err();
    assert!(error.into_service_error().is_invalid_batch_entry_id());
    let half = "x".repeat(512 * 1024);
    let error = send(vec![entry("a", &half), entry("b", &half), entry("c", "x")]).await;
    assert!(error.unwrap_err().into_service_error().is_batch_request_too_long());
    assert_eq!(world.counts().await, [0, 0, 0]);
    send(vec![entry("a", &half), entry("b", &half)]).await.unwrap();
}

// --- The dead-letter queue -----------------------------------------------------------------------

#[tokio::test]
async fn a_message_that_fails_three_times_goes_to_the_dead_letter_queue_and_back() {
    let world = World::new().await;
    let id = world.send("poison").await;
    for count in ["1", "2", "3"] {
        assert_eq!(count_of(&world.receive_one().await), count);
        world.pass(60);
    }
    world.send("healthy").await;
    // The receive that would be its fourth gets what comes after it.
    assert_eq!(bodies(&world.receive().await), ["healthy"]);
    let dead = receive(&world.sqs, &world.dead).await;
    assert_eq!(dead.len(), 1);
    assert_eq!(dead[0].message_id(), Some(id.as_str()));
    assert_eq!(
        attribute(&dead[0], MessageSystemAttributeName::DeadLetterQueueSourceArn),
        "arn:aws:sqs:eu-west-1:000000000000:clicks"
    );

    // Only what is visible is moved.
    let source = "arn:aws:sqs:eu-west-1:000000000000:clicks-dlq";
    world.sqs.start_message_move_task().source_arn(source).send().await.unwrap();
    assert_eq!(counts(&world.sqs, &world.dead).await, [0, 1, 0]);
    world.pass(30);
    world.sqs.start_message_move_task().source_arn(source).send().await.unwrap();
    assert_eq!(counts(&world.sqs, &world.dead).await, [0, 0, 0]);
    let back = world.receive_one().await;
    assert_eq!((back.body(), count_of(&back)), (Some("poison"), "1"));
    assert_ne!(back.message_id(), Some(id.as_str()));

    let tasks = world.sqs.list_message_move_tasks().source_arn(source).max_results(10);
    let moved: Vec<_> = tasks
        .send()
        .await
        .unwrap()
        .results()
        .iter()
        .map(|it| it.approximate_number_of_messages_moved())
        .collect();
    assert_eq!(moved, [1, 0]);
}

#[tokio::test]
async fn no_message_comes_twice_in_one_answer() {
    let world = World::new().await;
    // At once visible again, and what cannot be delivered has to be made up for.
    let receive = |most: i32| {
        let request = world.sqs.receive_message().queue_url(&world.queue).visibility_timeout(0);
        request.max_number_of_messages(most).send()
    };
    world.send("poison").await;
    for _ in 0..3 {
        assert_eq!(bodies(receive(1).await.unwrap().messages()), ["poison"]);
    }
    world.send("a").await;
    world.send("b").await;
    assert_eq!(bodies(receive(2).await.unwrap().messages()), ["a", "b"]);
    assert_eq!(world.counts().await, [2, 0, 0]);
}

#[tokio::test]
async fn messages_are_moved_to_a_named_queue_from_dead_letter_queues_only() {
    let world = World::new().await;
    let direct = world.sqs.send_message().queue_url(&world.dead).message_body("direct");
    direct.send().await.unwrap();
    let arn = |name: &str| format!("arn:aws:sqs:eu-west-1:000000000000:{name}");

    // It has no queue to go back to.
    let task = world.sqs.start_message_move_task().source_arn(arn("clicks-dlq"));
    task.send().await.unwrap();
    assert_eq!(counts(&world.sqs, &world.dead).await, [1, 0, 0]);
    let task = world.sqs.start_message_move_task().source_arn(arn("clicks-dlq"));
    task.destination_arn(arn("clicks")).send().await.unwrap();
    assert_eq!(bodies(&world.receive().await), ["direct"]);

    let task = world.sqs.start_message_move_task().source_arn(arn("clicks"));
    assert_eq!(task.send().await.unwrap_err().code(), Some("InvalidParameterValue"));
    let task = world.sqs.start_message_move_task().source_arn(arn("none"));
    assert!(task.send().await.unwrap_err().into_service_error().is_resource_not_found_exception());
}

#[tokio::test]
async fn a_message_does_not_outlive_its_retention_period() {
    let embedded_seconds = Arc::new(AtomicI64::new(1_800_000_000));
    let clock = Arc::clone(&embedded_seconds);
    let embedded =
        Embedded::in_memory_at(Arc::new(move || clock.load(Ordering::SeqCst) * 1000)).unwrap();
    let sqs = client(&embedded);
    let (queue, dead) = queues(&sqs).await;
    for url in [&queue, &dead] {
        sqs.send_message().queue_url(url).message_body("old").send().await.unwrap();
    }
    embedded_seconds.fetch_add(4 * 24 * 60 * 60, Ordering::SeqCst);
    sqs.send_message().queue_url(&queue).message_body("new").send().await.unwrap();
    assert_eq!(bodies(&receive(&sqs, &queue).await), ["new"]);
    assert_eq!(counts(&sqs, &dead).await, [1, 0, 0]);
    embedded.sweep_expired().await.unwrap();
    assert_eq!(counts(&sqs, &dead).await, [0, 0, 0]);
    assert_eq!(counts(&sqs, &queue).await, [0, 1, 0]);
}

// --- Long polls, in real time --------------------------------------------------------------------

#[tokio::test]
async fn a_long_poll_ends_with_the_next_message() {
    let embedded = Embedded::in_memory().unwrap();
    let sqs = client(&embedded);
    let (queue, _) = queues(&sqs).await;
    let poll = || sqs.receive_message().queue_url(&queue).wait_time_seconds(20).send();
    let (first, second) = (tokio::spawn(poll()), tokio::spawn(poll()));
    let send = |body: &str| sqs.send_message().queue_url(&queue).message_body(body);
    send("one").send().await.unwrap();
    // It becomes visible while nothing else happens.
    send("two").delay_seconds(1).send().await.unwrap();

    let started = Instant::now();
    let mut got = Vec::new();
    for poll in [first, second] {
        let messages = poll.await.unwrap().unwrap().messages.unwrap();
        got.push(messages[0].body().unwrap().to_owned());
    }
    got.sort();
    assert_eq!(got, ["one", "two"]);
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_long_poll_ends_empty_when_its_time_is_over() {
    let embedded = Embedded::in_memory().unwrap();
    let sqs = client(&embedded);
    let (queue, _) = queues(&sqs).await;
    let started = Instant::now();
    let polled = sqs.receive_message().queue_url(&queue).wait_time_seconds(1).send().await.unwrap();
    assert!(polled.messages().is_empty());
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_caller_that_hung_up_takes_no_message() {
    let embedded = Embedded::in_memory().unwrap();
    let sqs = client(&embedded);
    let (queue, _) = queues(&sqs).await;
    let poll = sqs.receive_message().queue_url(&queue).wait_time_seconds(20).send();
    tokio::time::timeout(Duration::from_millis(50), poll).await.unwrap_err();
    sqs.send_message().queue_url(&queue).message_body("mine").send().await.unwrap();
    assert_eq!(bodies(&receive(&sqs, &queue).await), ["mine"]);
}

#[tokio::test]
async fn deleting_a_queue_ends_its_long_polls() {
    let embedded = Embedded::in_memory().unwrap();
    let sqs = client(&embedded);
    let (queue, _) = queues(&sqs).await;
    let poll = tokio::spawn(sqs.receive_message().queue_url(&queue).wait_time_seconds(20).send());
    tokio::task::yield_now().await;
    sqs.delete_queue().queue_url(&queue).send().await.unwrap();
    let error = poll.await.unwrap().unwrap_err().into_service_error();
    assert!(error.is_queue_does_not_exist(), "{error:?}");
}

// --- Durability ----------------------------------------------------------------------------------

async fn send_all(sqs: &Client, queue: &str, senders: usize, each: usize) {
    let senders = (0..senders).map(|sender| {
        let (sqs, queue) = (sqs.clone(), queue.to_owned());
        tokio::spawn(async move {
            for number in 0..each {
                let send = sqs.send_message().queue_url(&queue);
                send.message_body(format!("{sender}/{number}")).send().await.unwrap();
            }
        })
    });
    for sender in senders.collect::<Vec<_>>() {
        sender.await.unwrap();
    }
}

async fn drain(sqs: &Client, queue: &str) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        let messages = receive(sqs, queue).await;
        if messages.is_empty() {
            return all;
        }
        all.extend(bodies(&messages).into_iter().map(str::to_owned));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_64_senders_were_told_is_there_after_a_crash() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let embedded = Embedded::open(dir.path()).unwrap();
    let sqs = client(&embedded);
    let (queue, _) = queues(&sqs).await;
    send_all(&sqs, &queue, 64, 5).await;
    // The files as a killed process leaves them: the database and its write-ahead log.
    for file in ["sqs.sqlite", "sqs.sqlite-wal"] {
        std::fs::copy(dir.path().join(file), crashed.path().join(file)).unwrap();
    }

    let embedded = Embedded::open(crashed.path()).unwrap();
    let bodies = drain(&client(&embedded), &queue).await;
    assert_eq!(bodies.len(), 64 * 5);
    assert_eq!(bodies.iter().collect::<HashSet<_>>().len(), 64 * 5);
}

#[tokio::test]
async fn queues_and_messages_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (queue, handle) = {
        let embedded = Embedded::open(dir.path()).unwrap();
        let sqs = client(&embedded);
        let (queue, _) = queues(&sqs).await;
        send_all(&sqs, &queue, 1, 2).await;
        let message = sqs.receive_message().queue_url(&queue).send().await.unwrap();
        (queue, message.messages()[0].receipt_handle().unwrap().to_owned())
    };
    let embedded = Embedded::open(dir.path()).unwrap();
    let sqs = client(&embedded);
    assert_eq!(counts(&sqs, &queue).await, [1, 1, 0]);
    // A worker that is still busy with a message can delete it.
    sqs.delete_message().queue_url(&queue).receipt_handle(handle).send().await.unwrap();
    assert_eq!(drain(&sqs, &queue).await, ["0/1"]);
    // The attributes are there too.
    let again = queues(&sqs).await;
    assert_eq!(again.0, queue);
}

#[tokio::test]
async fn what_was_in_flight_at_a_crash_can_be_released_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(folder.path()).unwrap();
    let sqs = client(&embedded);
    let (queue, _) = queues(&sqs).await;
    for body in ["a", "b"] {
        sqs.send_message().queue_url(&queue).message_body(body).send().await.unwrap();
    }
    let delayed = sqs.send_message().queue_url(&queue).message_body("late").delay_seconds(60);
    delayed.send().await.unwrap();
    assert_eq!(receive(&sqs, &queue).await.len(), 2);
    drop((sqs, embedded));

    let embedded = Embedded::open(folder.path()).unwrap();
    let sqs = client(&embedded);
    assert_eq!(counts(&sqs, &queue).await, [0, 2, 1]);
    assert_eq!(embedded.release_in_flight().await.unwrap(), 2);
    assert_eq!(counts(&sqs, &queue).await, [2, 0, 1]);
    assert_eq!(embedded.release_in_flight().await.unwrap(), 0);
}

#[tokio::test]
async fn a_folder_is_open_once() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Embedded::open(dir.path()).unwrap();
    let error = Embedded::open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error:?}");
}
