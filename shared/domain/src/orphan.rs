//! Orphans: requests for addresses where there is no link.

use crate::ClickId;
use crate::click::cut;

/// Requests for a slug that no link has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Its id; the id's time is when it was asked for.
    pub id: ClickId,
    /// The domain that was asked.
    pub domain: String,
    /// The slug that was asked for: at most 64 bytes.
    pub slug: String,
    /// How many requests this stands for: the one for this slug, and those before it on the domain
    /// of which nothing else is told, because there were too many.
    pub count: u64,
}

/// The longest slug that is told of, in bytes.
const MAX_SLUG_BYTES: usize = 64;

impl Orphan {
    /// How many of them a process tells of in a minute.
    pub const PER_MINUTE: u32 = 60;

    /// A slug, cut to what is told.
    pub fn trim_slug(slug: &str) -> String {
        cut(slug, MAX_SLUG_BYTES).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_slug_is_cut_between_characters() {
        assert_eq!(Orphan::trim_slug("spring"), "spring");
        assert_eq!(Orphan::trim_slug(&"ü".repeat(64)), "ü".repeat(32));
    }
}
