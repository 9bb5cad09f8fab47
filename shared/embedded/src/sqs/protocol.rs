//! The shapes of the JSON protocol, and the checks of what is asked that need no queue.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::MAX_ENTRIES;
use super::fault::Fault;
use super::message::{
    self, Attribute, Attributes, Outgoing, attributes_digest, body_digest, is_sendable,
};
use super::settings::{ACCOUNT, MAX_BYTES, MAX_DELAY};
use super::store::Delivery;

/// A message: alone, or an entry of a batch. What the one has and the other has not is in here, too: to
/// flatten structs into each other, serde would keep all fields in between, which takes longer than all
/// the rest.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    /// Of one that is alone.
    pub(super) queue_url: Option<String>,
    /// Of an entry.
    #[serde(default)]
    pub(super) id: String,
    message_body: String,
    delay_seconds: Option<i64>,
    #[serde(default)]
    message_attributes: BTreeMap<String, Attribute>,
    #[serde(default)]
    message_system_attributes: BTreeMap<String, Attribute>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Batch<T> {
    pub(super) queue_url: String,
    #[serde(default = "Vec::new")]
    pub(super) entries: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    pub(super) queue_url: String,
    pub(super) max_number_of_messages: Option<i64>,
    pub(super) visibility_timeout: Option<i64>,
    pub(super) wait_time_seconds: Option<i64>,
    /// The older name of the next field; both count.
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_system_attribute_names: Vec<String>,
    #[serde(default)]
    pub(super) message_attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteMessage {
    pub(super) queue_url: String,
    pub(super) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct DeleteEntry {
    pub(super) id: String,
    pub(super) receipt_handle: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeVisibility {
    pub(super) queue_url: String,
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ChangeEntry {
    pub(super) id: String,
    pub(super) receipt_handle: String,
    pub(super) visibility_timeout: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct CreateQueue {
    pub(super) queue_name: String,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByName {
    pub(super) queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ByUrl {
    pub(super) queue_url: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListQueues {
    pub(super) queue_name_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    pub(super) queue_url: String,
    #[serde(default)]
    pub(super) attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SetQueueAttributes {
    pub(super) queue_url: String,
    pub(super) attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct StartMove {
    pub(super) source_arn: String,
    pub(super) destination_arn: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ListMoves {
    pub(super) source_arn: String,
    pub(super) max_results: Option<i64>,
}

#[derive(Serialize)]
pub(super) struct Empty {}

#[derive(Debug, Serialize)]
pub(super) struct Sent {
    #[serde(rename = "MessageId")]
    pub(super) message_id: String,
    #[serde(rename = "MD5OfMessageBody")]
    pub(super) body_digest: String,
    #[serde(rename = "MD5OfMessageAttributes", skip_serializing_if = "Option::is_none")]
    pub(super) attributes_digest: Option<String>,
    #[serde(rename = "MD5OfMessageSystemAttributes", skip_serializing_if = "Option::is_none")]
    pub(super) system_attributes_digest: Option<String>,
}

#[derive(Serialize)]
pub(super) struct SentEntry {
    #[serde(rename = "Id")]
    pub(super) id: String,
    #[serde(flatten)]
    pub(super) sent: Sent,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct IdEntry {
    pub(super) id: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct FailedEntry {
    pub(super) id: String,
    pub(super) sender_fault: bool,
    pub(super) code: &'static str,
    pub(super) message: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BatchAnswer<T> {
    pub(super) successful: Vec<T>,
    pub(super) failed: Vec<FailedEntry>,
}

impl<T> BatchAnswer<(String, T)> {
    /// Does `work` for each entry. An entry that is refused fails alone; a failure of the store
    /// fails the batch.
    pub(super) fn of<E>(
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

    pub(super) fn map<U>(self, mut entry: impl FnMut(String, T) -> U) -> BatchAnswer<U> {
        let successful = self.successful.into_iter().map(|(id, done)| entry(id, done)).collect();
        BatchAnswer { successful, failed: self.failed }
    }
}

/// A message that was checked, but for the queue's own limit.
pub(super) struct Checked {
    pub(super) outgoing: Outgoing,
    pub(super) bytes: usize,
}

impl Message {
    /// What it counts towards the limits.
    pub(super) fn bytes(&self) -> usize {
        let attributes: usize = self
            .message_attributes
            .iter()
            .map(|(name, it)| name.len() + it.data_type.len() + it.value_bytes())
            .sum();
        self.message_body.len() + attributes
    }

    pub(super) fn check(self) -> Result<(Checked, Sent), Fault> {
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
            message_id: message::new_id(),
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
    pub(super) fn shown(&self, delivery: Delivery) -> Value {
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

pub(super) fn fits(bytes: usize, most: usize) -> Result<(), Fault> {
    if bytes > most {
        return Err(Fault::InvalidParameterValue(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {most} bytes."
        )));
    }
    Ok(())
}

pub(super) fn in_range(parameter: &str, seconds: Option<i64>, most: i64) -> Result<(), Fault> {
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

pub(super) fn check_ids<'a>(ids: impl ExactSizeIterator<Item = &'a str>) -> Result<(), Fault> {
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
