//! A queue that starts a function, as Lambda polls it: batches, visibility, partial failures.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use anyhow::{Context, bail};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageError;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
};
use futures_util::future::join_all;
use lambda::{Chain, Function, Invocation, Random};
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::{Stop, event};
use crate::contract::{Queue, Worker};
use crate::gateway::Load;

/// How long a batch may wait to fill. In the cloud it is longer (`workers.yaml`), since each
/// invocation costs; here a person sits and wants to see the click counted within a second.
const BATCHING_WINDOW: Duration = Duration::from_millis(200);

/// Batches at the same time. The embedded stores have one writer each, so more of them would only
/// wait for each other; the second one works while the first one waits.
pub(crate) const BATCHES: usize = 2;

/// The most messages that SQS hands out in one call.
const MESSAGES_PER_CALL: usize = 10;

/// How many calls are made at once: the embedded SQS answers them with one commit.
const CALLS_AT_ONCE: usize = 10;

/// A batch has about so many bytes: Lambda takes 6 MB. The rest is for the last messages, and for
/// what stands around all of them.
const MAX_BATCH_BYTES: usize = 3 * 1024 * 1024;

/// How long a source rests after a failure, at first and at most: a function that cannot work
/// must not use up the tries of all messages in the queue within a second.
const REST: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// How many times as long as its last batch a source rests while requests want the machine: the
/// clicks of a rush are on the disk, and are counted when it is over. Not all of them, or the queue
/// would stand still as long as a rush lasts.
const STEP_ASIDE: u32 = 20;

/// The most messages of a batch then, each of which may hold several clicks. A full one would take the
/// machine for seconds.
const BATCH_IN_A_RUSH: usize = MESSAGES_PER_CALL;

/// How soon a source that rests sees that the rush is over.
const LOOK: Duration = Duration::from_millis(20);

/// Makes the queues that are not there yet, and gives all of them their settings. The answer has
/// their URLs.
pub(crate) async fn create_queues(
    sqs: &Client,
    queues: &BTreeMap<String, Queue>,
) -> anyhow::Result<HashMap<String, String>> {
    let mut urls = HashMap::new();
    // A dead-letter queue must be there before the queue that names it.
    let (targets, sources): (Vec<_>, Vec<_>) =
        queues.iter().partition(|(_, queue)| queue.dead_letter_queue.is_none());
    for (name, queue) in targets.into_iter().chain(sources) {
        let doing = || format!("creating the queue `{name}`");
        let url = match sqs.get_queue_url().queue_name(name).send().await {
            Ok(found) => found.queue_url,
            Err(error) if error.as_service_error().is_some_and(|e| e.is_queue_does_not_exist()) => {
                let created = sqs.create_queue().queue_name(name).send().await;
                created.with_context(doing)?.queue_url
            }
            Err(error) => return Err(error).with_context(doing),
        };
        let Some(url) = url else { bail!("{}: it has no URL", doing()) };
        // Also where it was there: the settings may be those of an older version.
        sqs.set_queue_attributes()
            .queue_url(&url)
            .set_attributes(Some(attributes(queue)))
            .send()
            .await
            .with_context(doing)?;
        urls.insert(name.clone(), url);
    }
    Ok(urls)
}

fn attributes(queue: &Queue) -> HashMap<QueueAttributeName, String> {
    let mut attributes = HashMap::from([
        (QueueAttributeName::VisibilityTimeout, queue.visibility_timeout_seconds.to_string()),
        (QueueAttributeName::ReceiveMessageWaitTimeSeconds, queue.receive_wait_seconds.to_string()),
        (QueueAttributeName::MessageRetentionPeriod, queue.message_retention_seconds.to_string()),
    ]);
    if let Some(target) = &queue.dead_letter_queue {
        let policy = json!({
            "deadLetterTargetArn": arn(target),
            "maxReceiveCount": queue.max_receive_count.unwrap_or(1),
        });
        attributes.insert(QueueAttributeName::RedrivePolicy, policy.to_string());
    }
    attributes
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:{}:000000000000:{queue}", embedded::REGION)
}

