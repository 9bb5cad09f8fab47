//! The lake: raw clicks in the user's own bucket, in an open format.
//!
//! Every batch of clicks is one object of JSON lines, written before the batch is counted. So a
//! click that was counted is in the bucket, at least once; copies, and clicks that were refused,
//! are there too. Compaction makes files of it, one for each hour ([`Hour`]), and takes the lines
//! away.
//!
//! | Key | What |
//! | --- | --- |
//! | `raw/dt=2026-11-22/hr=09/<ULID>.jsonl` | a batch, by the hour of its arrival |
//! | `raw/bad/dt=2026-11-22/hr=09/<ULID>.jsonl` | the lines of a batch that could not be read |
//! | `clicks/dt=2026-11-22/hr=09/clicks.parquet` | the clicks of an hour |

mod hour;
mod line;
mod objects;
#[cfg(test)]
mod tests;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_types::SdkConfig;
use domain::RecordedClick;
use jiff::Timestamp;
use ulid::Ulid;

pub use hour::Hour;
pub use line::{Line, LineError};
pub use objects::{Expected, Listed, Object, ObjectError, Objects, Written};

/// What lines of JSON are called in HTTP.
pub const LINES: &str = "application/x-ndjson";

/// What the keys of batches begin with.
pub const BATCHES: &str = "raw/dt=";

/// Where lines are that could not be read.
pub const UNREADABLE: &str = "raw/bad/";

/// Where the lines of a batch go that cannot be read: always to the same place, so that a second
/// try writes the same object.
pub fn unreadable(batch: &str) -> String {
    format!("{UNREADABLE}{}", batch.strip_prefix("raw/").unwrap_or(batch))
}

/// The bucket of raw clicks.
#[derive(Debug, Clone)]
pub struct RawClicks {
    client: Client,
    bucket: String,
}

/// A batch could not be put into the bucket.
#[derive(Debug, thiserror::Error)]
#[error("putting `{key}` into the bucket `{bucket}`")]
pub struct PutError {
    bucket: String,
    key: String,
    #[source]
    source: Box<SdkError<PutObjectError>>,
}

impl RawClicks {
    /// The raw clicks in this bucket.
    pub fn new(aws: &SdkConfig, bucket: impl Into<String>) -> Self {
        Self { client: Client::new(aws), bucket: bucket.into() }
    }

    /// Puts a batch of clicks, and answers the key of its object. `now` and the random bits make
    /// the key.
    pub async fn put(
        &self,
        clicks: &[RecordedClick],
        now: Timestamp,
        random: u128,
    ) -> Result<String, PutError> {
        let key = key(now, random);
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&key)
            .content_type(LINES)
            .body(ByteStream::from(lines(clicks)))
            .send()
            .await
            .map_err(|source| PutError {
                bucket: self.bucket.clone(),
                key: key.clone(),
                source: Box::new(source),
            })?;
        Ok(key)
    }
}

/// Where a batch goes: by the hour of its arrival, as query engines partition, and under an id
/// that no other batch has. Nothing that a user typed is in it.
fn key(now: Timestamp, random: u128) -> String {
    let batch = Ulid::from_parts(u64::try_from(now.as_millisecond()).unwrap_or(0), random);
    format!("raw/{}/{batch}.jsonl", Hour::of(now))
}

/// Clicks as lines of JSON.
pub fn lines<'a>(clicks: impl IntoIterator<Item = &'a RecordedClick>) -> Vec<u8> {
    let mut out = Vec::new();
    for click in clicks {
        Line::write(click, &mut out);
    }
    out
}
