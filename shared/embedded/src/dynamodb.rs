//! DynamoDB: `dynoxide-rs` on a thread of its own, behind the JSON protocol.
//!
//! The engine makes synchronous calls on one SQLite connection. They run on a thread, in the
//! order they came, so that no async worker ever waits for the disk; JSON is read and written
//! outside of it. Reads have a connection and a thread of their own: while transactions are
//! written, four times as many `GetItem` come through as by the writer's connection. (On
//! `spawn_blocking` they are no faster; on the async workers they are, but keep those from the
//! writers' tasks.)
//!
//! The file is in WAL mode, and each write is on the disk before it is acknowledged: the engine
//! commits it and goes on with the next one, and [`Disk`] answers. A read may see what is not on the
//! disk yet.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Instant;

use bytes::Bytes;
use dynoxide::actions::create_table::CreateTableRequest;
use dynoxide::actions::update_table::UpdateTableRequest;
use dynoxide::{Database, DynoxideError};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use crate::OpenError;
use crate::disk::Disk;
use crate::tokens::{Tokens, Transaction};

/// Work for an engine; what is left of it is to tell its caller.
type Job = Box<dyn FnOnce(&mut Database) -> Answer + Send>;

/// Tells a caller what came of a call, by whether that is on the disk.
type Answer = Box<dyn FnOnce(&Result<(), String>) + Send>;

/// The two engines of one database.
pub(crate) struct DynamoDb {
    /// Writes, and reads that must be atomic.
    writer: Engine,
    /// Reads. In a file they have their own connection, so that they never wait for a commit.
    reader: Engine,
    /// `None`: in memory, where both engines share one connection.
    path: Option<PathBuf>,
    tokens: Arc<Mutex<Tokens>>,
}

