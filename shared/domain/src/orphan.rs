//! Orphans: requests for addresses where there is no link.

use crate::ClickId;

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

impl Orphan {
    /// The longest slug that is told of, in bytes.
    pub const MAX_SLUG_BYTES: usize = 64;

    /// How many of them a process tells of in a minute.
    pub const PER_MINUTE: u32 = 60;
}
