//! The lake: raw clicks in the user's own bucket, in an open format.
//!
//! Every batch of clicks is one object of JSON lines, written before the batch is counted. So a
//! click that was counted is in the bucket, at least once; copies, and clicks that were refused,
//! are there too.

#[cfg(test)]
mod tests;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::put_object::PutObjectError;
use aws_sdk_s3::primitives::ByteStream;
use aws_types::SdkConfig;
use domain::{Click, Day};
use jiff::Timestamp;
use serde::Serialize;
use ulid::Ulid;

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

/// A click as a line of JSON. The names are what analysts see; new ones may be added.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    at: String,
    workspace: String,
    link: String,
    domain: &'a str,
    slug: &'a str,
    status: u16,
    referrer: Option<&'a str>,
    user_agent: Option<&'a str>,
    bot: Option<&'a str>,
}

impl RawClicks {
    /// The raw clicks in this bucket.
    pub fn new(aws: &SdkConfig, bucket: impl Into<String>) -> Self {
        Self { client: Client::new(aws), bucket: bucket.into() }
    }

    /// Puts a batch of clicks, each with the program's name if it was no person, and answers the
    /// key of its object. `now` and the random bits make the key.
    pub async fn put<'a>(
        &self,
        clicks: impl IntoIterator<Item = (&'a Click, Option<&'a str>)>,
        now: Timestamp,
        random: u128,
    ) -> Result<String, PutError> {
        let key = key(now, random);
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(&key)
            .content_type("application/x-ndjson")
            .body(ByteStream::from(lines(clicks).into_bytes()))
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
    let day = Day::of(now).to_string();
    let (year, month, day_of_month) = (&day[..4], &day[4..6], &day[6..]);
    let hour = now.as_second().div_euclid(3_600).rem_euclid(24);
    let batch = Ulid::from_parts(u64::try_from(now.as_millisecond()).unwrap_or(0), random);
    format!("raw/dt={year}-{month}-{day_of_month}/hr={hour:02}/{batch}.jsonl")
}

fn lines<'a>(clicks: impl IntoIterator<Item = (&'a Click, Option<&'a str>)>) -> String {
    let mut text = String::new();
    for (click, bot) in clicks {
        let line = Line {
            id: click.id.to_string(),
            at: click.id.at().to_string(),
            workspace: click.workspace.to_string(),
            link: click.link.to_string(),
            domain: &click.domain,
            slug: &click.slug,
            status: click.status,
            referrer: click.referrer.as_deref(),
            user_agent: click.user_agent.as_deref(),
            bot,
        };
        text.push_str(&serde_json::to_string(&line).expect("strings and numbers are JSON"));
        text.push('\n');
    }
    text
}
