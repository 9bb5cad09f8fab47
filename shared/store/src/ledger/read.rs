//! Reading the ledger. Every read has a key and a bound.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::rollup::{Counts, Rollup};
use domain::{ClickId, Day, Dimension, LinkId, RecordedClick};
use futures_util::future::try_join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::rows::{self, Cell, RollupRow};
use super::subject::Subject;
use super::{LedgerStore, is_refusal};
use crate::dice::Dice;
use crate::keys::{self, RollupKey};
use crate::links::CursorError;
use crate::pause::pause;
use crate::row::{BadRow, Item, Read};
use crate::unavailable::Cause;

/// The most keys that one `BatchGetItem` takes.
const KEYS_PER_CALL: usize = 100;

/// So often is asked for what DynamoDB left over of a batch: about 4 s, longer than any burst
/// that it smooths out, and within a caller's patience.
const TRIES_FOR_LEFTOVERS: u32 = 8;

/// Why the ledger could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// DynamoDB is slow, throttled or away.
    #[error("reading {what}")]
    Unavailable {
        /// What was to be read.
        what: String,
        /// What the SDK said.
        #[source]
        source: Cause,
    },
    /// DynamoDB does not let us: a missing permission or table.
    #[error("not allowed to read {what}")]
    Refused {
        /// What was to be read.
        what: String,
        /// What the SDK said.
        #[source]
        source: Cause,
    },
    /// DynamoDB kept leaving a part of a batch over.
    #[error("reading {what}: {left} rows were left over {TRIES_FOR_LEFTOVERS} times")]
    LeftOver {
        /// What was to be read.
        what: String,
        /// How many rows are missing.
        left: usize,
    },
    /// A row does not hold what it should.
    #[error(transparent)]
    BadRow(#[from] BadRow),
}

impl ReadError {
    pub(super) fn of<E>(what: String, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let refused = is_refusal(&error) || error.code() == Some("ValidationException");
        let source = error.into();
        if refused { Self::Refused { what, source } } else { Self::Unavailable { what, source } }
    }

    /// Whether trying again is useless.
    pub fn is_final(&self) -> bool {
        match self {
            Self::Unavailable { .. } | Self::LeftOver { .. } => false,
            Self::Refused { .. } | Self::BadRow(_) => true,
        }
    }
}

/// Where the counts of a subject of all time are. Every click that is counted for it moves this, in
/// the transaction that counts it: as long as it is the same, so are the counts of all days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mark {
    /// How many clicks there were.
    pub counts: Counts,
    /// Whether they are being purged: then rows go without moving this.
    pub is_purged: bool,
    /// The version of each row.
    versions: Vec<(RollupKey, u64)>,
}

/// Clicks of a link, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClickPage {
    /// The clicks.
    pub clicks: Vec<RecordedClick>,
    /// Where the next page begins, if there is one.
    pub next: Option<ClickCursor>,
}

/// A place in the list of a link's clicks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClickCursor {
    /// The version of this format.
    v: u8,
    /// The link whose list it is.
    link: String,
    /// The last click that was shown.
    click: String,
}

/// The format of cursors.
const CURSOR_VERSION: u8 = 1;

impl ClickCursor {
    /// The place behind a click, or behind where one would be.
    pub fn after(link: LinkId, click: ClickId) -> Self {
        Self { v: CURSOR_VERSION, link: link.to_string(), click: click.to_string() }
    }

    /// Reads a cursor that a client sends back for the clicks of this link.
    pub fn parse(text: &str, link: LinkId) -> Result<Self, CursorError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| CursorError)?;
        let cursor: Self = serde_json::from_slice(&bytes).map_err(|_| CursorError)?;
        let fits = cursor.v == CURSOR_VERSION && cursor.link == link.to_string();
        if fits && cursor.click().is_some() { Ok(cursor) } else { Err(CursorError) }
    }

    /// The cursor as clients get it.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The click behind which it is.
    pub fn click(&self) -> Option<ClickId> {
        ClickId::parse(&self.click).ok()
    }
}

impl LedgerStore {
    /// The counts of a subject, of all time. One consistent `Query`, whatever the subject's
    /// shards.
    pub async fn totals(&self, subject: Subject) -> Result<Counts, ReadError> {
        let rows = self.query_rollups(subject, Range::Totals).await?;
        Ok(rows.values().fold(Counts::default(), |sum, row| sum.merge(row.rollup.counts)))
    }

    /// Where the counts of a subject of all time are. One consistent `Query`, of about a hundred
    /// bytes for each shard.
    pub async fn mark(&self, subject: Subject) -> Result<Mark, ReadError> {
        let mut mark = Mark::default();
        for (key, row) in self.query_rollups(subject, Range::Totals).await? {
            mark.counts = mark.counts.merge(row.rollup.counts);
            mark.is_purged |= row.purged;
            mark.versions.push((key, row.version));
        }
        Ok(mark)
    }

