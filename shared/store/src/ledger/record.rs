//! Recording clicks: what is asked for, and what comes of it. How it is done is in
//! [`batch`](super::batch).

use std::sync::Arc;
use std::time::Duration;

use domain::{RecordedClick, Retention};
use jiff::Timestamp;

use super::LedgerStore;
use super::batch::Batch;
use super::read::ReadError;
use crate::unavailable::Cause;

/// The circumstances of a recording.
#[derive(Debug, Clone, Copy)]
pub struct Recording {
    /// The time.
    pub now: Timestamp,
    /// For how long the rows of clicks are kept.
    pub retention: Retention,
    /// When to give up what is not recorded by then. Until then, everything that may pass is
    /// tried again.
    pub within: Duration,
    /// Random bits, with which batches that run at the same time keep out of each other's way.
    pub random: u128,
}

/// What became of a click.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It is in the ledger now.
    Recorded,
    /// It was in the ledger, or is a second time in the batch. As good as recorded.
    Duplicate,
    /// Its link or workspace was purged: nothing is kept of it, and it need not come back.
    Purged,
    /// It may not be in the ledger: it must be delivered again. Many clicks can share a reason.
    Failed(Arc<RecordError>),
}

/// Why a click was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The row of an earlier recording may have expired, so it could count twice.
    #[error(
        "the click is of {at}, and clicks are kept for {retention}: \
         whether it was counted can no longer be told"
    )]
    TooOld {
        /// When it was clicked.
        at: Timestamp,
        /// For how long clicks are kept.
        retention: Retention,
    },
    /// DynamoDB does not take its row, or that of a count which it changes.
    #[error("DynamoDB does not take a row: {reason}")]
    BadRow {
        /// What DynamoDB said.
        reason: String,
    },
    /// A count that it changes cannot be read.
    #[error("reading what a batch of clicks changes")]
    Unreadable(#[source] ReadError),
    /// DynamoDB does not take the transaction.
    #[error("writing {clicks} clicks")]
    Refused {
        /// How many clicks were in it.
        clicks: usize,
        /// What the SDK said.
        #[source]
        source: Cause,
    },
    /// Time was up.
    #[error("clicks were not recorded within {within:?}")]
    OutOfTime {
        /// How much time there was.
        within: Duration,
        /// What kept it last, if it was an error.
        #[source]
        source: Option<Cause>,
    },
}

impl LedgerStore {
    /// Records clicks, and says of each, in their order, what became of it.
    ///
    /// A batch of 1,000 clicks on 10 links of one workspace and one day takes 1 `BatchGetItem` and
    /// 11 `TransactWriteItems`. Delivering clicks again, in whatever order and company, changes
    /// nothing.
    pub async fn record(&self, clicks: &[RecordedClick], how: Recording) -> Vec<Outcome> {
        let mut batch = Batch::new(self, clicks, how);
        // Cutting off is safe anywhere, so the deadline needs no other place in the code.
        if tokio::time::timeout(how.within, Box::pin(batch.run())).await.is_err() {
            batch.out_of_time();
        }
        batch.outcomes()
    }
}
