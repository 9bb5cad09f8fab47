//! DynamoDB: `dynoxide-rs` on a thread of its own, behind the JSON protocol.
//!
//! The engine is one SQLite connection with synchronous calls. They run on one thread, in the
//! order they came, so that no async worker ever waits for the disk; JSON is read and written
//! outside of it. The database file is in WAL mode with SQLite's default `synchronous=FULL`: each
//! write is on the disk before it is acknowledged.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::JoinHandle;

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

const THREAD: &str = "embedded-dynamodb";

type Job = Box<dyn FnOnce(&Database) + Send>;

/// The engine's thread, which ends when this is dropped.
pub(crate) struct DynamoDb {
    /// `None` only while dropping.
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// For what need not wait its turn.
    database: Database,
}

impl DynamoDb {
    pub(crate) fn open(path: &Path) -> Result<Self, OpenError> {
        Self::start(path, || {
            let text = path.to_str().ok_or_else(|| {
                DynoxideError::InternalServerError("the path is not UTF-8".to_owned())
            })?;
            Database::new(text)
        })
    }

    pub(crate) fn in_memory() -> Result<Self, OpenError> {
        Self::start(Path::new(":memory:"), Database::memory)
    }

    fn start(
        path: &Path,
        open: impl FnOnce() -> Result<Database, DynoxideError>,
    ) -> Result<Self, OpenError> {
        let database = open().map_err(|error| OpenError::DynamoDb {
            path: PathBuf::from(path),
            source: Box::new(error),
        })?;
        let (jobs, waiting) = mpsc::channel::<Job>();
        let engine = database.clone();
        let thread = std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn(move || {
                for job in waiting {
                    // A panic in the engine costs one request; the caller sees that no answer
                    // comes.
                    if catch_unwind(AssertUnwindSafe(|| job(&engine))).is_err() {
                        tracing::error!("the embedded DynamoDB panicked");
                    }
                }
            })
            .map_err(|source| OpenError::Thread { name: THREAD, source })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread), database })
    }

    /// Runs `work` on the engine's thread.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, DynoxideError> + Send + 'static,
    ) -> Result<T, DynoxideError> {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |database| {
            // A caller that went away does not need the answer.
            let _ = reply.send(work(database));
        });
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        match answer.await {
            Ok(answer) if sent => answer,
            Ok(_) | Err(_) => {
                Err(DynoxideError::InternalServerError("the engine gave no answer".to_owned()))
            }
        }
    }

    /// Reads every row of every table that has a TTL, and deletes those that are past it.
    pub(crate) async fn sweep_expired(&self) -> Result<usize, DynoxideError> {
        // Not on the engine's thread: the sweep steps aside every few rows, for other threads.
        let database = self.database.clone();
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
        match operation {
            "GetItem" => self.one(body, Database::get_item).await,
            "PutItem" => self.one(body, Database::put_item).await,
            "UpdateItem" => self.one(body, Database::update_item).await,
            "DeleteItem" => self.one(body, Database::delete_item).await,
            "Query" => self.one(body, Database::query).await,
            "Scan" => self.one(body, Database::scan).await,
            "BatchGetItem" => self.one(body, Database::batch_get_item).await,
            "BatchWriteItem" => self.one(body, Database::batch_write_item).await,
            "TransactGetItems" => self.one(body, Database::transact_get_items).await,
            "TransactWriteItems" => self.one(body, Database::transact_write_items).await,
            "CreateTable" => self.one(body, create_table).await,
            "UpdateTable" => self.one(body, update_table).await,
            "DeleteTable" => self.one(body, Database::delete_table).await,
            "DescribeTable" => self.one(body, Database::describe_table).await,
            "ListTables" => self.one(body, Database::list_tables).await,
            "UpdateTimeToLive" => self.one(body, Database::update_time_to_live).await,
            "DescribeTimeToLive" => self.one(body, Database::describe_time_to_live).await,
            "ExecuteStatement" => self.one(body, Database::execute_statement).await,
            "ExecuteTransaction" => self.one(body, Database::execute_transaction).await,
            "BatchExecuteStatement" => self.one(body, Database::batch_execute_statement).await,
            "TagResource" => self.one(body, Database::tag_resource).await,
            "UntagResource" => self.one(body, Database::untag_resource).await,
            "ListTagsOfResource" => self.one(body, Database::list_tags_of_resource).await,
            _ => Err(DynoxideError::UnsupportedCapability(operation.to_owned())),
        }
    }

    async fn one<Q, A>(
        &self,
        body: &[u8],
        operation: fn(&Database, Q) -> Result<A, DynoxideError>,
    ) -> Result<Vec<u8>, DynoxideError>
    where
        Q: DeserializeOwned + Send + 'static,
        A: Serialize + Send + 'static,
    {
        let request = serde_json::from_slice::<Q>(body).map_err(|error| unread(&error))?;
        let answer = self.run(move |database| operation(database, request)).await?;
        serde_json::to_vec(&answer)
            .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
    }
}

impl Drop for DynamoDb {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // All writes are done when this returns; then the last handle closes the file.
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDb").finish_non_exhaustive()
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
