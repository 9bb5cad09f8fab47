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
use domain::{Click, Day, Device, Purpose, RecordedClick};
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

/// The version of the lines. It changes when a name changes its meaning, not when one is added.
const VERSION: u8 = 1;

/// A click as a line of JSON. The names are what analysts see; new ones may be added.
#[derive(Serialize)]
struct Line<'a> {
    v: u8,
    id: String,
    at: String,
    workspace: String,
    link: String,
    domain: &'a str,
    slug: &'a str,
    shard: u16,
    method: &'static str,
    status: u16,
    destination: Option<&'a str>,
    referrer: Option<&'a str>,
    referrer_url: Option<&'a str>,
    user_agent: Option<&'a str>,
    browser: Option<&'a str>,
    os: Option<&'a str>,
    device: Option<&'static str>,
    bot: Option<&'a str>,
    bot_why: Option<&'static str>,
    purpose: Option<&'static str>,
    language: Option<&'a str>,
    country: Option<&'a str>,
    region: Option<&'a str>,
    city: Option<&'a str>,
    network: Option<u32>,
    utm_source: Option<&'a str>,
    utm_medium: Option<&'a str>,
    utm_campaign: Option<&'a str>,
    utm_term: Option<&'a str>,
    utm_content: Option<&'a str>,
    asked_utm_source: Option<&'a str>,
    asked_utm_medium: Option<&'a str>,
    asked_utm_campaign: Option<&'a str>,
    asked_utm_term: Option<&'a str>,
    asked_utm_content: Option<&'a str>,
    visitor: Option<String>,
}

impl<'a> From<&'a RecordedClick> for Line<'a> {
    fn from(RecordedClick { click, agent, bot }: &'a RecordedClick) -> Self {
        Self {
            v: VERSION,
            id: click.id.to_string(),
            at: click.id.at().to_string(),
            workspace: click.workspace.to_string(),
            link: click.link.to_string(),
            domain: &click.domain,
            slug: &click.slug,
            shard: click.shard,
            method: Click::METHOD,
            status: click.status,
            destination: click.destination.as_deref(),
            referrer: click.referrer.as_deref(),
            referrer_url: click.referrer_url.as_deref(),
            user_agent: click.user_agent.as_deref(),
            browser: agent.browser.as_deref(),
            os: agent.os.as_deref(),
            device: agent.device.map(Device::as_str),
            bot: bot.as_ref().map(|bot| bot.name.as_str()),
            bot_why: bot.as_ref().map(|bot| bot.why.as_str()),
            purpose: click.purpose.map(Purpose::as_str),
            language: click.language.as_deref(),
            country: click.place.country.as_deref(),
            region: click.place.region.as_deref(),
            city: click.place.city.as_deref(),
            network: click.network,
            utm_source: click.utm.source.as_deref(),
            utm_medium: click.utm.medium.as_deref(),
            utm_campaign: click.utm.campaign.as_deref(),
            utm_term: click.utm.term.as_deref(),
            utm_content: click.utm.content.as_deref(),
            asked_utm_source: click.asked_utm.source.as_deref(),
            asked_utm_medium: click.asked_utm.medium.as_deref(),
            asked_utm_campaign: click.asked_utm.campaign.as_deref(),
            asked_utm_term: click.asked_utm.term.as_deref(),
            asked_utm_content: click.asked_utm.content.as_deref(),
            visitor: click.visitor.map(|visitor| visitor.to_string()),
        }
    }
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

fn lines(clicks: &[RecordedClick]) -> String {
    let mut text = String::new();
    for click in clicks {
        let line = serde_json::to_string(&Line::from(click));
        text.push_str(&line.expect("strings and numbers are JSON"));
        text.push('\n');
    }
    text
}
