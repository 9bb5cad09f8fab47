//! Orphans in the ledger: requests for what is not there, counted for their domain.
//!
//! They are counted as exactly as clicks, and by the same means: a row for each message and the
//! count of its day are written by one transaction. There are few of them, because the redirect
//! tells of no more than some in a minute, so there is nothing here of what makes clicks fast.

use std::collections::{BTreeMap, HashSet};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Instant;

use aws_sdk_dynamodb::types::{AttributeValue, TransactWriteItem, Update};
use domain::rollup::Rollup;
use domain::{ClickId, Day, Orphan};

use super::LedgerStore;
use super::read::{Parts, ReadError};
use super::record::{Outcome, RecordError, Recording};
use super::rows::RollupRow;
use super::transact::{Answer, Verdict};
use crate::dice::Dice;
use crate::keys;
use crate::pause::pause;
use crate::row::{Item, Read, Write, moment, row};

/// How many rows the count of a day is split into: so many batches at once are seldom in each
/// other's way.
const SHARDS: u8 = 4;

/// The most orphans in one transaction, beside the count of their day.
const PER_TRANSACTION: usize = 99;

/// Orphans by their places in a batch.
type Places = Vec<usize>;

impl LedgerStore {
    /// Records orphans, and says of each, in their order, what became of it. Delivering them again
    /// changes nothing.
    pub async fn record_orphans(&self, orphans: &[Orphan], how: Recording) -> Vec<Outcome> {
        let mut outcomes: Vec<Option<Outcome>> = vec![None; orphans.len()];
        let mut groups = BTreeMap::<(&str, Day), Places>::new();
        let mut seen = HashSet::new();
        for (place, orphan) in orphans.iter().enumerate() {
            let (at, retention) = (orphan.id.at(), how.retention);
            let day = Day::of(at);
            if !retention.keeps(day, how.now) {
                let error = RecordError::TooOld { at, retention };
                outcomes[place] = Some(Outcome::Failed(Arc::new(error)));
            } else if seen.insert((orphan.domain.as_str(), orphan.id)) {
                groups.entry((&orphan.domain, day)).or_default().push(place);
            } else {
                outcomes[place] = Some(Outcome::Duplicate);
            }
        }
        let mut dice = Dice::new(how.random);
        let begin = Instant::now();
        for ((domain, day), places) in groups {
            for group in places.chunks(PER_TRANSACTION) {
                let shard = dice.below(SHARDS);
                let work = self.write_orphans(orphans, group, (domain, day, shard), how, &mut dice);
                let within = how.within.saturating_sub(begin.elapsed());
                match tokio::time::timeout(within, Box::pin(work)).await {
                    Ok(settled) => {
                        for (place, outcome) in settled {
                            outcomes[place] = Some(outcome);
                        }
                    }
                    Err(_) => {
                        let error = RecordError::OutOfTime { within: how.within, source: None };
                        let failed = Outcome::Failed(Arc::new(error));
                        group.iter().for_each(|&place| outcomes[place] = Some(failed.clone()));
                    }
                }
            }
        }
        outcomes.into_iter().flatten().collect()
    }

