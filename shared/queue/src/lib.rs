//! SQS: the message of a click, and its sender.
//!
//! Two functions must agree on the message, so it is shared, and carries a version.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::SdkError;
use aws_sdk_sqs::operation::send_message::SendMessageError;
use aws_types::SdkConfig;
use domain::{Click, ClickId, LinkId, WorkspaceId};
use serde::{Deserialize, Serialize};

/// The newest version of the message.
const VERSION: u8 = 1;

/// A click on its way to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickMessage {
    /// The version of this format.
    pub v: u8,
    /// The click's id.
    pub id: String,
    /// The link's id.
    pub link: String,
    /// The workspace's id.
    pub workspace: String,
    /// The domain that was asked.
    pub domain: String,
    /// The slug that was typed.
    pub slug: String,
    /// The partition of the click's row.
    pub shard: u16,
    /// The status that was answered.
    pub status: u16,
    /// The host that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer: Option<String>,
    /// What the client calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
}

/// A message that is no click.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is of a version that this program does not know.
    #[error("a click of version {0} is unknown here")]
    Version(u8),
    /// One of its ids is none.
    #[error("the field `{0}` is no id")]
    Id(&'static str),
    /// It belongs to a partition that nobody reads.
    #[error("the shard {0} does not exist")]
    Shard(u16),
}

impl From<&Click> for ClickMessage {
    fn from(click: &Click) -> Self {
        Self {
            v: VERSION,
            id: click.id.to_string(),
            link: click.link.to_string(),
            workspace: click.workspace.to_string(),
            domain: click.domain.clone(),
            slug: click.slug.clone(),
            shard: click.shard,
            status: click.status,
            referrer: click.referrer.clone(),
            user_agent: click.user_agent.clone(),
        }
    }
}

impl TryFrom<ClickMessage> for Click {
    type Error = MessageError;

    fn try_from(message: ClickMessage) -> Result<Self, MessageError> {
        if message.v != VERSION {
            return Err(MessageError::Version(message.v));
        }
        if u16::from(Self::MAX_SHARDS) <= message.shard {
            return Err(MessageError::Shard(message.shard));
        }
        Ok(Self {
            id: ClickId::parse(&message.id).map_err(|_| MessageError::Id("id"))?,
            link: LinkId::parse(&message.link).map_err(|_| MessageError::Id("link"))?,
            workspace: WorkspaceId::parse(&message.workspace)
                .map_err(|_| MessageError::Id("workspace"))?,
            domain: message.domain,
            slug: message.slug,
            shard: message.shard,
            status: message.status,
            referrer: message.referrer,
            user_agent: message.user_agent,
        })
    }
}

/// The queue of clicks.
#[derive(Debug, Clone)]
pub struct ClickQueue {
    client: Client,
    url: String,
}

/// A click was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// SQS is slow or away.
    #[error("sending the click `{id}`")]
    Unavailable {
        /// Which one.
        id: ClickId,
        /// What the SDK said.
        #[source]
        source: Box<SdkError<SendMessageError>>,
    },
    /// It cannot be written as JSON.
    #[error("writing the click `{id}` as JSON")]
    Json {
        /// Which one.
        id: ClickId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl ClickQueue {
    /// The queue at this URL.
    pub fn new(aws: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(aws), url: url.into() }
    }

    /// Sends one click. A click that is sent twice is counted once.
    pub async fn send(&self, click: &Click) -> Result<(), SendError> {
        let body = serde_json::to_string(&ClickMessage::from(click))
            .map_err(|source| SendError::Json { id: click.id, source })?;
        let call = self.client.send_message().queue_url(&self.url).message_body(body);
        call.send()
            .await
            .map(drop)
            .map_err(|source| SendError::Unavailable { id: click.id, source: Box::new(source) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> ClickMessage {
        serde_json::from_str(
            r#"{"v":1,"id":"clk_01KAHXZ1MM0000000000000000","link":"lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y",
                "workspace":"wrk_01K9Z0000000000000000000AA","domain":"go.example.com",
                "slug":"spring","shard":3,"status":302,"user_agent":"curl/8"}"#,
        )
        .unwrap()
    }

    #[test]
    fn a_message_is_a_click_and_back() {
        let click = Click::try_from(message()).unwrap();
        assert_eq!(ClickMessage::from(&click), message());
        assert_eq!(click.shard, 3);
    }

    #[test]
    fn unknown_versions_and_bad_ids_are_no_clicks() {
        let newer = ClickMessage { v: 2, ..message() };
        assert_eq!(Click::try_from(newer), Err(MessageError::Version(2)));
        let far = ClickMessage { shard: 64, ..message() };
        assert_eq!(Click::try_from(far), Err(MessageError::Shard(64)));
        let bad = ClickMessage { link: "lnk_1".to_owned(), ..message() };
        assert_eq!(Click::try_from(bad), Err(MessageError::Id("link")));
    }
}
