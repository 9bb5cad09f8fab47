//! A click: one answered redirect.

use crate::{ClickId, LinkId, WorkspaceId};

/// The longest user agent that is kept, in bytes.
const MAX_USER_AGENT_BYTES: usize = 512;

/// One answered redirect to a link's destination.
///
/// It holds what the ledger counts, and nothing that says who clicked: no address is in it.
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
    /// The host that it came from.
    pub referrer: Option<String>,
    /// What the client calls itself: at most 512 bytes.
    pub user_agent: Option<String>,
}

impl Click {
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
    fn a_long_user_agent_is_cut_between_characters() {
        let cut = Click::trim_user_agent(&"é".repeat(400));
        assert_eq!(cut.len(), 512);
        assert_eq!(Click::trim_user_agent("a\r\nb"), "ab");
    }
}
