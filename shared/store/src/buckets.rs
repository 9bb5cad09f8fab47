//! Token buckets: who has done how much in the last minute.

#[cfg(test)]
mod tests;

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use aws_types::SdkConfig;
use domain::{Bucket, RateLimit};
use jiff::Timestamp;

use crate::commit::Condition;
use crate::keys;
use crate::row::{FORMAT, Item, Read, Value, moment};
use crate::unavailable::Unavailable;

/// A limit is not worth a wait: after this long a request is let through uncounted.
const PATIENCE: Duration = Duration::from_millis(500);

/// The buckets in the accounts table.
#[derive(Debug, Clone)]
pub struct BucketStore {
    client: Client,
    table: String,
}

/// What came of taking a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// There was one. The bucket is as it is now, or as far as is known.
    Granted(Bucket),
    /// There is none. The bucket is as it was found.
    Refused(Bucket),
}

/// What became of one conditional write.
enum Tried {
    /// The bucket that it left.
    Written(Option<Bucket>),
    /// The condition did not hold for the bucket that is there, if any.
    Found(Option<Bucket>),
}

impl BucketStore {
    /// The buckets in this table.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(PATIENCE).build();
        let config = aws_sdk_dynamodb::config::Builder::from(aws)
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .build();
        Self { client: Client::from_conf(config), table: table.into() }
    }

    /// Takes a token out of the bucket of a principal, or of the hash of an address.
    ///
    /// One conditional `UpdateItem`; two where the bucket is not what was expected. `known` is what
    /// it was when it was seen last: a bucket only moves on, so one that is not full by then is not
    /// full now.
    pub async fn take(
        &self,
        of: &str,
        limit: RateLimit,
        now: Timestamp,
        known: Option<Bucket>,
    ) -> Result<Taken, Unavailable> {
        if known.is_none_or(|bucket| bucket.is_full(now)) {
            let first = limit.first_taken(now);
            match self.begin(of, first, now).await? {
                Tried::Written(_) => return Ok(Taken::Granted(first)),
                Tried::Found(Some(bucket)) if limit.take(bucket, now).is_none() => {
                    return Ok(Taken::Refused(bucket));
                }
                // Somebody else has taken one.
                Tried::Found(_) => {}
            }
        }
        self.go_on(of, limit, now).await
    }

    /// Takes the first token out of a full bucket.
    async fn begin(&self, of: &str, first: Bucket, now: Timestamp) -> Result<Tried, Unavailable> {
        let is_full = Condition::of("attribute_not_exists(pk) OR full_at <= :now")
            .with(":now", moment(now.as_microsecond()))
            .with(":first", moment(first.micros()));
        let update = "SET n = :n, full_at = :first, expires = :expires";
        self.update(of, update, is_full, first).await
    }

    /// Takes another token out of a bucket that is not full.
    async fn go_on(
        &self,
        of: &str,
        limit: RateLimit,
        now: Timestamp,
    ) -> Result<Taken, Unavailable> {
        let last = limit.last_token(now);
        let has_one = Condition::of("full_at <= :last")
            .with(":last", moment(last.micros()))
            .with(":token", moment(limit.token_micros()));
        let update = "SET n = :n, full_at = full_at + :token, expires = :expires";
        // It cannot be fuller than with this token, nor last longer.
        let latest = Bucket::full_at_micros(last.micros() + limit.token_micros());
        Ok(match self.update(of, update, has_one, latest).await? {
            Tried::Written(bucket) => Taken::Granted(bucket.unwrap_or(latest)),
            Tried::Found(Some(bucket)) => Taken::Refused(bucket),
            // DynamoDB has deleted it meanwhile, as one that was full for long.
            Tried::Found(None) => Taken::Granted(limit.first_taken(now)),
        })
    }

    /// One conditional write, of a row that nobody needs from the end of this bucket on.
    async fn update(
        &self,
        of: &str,
        update: &str,
        condition: Condition,
        until: Bucket,
    ) -> Result<Tried, Unavailable> {
        let call = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::bucket(of).attributes()))
            .update_expression(update)
            .condition_expression(condition.expression)
            .set_expression_attribute_values(Some(condition.values))
            .expression_attribute_values(":n", FORMAT.attribute())
            .expression_attribute_values(":expires", moment(until.expires()).attribute())
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match call.send().await {
            Ok(written) => {
                return Ok(Tried::Written(written.attributes.as_ref().and_then(bucket)));
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(found)) => {
                Ok(Tried::Found(found.item.as_ref().and_then(bucket)))
            }
            Some(_) | None => Err(Unavailable::new("taking a token of a limit", error)),
        }
    }
}

fn bucket(item: &Item) -> Option<Bucket> {
    item.number("full_at").ok().flatten().map(Bucket::full_at_micros)
}
