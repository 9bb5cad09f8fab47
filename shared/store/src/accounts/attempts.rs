//! Guesses at passwords: counted before the password is looked at.
//!
//! Guesses that run side by side meet at one row, and each is let through by a conditional write
//! of its own. So however many there are, no more of them reach the password than would one after
//! another.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure;
use domain::{Attempts, Guesses};
use jiff::{SignedDuration, Timestamp};

use super::{AccountStore, ReadAccountError};
use crate::commit::Condition;
use crate::keys;
use crate::row::{BadRow, FORMAT, Item, Read, Value, moment};
use crate::unavailable::Unavailable;

/// How often a guess is tried to be counted that meets others at its row. Each such meeting means
/// that another one was counted, and then there is mostly a time to wait.
const TRIES: u32 = 8;

/// Whether a guess may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// It is counted, and may be made.
    Begun,
    /// It is too early: nothing was counted.
    TooEarly(SignedDuration),
}

enum Counted {
    Yes,
    /// Others were there: what they left.
    No(Option<Item>),
}

impl AccountStore {
    /// Counts a guess that is about to be made, if it may be. One conditional write where there were
    /// few failures; two where there were many.
    pub async fn begin_attempt(
        &self,
        guesses: &Guesses,
        now: Timestamp,
    ) -> Result<Attempt, ReadAccountError> {
        let throttle = guesses.throttle();
        let forgotten = now.saturating_sub(throttle.memory()).unwrap_or(Timestamp::MIN);
        let free = Condition::of(
            "attribute_not_exists(pk) OR (failures < :free AND last_at > :forgotten)",
        )
        .with(":free", u64::from(throttle.free()))
        .with(":forgotten", millis(forgotten))
        .with(":zero", 0);
        let one_more = "failures = if_not_exists(failures, :zero) + :one";
        let mut counted = self.count(guesses, one_more, 1, free, now).await?;
        for _ in 0..TRIES {
            let Counted::No(Some(row)) = counted else { break };
            let seen = read(&row)?;
            let forgotten = throttle.is_forgotten(seen, now);
            if let Some(wait) = throttle.wait(seen, now).filter(|_| !forgotten) {
                return Ok(Attempt::TooEarly(wait));
            }
            let unchanged = Condition::of("failures = :failures AND last_at = :last")
                .with(":failures", u64::from(seen.failures))
                .with(":last", millis(seen.last_at));
            let failures = if forgotten { 1 } else { seen.failures.saturating_add(1) };
            counted = self.count(guesses, "failures = :one", failures, unchanged, now).await?;
        }
        match counted {
            Counted::Yes => Ok(Attempt::Begun),
            // Many others were counted meanwhile, or a right password has cleared the row.
            Counted::No(_) => Ok(Attempt::TooEarly(SignedDuration::from_secs(1))),
        }
    }

    /// Forgets all guesses: one was right. One `DeleteItem`.
    pub async fn forget_attempts(&self, guesses: &Guesses) -> Result<(), Unavailable> {
        let key = keys::attempts(guesses.hash()).attributes();
        let call = self.client.delete_item().table_name(&self.table).set_key(Some(key));
        call.send().await.map(drop).map_err(|error| Unavailable::new("forgetting guesses", error))
    }

    /// Takes one guess back that was none, and leaves the others. One conditional write.
    pub async fn take_attempt_back(&self, guesses: &Guesses) -> Result<(), Unavailable> {
        let call = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::attempts(guesses.hash()).attributes()))
            .update_expression("SET failures = failures - :one")
            .condition_expression("failures > :zero")
            .expression_attribute_values(":one", 1.attribute())
            .expression_attribute_values(":zero", 0.attribute());
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(()),
                Some(_) | None => Err(Unavailable::new("taking a guess back", error)),
            },
        }
    }

    async fn count(
        &self,
        guesses: &Guesses,
        failures: &str,
        one: u32,
        condition: Condition,
        now: Timestamp,
    ) -> Result<Counted, Unavailable> {
        let until = now.saturating_add(guesses.throttle().memory()).unwrap_or(Timestamp::MAX);
        let call = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::attempts(guesses.hash()).attributes()))
            .update_expression(format!(
                "SET n = :n, {failures}, last_at = :now, expires = :expires"
            ))
            .condition_expression(condition.expression)
            .set_expression_attribute_values(Some(condition.values))
            .expression_attribute_values(":n", FORMAT.attribute())
            .expression_attribute_values(":one", u64::from(one).attribute())
            .expression_attribute_values(":now", millis(now).attribute())
            .expression_attribute_values(":expires", moment(until.as_second()).attribute())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let Err(error) = call.send().await else { return Ok(Counted::Yes) };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                Ok(Counted::No(found.item.clone()))
            }
            Some(_) | None => Err(Unavailable::new("counting guesses", error)),
        }
    }
}

fn read(row: &Item) -> Result<Attempts, BadRow> {
    let missing = |name| BadRow::new(row, name);
    let millis: i64 = row.number("last_at")?.ok_or_else(|| missing("last_at"))?;
    Ok(Attempts {
        failures: row.number("failures")?.ok_or_else(|| missing("failures"))?,
        last_at: Timestamp::from_millisecond(millis).map_err(|_| missing("last_at"))?,
    })
}

/// A moment as the row has it.
fn millis(at: Timestamp) -> u64 {
    moment(at.as_millisecond())
}