    /// The counts of many links, of all time, by consistent `BatchGetItem`s of up to 100 links:
    /// one for the first shards, which say how many more there are, and one for those.
    ///
    /// Links that were never clicked have zeros.
    pub async fn totals_of(&self, links: &[LinkId]) -> Result<HashMap<LinkId, Counts>, ReadError> {
        let mut dice = Dice::named(links);
        let mut totals: HashMap<LinkId, Counts> = HashMap::new();
        let mut more = Vec::new();
        let first: BTreeSet<LinkId> = links.iter().copied().collect();
        let first: Vec<_> =
            first.into_iter().map(|link| (Cell::total(Subject::Link(link)), 0)).collect();
        let mut add = |(cell, _): (Cell, u8), row: &RollupRow| {
            if let Subject::Link(link) = cell.subject {
                let sum = totals.entry(link).or_default();
                *sum = sum.merge(row.rollup.counts);
            }
        };
        for (at, row) in self.rollup_rows(&first, &mut dice).await? {
            add(at, &row);
            more.extend((1..row.shards).map(|shard| (at.0, shard)));
        }
        for (at, row) in self.rollup_rows(&more, &mut dice).await? {
            add(at, &row);
        }
        Ok(totals)
    }

    /// The rollups of a subject's days, both ends included; days without clicks are not there.
    /// One consistent `Query`, for each megabyte.
    pub async fn days(
        &self,
        subject: Subject,
        days: RangeInclusive<Day>,
    ) -> Result<BTreeMap<Day, Rollup>, ReadError> {
        self.merged_days(&keys::rollups(subject), days, Parts::All).await
    }

    /// The same, without their values: a tenth of the bytes.
    pub async fn days_without_values(
        &self,
        subject: Subject,
        days: RangeInclusive<Day>,
    ) -> Result<BTreeMap<Day, Rollup>, ReadError> {
        self.merged_days(&keys::rollups(subject), days, Parts::Numbers).await
    }

    pub(super) async fn merged_days(
        &self,
        partition: &str,
        days: RangeInclusive<Day>,
        parts: Parts,
    ) -> Result<BTreeMap<Day, Rollup>, ReadError> {
        let mut merged = BTreeMap::<Day, Rollup>::new();
        // No click is older, and days before the year 0 do not sort as text: DynamoDB would refuse
        // the range.
        let first = (*days.start()).max(Day::of(Timestamp::UNIX_EPOCH));
        if *days.end() < first {
            return Ok(merged);
        }
        let days = first..=*days.end();
        for (key, row) in self.query_counts(partition, Range::Days(days), parts).await? {
            if let RollupKey::Day(day, _) = key {
                match merged.entry(day) {
                    Entry::Vacant(entry) => _ = entry.insert(row.rollup),
                    Entry::Occupied(mut entry) => entry.get_mut().merge(&row.rollup),
                }
            }
        }
        Ok(merged)
    }

    /// A page of the clicks of a link, newest first: one `Query` for each of the link's click
    /// partitions, at the same time, and no more rows of each than the page has.
    ///
    /// `shards` is the number of partitions that the link's row says. Rows that have expired may
    /// be there for some days more.
    pub async fn page_of_clicks(
        &self,
        link: LinkId,
        shards: u16,
        cursor: Option<&ClickCursor>,
        limit: usize,
    ) -> Result<ClickPage, ReadError> {
        let before = cursor.and_then(ClickCursor::click);
        // One more than asked for says whether there is another page.
        let wanted = limit + 1;
        let parts = (0..shards.max(1)).map(|shard| self.newest(link, shard, before, wanted));
        let mut clicks: Vec<_> = try_join_all(parts).await?.into_iter().flatten().collect();
        clicks.sort_by_key(|click| std::cmp::Reverse(click.click.id));
        let more = limit < clicks.len();
        clicks.truncate(limit);
        let last = clicks.last().filter(|_| more);
        let next = last.map(|last| ClickCursor::after(link, last.click.id));
        Ok(ClickPage { clicks, next })
    }

    async fn newest(
        &self,
        link: LinkId,
        shard: u16,
        before: Option<ClickId>,
        wanted: usize,
    ) -> Result<Vec<RecordedClick>, ReadError> {
        let query = self
            .client
            .query()
            .table_name(&self.clicks)
            .expression_attribute_values(":pk", AttributeValue::S(keys::clicks(link, shard)))
            .scan_index_forward(false)
            .limit(i32::try_from(wanted).unwrap_or(i32::MAX));
        let query = match before {
            None => query.key_condition_expression("pk = :pk"),
            Some(id) => query
                .key_condition_expression("pk = :pk AND sk < :before")
                .expression_attribute_values(":before", AttributeValue::S(id.ulid())),
        };
        let page = Box::pin(query.send())
            .await
            .map_err(|error| ReadError::of(format!("clicks of `{link}`"), error))?;
        page.items().iter().map(|item| Ok(rows::read_click(item)?)).collect()
    }

