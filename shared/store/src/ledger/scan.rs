//! Reading clicks one by one, of a stretch of time.

use std::ops::Range;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use domain::{ClickId, LinkId, RecordedClick};
use jiff::Timestamp;

use super::read::ReadError;
use super::{LedgerStore, rows};
use crate::keys;

impl LedgerStore {
    /// The ledger in the table `clicks`, for those who read what has nothing to do with links.
    pub fn without_links(aws: &SdkConfig, clicks: impl Into<String>) -> Self {
        Self::new(aws, clicks, String::new())
    }

    /// Hands over the clicks of one of a link's partitions that were clicked from the start up to,
    /// not including, the end. One consistent `Query` for each megabyte.
    pub async fn clicks_between(
        &self,
        link: LinkId,
        shard: u16,
        time: Range<Timestamp>,
        each: &(dyn Fn(RecordedClick) + Sync),
    ) -> Result<(), ReadError> {
        // Nothing is recorded before 1970, and an id has no room for an earlier time.
        let (low, high) = (time.start.max(Timestamp::UNIX_EPOCH), time.end);
        if high <= low {
            return Ok(());
        }
        let (low, high) = (ClickId::new(low, 0), ClickId::new(high, 0));
        let mut pages = self
            .client
            .query()
            .table_name(&self.clicks)
            .consistent_read(true)
            .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
            .expression_attribute_values(":pk", AttributeValue::S(keys::clicks(link, shard)))
            .expression_attribute_values(":low", AttributeValue::S(low.ulid()))
            .expression_attribute_values(":high", AttributeValue::S(high.ulid()))
            .into_paginator()
            .send();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| ReadError::of(format!("clicks of `{link}`"), error))?;
            for item in page.items() {
                let click = rows::read_click(item)?;
                // `BETWEEN` has both its ends.
                if click.click.id < high {
                    each(click);
                }
            }
        }
        Ok(())
    }
}
