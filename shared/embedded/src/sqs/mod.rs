//! SQS: durable standard queues on SQLite, behind the JSON protocol.
//!
//! Requests are read, checked and answered on the caller's task; only what touches the database
//! goes to the [`writer`].

mod fault;
mod message;
mod receipt;
mod settings;
mod store;
mod writer;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use self::message::{Attribute, Attributes, Outgoing, attributes_digest, body_digest, is_sendable};
use self::receipt::Receipt;
use self::settings::{
    ACCOUNT, MAX_BYTES, MAX_DELAY, MAX_VISIBILITY, MAX_WAIT, Settings, arn, name_in_arn,
};
use self::store::{Delivery, Move, Store};
use self::writer::{Job, Poll};

pub(crate) use self::fault::Fault;
pub(crate) use self::store::Clock;

use crate::OpenError;

const THREAD: &str = "embedded-sqs";
/// The most entries of a batch, and the most messages of a receive.
const MAX_ENTRIES: usize = 10;
/// How many messages a long task moves or deletes in one transaction, while others wait.
const STEP: usize = 500;

/// The queues; their thread ends when this is dropped.
pub(crate) struct Sqs {
    /// `None` only while dropping.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Sqs {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::start(path, |clock| Store::open(path, clock), system_clock())
    }

    pub(crate) fn in_memory(clock: Clock) -> Result<Self, OpenError> {
        Self::start(Path::new(":memory:"), Store::in_memory, clock)
    }

    fn start(
        path: &Path,
        open: impl FnOnce(Clock) -> rusqlite::Result<Store>,
        clock: Clock,
    ) -> Result<Self, OpenError> {
        let store = open(clock).map_err(|error| {
            let path = PathBuf::from(path);
            match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DatabaseBusy) => OpenError::InUse { path },
                Some(_) | None => OpenError::Sqs { path, source: Box::new(error) },
            }
        })?;
        let (jobs, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || writer::run(store, &waiting))
            .map_err(|source| OpenError::Thread { name: THREAD, source })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Deletes messages past their retention period.
    pub(crate) async fn sweep_expired(&self) -> Result<(), Fault> {
        while self.run(|store| store.sweep(STEP)).await? > 0 {}
        Ok(())
    }

    /// Makes all messages in flight visible.
    pub(crate) async fn release_in_flight(&self) -> Result<usize, Fault> {
        self.run(Store::release).await
    }

    /// Runs `work` in the writer's next transaction; the result is there after its commit.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (job, result) = writer::job(work);
        self.submit(job, result).await
    }

    async fn submit<T>(
        &self,
        job: Job,
        result: oneshot::Receiver<Result<T, Fault>>,
    ) -> Result<T, Fault> {
        let gone = || Fault::Internal("the writer is gone".to_owned());
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).map_err(|_| gone())?;
        result.await.map_err(|_| gone())?
    }

    /// Answers `operation`, the part of `x-amz-target` after the dot.
    pub(crate) async fn call(
        &self,
        operation: &str,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Response<Bytes> {
        match self.dispatch(operation, headers, body).await {
            Ok(body) => {
                let mut response = Response::new(Bytes::from(body));
                response
                    .headers_mut()
                    .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
                response
            }
            Err(fault) => fault.response(),
        }
    }

    async fn dispatch(
        &self,
        operation: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<Vec<u8>, Fault> {
        match operation {
            "SendMessage" => {
                // Read twice: flattening the message into one struct costs more.
                let ByUrl { queue_url } = read(body)?;
                written(&self.send_message(&queue_url, read(body)?).await?)
            }
            "SendMessageBatch" => written(&self.send_message_batch(read(body)?).await?),
            "ReceiveMessage" => written(&self.receive_message(read(body)?).await?),
            "DeleteMessage" => written(&self.delete_message(read(body)?).await?),
            "DeleteMessageBatch" => written(&self.delete_message_batch(read(body)?).await?),
            "ChangeMessageVisibility" => written(&self.change_visibility(read(body)?).await?),
            "ChangeMessageVisibilityBatch" => {
                written(&self.change_visibility_batch(read(body)?).await?)
            }
            "CreateQueue" => written(&self.create_queue(headers, read(body)?).await?),
            "GetQueueUrl" => written(&self.get_queue_url(headers, read(body)?).await?),
            "ListQueues" => written(&self.list_queues(headers, read(body)?).await?),
            "ListDeadLetterSourceQueues" => {
                written(&self.list_sources(headers, read(body)?).await?)
            }
            "GetQueueAttributes" => written(&self.get_queue_attributes(read(body)?).await?),
            "SetQueueAttributes" => written(&self.set_queue_attributes(read(body)?).await?),
            "DeleteQueue" => written(&self.delete_queue(read(body)?).await?),
            "PurgeQueue" => written(&self.purge_queue(read(body)?).await?),
            "StartMessageMoveTask" => written(&self.start_move(read(body)?).await?),
            "ListMessageMoveTasks" => written(&self.list_moves(read(body)?).await?),
            _ => Err(Fault::InvalidAction(operation.to_owned())),
        }
    }

    // --- Messages ---------------------------------------------------------------------------

    async fn send_message(&self, queue_url: &str, message: Message) -> Result<Sent, Fault> {
        let queue = name_in_url(queue_url)?;
        let (message, sent) = message.check()?;
        self.run(move |store| {
            let queue = store.queue(&queue)?;
            fits(message.bytes, queue.settings.max_bytes)?;
            store.send(&queue, &message.outgoing)
        })
        .await?;
        Ok(sent)
    }

    async fn send_message_batch(
        &self,
        request: Batch<SendEntry>,
    ) -> Result<BatchAnswer<SentEntry>, Fault> {
        let queue = name_in_url(&request.queue_url)?;
        check_ids(request.entries.iter().map(|entry| entry.id.as_str()))?;
        let sent: usize = request.entries.iter().map(|entry| entry.message.bytes()).sum();
        if sent > MAX_BYTES {
            return Err(Fault::BatchRequestTooLong { most: MAX_BYTES, sent });
        }
        let checked: Vec<_> =
            request.entries.into_iter().map(|entry| (entry.id, entry.message.check())).collect();
        self.run(move |store| {
            let queue = store.queue(&queue)?;
            BatchAnswer::of(checked, |entry: Result<(Checked, Sent), Fault>| {
                let (message, sent) = entry?;
                fits(message.bytes, queue.settings.max_bytes)?;
                store.send(&queue, &message.outgoing)?;
                Ok(sent)
            })
        })
        .await
        .map(|answer| answer.map(|id, sent| SentEntry { id, sent }))
    }

    async fn receive_message(&self, request: ReceiveMessage) -> Result<Value, Fault> {
        let most = request.max_number_of_messages.unwrap_or(1);
        let most = usize::try_from(most).ok().filter(|it| (1..=MAX_ENTRIES).contains(it));
        let most = most.ok_or_else(|| {
            Fault::InvalidParameterValue(
                "Value for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and \
                 10, if provided."
                    .to_owned(),
            )
        })?;
        in_range("WaitTimeSeconds", request.wait_time_seconds, MAX_WAIT)?;
        in_range("VisibilityTimeout", request.visibility_timeout, MAX_VISIBILITY)?;
        let (reply, result) = oneshot::channel();
        let poll = Poll {
            queue: name_in_url(&request.queue_url)?,
            most,
            visibility_seconds: request.visibility_timeout,
            wait_seconds: request.wait_time_seconds,
            reply,
        };
        let deliveries = self.submit(Job::Receive(poll), result).await?;
        if deliveries.is_empty() {
            return Ok(json!({}));
        }
        let messages: Vec<_> =
            deliveries.into_iter().map(|delivery| request.shown(delivery)).collect();
        Ok(json!({ "Messages": messages }))
    }

    async fn delete_message(&self, request: DeleteMessage) -> Result<Empty, Fault> {
        let queue = name_in_url(&request.queue_url)?;
        self.run(move |store| {
            let queue = store.queue(&queue)?;
            store.forget(&queue, Receipt::parse(&request.receipt_handle, &queue)?)?;
            Ok(Empty {})
        })
        .await
    }

    async fn delete_message_batch(
        &self,
        request: Batch<DeleteEntry>,
    ) -> Result<BatchAnswer<IdEntry>, Fault> {
        let queue = name_in_url(&request.queue_url)?;
        check_ids(request.entries.iter().map(|entry| entry.id.as_str()))?;
        let entries: Vec<_> =
            request.entries.into_iter().map(|entry| (entry.id, entry.receipt_handle)).collect();
        self.run(move |store| {
            let queue = store.queue(&queue)?;
            BatchAnswer::of(entries, |handle: String| {
                store.forget(&queue, Receipt::parse(&handle, &queue)?)
            })
        })
        .await
        .map(|answer| answer.map(|id, ()| IdEntry { id }))
    }

    async fn change_visibility(&self, request: ChangeVisibility) -> Result<Empty, Fault> {
        let queue = name_in_url(&request.queue_url)?;
        in_range("VisibilityTimeout", Some(request.visibility_timeout), MAX_VISIBILITY)?;
        self.run(move |store| {
            let queue = store.queue(&queue)?;
            let receipt = Receipt::parse(&request.receipt_handle, &queue)?;
            store.hide(&queue, receipt, request.visibility_timeout)?;
            Ok(Empty {})
        })
        .await
    }

    async fn change_visibility_batch(
        &self,
        request: Batch<ChangeEntry>,
    ) -> Result<BatchAnswer<IdEntry>, Fault> {
        let queue = name_in_url(&request.queue_url)?;
        check_ids(request.entries.iter().map(|entry| entry.id.as_str()))?;
        let entries: Vec<_> =
            request.entries.into_iter().map(|entry| (entry.id.clone(), entry)).collect();
        self.run(move |store| {
            let queue = store.queue(&queue)?;
            BatchAnswer::of(entries, |entry: ChangeEntry| {
                let seconds = entry.visibility_timeout.unwrap_or(0);
                in_range("VisibilityTimeout", Some(seconds), MAX_VISIBILITY)?;
                store.hide(&queue, Receipt::parse(&entry.receipt_handle, &queue)?, seconds)
            })
        })
        .await
        .map(|answer| answer.map(|id, ()| IdEntry { id }))
    }

    // --- Queues -----------------------------------------------------------------------------

    async fn create_queue(
        &self,
        headers: &HeaderMap,
        request: CreateQueue,
    ) -> Result<Value, Fault> {
        let name = request.queue_name;
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if name.is_empty() || name.len() > 80 || !name.chars().all(allowed) {
            return Err(Fault::InvalidParameterValue(
                "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in \
                 length"
                    .to_owned(),
            ));
        }
        let settings = Settings::parse(request.attributes)?;
        let url = url_of(headers, &name);
        let salt = message::random()?;
        self.run(move |store| store.create(&name, settings, salt)).await?;
        Ok(json!({ "QueueUrl": url }))
    }

    async fn get_queue_url(&self, headers: &HeaderMap, request: ByName) -> Result<Value, Fault> {
        let url = url_of(headers, &request.queue_name);
        self.run(move |store| store.queue(&request.queue_name)).await?;
        Ok(json!({ "QueueUrl": url }))
    }

    async fn list_queues(&self, headers: &HeaderMap, request: ListQueues) -> Result<Value, Fault> {
        let names = self.run(|store| Ok(store.queue_names())).await?;
        let prefix = request.queue_name_prefix.unwrap_or_default();
        let urls: Vec<_> = names
            .iter()
            .filter(|name| name.starts_with(&prefix))
            .map(|name| url_of(headers, name))
            .collect();
        Ok(json!({ "QueueUrls": urls }))
    }

    async fn list_sources(&self, headers: &HeaderMap, request: ByUrl) -> Result<Value, Fault> {
        let name = name_in_url(&request.queue_url)?;
        let names = self
            .run(move |store| {
                store.queue(&name)?;
                Ok(store.sources_of(&name))
            })
            .await?;
        let urls: Vec<_> = names.iter().map(|name| url_of(headers, name)).collect();
        Ok(json!({ "queueUrls": urls }))
    }

    async fn get_queue_attributes(&self, request: GetQueueAttributes) -> Result<Value, Fault> {
        let name = name_in_url(&request.queue_url)?;
        let (queue, counts) = self
            .run(move |store| {
                let queue = store.queue(&name)?;
                let counts = store.count(&queue)?;
                Ok((queue, counts))
            })
            .await?;
        let mut all = queue.settings.all();
        for (name, value) in [
            ("ApproximateNumberOfMessages", counts.visible),
            ("ApproximateNumberOfMessagesNotVisible", counts.in_flight),
            ("ApproximateNumberOfMessagesDelayed", counts.delayed),
            ("CreatedTimestamp", queue.created_at / 1000),
            ("LastModifiedTimestamp", queue.modified_at / 1000),
        ] {
            all.insert(name.to_owned(), value.to_string());
        }
        all.insert("QueueArn".to_owned(), arn(&queue.name));
        let wanted = request.attribute_names;
        all.retain(|name, _| wanted.iter().any(|it| it == name || it == "All"));
        Ok(json!({ "Attributes": all }))
    }

    async fn set_queue_attributes(&self, request: SetQueueAttributes) -> Result<Empty, Fault> {
        let name = name_in_url(&request.queue_url)?;
        self.run(move |store| store.set(&name, request.attributes)).await?;
        Ok(Empty {})
    }

    async fn delete_queue(&self, request: ByUrl) -> Result<Empty, Fault> {
        let name = name_in_url(&request.queue_url)?;
        self.run(move |store| store.delete(&name)).await?;
        Ok(Empty {})
    }

    async fn purge_queue(&self, request: ByUrl) -> Result<Empty, Fault> {
        let name = name_in_url(&request.queue_url)?;
        self.run(move |store| store.purge(&name)).await?;
        Ok(Empty {})
    }

    async fn start_move(&self, request: StartMove) -> Result<Value, Fault> {
        let named = |arn: &str| {
            name_in_arn(arn).map(str::to_owned).ok_or_else(|| no_resource("the ARN is no queue's"))
        };
        let source = named(&request.source_arn)?;
        let destination = request.destination_arn.as_deref().map(named).transpose()?;
        let queues = {
            let (source, destination) = (source.clone(), destination.clone());
            self.run(move |store| {
                let missing = |_| no_resource("The resource that you specified does not exist.");
                let queue = store.queue(&source).map_err(missing)?;
                let target = destination.map(|it| store.queue(&it)).transpose().map_err(missing)?;
                if !store.is_dead_letter_queue(&source) {
                    return Err(Fault::InvalidParameterValue(
                        "Source queue must be configured as a Dead Letter Queue.".to_owned(),
                    ));
                }
                Ok((queue, target, store.now()))
            })
            .await?
        };
        let (queue, target, started_at) = queues;
        let mut moved = 0;
        loop {
            let (queue, target) = (Arc::clone(&queue), target.clone());
            let step =
                self.run(move |store| store.redrive(&queue, target.as_deref(), STEP)).await?;
            moved += step;
            if step < STEP {
                break;
            }
        }
        let handle = message::new_id()?;
        let done = Move {
            handle: handle.clone(),
            source: request.source_arn,
            destination: request.destination_arn,
            moved,
            started_at,
        };
        self.run(move |store| {
            store.moves.push(done);
            Ok(())
        })
        .await?;
        Ok(json!({ "TaskHandle": handle }))
    }

    async fn list_moves(&self, request: ListMoves) -> Result<Value, Fault> {
        let moves = self.run(|store| Ok(store.moves.clone())).await?;
        let most = usize::try_from(request.max_results.unwrap_or(1)).unwrap_or(0).clamp(1, 10);
        let shown: Vec<_> = moves
            .iter()
            .rev()
            .filter(|it| it.source == request.source_arn)
            .take(most)
            .map(|it| {
                json!({
                    "TaskHandle": it.handle,
                    "Status": "COMPLETED",
                    "SourceArn": it.source,
                    "DestinationArn": it.destination,
                    "ApproximateNumberOfMessagesMoved": it.moved,
                    "ApproximateNumberOfMessagesToMove": it.moved,
                    "StartedTimestamp": it.started_at,
                })
            })
            .collect();
        Ok(json!({ "Results": shown }))
    }
}

impl Drop for Sqs {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The file is closed when this returns, so it can be opened again or deleted.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Sqs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqs").finish_non_exhaustive()
    }
}