    /// What the rows of a link's clicks in one partition add up to on these days.
    pub(super) async fn recount(
        &self,
        link: LinkId,
        shard: u16,
        days: &RangeInclusive<Day>,
    ) -> Result<BTreeMap<Day, Rollup>, ReadError> {
        let low = ClickId::new(days.start().start(), 0);
        let high = ClickId::new(days.end().end(), 0);
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
        let mut recount = BTreeMap::<Day, Rollup>::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| ReadError::of(format!("clicks of `{link}`"), error))?;
            for item in page.items() {
                let click = rows::read_click(item)?;
                let id = click.click.id;
                // `BETWEEN` has both its ends.
                if id < high {
                    let day = recount.entry(Day::of(id.at())).or_default();
                    day.merge(&Rollup::of_day(&click, &Dimension::ALL));
                }
            }
        }
        Ok(recount)
    }

    /// The rollup rows of a subject in a range of its partition.
    pub(super) async fn query_rollups(
        &self,
        subject: Subject,
        range: Range,
    ) -> Result<BTreeMap<RollupKey, RollupRow>, ReadError> {
        self.query_counts(&keys::rollups(subject), range, Parts::All).await
    }

    /// The rollup rows in a range of a partition, or the numbers in them only.
    pub(super) async fn query_counts(
        &self,
        partition: &str,
        range: Range,
        parts: Parts,
    ) -> Result<BTreeMap<RollupKey, RollupRow>, ReadError> {
        let query = self
            .client
            .query()
            .table_name(&self.clicks)
            .consistent_read(true)
            .set_projection_expression(match parts {
                Parts::All => None,
                Parts::Numbers => Some(rows::NUMBERS.to_owned()),
            })
            .expression_attribute_values(":pk", AttributeValue::S(partition.to_owned()));
        let query = match range {
            Range::All => query.key_condition_expression("pk = :pk"),
            Range::Totals => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :totals)")
                .expression_attribute_values(":totals", AttributeValue::S(keys::TOTALS.to_owned())),
            Range::Days(days) => {
                let (low, high) = keys::days_between(*days.start(), *days.end());
                query
                    .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
                    .expression_attribute_values(":low", AttributeValue::S(low))
                    .expression_attribute_values(":high", AttributeValue::S(high))
            }
        };
        let mut rows = BTreeMap::new();
        let mut pages = query.into_paginator().send();
        while let Some(page) = Box::pin(pages.next()).await {
            let page =
                page.map_err(|error| ReadError::of(format!("counts in `{partition}`"), error))?;
            for item in page.items() {
                let (key, mut row) = RollupRow::read(item)?;
                if parts == Parts::Numbers {
                    row.rollup.values.clear();
                }
                rows.insert(key, row);
            }
        }
        Ok(rows)
    }

    /// The rows of these cells, also those that are not there, in as few consistent
    /// `BatchGetItem`s as there can be.
    pub(super) async fn rollup_rows(
        &self,
        wanted: &[(Cell, u8)],
        dice: &mut Dice,
    ) -> Result<Vec<((Cell, u8), RollupRow)>, ReadError> {
        let mut found = HashMap::new();
        for part in wanted.chunks(KEYS_PER_CALL) {
            let keys = part.iter().map(|(cell, shard)| cell.key(*shard).attributes()).collect();
            for item in self.batch_get(keys, dice).await? {
                let (_, row) = RollupRow::read(&item)?;
                let key = |name| item.parse(name, |text| Some(text.to_owned()));
                found.insert((key(keys::PK)?, key(keys::SK)?), row);
            }
        }
        let row = |&(cell, shard): &(Cell, u8)| {
            let key = cell.key(shard);
            ((cell, shard), found.remove(&(key.pk, key.sk)).unwrap_or_default())
        };
        Ok(wanted.iter().map(row).collect())
    }

    pub(super) async fn batch_get(
        &self,
        keys: Vec<Item>,
        dice: &mut Dice,
    ) -> Result<Vec<Item>, ReadError> {
        let what = || format!("{} counts", keys.len());
        let mut items = Vec::with_capacity(keys.len());
        let mut left = keys.clone();
        for tries in 1..=TRIES_FOR_LEFTOVERS {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(std::mem::take(&mut left)))
                .consistent_read(true)
                .build()
                .expect("keys are set");
            let call = self.client.batch_get_item().request_items(&self.clicks, request);
            let answer =
                Box::pin(call.send()).await.map_err(|error| ReadError::of(what(), error))?;
            items.extend(answer.responses.into_iter().flat_map(HashMap::into_values).flatten());
            left = answer
                .unprocessed_keys
                .into_iter()
                .flat_map(HashMap::into_values)
                .flat_map(|rest| rest.keys)
                .collect();
            if left.is_empty() {
                return Ok(items);
            }
            pause(&self.client, dice.pause(tries)).await;
        }
        Err(ReadError::LeftOver { what: what(), left: left.len() })
    }
}

/// What is wanted of rollups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Parts {
    /// Everything.
    All,
    /// All but their values, which are most of a row.
    Numbers,
}

/// A part of a subject's rollups.
#[derive(Debug, Clone)]
pub(super) enum Range {
    /// All of them.
    All,
    /// Those of all time.
    Totals,
    /// Those of these days, both ends included.
    Days(RangeInclusive<Day>),
}