/// A queue and the function that it starts.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    sqs: Client,
    queue_url: String,
    queue_arn: String,
    /// At least a second, or an empty queue would be asked without end.
    wait_seconds: i32,
    worker: Worker,
    function: Function,
    random: Random,
}

/// The function did not work, or nobody knows whether it did.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct BatchFailed(String);

impl Source {
    pub(crate) fn new(
        sqs: Client,
        queue_url: &str,
        queue: &Queue,
        worker: &Worker,
        function: Function,
        random: Random,
    ) -> Self {
        Self {
            sqs,
            queue_url: queue_url.to_owned(),
            queue_arn: arn(&worker.queue),
            wait_seconds: i32::try_from(queue.receive_wait_seconds).unwrap_or(20).clamp(1, 20),
            worker: worker.clone(),
            function,
            random,
        }
    }

    /// Polls until it is told to stop, one batch after the other; run it [`BATCHES`] times. A
    /// batch that has begun is finished.
    pub(crate) async fn run(self, load: Load, mut stop: Stop) {
        let mut rest = REST.0;
        loop {
            let received = tokio::select! {
                () = stop.given() => return,
                received = self.receive(self.first(), self.wait_seconds) => received,
            };
            let worked = match received {
                Ok(messages) if messages.is_empty() => continue,
                Ok(messages) => {
                    let batch = self.fill(messages, &load).await;
                    let begin = Instant::now();
                    let worked = self.work(&batch).await.map_err(|error| error.to_string());
                    let until = Instant::now() + begin.elapsed() * STEP_ASIDE;
                    while load.is_high() && Instant::now() < until {
                        if stop.within(LOOK).await {
                            return;
                        }
                    }
                    worked
                }
                Err(error) => Err(Chain(&error).to_string()),
            };
            let Err(error) = worked else {
                rest = REST.0;
                continue;
            };
            let function = self.function.name();
            tracing::error!(function, error, "`{function}` could not work; its messages come back");
            if stop.within(rest).await {
                return;
            }
            rest = REST.1.min(rest * 2);
        }
    }

    /// Receives and works off batches until the queue is empty. Without the waiting of
    /// [`run`](Self::run): for tests, which step the worker by hand.
    pub(crate) async fn drain(&self) -> anyhow::Result<()> {
        loop {
            let messages = self.receive(self.first(), 0).await?;
            if messages.is_empty() {
                return Ok(());
            }
            let batch = self.gather(messages, self.worker.batch_size).await;
            self.work(&batch).await?;
        }
    }

    /// How many messages are asked for first.
    fn first(&self) -> usize {
        self.worker.batch_size.min(MESSAGES_PER_CALL)
    }

    /// Takes along what else there is, and what comes within the batching window.
    async fn fill(&self, first: Vec<Message>, load: &Load) -> Vec<Message> {
        let end = Instant::now() + BATCHING_WINDOW;
        let most = || match load.is_high() {
            true => self.worker.batch_size.min(BATCH_IN_A_RUSH),
            false => self.worker.batch_size,
        };
        let batch = self.gather(first, most()).await;
        if is_full(&batch, most()) {
            return batch;
        }
        tokio::time::sleep_until(end).await;
        self.gather(batch, most()).await
    }

    /// Takes along what else there is, up to a full batch.
    async fn gather(&self, mut batch: Vec<Message>, most: usize) -> Vec<Message> {
        while !is_full(&batch, most) {
            let room = most - batch.len();
            let largest = batch.iter().filter_map(Message::body).map(str::len).max().unwrap_or(0);
            let bytes_per_call = largest.max(1) * MESSAGES_PER_CALL;
            let within_bytes = (MAX_BATCH_BYTES - bytes_of(&batch)) / bytes_per_call;
            let calls = room.div_ceil(MESSAGES_PER_CALL).min(within_bytes).clamp(1, CALLS_AT_ONCE);
            let receives = (0..calls).map(|call| {
                let rest = room.saturating_sub(call * MESSAGES_PER_CALL);
                self.receive(rest.min(MESSAGES_PER_CALL), 0)
            });
            let before = batch.len();
            for received in join_all(receives).await {
                match received {
                    Ok(messages) => batch.extend(messages),
                    // What has been received is worked off; the next poll meets the error again.
                    Err(error) => {
                        let error = Chain(&error).to_string();
                        tracing::warn!(error, "receiving the rest of a batch");
                        return batch;
                    }
                }
            }
            if batch.len() < before + MESSAGES_PER_CALL {
                break;
            }
        }
        batch
    }

