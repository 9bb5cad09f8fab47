//! The message that starts a purge, and its sender.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::send_message::SendMessageError;
use aws_types::SdkConfig;
use serde::{Deserialize, Serialize};

/// The version of the message.
const VERSION: u8 = 1;

/// When a purge begins that is asked for: when the request has ended that asks for it, one way or the
/// other (`timeout_seconds` of those functions).
const BEGINS_AFTER: Duration = Duration::from_secs(15);

/// A purge, or the rest of one: what is to be purged, and how far that is. What was ordered stands in
/// the order; a message without one does nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeMessage {
    /// The version of this format.
    pub v: u8,
    /// The id of the link or the workspace.
    pub target: String,
    /// Which look it is: 1, and 2 when all that was under way at the first one has ended.
    pub look: u8,
    /// What this look has removed so far: rows of clicks, rows of counts, clicks in the lake.
    #[serde(default)]
    pub removed: [u64; 3],
    /// Whether it has removed what it found, and is looking whether that was all.
    #[serde(default)]
    pub proving: bool,
    /// The place in the lake where to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
}

impl PurgeMessage {
    /// The beginning of a purge.
    pub fn new(target: impl std::fmt::Display) -> Self {
        let target = target.to_string();
        Self { v: VERSION, target, look: 1, removed: [0; 3], proving: false, place: None }
    }

    /// The look that comes after this one, and is the last.
    #[must_use]
    pub fn second_look(&self) -> Self {
        Self { look: 2, ..Self::new(&self.target) }
    }

    /// Whether this program knows what it says.
    pub fn is_known(&self) -> bool {
        self.v == VERSION
    }
}

/// The queue of purges.
#[derive(Debug, Clone)]
pub struct PurgeQueue {
    client: Client,
    url: String,
}

/// A purge was not put on its queue.
#[derive(Debug, thiserror::Error)]
pub enum SendPurgeError {
    /// SQS is slow or away.
    #[error("asking for the purge of `{target}`")]
    Unavailable {
        /// What was to be purged.
        target: String,
        /// What the SDK said.
        #[source]
        source: Box<SdkError<SendMessageError>>,
    },
    /// It cannot be written as JSON.
    #[error("writing the purge of `{target}` as JSON")]
    Json {
        /// What was to be purged.
        target: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl PurgeQueue {
    /// The queue at this URL.
    pub fn new(aws: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(aws), url: url.into() }
    }

    /// Has a purge begin that is ordered within the next seconds; without an order nothing happens.
    ///
    /// So it is asked for before anything is deleted. If it were asked for afterwards, and that
    /// failed, it would be ordered and never begin.
    pub async fn announce(&self, target: impl std::fmt::Display) -> Result<(), SendPurgeError> {
        self.send(&PurgeMessage::new(target), BEGINS_AFTER).await
    }

    /// Sends it, to be received after a delay of at most a quarter of an hour. What is sent twice is
    /// purged once.
    pub async fn send(
        &self,
        message: &PurgeMessage,
        delay: Duration,
    ) -> Result<(), SendPurgeError> {
        let target = || message.target.clone();
        let body = serde_json::to_string(message)
            .map_err(|source| SendPurgeError::Json { target: target(), source })?;
        let seconds = i32::try_from(delay.as_secs().min(900)).unwrap_or(900);
        let call = self.client.send_message().queue_url(&self.url).message_body(body);
        let sent = call.delay_seconds(seconds).send().await;
        sent.map(drop).map_err(|source| SendPurgeError::Unavailable {
            target: target(),
            source: Box::new(source),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_reads_back_and_a_short_one_is_a_beginning() {
        let message = PurgeMessage {
            removed: [1, 2, 3],
            proving: true,
            place: Some("raw/dt=2026-11-22/hr=09/x".to_owned()),
            ..PurgeMessage::new("lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y")
        };
        let text = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<PurgeMessage>(&text).unwrap(), message);
        let short = r#"{"v":1,"target":"wrk_01K9Z0000000000000000000AA","look":1}"#;
        let short: PurgeMessage = serde_json::from_str(short).unwrap();
        assert_eq!(short, PurgeMessage::new("wrk_01K9Z0000000000000000000AA"));
        let second = message.second_look();
        assert_eq!((second.look, second.removed, &second.place), (2, [0; 3], &None));
        assert!(second.is_known() && !PurgeMessage { v: 2, ..second }.is_known());
    }
}