/// The real time.
#[expect(clippy::disallowed_methods, reason = "the one clock of this crate; tests set their own")]
pub(crate) fn system_clock() -> Clock {
    Arc::new(|| {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX)
    })
}

// --- Requests and answers --------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
    #[serde(default)]
    message_system_attributes: BTreeMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SendEntry {
    id: String,
    #[serde(flatten)]
    message: Message,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Batch<T> {
    queue_url: String,
    #[serde(default = "Vec::new")]
    entries: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ReceiveMessage {
    queue_url: String,
    max_number_of_messages: Option<i64>,
    visibility_timeout: Option<i64>,
    wait_time_seconds: Option<i64>,
    /// The older name of the next field; both count.
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteMessage {
    queue_url: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DeleteEntry {
    id: String,
    receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeVisibility {
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ChangeEntry {
    id: String,
    receipt_handle: String,
    visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct CreateQueue {
    queue_name: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByName {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ByUrl {
    queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListQueues {
    queue_name_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetQueueAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SetQueueAttributes {
    queue_url: String,
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct StartMove {
    source_arn: String,
    destination_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListMoves {
    source_arn: String,
    max_results: Option<i64>,
}

#[derive(Serialize)]
struct Empty {}

#[derive(Debug, Serialize)]
struct Sent {
    #[serde(rename = "MessageId")]
    message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    body_digest: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    attributes_digest: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    system_attributes_digest: Option<String>,
}

#[derive(Serialize)]
struct SentEntry {
    #[serde(rename = "Id")]
    id: String,
    #[serde(flatten)]
    sent: Sent,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct IdEntry {
    id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct FailedEntry {
    id: String,
    sender_fault: bool,
    code: &'static str,
    message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct BatchAnswer<T> {
    successful: Vec<T>,
    failed: Vec<FailedEntry>,
}

impl<T> BatchAnswer<(String, T)> {
    /// Does `work` for each entry. An entry that is refused fails alone; a failure of the store
    /// fails the batch.
    fn of<E>(
        entries: Vec<(String, E)>,
        mut work: impl FnMut(E) -> Result<T, Fault>,
    ) -> Result<Self, Fault> {
        let mut answer = Self { successful: Vec::new(), failed: Vec::new() };
        for (id, entry) in entries {
            match work(entry) {
                Ok(done) => answer.successful.push((id, done)),
                Err(fault) if fault.is_senders() => answer.failed.push(FailedEntry {
                    id,
                    sender_fault: true,
                    code: fault.code(),
                    message: fault.to_string(),
                }),
                Err(fault) => return Err(fault),
            }
        }
        Ok(answer)
    }

    fn map<U>(self, mut entry: impl FnMut(String, T) -> U) -> BatchAnswer<U> {
        let successful = self.successful.into_iter().map(|(id, done)| entry(id, done)).collect();
        BatchAnswer { successful, failed: self.failed }
    }
}

/// A message that was checked, but for the queue's own limit.
struct Checked {
    outgoing: Outgoing,
    bytes: usize,
}

impl Message {
    /// What it counts towards the limits.
    fn bytes(&self) -> usize {
        let attributes: usize = self
            .message_attributes
            .iter()
            .map(|(name, it)| name.len() + it.data_type.len() + it.value_bytes())
            .sum();
        self.message_body.len() + attributes
    }

    fn check(self) -> Result<(Checked, Sent), Fault> {
        let bytes = self.bytes();
        if self.message_body.is_empty() {
            return Err(Fault::MissingParameter("MessageBody"));
        }
        fits(bytes, MAX_BYTES)?;
        if !is_sendable(&self.message_body) {
            return Err(Fault::InvalidMessageContents);
        }
        in_range("DelaySeconds", self.delay_seconds, MAX_DELAY)?;
        let sent = Sent {
            message_id: message::new_id()?,
            body_digest: body_digest(&self.message_body),
            attributes_digest: attributes_digest(&self.message_attributes),
            system_attributes_digest: attributes_digest(&self.message_system_attributes),
        };
        let mut system = self.message_system_attributes;
        let trace_header = system.remove("AWSTraceHeader").and_then(|it| it.string_value);
        if let Some(name) = system.into_keys().next() {
            return Err(Fault::InvalidParameterValue(format!(
                "Message system attribute name '{name}' is invalid."
            )));
        }
        let attributes = Attributes { own: self.message_attributes, trace_header };
        attributes.check()?;
        let outgoing = Outgoing {
            id: sent.message_id.clone(),
            body: self.message_body,
            attributes: attributes.stored(),
            delay_seconds: self.delay_seconds,
        };
        Ok((Checked { outgoing, bytes }, sent))
    }
}

impl ReceiveMessage {
    /// A delivery as this request wants to see it.
    fn shown(&self, delivery: Delivery) -> Value {
        let mut attributes: Attributes = delivery
            .attributes
            .as_deref()
            .and_then(|stored| serde_json::from_str(stored).ok())
            .unwrap_or_default();
        let mut system = BTreeMap::from([
            ("ApproximateReceiveCount", delivery.received.to_string()),
            ("ApproximateFirstReceiveTimestamp", delivery.first_received_at.to_string()),
            ("SentTimestamp", delivery.sent_at.to_string()),
            ("SenderId", ACCOUNT.to_owned()),
        ]);
        system.extend(delivery.source.map(|arn| ("DeadLetterQueueSourceArn", arn)));
        system.extend(attributes.trace_header.map(|value| ("AWSTraceHeader", value)));
        let wanted = [&self.attribute_names, &self.message_system_attribute_names];
        system.retain(|name, _| {
            wanted.into_iter().flatten().any(|wanted| wanted == name || wanted == "All")
        });
        attributes.own.retain(|name, _| {
            self.message_attribute_names.iter().any(|wanted| {
                wanted == name
                    || wanted == "All"
                    || wanted.strip_suffix(".*").is_some_and(|prefix| name.starts_with(prefix))
            })
        });
        let mut shown = json!({
            "MessageId": delivery.message_id,
            "ReceiptHandle": delivery.handle,
            "MD5OfBody": body_digest(&delivery.body),
            "Body": delivery.body,
        });
        if !system.is_empty() {
            shown["Attributes"] = json!(system);
        }
        if let Some(digest) = attributes_digest(&attributes.own) {
            shown["MessageAttributes"] = json!(attributes.own);
            shown["MD5OfMessageAttributes"] = json!(digest);
        }
        shown
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::Unreadable(error.to_string()))
}

fn written(answer: &impl Serialize) -> Result<Vec<u8>, Fault> {
    serde_json::to_vec(answer).map_err(|error| Fault::Internal(error.to_string()))
}

/// The URL of a queue, at the host by which the caller came.
fn url_of(headers: &HeaderMap, name: &str) -> String {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("embedded.local");
    format!("http://{host}/{ACCOUNT}/{name}")
}

/// The queue's name in its URL. The host does not matter: the door and the port give out
/// different ones.
fn name_in_url(url: &str) -> Result<String, Fault> {
    let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
    let name = path.and_then(|(_, path)| path.strip_prefix(ACCOUNT)?.strip_prefix('/'));
    name.map(str::to_owned).ok_or(Fault::QueueDoesNotExist)
}

fn no_resource(message: &str) -> Fault {
    Fault::ResourceNotFound(message.to_owned())
}

fn fits(bytes: usize, most: usize) -> Result<(), Fault> {
    if bytes > most {
        return Err(Fault::InvalidParameterValue(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        )));
    }
    Ok(())
}

fn in_range(parameter: &str, seconds: Option<i64>, most: i64) -> Result<(), Fault> {
    match seconds {
        Some(seconds) if !(0..=most).contains(&seconds) => {
            Err(Fault::InvalidParameterValue(format!(
                "Value {seconds} for parameter {parameter} is invalid. Reason: Must be between 0 \
                 and {most}, if provided."
            )))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_ids<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Fault> {
    if ids.len() == 0 {
        return Err(Fault::EmptyBatchRequest);
    }
    if ids.len() > MAX_ENTRIES {
        return Err(Fault::TooManyEntriesInBatchRequest(ids.len()));
    }
    let mut seen = HashSet::new();
    for id in ids {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if id.is_empty() || id.len() > 80 || !id.chars().all(allowed) {
            return Err(Fault::InvalidBatchEntryId);
        }
        if !seen.insert(id) {
            return Err(Fault::BatchEntryIdsNotDistinct(id.to_owned()));
        }
    }
    Ok(())
}
