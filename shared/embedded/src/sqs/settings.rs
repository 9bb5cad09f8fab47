//! A queue's attributes: which there are, their limits and defaults.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use serde::Deserialize;
use serde_json::Value;

use super::fault::Fault;
use crate::REGION;

/// The account that owns everything here.
pub(crate) const ACCOUNT: &str = "000000000000";
/// The largest message, and the largest batch, in bytes.
pub(crate) const MAX_BYTES: usize = 1024 * 1024;

/// The longest time a message may be hidden, in seconds.
pub(crate) const MAX_VISIBILITY: i64 = 12 * 60 * 60;
/// The longest delay of a message, in seconds.
pub(crate) const MAX_DELAY: i64 = 15 * 60;
/// The longest wait of a receive, in seconds.
pub(crate) const MAX_WAIT: i64 = 20;

/// The attributes that were set, as they were written, and their meaning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    given: BTreeMap<String, String>,
    pub(crate) visibility_seconds: i64,
    pub(crate) delay_seconds: i64,
    pub(crate) wait_seconds: i64,
    pub(crate) retention_seconds: i64,
    pub(crate) max_bytes: usize,
    pub(crate) redrive: Option<Redrive>,
}

/// Where messages go that fail too often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Redrive {
    /// The name of the dead-letter queue.
    pub(crate) target: String,
    /// How many times a message is delivered before it goes there.
    pub(crate) max_receives: i64,
}

impl Settings {
    /// Reads attributes as `CreateQueue` takes them; what is missing has AWS's default.
    pub(crate) fn parse(given: BTreeMap<String, String>) -> Result<Self, Fault> {
        let mut settings = Self {
            given: BTreeMap::new(),
            visibility_seconds: 30,
            delay_seconds: 0,
            wait_seconds: 0,
            retention_seconds: 4 * 24 * 60 * 60,
            max_bytes: MAX_BYTES,
            redrive: None,
        };
        for (name, value) in &given {
            let number = |range: RangeInclusive<i64>| {
                let number = value.parse::<i64>().ok().filter(|it| range.contains(it));
                number.ok_or_else(|| Fault::InvalidAttributeValue(name.clone()))
            };
            match name.as_str() {
                "VisibilityTimeout" => settings.visibility_seconds = number(0..=MAX_VISIBILITY)?,
                "DelaySeconds" => settings.delay_seconds = number(0..=MAX_DELAY)?,
                "ReceiveMessageWaitTimeSeconds" => settings.wait_seconds = number(0..=MAX_WAIT)?,
                "MessageRetentionPeriod" => {
                    settings.retention_seconds = number(60..=14 * 24 * 60 * 60)?;
                }
                "MaximumMessageSize" => {
                    let bytes = number(1024..=1024 * 1024)?;
                    settings.max_bytes = usize::try_from(bytes).unwrap_or(MAX_BYTES);
                }
                "RedrivePolicy" => settings.redrive = Redrive::parse(value)?,
                "FifoQueue" | "ContentBasedDeduplication" => {
                    return Err(Fault::UnsupportedOperation(
                        "The embedded SQS has standard queues only.".to_owned(),
                    ));
                }
                // Kept and shown, without an effect in one account without encryption.
                "Policy"
                | "RedriveAllowPolicy"
                | "KmsMasterKeyId"
                | "KmsDataKeyReusePeriodSeconds"
                | "SqsManagedSseEnabled" => {}
                _ => return Err(Fault::InvalidAttributeName(name.clone())),
            }
        }
        settings.given = given;
        Ok(settings)
    }

    /// These settings with some attributes changed. An empty policy removes it.
    pub(crate) fn with(&self, changes: BTreeMap<String, String>) -> Result<Self, Fault> {
        let mut given = self.given.clone();
        given.extend(changes);
        given.retain(|_, value| !value.is_empty());
        Self::parse(given)
    }

    /// The first of `wanted` that is not so here.
    pub(crate) fn differs_from(&self, wanted: &Self) -> Option<String> {
        let (here, there) = (self.all(), wanted.all());
        wanted.given.keys().find(|name| here.get(*name) != there.get(*name)).cloned()
    }

    /// The attributes that were set, as JSON text for the disk.
    pub(crate) fn stored(&self) -> String {
        Value::from_iter(self.given.clone()).to_string()
    }

    /// All attributes with their values, those with defaults too.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        let mut all = self.given.clone();
        for (name, value) in [
            ("VisibilityTimeout", self.visibility_seconds.to_string()),
            ("DelaySeconds", self.delay_seconds.to_string()),
            ("ReceiveMessageWaitTimeSeconds", self.wait_seconds.to_string()),
            ("MessageRetentionPeriod", self.retention_seconds.to_string()),
            ("MaximumMessageSize", self.max_bytes.to_string()),
        ] {
            all.insert(name.to_owned(), value);
        }
        all
    }
}

impl Redrive {
    fn parse(policy: &str) -> Result<Option<Self>, Fault> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Policy {
            dead_letter_target_arn: String,
            max_receive_count: Value,
        }
        if policy.is_empty() {
            return Ok(None);
        }
        let refused = |reason: &str| {
            Fault::InvalidParameterValue(format!(
                "Value {policy} for parameter RedrivePolicy is invalid. Reason: {reason}"
            ))
        };
        let read: Policy = serde_json::from_str(policy)
            .map_err(|_| refused("Redrive policy is not a valid JSON map."))?;
        // AWS takes the number as text too.
        let count = match &read.max_receive_count {
            Value::Number(number) => number.as_i64(),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        };
        let max_receives = count
            .filter(|it| (1..=1000).contains(it))
            .ok_or_else(|| refused("Invalid value for maxReceiveCount."))?;
        let target = name_in_arn(&read.dead_letter_target_arn)
            .ok_or_else(|| refused("Invalid value for deadLetterTargetArn."))?;
        Ok(Some(Self { target: target.to_owned(), max_receives }))
    }
}

/// The ARN of the queue `name`.
pub(crate) fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{name}")
}

/// The queue's name in its ARN. The region does not matter: there is one.
pub(crate) fn name_in_arn(arn: &str) -> Option<&str> {
    let mut parts = arn.splitn(6, ':');
    let matches = parts.next() == Some("arn") && parts.next().is_some() && parts.next()? == "sqs";
    let name = parts.nth(2)?;
    (matches && !name.is_empty()).then_some(name)
}
