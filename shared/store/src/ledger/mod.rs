//! The ledger: every recorded click is a row, and the counts are always the number of rows.
//!
//! That is the one invariant of the clicks table, and it holds at any moment, whatever is
//! delivered twice, in any order, by several workers at once, or cut off in the middle:
//!
//! - A click's row and all counts that it changes are written by one transaction
//!   ([`record`](LedgerStore::record)).
//! - A click's row can be written once: its key is made of the click alone, and the write says
//!   that no such row may be there.
//! - A count is read, added to and written under the condition that its version is still the one
//!   that was read.
//!
//! A count has four rows for each click: link and workspace, of all time and of the day. Under
//! contention such a row is split into shards, which anybody can sum up (`shards`). What a
//! rollup is, and that it can be merged in any order, is [`domain::rollup`].

mod batch;
mod orphans;
mod pack;
mod purge;
mod read;
mod record;
mod rollups;
mod rows;
mod scan;
mod shards;
mod subject;
#[cfg(test)]
mod tests;
mod transact;
mod verify;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_types::SdkConfig;

pub use purge::{Proof, PurgeError, PurgeOrder, Purges, Remains, Removed, Target};
pub use read::{ClickCursor, ClickPage, Mark, ReadError};
pub use record::{Outcome, RecordError, Recording};
pub use rows::Period;
pub use shards::{ClickShards, GrowError, MAX_SHARDS};
pub use subject::Subject;
pub use verify::{Difference, Verification};

/// The clicks table: click rows and rollups.
#[derive(Debug, Clone)]
pub struct LedgerStore {
    client: Client,
    clicks: String,
    /// Where links say into how many partitions their clicks are spread.
    links: String,
}

impl LedgerStore {
    /// The ledger in the table `clicks`, of the links in the table `links`.
    pub fn new(aws: &SdkConfig, clicks: impl Into<String>, links: impl Into<String>) -> Self {
        Self { client: Client::new(aws), clicks: clicks.into(), links: links.into() }
    }
}

/// Whether DynamoDB would answer the same to anything else: a missing permission or table, wrong
/// credentials. Trying again is useless; everything that is not known to be so may pass.
fn is_refusal<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    const CODES: [&str; 5] = [
        "AccessDeniedException",
        "IncompleteSignatureException",
        "MissingAuthenticationTokenException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
    ];
    matches!(error, SdkError::ConstructionFailure(_))
        || error.code().is_some_and(|code| CODES.contains(&code))
}
