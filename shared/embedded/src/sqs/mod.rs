//! SQS: durable standard queues on SQLite, behind the JSON protocol.
//!
//! Requests are read, checked and answered on the caller's task; only what touches the database
//! goes to the [`writer`].

mod fault;
mod message;
mod protocol;
mod receipt;
mod settings;
mod store;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, mpsc};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use self::protocol::{
    Batch, BatchAnswer, ByName, ByUrl, ChangeEntry, ChangeVisibility, Checked, CreateQueue,
    DeleteEntry, DeleteMessage, Empty, GetQueueAttributes, IdEntry, ListMoves, ListQueues, Message,
    ReceiveMessage, Sent, SentEntry, SetQueueAttributes, StartMove, check_ids, fits, in_range,
};
use self::receipt::Receipt;
use self::settings::{ACCOUNT, MAX_BYTES, MAX_VISIBILITY, MAX_WAIT, Settings, arn, name_in_arn};
use self::store::{Move, Store};
use self::writer::{Job, Poll, Promise};

pub(crate) use self::fault::Fault;
pub(crate) use self::store::Clock;

use crate::OpenError;
use crate::disk::Disk;

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
    /// The queue of which sends are answered before the disk has them.
    hasty: OnceLock<String>,
}

impl Sqs {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let disk = || Disk::under(path, "embedded-sqs-disk").map(Some);
        Self::start(path, |clock| Store::open(path, clock), system_clock(), disk)
    }

    pub(crate) fn in_memory(clock: Clock) -> Result<Self, OpenError> {
        Self::start(Path::new(":memory:"), Store::in_memory, clock, || Ok(None))
    }

    fn start(
        path: &Path,
        open: impl FnOnce(Clock) -> rusqlite::Result<Store>,
        clock: Clock,
        disk: impl FnOnce() -> Result<Option<Disk>, OpenError>,
    ) -> Result<Self, OpenError> {
        let store = open(clock).map_err(|error| {
            let path = PathBuf::from(path);
            match error.sqlite_error_code() {
                Some(rusqlite::ErrorCode::DatabaseBusy) => OpenError::InUse { path },
                Some(_) | None => OpenError::Sqs { path, source: Box::new(error) },
            }
        })?;
        let disk = disk()?;
        let (jobs, waiting) = mpsc::channel();
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || writer::run(store, disk, &waiting))
            .map_err(|source| OpenError::Thread { name: THREAD, source })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), hasty: OnceLock::new() })
    }

    /// Answers sends to this queue before the disk has them.
    pub(crate) fn answer_before_disk(&self, queue: &str) {
        let _ = self.hasty.set(queue.to_owned());
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

    /// Runs `work` in the writer's next transaction; the result is there when that is on the disk.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        self.run_for(Promise::Disk, work).await
    }

    /// Runs `work` in the writer's next transaction; `promise` says when the result is there.
    async fn run_for<T: Send + 'static>(
        &self,
        promise: Promise,
        work: impl FnOnce(&mut Store) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let (job, result) = writer::job(promise, work);
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
            "SendMessage" => written(&self.send_message(read(body)?).await?),
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

    async fn send_message(&self, message: Message) -> Result<Sent, Fault> {
        let url = message.queue_url.as_deref().ok_or(Fault::MissingParameter("QueueUrl"))?;
        let queue = name_in_url(url)?;
        let (message, sent) = message.check()?;
        self.run_for(self.promise_to(&queue), move |store| {
            let queue = store.queue(&queue)?;
            fits(message.bytes, queue.settings.max_bytes)?;
            store.send(&queue, &message.outgoing)
        })
        .await?;
        Ok(sent)
    }

    async fn send_message_batch(
        &self,
        request: Batch<Message>,
    ) -> Result<BatchAnswer<SentEntry>, Fault> {
        let queue = name_in_url(&request.queue_url)?;
        check_ids(request.entries.iter().map(|entry| entry.id.as_str()))?;
        let sent: usize = request.entries.iter().map(Message::bytes).sum();
        if sent > MAX_BYTES {
            return Err(Fault::BatchRequestTooLong { most: MAX_BYTES, sent });
        }
        let checked: Vec<_> =
            request.entries.into_iter().map(|entry| (entry.id.clone(), entry.check())).collect();
        self.run_for(self.promise_to(&queue), move |store| {
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

    /// When a send to this queue is answered.
    fn promise_to(&self, queue: &str) -> Promise {
        match self.hasty.get() {
            Some(hasty) if hasty == queue => Promise::Soon,
            Some(_) | None => Promise::Disk,
        }
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
        self.run_for(Promise::Anyhow, move |store| {
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
        self.run_for(Promise::Anyhow, move |store| {
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
        let handle = message::new_id();
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