impl DynamoDb {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        let failed = |error| OpenError::DynamoDb { path: path.to_owned(), source: Box::new(error) };
        let writer = connect(path).map_err(failed)?;
        // The name is what it is good for elsewhere; it sets `synchronous=NORMAL`.
        writer.disable_bulk_loading().map_err(failed)?;
        let reader = connect(path).map_err(failed)?;
        let disk = Disk::under(path, "embedded-dynamodb-disk")?;
        Ok(Self {
            writer: Engine::start("embedded-dynamodb-write", writer, Some(disk))?,
            reader: Engine::start("embedded-dynamodb-read", reader, None)?,
            path: Some(path.to_owned()),
            tokens: Arc::default(),
        })
    }

    pub(crate) fn in_memory() -> Result<Self, OpenError> {
        let database = Database::memory().map_err(|error| OpenError::DynamoDb {
            path: PathBuf::from(":memory:"),
            source: Box::new(error),
        })?;
        Ok(Self {
            writer: Engine::start("embedded-dynamodb-write", database.clone(), None)?,
            reader: Engine::start("embedded-dynamodb-read", database, None)?,
            path: None,
            tokens: Arc::default(),
        })
    }

    /// Reads every row of every table that has a TTL, and deletes those that are past it.
    pub(crate) async fn sweep_expired(&self) -> Result<usize, DynoxideError> {
        // Not on the engine's thread: the sweep steps aside every few rows, for other threads.
        let database = self.writer.run(|database| Ok(database.clone())).await?;
        match tokio::task::spawn_blocking(move || database.sweep_ttl()).await {
            Ok(swept) => swept,
            Err(error) => Err(DynoxideError::InternalServerError(error.to_string())),
        }
    }

    /// Answers `operation`, the part of `x-amz-target` after the dot.
    pub(crate) async fn call(&self, operation: &str, body: &Bytes) -> Response<Bytes> {
        match self.dispatch(operation, body).await {
            Ok(body) => respond(StatusCode::OK, body),
            Err(error) => {
                let error = named(operation, error);
                let status = StatusCode::from_u16(error.status_code())
                    .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                if status.is_server_error() {
                    tracing::error!(operation, %error, "answering a DynamoDB request");
                }
                respond(status, error.to_json().into_bytes())
            }
        }
    }

    async fn dispatch(&self, operation: &str, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
        let Self { reader, writer, .. } = self;
        match operation {
            "GetItem" => reader.call(body, Database::get_item).await,
            "Query" => reader.call(body, Database::query).await,
            "Scan" => reader.call(body, Database::scan).await,
            "BatchGetItem" => reader.call(body, Database::batch_get_item).await,
            "PutItem" => writer.call(body, Database::put_item).await,
            "UpdateItem" => writer.call(body, Database::update_item).await,
            "DeleteItem" => writer.call(body, Database::delete_item).await,
            "BatchWriteItem" => writer.call(body, Database::batch_write_item).await,
            "TransactGetItems" => writer.call(body, Database::transact_get_items).await,
            "TransactWriteItems" => self.transact(body).await,
            "ExecuteStatement" => writer.call(body, Database::execute_statement).await,
            "ExecuteTransaction" => writer.call(body, Database::execute_transaction).await,
            "BatchExecuteStatement" => writer.call(body, Database::batch_execute_statement).await,
            "DescribeTable" => writer.call(body, Database::describe_table).await,
            "ListTables" => writer.call(body, Database::list_tables).await,
            "DescribeTimeToLive" => writer.call(body, Database::describe_time_to_live).await,
            "TagResource" => writer.call(body, Database::tag_resource).await,
            "UntagResource" => writer.call(body, Database::untag_resource).await,
            "ListTagsOfResource" => writer.call(body, Database::list_tags_of_resource).await,
            "CreateTable" => self.define(body, create_table).await,
            "UpdateTable" => self.define(body, update_table).await,
            "DeleteTable" => self.define(body, Database::delete_table).await,
            "UpdateTimeToLive" => self.define(body, Database::update_time_to_live).await,
            _ => Err(DynoxideError::UnsupportedCapability(operation.to_owned())),
        }
    }

    async fn transact(&self, body: &[u8]) -> Result<Vec<u8>, DynoxideError> {
        let transaction = Transaction::of(read(body)?);
        let tokens = Arc::clone(&self.tokens);
        let write = move |database: &mut Database| {
            let mut tokens = tokens.lock().unwrap_or_else(PoisonError::into_inner);
            tokens.write(database, transaction, Instant::now())
        };
        written(&self.writer.run(write).await?)
    }

    /// An operation that changes what tables there are and how they look.
    async fn define<Q, A>(
        &self,
        body: &[u8],
        operation: fn(&Database, Q) -> Result<A, DynoxideError>,
    ) -> Result<Vec<u8>, DynoxideError>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
    {
        let answer = self.writer.call(body, operation).await?;
        if let Some(path) = self.path.clone() {
            // A connection remembers the tables it has seen, and the reader's does not learn of
            // the change.
            let reopen = move |database: &mut Database| {
                *database = connect(&path)?;
                Ok(())
            };
            self.reader.run(reopen).await?;
        }
        Ok(answer)
    }
}

fn connect(path: &Path) -> Result<Database, DynoxideError> {
    let path = path
        .to_str()
        .ok_or_else(|| DynoxideError::InternalServerError("the path is not UTF-8".to_owned()))?;
    Database::new(path)
}

