//! One transaction, and what DynamoDB says to it.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{CancellationReason, Put, TransactWriteItem, Update};
use domain::rollup::Rollup;

use super::rows::{Cell, RollupRow};
use super::{LedgerStore, is_refusal};
use crate::row::Item;
use crate::unavailable::Cause;

/// What became of a transaction.
#[derive(Debug)]
pub(super) enum Answer {
    /// All of it was written.
    Written,
    /// Nothing was written: what each of its items has to do with that, in their order.
    Cancelled(Vec<Verdict>),
    /// It may have been written or not, and may be tried again.
    Unsure(Cause),
    /// DynamoDB does not take it, because of something in it.
    Invalid(Cause),
    /// DynamoDB does not take it, whatever is in it: a missing permission or table.
    Refused(Cause),
}

/// What one item has to do with the end of its transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Fine,
    /// Its condition did not hold.
    ConditionFailed,
    /// Another transaction was at the same row.
    Conflict,
    /// Too much at once.
    Throttled,
    /// This row cannot be written, for this reason.
    Invalid(String),
}

impl Verdict {
    fn of(reason: &CancellationReason) -> Self {
        match reason.code() {
            None | Some("None") => Self::Fine,
            Some("ConditionalCheckFailed") => Self::ConditionFailed,
            Some("TransactionConflict") => Self::Conflict,
            Some("ThrottlingError" | "ProvisionedThroughputExceeded" | "RequestLimitExceeded") => {
                Self::Throttled
            }
            Some(code) => Self::Invalid(match reason.message() {
                Some(message) => format!("{code}: {message}"),
                None => code.to_owned(),
            }),
        }
    }
}

impl LedgerStore {
    /// The write of a click's row, unless it is there.
    pub(super) fn put_click(&self, row: Item) -> TransactWriteItem {
        let put = Put::builder()
            .table_name(&self.clicks)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)")
            .build()
            .expect("table and item are set");
        TransactWriteItem::builder().put(put).build()
    }

    /// The write of a rollup in the place of a row, if that is still the one that was read.
    pub(super) fn put_rollup(
        &self,
        cell: Cell,
        shard: u8,
        seen: &RollupRow,
        rollup: &Rollup,
    ) -> TransactWriteItem {
        let (update, condition, values) = seen.update(rollup);
        let update = Update::builder()
            .table_name(&self.clicks)
            .set_key(Some(cell.key(shard).attributes()))
            .update_expression(update)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .build()
            .expect("table, key and expression are set");
        TransactWriteItem::builder().update(update).build()
    }

    /// Tries to write these items, all or none.
    ///
    /// The SDK makes a request token for each call, and keeps it when it sends the call again: if
    /// only the answer was lost, the second sending changes nothing and answers as the first
    /// would have. A later call is another transaction, with another token, because what it holds
    /// may differ; what protects it are its conditions.
    pub(super) async fn transact(&self, items: Vec<TransactWriteItem>) -> Answer {
        let count = items.len();
        let sent = self.client.transact_write_items().set_transact_items(Some(items)).send().await;
        match sent {
            Ok(_) => Answer::Written,
            Err(error) => judge(error, count),
        }
    }
}

fn judge(error: SdkError<TransactWriteItemsError>, items: usize) -> Answer {
    if let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) =
        error.as_service_error()
    {
        let verdicts: Vec<_> = cancelled.cancellation_reasons().iter().map(Verdict::of).collect();
        // Without one reason for each item nothing can be made of them.
        if verdicts.len() == items && verdicts.iter().any(|verdict| *verdict != Verdict::Fine) {
            return Answer::Cancelled(verdicts);
        }
    }
    if is_refusal(&error) {
        return Answer::Refused(error.into());
    }
    match error.code() {
        Some("ValidationException") => Answer::Invalid(error.into()),
        // Throttled, failed, timed out, still under way, answered with something unreadable.
        _ => Answer::Unsure(error.into()),
    }
}
