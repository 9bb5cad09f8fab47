//! The AWS stores of Signpost in one process: DynamoDB, SQS and S3 without AWS.
//!
//! [`Embedded`] holds all three, durable in a folder or for the length of a test. The AWS SDKs
//! reach them through [`Embedded::sdk_config`], by a connector that calls the stores directly:
//! signing, retries and parsing are the SDK's own, only the socket is missing. AWS tools (`aws`,
//! boto3) reach the same stores on one loopback port, [`Embedded::serve`].
//!
//! | | made of | in the folder | an acknowledged write |
//! | --- | --- | --- | --- |
//! | DynamoDB | `dynoxide-rs` on SQLite | `dynamodb.sqlite` | survives power loss (WAL, `synchronous=FULL`) |
//! | SQS | `sqs` here, on SQLite | `sqs.sqlite` | survives power loss; concurrent calls share a commit |
//! | S3 | `s3s` and `s3s-fs` | `s3/` | survives `kill -9`; files are not synced |
//!
//! One process at a time: a second one that opens the folder is refused.
//!
//! # What differs from AWS
//!
//! - One account (`000000000000`), one region, one pair of credentials; S3 alone checks them.
//! - DynamoDB: every read is strongly consistent, indexes too; `TransactionConflict` and throttling
//!   never happen; expired rows go only in [`Embedded::sweep_expired`]; idempotency tokens are
//!   forgotten at a restart, and what is repeated under one costs what the first did; streams are refused, because they make each write scan the records.
//! - SQS: standard queues by the JSON protocol, no FIFO, no permissions, no encryption, no tags.
//!   Counts are exact and order is by time, so that a test can rely on it; nothing may in AWS.
//!   `PurgeQueue` and `StartMessageMoveTask` are done when they answer. A queue that was deleted
//!   can be made again at once.
//! - S3: keys `a` and `a/b` cannot both exist, and bodies are held in memory as a whole. A key
//!   must never be made of what a user typed: a `..` in it can leave its bucket.

mod disk;
mod door;
mod dynamodb;
mod s3;
mod server;
mod sqs;
#[cfg(test)]
mod tests;
mod tokens;

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use crate::door::{Direct, Door};
use crate::dynamodb::DynamoDb;
use crate::s3::S3;
use crate::sqs::{Clock, Sqs};

/// The region that the stores say they are in.
pub const REGION: &str = "eu-west-1";
/// The access key id that S3 wants to see; the other stores take any.
pub const ACCESS_KEY_ID: &str = "embedded";
/// The secret of [`ACCESS_KEY_ID`]; it guards nothing, the port is on the loopback.
pub const SECRET_ACCESS_KEY: &str = "embedded-secret";

/// Nothing resolves or dials this name: the connector answers for it.
const ENDPOINT: &str = "http://embedded.local";

/// DynamoDB, SQS and S3 in this process.
///
/// Cheap to clone; all clones, and all clients made of them, share the stores. The files are
/// closed when the last of them is dropped.
#[derive(Clone, Debug)]
pub struct Embedded {
    door: Arc<Door>,
    client: SharedHttpClient,
}