    /// Writes orphans of one domain and day, which fit into one transaction, again and again until
    /// each is there or cannot be. Whoever gives up waiting loses nothing.
    async fn write_orphans(
        &self,
        orphans: &[Orphan],
        group: &[usize],
        (domain, day, shard): (&str, Day, u8),
        how: Recording,
        dice: &mut Dice,
    ) -> Vec<(usize, Outcome)> {
        let mut group = group.to_vec();
        let mut settled = Vec::new();
        let key = keys::orphan_day(domain, day, shard);
        let mut tries = 0;
        let fail = |group: &[usize], error: RecordError| -> Vec<(usize, Outcome)> {
            let failed = Outcome::Failed(Arc::new(error));
            group.iter().map(|&place| (place, failed.clone())).collect()
        };
        while !group.is_empty() {
            let seen = match self.orphan_row(&key, dice).await {
                Ok(row) => row,
                Err(error) if error.is_final() => {
                    settled.extend(fail(&group, RecordError::Unreadable(error)));
                    break;
                }
                Err(_) => {
                    tries += 1;
                    pause(&self.client, dice.pause(tries)).await;
                    continue;
                }
            };
            let mut rollup = seen.rollup.clone();
            group.iter().for_each(|&place| rollup.merge(&Rollup::of_orphans(&orphans[place])));
            let (update, condition, values) = seen.update(&rollup);
            let update = Update::builder()
                .table_name(&self.clicks)
                .set_key(Some(key.attributes()))
                .update_expression(update)
                .condition_expression(condition)
                .set_expression_attribute_values(Some(values))
                .build()
                .expect("table, key and expression are set");
            let mut items: Vec<_> = group
                .iter()
                .map(|&place| self.put_click(orphan_row(&orphans[place], how)))
                .collect();
            items.push(TransactWriteItem::builder().update(update).build());
            match self.transact(items).await {
                Answer::Written => {
                    settled.extend(group.iter().map(|&place| (place, Outcome::Recorded)));
                    break;
                }
                Answer::Cancelled(verdicts) => {
                    let mut verdicts = verdicts.into_iter();
                    group.retain(|&place| match verdicts.next() {
                        Some(Verdict::ConditionFailed) => {
                            settled.push((place, Outcome::Duplicate));
                            false
                        }
                        Some(Verdict::Invalid(reason)) => {
                            settled.extend(fail(&[place], RecordError::BadRow { reason }));
                            false
                        }
                        Some(Verdict::Fine | Verdict::Conflict | Verdict::Throttled) | None => true,
                    });
                    if let Some(Verdict::Invalid(reason)) = verdicts.next() {
                        settled.extend(fail(&group, RecordError::BadRow { reason }));
                        break;
                    }
                }
                Answer::Unsure(_) => {}
                Answer::Invalid(source) | Answer::Refused(source) => {
                    let error = RecordError::Refused { clicks: group.len(), source };
                    settled.extend(fail(&group, error));
                    break;
                }
            }
            tries += 1;
            pause(&self.client, dice.pause(tries)).await;
        }
        settled
    }

    async fn orphan_row(&self, key: &keys::Key, dice: &mut Dice) -> Result<RollupRow, ReadError> {
        let found = self.batch_get(vec![key.attributes()], dice).await?;
        match found.first() {
            Some(item) => Ok(RollupRow::read(item)?.1),
            None => Ok(RollupRow::default()),
        }
    }

    /// The counts of requests for what is not there on a domain, by day; the values are the slugs
    /// that were asked for. One consistent `Query`, for each megabyte.
    pub async fn orphan_days(
        &self,
        domain: &str,
        days: RangeInclusive<Day>,
    ) -> Result<BTreeMap<Day, Rollup>, ReadError> {
        self.merged_days(&keys::orphan_rollups(domain), days, Parts::All).await
    }

    /// What the rows of a domain's orphans add up to, by day: what [`LedgerStore::orphan_days`]
    /// must say of days whose rows are all there.
    pub async fn recount_orphans(&self, domain: &str) -> Result<BTreeMap<Day, Rollup>, ReadError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.clicks)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(keys::orphans(domain)))
            .into_paginator()
            .send();
        let mut recount = BTreeMap::<Day, Rollup>::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page =
                page.map_err(|error| ReadError::of(format!("orphans of `{domain}`"), error))?;
            for item in page.items() {
                let id = item.parse(keys::SK, |ulid| ClickId::parse_ulid(ulid).ok())?;
                let slug = item.parse("slug", |slug| Some(slug.to_owned()))?;
                let count = item.number("count")?.unwrap_or(1);
                let orphan = Orphan { id, domain: domain.to_owned(), slug, count };
                recount.entry(Day::of(id.at())).or_default().merge(&Rollup::of_orphans(&orphan));
            }
        }
        Ok(recount)
    }
}

fn orphan_row(orphan: &Orphan, how: Recording) -> Item {
    let mut item = row(&keys::orphan(&orphan.domain, orphan.id));
    item.set("slug", orphan.slug.as_str());
    item.set("count", orphan.count);
    item.set("recorded", moment(how.now.as_second()));
    let expires = how.retention.expires(Day::of(orphan.id.at()), how.now);
    item.set("expires", moment(expires));
    item
}
