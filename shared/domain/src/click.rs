//! A click: one answered redirect.

use crate::{Agent, ClickId, LinkId, Place, Purpose, Utm, Visitor, WorkspaceId};

/// The longest user agent that is kept, in bytes.
const MAX_USER_AGENT_BYTES: usize = 512;

/// One answered redirect to a link's destination: what the redirect knows of it.
///
/// It holds what is counted, and nothing that says who clicked: no address is in it. What is
/// unknown is `None`, and is counted as unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// Its id; the id's time is the click's time.
    pub id: ClickId,
    /// The link that was followed.
    pub link: LinkId,
    /// The link's workspace.
    pub workspace: WorkspaceId,
    /// The domain that was asked.
    pub domain: String,
    /// The slug that was typed: the link's own or an alias.
    pub slug: String,
    /// Which of the link's click partitions it belongs to, fixed when it was clicked: every
    /// delivery of it meets the same row.
    pub shard: u16,
    /// The status that was answered.
    pub status: u16,
    /// Where it led, without query and fragment: at most 200 bytes.
    pub destination: Option<String>,
    /// The host that it came from.
    pub referrer: Option<String>,
    /// The address that it came from, without path: `https://news.example.org:8443/`, at most
    /// 200 bytes.
    pub referrer_url: Option<String>,
    /// What the client calls itself: at most 512 bytes.
    pub user_agent: Option<String>,
    /// The language that the client likes best, as a tag of BCP 47: `de-AT`, at most 35 bytes.
    pub language: Option<String>,
    /// What it was fetched for, where the client says that nobody is looking at it.
    pub purpose: Option<Purpose>,
    /// Where it came from.
    pub place: Place,
    /// The number of the autonomous system that it came from.
    pub network: Option<u32>,
    /// The UTM parameters of the destination that was answered, each at most 100 bytes.
    pub utm: Utm,
    /// The UTM parameters of the request itself, each at most 100 bytes.
    pub asked_utm: Utm,
    /// Who clicked, for the click's day.
    pub visitor: Option<Visitor>,
}

/// A click, and what was made of it: as it is recorded, put into the lake, counted and listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedClick {
    /// The click.
    pub click: Click,
    /// What its user agent says.
    pub agent: Agent,
    /// The program that it was, if it was no person.
    pub bot: Option<BotLabel>,
}

/// A program, and what gave it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotLabel {
    /// The name under which its clicks are counted.
    pub name: String,
    /// Why it is taken for a program.
    pub why: BotWhy,
}

/// Why a click is taken for one of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BotWhy {
    /// Its user agent is one of a program.
    UserAgent,
    /// It has no user agent: browsers have one.
    NoUserAgent,
    /// A browser fetched it in advance.
    Prefetch,
    /// A browser fetched it for a preview.
    Preview,
    /// It came from a network of rented computers.
    DataCentre,
}

impl BotWhy {
    const ALL: [Self; 5] =
        [Self::UserAgent, Self::NoUserAgent, Self::Prefetch, Self::Preview, Self::DataCentre];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserAgent => "user-agent",
            Self::NoUserAgent => "no-user-agent",
            Self::Prefetch => "prefetch",
            Self::Preview => "preview",
            Self::DataCentre => "data-centre",
        }
    }

    /// What has this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == name)
    }
}

impl Click {
    /// How it was asked for: `HEAD` is answered like `GET`, and is no click.
    pub const METHOD: &str = "GET";

    /// The most shards that a link's clicks can be spread over.
    pub const MAX_SHARDS: u8 = 64;

    /// The shard of a click among `count`: the same for the same click and count.
    pub fn shard_of(id: ClickId, count: u16) -> u16 {
        use sha2::{Digest, Sha256};
        if count <= 1 {
            return 0;
        }
        let hash = Sha256::digest(id.to_string());
        u16::from_be_bytes([hash[0], hash[1]]) % count
    }

    /// A user agent, cut to what is kept, without control characters.
    pub fn trim_user_agent(text: &str) -> String {
        let plain: String = text.chars().filter(|c| !c.is_control()).collect();
        let mut end = plain.len().min(MAX_USER_AGENT_BYTES);
        while !plain.is_char_boundary(end) {
            end -= 1;
        }
        plain[..end].to_owned()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn clicks_spread_over_all_shards_and_stay_there() {
        let mut seen = [0; 8];
        for random in 0..800 {
            let id = ClickId::new(Timestamp::UNIX_EPOCH, random);
            let shard = Click::shard_of(id, 8);
            assert_eq!(shard, Click::shard_of(id, 8));
            seen[usize::from(shard)] += 1;
        }
        assert!(seen.iter().all(|n| 50 < *n), "{seen:?}");
    }

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        for why in BotWhy::ALL {
            assert_eq!(BotWhy::parse(why.as_str()), Some(why));
        }
        assert_eq!(BotWhy::parse(""), None);
    }

    #[test]
    fn a_long_user_agent_is_cut_between_characters() {
        let cut = Click::trim_user_agent(&"é".repeat(400));
        assert_eq!(cut.len(), 512);
        assert_eq!(Click::trim_user_agent("a\r\nb"), "ab");
    }
}
