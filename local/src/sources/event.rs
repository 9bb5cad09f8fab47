//! The event of an SQS batch, and the worker's answer to it.

use std::collections::HashSet;

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use serde::Deserialize;

use crate::json::Object;

/// The event that Lambda makes of messages.
pub(super) fn of_messages(messages: &[Message], queue_arn: &str) -> Vec<u8> {
    let bytes: usize = messages.iter().map(|it| it.body().unwrap_or_default().len() + 700).sum();
    let mut out = Vec::with_capacity(bytes);
    Object::write(&mut out, |event| {
        event.objects("Records", messages, |record, message| {
            fill(record, message, queue_arn);
        });
    });
    out
}

fn fill(record: &mut Object<'_>, message: &Message, queue_arn: &str) {
    record.text("messageId", message.message_id().unwrap_or_default());
    record.text("receiptHandle", message.receipt_handle().unwrap_or_default());
    record.text("body", message.body().unwrap_or_default());
    record.object("attributes", |attributes| {
        for (name, value) in message.attributes().into_iter().flatten() {
            attributes.text(name.as_str(), value);
        }
    });
    record.object("messageAttributes", |attributes| {
        for (name, value) in message.message_attributes().into_iter().flatten() {
            attributes.object(name, |attribute| fill_attribute(attribute, value));
        }
    });
    if let Some(digest) = message.md5_of_message_attributes() {
        record.text("md5OfMessageAttributes", digest);
    }
    record.text("md5OfBody", message.md5_of_body().unwrap_or_default());
    record.text("eventSource", "aws:sqs");
    record.text("eventSourceARN", queue_arn);
    record.text("awsRegion", embedded::REGION);
}

fn fill_attribute(out: &mut Object<'_>, value: &MessageAttributeValue) {
    if let Some(text) = value.string_value() {
        out.text("stringValue", text);
    }
    if let Some(bytes) = value.binary_value() {
        out.base64("binaryValue", bytes.as_ref());
    }
    out.list("stringListValues", []);
    out.list("binaryListValues", []);
    out.text("dataType", value.data_type());
}

/// Why an answer says nothing about the messages: Lambda then takes all of them for failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("it names the message `{0}`, which is not in the batch")]
    Unknown(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    #[serde(default)]
    batch_item_failures: Option<Vec<Failure>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// The ids of the messages that failed.
pub(super) fn failures(answer: &[u8], messages: &[Message]) -> Result<HashSet<String>, BadAnswer> {
    let answer: Option<Answer> = serde_json::from_slice(answer)?;
    let failures = answer.and_then(|answer| answer.batch_item_failures).unwrap_or_default();
    let known: HashSet<&str> = messages.iter().filter_map(Message::message_id).collect();
    failures
        .into_iter()
        .map(|failure| match known.contains(failure.item_identifier.as_str()) {
            true => Ok(failure.item_identifier),
            false => Err(BadAnswer::Unknown(failure.item_identifier)),
        })
        .collect()
}