impl Embedded {
    /// Opens the stores in `dir`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// [`OpenError`], among others if another process has the folder open.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        let bucket_dir = dir.join("s3");
        std::fs::create_dir_all(&bucket_dir)
            .map_err(|source| OpenError::Folder { path: bucket_dir.clone(), source })?;
        // SQS first: its lock keeps a second process out.
        let sqs = Sqs::open(&dir.join("sqs.sqlite"))?;
        let dynamodb = DynamoDb::open(&dir.join("dynamodb.sqlite"))?;
        Ok(Self::new(Door { dynamodb, sqs, s3: S3::open(&bucket_dir)?, _scratch: None }))
    }

    /// Opens empty stores that are gone when they are dropped.
    ///
    /// DynamoDB and SQS live in memory, S3 in a temporary folder.
    ///
    /// # Errors
    ///
    /// [`OpenError`], if there is no room for a thread or a temporary folder.
    pub fn in_memory() -> Result<Self, OpenError> {
        Self::in_memory_at(sqs::system_clock())
    }

    /// The same, with the time that SQS goes by.
    fn in_memory_at(clock: Clock) -> Result<Self, OpenError> {
        let scratch = tempfile::tempdir()
            .map_err(|source| OpenError::Folder { path: std::env::temp_dir(), source })?;
        let s3 = S3::open(scratch.path())?;
        Ok(Self::new(Door {
            dynamodb: DynamoDb::in_memory()?,
            sqs: Sqs::in_memory(clock)?,
            s3,
            _scratch: Some(scratch),
        }))
    }

    fn new(door: Door) -> Self {
        let door = Arc::new(door);
        let client = SharedHttpClient::new(Direct::new(Arc::clone(&door)));
        Self { door, client }
    }

    /// The HTTP client that hands the SDKs' requests straight to the stores.
    ///
    /// Every request goes to them, whatever its host: never give it to a client that should
    /// reach AWS.
    pub fn http_client(&self) -> SharedHttpClient {
        self.client.clone()
    }

    /// The configuration for the SDK clients of all three services.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials =
            Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "embedded");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(ENDPOINT)
            .http_client(self.http_client())
            .retry_config(RetryConfig::standard())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            // Nothing flows between processes here, and a long poll is silent on purpose.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .build()
    }

    /// Answers one request of an AWS SDK that came some other way.
    pub async fn call(&self, request: http::Request<bytes::Bytes>) -> http::Response<bytes::Bytes> {
        self.door.call(request).await
    }

    /// Serves the same stores on `listener` for AWS tools, until `shutdown` is done.
    ///
    /// HTTP/1 without TLS, for the loopback only. Requests that run at shutdown have a second to
    /// end.
    pub async fn serve(
        &self,
        listener: tokio::net::TcpListener,
        shutdown: impl Future<Output = ()>,
    ) {
        server::serve(Arc::clone(&self.door), listener, shutdown).await;
    }

    /// Deletes what has expired: DynamoDB rows past their TTL attribute, and SQS messages past
    /// their queue's retention period. Returns how many DynamoDB rows that were.
    ///
    /// Works in small steps between which other calls run. But it reads every row of every table
    /// that has a TTL attribute, and waits for the disk for each row that it deletes: call it on a
    /// timer of an hour or more.
    ///
    /// # Errors
    ///
    /// [`SweepError`]; what was deleted until then stays deleted.
    pub async fn sweep_expired(&self) -> Result<usize, SweepError> {
        let rows = self.door.dynamodb.sweep_expired().await;
        self.door.sqs.sweep_expired().await.map_err(|fault| SweepError(fault.to_string()))?;
        rows.map_err(|error| SweepError(error.to_string()))
    }

    /// From now on, what is sent to this queue is answered when the system has it, and on the disk
    /// soon after: it survives the end of this process, however that comes, but not always that of
    /// the machine. Only the first queue that is named is treated so.
    pub fn answer_before_disk(&self, queue: &str) {
        self.door.sqs.answer_before_disk(queue);
    }

    /// Makes the SQS messages that are in flight visible at once, and returns how many there were.
    ///
    /// For a start after a crash: whoever received them is gone with the process that had the
    /// folder open, so there is nobody to wait for until the visibility timeout. The deliveries
    /// count, so that a message that kills its consumer still ends in the dead-letter queue.
    ///
    /// # Errors
    ///
    /// [`ReleaseError`], if the queues cannot be written.
    pub async fn release_in_flight(&self) -> Result<usize, ReleaseError> {
        let released = self.door.sqs.release_in_flight().await;
        released.map_err(|fault| ReleaseError(fault.to_string()))
    }
}

/// Why messages could not be released.
#[derive(Debug, thiserror::Error)]
#[error("releasing messages in flight: {0}")]
pub struct ReleaseError(String);

/// Why the stores could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A folder could not be made.
    #[error("making the folder `{path}`")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The DynamoDB file could not be opened.
    #[error("opening the embedded DynamoDB in `{path}`")]
    DynamoDb {
        /// The file, or `:memory:`.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The SQS file could not be opened.
    #[error("opening the embedded SQS in `{path}`")]
    Sqs {
        /// The file, or `:memory:`.
        path: PathBuf,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The stores of this folder are open in another process.
    #[error("the stores in `{path}` are in use by another process")]
    InUse {
        /// The file that is locked.
        path: PathBuf,
    },
    /// The bucket folder could not be used.
    #[error("opening the embedded S3 in `{path}`: {reason}")]
    S3 {
        /// The folder of the buckets.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A store's thread could not be started.
    #[error("starting the thread `{name}`")]
    Thread {
        /// The thread.
        name: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// Why a sweep stopped.
#[derive(Debug, thiserror::Error)]
#[error("sweeping expired rows: {0}")]
pub struct SweepError(String);