/// One connection on a thread of its own, which ends when this is dropped.
struct Engine {
    /// `None` only while dropping.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Engine {
    /// With a `disk`, calls are answered when it has what they have written.
    fn start(
        name: &'static str,
        mut database: Database,
        disk: Option<Disk>,
    ) -> Result<Self, OpenError> {
        let (jobs, waiting) = mpsc::channel::<Job>();
        let turns = move || {
            for job in waiting {
                // A panic in the engine costs one request; the caller sees that no answer comes.
                match (catch_unwind(AssertUnwindSafe(|| job(&mut database))), &disk) {
                    (Ok(answer), Some(disk)) => disk.then(answer),
                    (Ok(answer), None) => answer(&Ok(())),
                    (Err(_), _) => tracing::error!("the embedded DynamoDB panicked"),
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name(name.to_owned())
            .spawn(turns)
            .map_err(|source| OpenError::Thread { name, source })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Runs `work` on the thread.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Database) -> Result<T, DynoxideError> + Send + 'static,
    ) -> Result<T, DynoxideError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            let result = work(database);
            Box::new(move |synced: &Result<(), String>| {
                let result = match synced {
                    Ok(()) => result,
                    Err(error) => Err(DynoxideError::InternalServerError(error.clone())),
                };
                // A caller that went away does not need the answer.
                let _ = reply.send(result);
            })
        });
        let gone = || DynoxideError::InternalServerError("the engine gave no answer".to_owned());
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    /// Runs `operation` on the thread, and reads and writes its JSON here.
    async fn call<Q, A>(
        &self,
        body: &[u8],
        operation: fn(&Database, Q) -> Result<A, DynoxideError>,
    ) -> Result<Vec<u8>, DynoxideError>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
    {
        let request = read(body)?;
        written(&self.run(move |database| operation(database, request)).await?)
    }
}

fn read<Q: DeserializeOwned>(body: &[u8]) -> Result<Q, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| unread(&error))
}

fn written(answer: &impl Serialize) -> Result<Vec<u8>, DynoxideError> {
    serde_json::to_vec(answer)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The file is closed when this returns, so it can be opened again or deleted.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

fn create_table(
    database: &Database,
    request: CreateTableRequest,
) -> Result<dynoxide::actions::create_table::CreateTableResponse, DynoxideError> {
    if request.stream_specification.as_ref().is_some_and(|it| it.stream_enabled) {
        return Err(no_streams());
    }
    database.create_table(request)
}

fn update_table(
    database: &Database,
    request: UpdateTableRequest,
) -> Result<dynoxide::actions::update_table::UpdateTableResponse, DynoxideError> {
    if request.stream_specification.as_ref().is_some_and(|it| it.stream_enabled) {
        return Err(no_streams());
    }
    database.update_table(request)
}

fn no_streams() -> DynoxideError {
    DynoxideError::ValidationException(
        "the embedded DynamoDB has no streams: each write would scan all stream records".to_owned(),
    )
}

/// The engine marks what its own readers refuse by a prefix of the message; a marked message goes
/// to the caller without the marker and serde's position. Its own server does the same.
fn unread(error: &serde_json::Error) -> DynoxideError {
    let full = error.to_string();
    let bare = full.rfind(" at line ").map_or(full.as_str(), |end| &full[..end]);
    if let Some(message) = full.strip_prefix("SERIALIZATION_AS_READ:") {
        DynoxideError::SerializationException(message.to_owned())
    } else if let Some(message) = full.strip_prefix("VALIDATION_AS_READ:") {
        DynoxideError::ValidationException(message.to_owned())
    } else if let Some(message) = bare.strip_prefix("SERIALIZATION:") {
        DynoxideError::SerializationException(message.to_owned())
    } else if let Some(message) = bare.strip_prefix("VALIDATION_REQUEST:") {
        DynoxideError::EnvelopedValidation(message.to_owned())
    } else if let Some(message) = bare.strip_prefix("VALIDATION:") {
        DynoxideError::ValidationException(message.to_owned())
    } else if error.is_data() {
        DynoxideError::ValidationException(bare.to_owned())
    } else {
        DynoxideError::SerializationException(String::new())
    }
}

/// The error as `operation` words it: three of them wrap a certain kind.
fn named(operation: &str, error: DynoxideError) -> DynoxideError {
    if let DynoxideError::EnvelopedValidation(message) = &error
        && matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem")
    {
        return DynoxideError::ValidationException(format!(
            "1 validation error detected: {message}"
        ));
    }
    error
}

fn respond(status: StatusCode, body: Vec<u8>) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
    response
}
