//! Transactions of a few rows that belong together.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use crate::dice::Dice;
use crate::journal::Journal;
use crate::keys::Key;
use crate::pause::pause;
use crate::row::Item;
use crate::unavailable::Cause;

/// How often a transaction is tried that met another one at the same row, or was throttled.
const TRIES: u32 = 8;

/// Why nothing was written.
#[derive(Debug)]
pub(crate) enum CommitError {
    /// These conditions did not hold: the items' places, and the rows that are there.
    Conditions(Vec<(usize, Option<Item>)>),
    /// The request that asks for this was answered before: its idempotency key is taken.
    Answered,
    /// DynamoDB is slow, throttled or away, or others are always faster.
    Unavailable(Cause),
}

/// One write, and the condition under which it may happen.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Writes a whole row.
    Put(Item, Option<Condition>),
    /// Deletes a row.
    Delete(Key, Option<Condition>),
    /// Changes a row by an expression.
    Update(Key, &'static str, Condition),
}

/// An expression and its values. Names that DynamoDB reserves are avoided in the rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) values: Item,
}

impl Condition {
    /// A condition without values.
    pub(crate) fn of(expression: &str) -> Self {
        Self { expression: expression.to_owned(), values: Item::new() }
    }

    /// The condition with a value.
    pub(crate) fn with(mut self, name: &str, value: impl crate::row::Value) -> Self {
        self.values.insert(name.to_owned(), value.attribute());
        self
    }
}

/// Writes all or nothing, and the journal with it.
///
/// An entry of the journal is like no other: where it is there already, this very write has arrived
/// before, only its answer was lost.
pub(crate) async fn commit(
    client: &Client,
    table: &str,
    changes: Vec<Change>,
    journal: &Journal,
) -> Result<(), CommitError> {
    let own = changes.len();
    let items = changes.into_iter().map(|change| change.into_item(table));
    let beside = journal.changes().into_iter().map(|change| change.into_item(journal.table()));
    let order = journal.order().map(|(table, change)| change.into_item(table));
    let items = items.chain(beside).chain(order).collect();
    let failed = match transact(client, items).await {
        Ok(()) => return Ok(()),
        Err(CommitError::Conditions(failed)) => failed,
        Err(error @ (CommitError::Answered | CommitError::Unavailable(_))) => return Err(error),
    };
    let rows = journal.rows();
    let (failed, beside): (Vec<_>, Vec<_>) = failed.into_iter().partition(|(at, _)| *at < own);
    if beside.iter().any(|(at, row)| row.as_ref() == rows.get(at - own)) {
        return Ok(());
    }
    if beside.iter().any(|(at, _)| journal.is_answer(at - own)) {
        return Err(CommitError::Answered);
    }
    match beside.first() {
        None => Err(CommitError::Conditions(failed)),
        Some(_) => Err(CommitError::Unavailable("the id of an audit event is taken".into())),
    }
}

/// The SDK makes a request token for each call and keeps it over its own retries: if only the
/// answer was lost, the second sending changes nothing and answers as the first would have. A
/// transaction that DynamoDB has cancelled for what may pass is sent anew, as another call. An earlier
/// sending of it may still be on its way: where no condition tells that a write was made already,
/// whoever asks for it gives a token to all its calls, as [`RouteStore::spend`](crate::RouteStore::spend)
/// does.
async fn transact(client: &Client, items: Vec<TransactWriteItem>) -> Result<(), CommitError> {
    let mut dice = Dice::of_chance();
    for attempt in 1.. {
        let call = client.transact_write_items().set_transact_items(Some(items.clone()));
        let Err(error) = call.send().await else { return Ok(()) };
        if let Some(error) = failure(error).verdict(attempt) {
            return Err(error);
        }
        pause(client, dice.pause(attempt)).await;
    }
    Ok(())
}

fn failure(error: SdkError<TransactWriteItemsError>) -> Failure {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        Some(_) | None => &[],
    };
    let reason = |reason: &CancellationReason| Reason {
        code: reason.code().map(str::to_owned),
        row: reason.item().cloned(),
    };
    Failure { reasons: reasons.iter().map(reason).collect(), source: Box::new(error) }
}

/// Why one sending of a transaction wrote nothing.
pub(crate) struct Failure {
    /// For each item, if it was cancelled.
    pub(crate) reasons: Vec<Reason>,
    pub(crate) source: Cause,
}

/// What DynamoDB says of an item of a transaction that it has cancelled.
pub(crate) struct Reason {
    pub(crate) code: Option<String>,
    pub(crate) row: Option<Item>,
}

impl Failure {
    /// What it comes to after so many sendings; nothing if the next one may go well.
    pub(crate) fn verdict(self, attempt: u32) -> Option<CommitError> {
        // Even where a condition has failed already: another one that counts more may fail next time.
        if attempt < TRIES && self.reasons.iter().any(Reason::may_pass) {
            return None;
        }
        let failed: Vec<_> = self
            .reasons
            .into_iter()
            .enumerate()
            .filter(|(_, reason)| reason.code.as_deref() == Some("ConditionalCheckFailed"))
            .map(|(at, reason)| (at, reason.row.filter(|row| !row.is_empty())))
            .collect();
        Some(match failed.is_empty() {
            true => CommitError::Unavailable(self.source),
            false => CommitError::Conditions(failed),
        })
    }
}

impl Reason {
    /// Whether an item was in the way of its transaction for this moment only.
    fn may_pass(&self) -> bool {
        const CODES: [&str; 3] =
            ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"];
        self.code.as_deref().is_some_and(|code| CODES.contains(&code))
    }
}

impl Change {
    fn into_item(self, table: &str) -> TransactWriteItem {
        const SET: &str = "table, key and expression are set";
        // The row that is in the way says whose it is.
        let old = ReturnValuesOnConditionCheckFailure::AllOld;
        let item = TransactWriteItem::builder();
        match self {
            Self::Put(row, condition) => {
                let (expression, values) = parts(condition);
                let put = Put::builder()
                    .table_name(table)
                    .set_item(Some(row))
                    .set_condition_expression(expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(old);
                item.put(put.build().expect(SET)).build()
            }
            Self::Delete(key, condition) => {
                let (expression, values) = parts(condition);
                let delete = Delete::builder()
                    .table_name(table)
                    .set_key(Some(key.attributes()))
                    .set_condition_expression(expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(old);
                item.delete(delete.build().expect(SET)).build()
            }
            Self::Update(key, update, condition) => {
                let (expression, values) = parts(Some(condition));
                let update = Update::builder()
                    .table_name(table)
                    .set_key(Some(key.attributes()))
                    .update_expression(update)
                    .set_condition_expression(expression)
                    .set_expression_attribute_values(values)
                    .return_values_on_condition_check_failure(old);
                item.update(update.build().expect(SET)).build()
            }
        }
    }
}

/// What the builders want: nothing where there is nothing.
fn parts(condition: Option<Condition>) -> (Option<String>, Option<Item>) {
    let condition = condition.unwrap_or_default();
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    (some(condition.expression), Some(condition.values).filter(|values| !values.is_empty()))
}