    /// Receives what is there now, or comes within the time.
    async fn receive(
        &self,
        most: usize,
        wait_seconds: i32,
    ) -> Result<Vec<Message>, SdkError<ReceiveMessageError>> {
        let received = self
            .sqs
            .receive_message()
            .queue_url(&self.queue_url)
            .max_number_of_messages(i32::try_from(most).unwrap_or(1))
            .wait_time_seconds(wait_seconds)
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .message_attribute_names("All")
            .send()
            .await?;
        Ok(received.messages.unwrap_or_default())
    }

    /// Hands a batch to the function, and deletes what it has dealt with. The rest becomes visible
    /// again by itself, and moves to the dead-letter queue after too many tries.
    async fn work(&self, batch: &[Message]) -> Result<(), BatchFailed> {
        let event = event::of_messages(batch, &self.queue_arn);
        let time = Duration::from_secs(self.worker.timeout_seconds);
        let mut invocation = Invocation::new(event, format!("{:032x}", self.random.u128()));
        invocation.timeout = time;
        let function = self.function.clone();
        // A task of its own, so that a panic is a failure of this batch only.
        let mut running = tokio::spawn(async move { function.invoke(invocation).await });
        let answer = match timeout(time, &mut running).await {
            Ok(Ok(Ok(answer))) => answer,
            Ok(Ok(Err(error))) => return Err(BatchFailed(error.to_string())),
            Ok(Err(_)) => return Err(BatchFailed("it panicked".to_owned())),
            Err(_) => {
                running.abort();
                return Err(BatchFailed(format!("it took more than {} s", time.as_secs())));
            }
        };
        let failed = if self.worker.report_batch_item_failures {
            event::failures(&answer, batch).map_err(|error| BatchFailed(error.to_string()))?
        } else {
            HashSet::new()
        };
        let done = |message: &&Message| message.message_id().is_none_or(|id| !failed.contains(id));
        self.delete(batch.iter().filter(done).filter_map(Message::receipt_handle).collect()).await;
        Ok(())
    }

    async fn delete(&self, handles: Vec<&str>) {
        for some in handles.chunks(MESSAGES_PER_CALL * CALLS_AT_ONCE) {
            join_all(some.chunks(MESSAGES_PER_CALL).map(|few| self.delete_few(few))).await;
        }
    }

    /// What is not deleted comes back, and the worker knows it again: so this only warns.
    async fn delete_few(&self, handles: &[&str]) {
        let mut call = self.sqs.delete_message_batch().queue_url(&self.queue_url);
        for (at, handle) in handles.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(*handle)
                .build()
                .expect("id and handle are set");
            call = call.entries(entry);
        }
        match call.send().await {
            Ok(answer) => {
                for entry in answer.failed() {
                    let (code, message) = (entry.code(), entry.message().unwrap_or_default());
                    tracing::warn!(code, message, "a message was not deleted, and comes back");
                }
            }
            Err(error) => {
                let error = Chain(&error).to_string();
                tracing::warn!(error, "messages were not deleted, and come back");
            }
        }
    }
}

fn is_full(batch: &[Message], most: usize) -> bool {
    most <= batch.len() || MAX_BATCH_BYTES <= bytes_of(batch)
}

fn bytes_of(batch: &[Message]) -> usize {
    batch.iter().filter_map(Message::body).map(str::len).sum()
}
