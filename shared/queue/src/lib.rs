//! SQS: the message of a click, and its sender.
//!
//! Two functions must agree on the message, so it is shared, and carries a version.

mod clicks;
mod purge;
#[cfg(test)]
mod tests;

use domain::{Click, ClickId, LinkId, Orphan, Place, Purpose, Utm, Visitor, WorkspaceId};
use serde::de::Error;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use clicks::{ClickQueue, SendError};
pub use purge::{PurgeMessage, PurgeQueue, SendPurgeError};

/// The newest version of the message. Version 1 had none of the fields after `user_agent`.
const VERSION: u8 = 2;

/// A click on its way to the ledger. What is unknown is left out.
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
    /// Where it led, without query and fragment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<String>,
    /// The address that it came from, without path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referrer_url: Option<String>,
    /// The language that the client likes best.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// `prefetch` or `preview`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The country that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub country: Option<String>,
    /// The region of the country.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The town.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// The autonomous system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<u32>,
    /// The UTM parameters of the destination.
    #[serde(default, skip_serializing_if = "UtmMessage::is_empty")]
    pub utm: UtmMessage,
    /// The UTM parameters of the request.
    #[serde(default, skip_serializing_if = "UtmMessage::is_empty")]
    pub asked_utm: UtmMessage,
    /// The visitor, in 16 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub visitor: Option<String>,
}

/// The UTM parameters of an address.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UtmMessage {
    /// `utm_source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `utm_medium`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub medium: Option<String>,
    /// `utm_campaign`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<String>,
    /// `utm_term`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub term: Option<String>,
    /// `utm_content`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
}

impl UtmMessage {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<&Utm> for UtmMessage {
    fn from(utm: &Utm) -> Self {
        let Utm { source, medium, campaign, term, content } = utm.clone();
        Self { source, medium, campaign, term, content }
    }
}

impl From<UtmMessage> for Utm {
    fn from(message: UtmMessage) -> Self {
        let UtmMessage { source, medium, campaign, term, content } = message;
        Self { source, medium, campaign, term, content }
    }
}

/// Requests for a slug that no link has, on their way to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanMessage {
    /// The version of this format.
    pub v: u8,
    /// `orphan`.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The domain that was asked.
    pub domain: String,
    /// The slug that was asked for.
    pub slug: String,
    /// How many requests it stands for.
    pub count: u64,
}

/// What `kind` says of an orphan. A click has no `kind`.
const ORPHAN: &str = "orphan";

/// A message of the queue of clicks: what happened, or a list of it. Several that were sent at the
/// same time share a message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub struct LedgerMessages(pub Vec<LedgerMessage>);

impl TryFrom<Value> for LedgerMessages {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let items = if let Value::Array(items) = value { items } else { vec![value] };
        if items.is_empty() {
            // Nobody sends it. It must not go without anybody seeing it.
            return Err(Error::custom("an empty list"));
        }
        items.into_iter().map(LedgerMessage::try_from).collect::<Result<_, _>>().map(Self)
    }
}

/// One that something happened, whatever it is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum LedgerMessage {
    /// A click.
    Click(Box<ClickMessage>),
    /// Requests for what is not there.
    Orphan(OrphanMessage),
}

impl TryFrom<Value> for LedgerMessage {
    type Error = serde_json::Error;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        // A kind that is not known here is a version that is not: it is parsed as an orphan, which
        // says so.
        match value.get("kind") {
            None => serde_json::from_value(value).map(Box::new).map(Self::Click),
            Some(_) => serde_json::from_value(value).map(Self::Orphan),
        }
    }
}

/// What a message stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// A click.
    Click(Box<Click>),
    /// Requests for what is not there.
    Orphan(Orphan),
}

impl TryFrom<LedgerMessage> for Seen {
    type Error = MessageError;

    fn try_from(message: LedgerMessage) -> Result<Self, MessageError> {
        match message {
            LedgerMessage::Click(click) => {
                Click::try_from(*click).map(|click| Self::Click(Box::new(click)))
            }
            LedgerMessage::Orphan(orphan) => Orphan::try_from(orphan).map(Self::Orphan),
        }
    }
}

impl From<&Orphan> for OrphanMessage {
    fn from(orphan: &Orphan) -> Self {
        Self {
            v: VERSION,
            kind: ORPHAN.to_owned(),
            id: orphan.id.to_string(),
            domain: orphan.domain.clone(),
            slug: orphan.slug.clone(),
            count: orphan.count,
        }
    }
}

impl TryFrom<OrphanMessage> for Orphan {
    type Error = MessageError;

    fn try_from(message: OrphanMessage) -> Result<Self, MessageError> {
        if message.kind != ORPHAN {
            return Err(MessageError::Kind(message.kind));
        }
        if !(2..=VERSION).contains(&message.v) {
            return Err(MessageError::Version(message.v));
        }
        Ok(Self {
            id: ClickId::parse(&message.id).map_err(|_| MessageError::Id("id"))?,
            domain: message.domain,
            slug: message.slug,
            // It stands for itself at least.
            count: message.count.max(1),
        })
    }
}

/// A message that is no click.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It is of a version that this program does not know.
    #[error("a click of version {0} is unknown here")]
    Version(u8),
    /// It is about something that this program does not know.
    #[error("a message of the kind `{0}` is unknown here")]
    Kind(String),
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
            destination: click.destination.clone(),
            referrer_url: click.referrer_url.clone(),
            language: click.language.clone(),
            purpose: click.purpose.map(|purpose| purpose.as_str().to_owned()),
            country: click.place.country.clone(),
            region: click.place.region.clone(),
            city: click.place.city.clone(),
            network: click.network,
            utm: UtmMessage::from(&click.utm),
            asked_utm: UtmMessage::from(&click.asked_utm),
            visitor: click.visitor.map(|visitor| visitor.to_string()),
        }
    }
}

impl TryFrom<ClickMessage> for Click {
    type Error = MessageError;

    fn try_from(message: ClickMessage) -> Result<Self, MessageError> {
        if !(1..=VERSION).contains(&message.v) {
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
            destination: message.destination,
            referrer_url: message.referrer_url,
            language: message.language,
            // A purpose that is not known here is no reason to lose the click.
            purpose: message.purpose.as_deref().and_then(Purpose::parse),
            place: Place { country: message.country, region: message.region, city: message.city },
            network: message.network,
            utm: message.utm.into(),
            asked_utm: message.asked_utm.into(),
            visitor: message.visitor.as_deref().and_then(Visitor::parse),
        })
    }
}
