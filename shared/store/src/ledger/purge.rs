//! Purging: everything that is stored of the clicks of a link, or of a workspace, is removed.
//!
//! 1. An **order** is written with the deletion that asks for it ([`PurgeOrder`]).
//! 2. A **fence** is put up: every total of the subject says `purged`, at a version that nobody has
//!    read. Every click changes a total under the condition that its version is what was read, so
//!    nothing can be recorded from then on: whoever tries reads the total again, and finds the
//!    fence. The fence stays for as long as a click may be on its way.
//! 3. Rows of clicks go, in any order.
//! 4. Counts go. Those of a link's days are added, in the same transaction, to what its workspace
//!    keeps of links that were purged: they are of nobody in particular, and the workspace's own
//!    counts, which hold them still, remain what everything adds up to.
//! 5. Somebody looks again at all places ([`Remains`]), and writes that down with the order.
//!
//! Each step may be cut off anywhere, and done again: what is gone is not there any more.

use std::collections::{BTreeMap, HashSet};

use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, DeleteRequest, ReturnValue, TransactWriteItem, Update, WriteRequest,
};
use domain::{Day, LinkId, Principal, Retention, WorkspaceId};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use super::LedgerStore;
use super::read::{Range, ReadError};
use super::rows::RollupRow;
use super::shards::MAX_SHARDS;
use super::subject::Subject;
use super::transact::Answer;
use crate::commit::{Change, CommitError, Condition, commit};
use crate::dice::Dice;
use crate::journal::Journal;
use crate::keys::{self, Key, RollupKey};
use crate::pause::pause;
use crate::row::{BadRow, FORMAT, Item, Read, Value, Write, moment, row};
use crate::unavailable::{Cause, Unavailable};

/// The most rows that one `BatchWriteItem` takes.
const ROWS_PER_CALL: usize = 25;

/// How many partitions are worked on at once.
const AT_ONCE: usize = 8;

/// How many rows of a day are in one transaction: a fifth of what DynamoDB takes, so that it is
/// small also where each of them is large.
const ROWS_PER_MOVE: usize = 20;

/// So often is tried what somebody else was in the way of, or what was left over.
const TRIES: u32 = 8;

/// How long an order and its fence are kept after the retention of clicks. A message may be on its
/// way for 28 days: 14 in its queue, and 14 in that of the dead.
const MARGIN_DAYS: i64 = 30;

/// Why something was not purged. What was done so far stays done.
#[derive(Debug, thiserror::Error)]
pub enum PurgeError {
    /// What is there could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It could not be written.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<BadRow> for PurgeError {
    fn from(error: BadRow) -> Self {
        Self::Read(error.into())
    }
}

/// That the clicks of a link, or all of a workspace, shall be removed, and how far that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeOrder {
    /// What is purged.
    pub target: Target,
    /// Whose it was.
    pub workspace: WorkspaceId,
    /// When that was asked for.
    pub ordered_at: Timestamp,
    /// Who asked for it.
    pub ordered_by: Principal,
    /// The second from which on DynamoDB may delete the order and its fence.
    pub expires: i64,
    /// What was seen at the end.
    pub proof: Option<Proof>,
}

/// What can be purged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// The clicks of a link.
    Link(LinkId),
    /// A workspace, with all that is in it.
    Workspace(WorkspaceId),
}

impl Target {
    /// The target of this id.
    pub fn parse(text: &str) -> Option<Self> {
        let link = LinkId::parse(text).map(Self::Link);
        link.or_else(|_| WorkspaceId::parse(text).map(Self::Workspace)).ok()
    }

    fn subject(self) -> Subject {
        match self {
            Self::Link(id) => Subject::Link(id),
            Self::Workspace(id) => Subject::Workspace(id),
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Link(id) => std::fmt::Display::fmt(id, f),
            Self::Workspace(id) => std::fmt::Display::fmt(id, f),
        }
    }
}

/// That nothing is left: written only where somebody has looked everywhere and found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// When that was seen first.
    pub first_at: Timestamp,
    /// When that was seen last.
    pub last_at: Timestamp,
    /// What had been removed until then.
    pub removed: Removed,
}

/// How much was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Removed {
    /// Rows of clicks.
    pub clicks: u64,
    /// Rows of counts.
    pub counts: u64,
    /// Clicks in the lake: lines of JSON, and rows of Parquet.
    pub lake: u64,
}

impl Removed {
    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            clicks: self.clicks.saturating_add(other.clicks),
            counts: self.counts.saturating_add(other.counts),
            lake: self.lake.saturating_add(other.lake),
        }
    }

    /// Whether that is nothing.
    pub fn is_nothing(self) -> bool {
        self == Self::default()
    }
}

/// What the ledger still has of something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Remains {
    /// Rows of clicks, at least so many.
    pub clicks: u64,
    /// Rows of counts.
    pub counts: u64,
}

/// All that is purged, for those who meet clicks elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Purges {
    links: HashSet<LinkId>,
    workspaces: HashSet<WorkspaceId>,
}

impl Purges {
    /// Whether a click of this link, in this workspace, must not be stored any more.
    pub fn covers(&self, link: LinkId, workspace: WorkspaceId) -> bool {
        self.links.contains(&link) || self.workspaces.contains(&workspace)
    }

    /// Whether nothing is purged.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty() && self.workspaces.is_empty()
    }
}

impl<'a> FromIterator<&'a PurgeOrder> for Purges {
    fn from_iter<I: IntoIterator<Item = &'a PurgeOrder>>(orders: I) -> Self {
        let mut purges = Self::default();
        for order in orders {
            match order.target {
                Target::Link(id) => _ = purges.links.insert(id),
                Target::Workspace(id) => _ = purges.workspaces.insert(id),
            }
        }
        purges
    }
}

impl PurgeOrder {
    /// An order that is given now.
    pub fn new(
        target: Target,
        workspace: WorkspaceId,
        ordered_by: Principal,
        now: Timestamp,
        retention: Retention,
    ) -> Self {
        let seconds = (i64::from(retention.days()) + MARGIN_DAYS) * 24 * 60 * 60;
        let expires = now.as_second() + seconds;
        Self { target, workspace, ordered_at: now, ordered_by, expires, proof: None }
    }

    /// Its row.
    pub(crate) fn row(&self) -> Item {
        let mut item = row(&keys::purge(self.target));
        item.set("workspace", self.workspace.to_string());
        item.set("ordered_at", self.ordered_at.to_string());
        item.set("ordered_by", self.ordered_by.to_string());
        item.set("expires", moment(self.expires));
        if let Some(proof) = self.proof {
            item.set("first_at", proof.first_at.to_string());
            item.set("last_at", proof.last_at.to_string());
            item.set("removed_clicks", proof.removed.clicks);
            item.set("removed_counts", proof.removed.counts);
            item.set("removed_lake", proof.removed.lake);
        }
        item
    }

    fn read(item: &Item) -> Result<Self, BadRow> {
        let time = |text: &str| text.parse().ok();
        let count = |name| Ok::<u64, BadRow>(item.number(name)?.unwrap_or(0));
        let first = item.parse_some("first_at", time)?;
        let proof = match first.zip(item.parse_some("last_at", time)?) {
            None => None,
            Some((first_at, last_at)) => {
                let removed = Removed {
                    clicks: count("removed_clicks")?,
                    counts: count("removed_counts")?,
                    lake: count("removed_lake")?,
                };
                Some(Proof { first_at, last_at, removed })
            }
        };
        Ok(Self {
            target: item.parse(keys::SK, Target::parse)?,
            workspace: item.parse("workspace", |text| WorkspaceId::parse(text).ok())?,
            ordered_at: item.parse("ordered_at", time)?,
            ordered_by: item.parse("ordered_by", |text| Principal::parse(text).ok())?,
            expires: item.number("expires")?.unwrap_or(0),
            proof,
        })
    }
}

impl LedgerStore {
    /// All that is purged. One consistent `Query`, for each megabyte of about 5,000 orders.
    pub async fn purges(&self) -> Result<Purges, ReadError> {
        Ok(self.purge_orders().await?.iter().collect())
    }

    /// All orders to purge something that may still matter to anybody.
    pub async fn purge_orders(&self) -> Result<Vec<PurgeOrder>, ReadError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.clicks)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(keys::PURGES.to_owned()))
            .into_paginator()
            .send();
        let mut orders = Vec::new();
        while let Some(page) = Box::pin(pages.next()).await {
            let page = page.map_err(|error| ReadError::of("orders to purge".to_owned(), error))?;
            for item in page.items() {
                orders.push(PurgeOrder::read(item)?);
            }
        }
        Ok(orders)
    }

    /// The order to purge this, if there is one. One consistent `GetItem`.
    pub async fn purge_order(&self, target: Target) -> Result<Option<PurgeOrder>, ReadError> {
        let row = self.one(&keys::purge(target), format!("the order to purge `{target}`")).await?;
        Ok(row.as_ref().map(PurgeOrder::read).transpose()?)
    }

    /// Writes an order for what was deleted before, unless there is one. Says which it is now.
    pub async fn order_purge(
        &self,
        order: &PurgeOrder,
        journal: &Journal,
    ) -> Result<PurgeOrder, PurgeError> {
        let free = Some(Condition::of("attribute_not_exists(pk)"));
        let change = Change::Put(order.row(), free);
        let doing = || format!("ordering the purge of `{}`", order.target);
        match commit(&self.client, &self.clicks, vec![change], journal).await {
            Ok(()) => Ok(order.clone()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                let there = self.purge_order(order.target).await?;
                there.ok_or_else(|| Unavailable::new(doing(), "the order came and went").into())
            }
            Err(CommitError::Unavailable(source)) => Err(Unavailable::new(doing(), source).into()),
        }
    }

    /// Writes down that nothing is left, with what had to be removed for it.
    pub async fn prove_purge(
        &self,
        order: &PurgeOrder,
        removed: Removed,
        now: Timestamp,
        journal: &Journal,
    ) -> Result<(), PurgeError> {
        let (first_at, before) =
            order.proof.map_or((now, Removed::default()), |it| (it.first_at, it.removed));
        let proof = Proof { first_at, last_at: now, removed: before.and(removed) };
        let item = PurgeOrder { proof: Some(proof), ..order.clone() }.row();
        let doing = || format!("writing down that `{}` is purged", order.target);
        let change = Change::Put(item, None);
        match commit(&self.client, &self.clicks, vec![change], journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(Unavailable::new(doing(), "there are no conditions").into())
            }
            Err(CommitError::Unavailable(source)) => Err(Unavailable::new(doing(), source).into()),
        }
    }

    /// Puts up the fence: when this returns, no click of the order's target can be recorded any
    /// more.
    pub async fn fence(&self, order: &PurgeOrder) -> Result<(), PurgeError> {
        let subject = order.target.subject();
        let first = self.fence_row(order, 0).await?;
        let shards = first.number::<u8>("shards")?.unwrap_or(1).clamp(1, MAX_SHARDS);
        // Who has read that there are more shards has read it after this, and so the fence.
        for shard in 1..shards {
            self.fence_row(order, shard).await?;
        }
        tracing::info!(%subject, shards, "`{subject}` takes no clicks any more");
        Ok(())
    }

    async fn fence_row(&self, order: &PurgeOrder, shard: u8) -> Result<Item, PurgeError> {
        let subject = order.target.subject();
        let call = self
            .client
            .update_item()
            .table_name(&self.clicks)
            .set_key(Some(keys::total(subject, shard).attributes()))
            // Another version: who has read the row before may not write it any more.
            .update_expression(
                "SET purged = :at, v = if_not_exists(v, :zero) + :one, \
                 n = if_not_exists(n, :n), expires = :expires",
            )
            .expression_attribute_values(":at", order.ordered_at.to_string().attribute())
            .expression_attribute_values(":zero", 0.attribute())
            .expression_attribute_values(":one", 1.attribute())
            .expression_attribute_values(":n", FORMAT.attribute())
            .expression_attribute_values(":expires", moment(order.expires).attribute())
            .return_values(ReturnValue::AllNew);
        let doing = || format!("closing the counts of `{subject}`");
        let answer =
            Box::pin(call.send()).await.map_err(|error| Unavailable::new(doing(), error))?;
        Ok(answer.attributes.unwrap_or_default())
    }

    /// Whether a link or a workspace takes no clicks any more. One consistent `GetItem`.
    pub async fn is_fenced(&self, target: Target) -> Result<bool, ReadError> {
        let subject = target.subject();
        let row = self.one(&keys::total(subject, 0), format!("counts of `{subject}`")).await?;
        Ok(row.is_some_and(|row| row.contains_key("purged")))
    }

    /// Removes the rows of all clicks of a link, which has so many click partitions, and says how
    /// many those were.
    pub async fn purge_clicks(&self, link: LinkId, shards: u16) -> Result<u64, PurgeError> {
        stream::iter(0..shards.max(1))
            .map(|shard| self.purge_partition(keys::clicks(link, shard)))
            .buffer_unordered(AT_ONCE)
            .try_fold(0, |sum, count| async move { Ok(sum + count) })
            .await
    }

    /// Removes the counts of a link, and says how many rows that were. What its days count is
    /// added to what its workspace keeps.
    pub async fn purge_counts(
        &self,
        link: LinkId,
        workspace: WorkspaceId,
    ) -> Result<u64, PurgeError> {
        let subject = Subject::Link(link);
        let mut days = BTreeMap::<Day, Vec<u8>>::new();
        let mut totals = Vec::new();
        for (key, row) in self.query_rollups(subject, Range::All).await? {
            match key {
                RollupKey::Day(day, shard) => days.entry(day).or_default().push(shard),
                RollupKey::Total(shard) if row.rollup.counts.total() != 0 => totals.push(shard),
                // Only workspaces have these.
                RollupKey::Total(_) | RollupKey::Purged(..) => {}
            }
        }
        let mut removed = 0;
        for (day, shards) in days {
            for shards in shards.chunks(ROWS_PER_MOVE) {
                self.move_day((link, workspace), day, shards).await?;
                removed += u64::try_from(shards.len()).unwrap_or(0);
            }
        }
        for shard in totals {
            self.empty_total(subject, shard).await?;
            removed += 1;
        }
        Ok(removed)
    }

    /// Removes the counts of a workspace that is purged, or of a link in it; nothing is kept of them.
    /// Says how many rows that were.
    pub async fn purge_all_counts(&self, target: Target) -> Result<u64, PurgeError> {
        let subject = target.subject();
        let (mut keys, mut fence) = (Vec::new(), Vec::new());
        for (key, row) in self.query_rollups(subject, Range::All).await? {
            match (key, target) {
                (RollupKey::Day(day, shard), _) => keys.push(keys::day(subject, day, shard)),
                (RollupKey::Purged(day, shard), Target::Workspace(id)) => {
                    keys.push(keys::purged_day(id, day, shard));
                }
                // Its workspace has the fence.
                (RollupKey::Total(shard), Target::Link(_)) => {
                    keys.push(keys::total(subject, shard));
                }
                (RollupKey::Total(shard), Target::Workspace(_)) => {
                    if row.rollup.counts.total() != 0 {
                        fence.push(shard);
                    }
                }
                (RollupKey::Purged(..), Target::Link(_)) => {}
            }
        }
        let removed = keys.len() + fence.len();
        let doing = format!("removing the counts of `{subject}`");
        self.delete_rows(keys.iter().map(Key::attributes).collect(), &doing).await?;
        for shard in fence {
            self.empty_total(subject, shard).await?;
        }
        Ok(u64::try_from(removed).unwrap_or(u64::MAX))
    }

    /// What there still is of a link's clicks, in so many partitions, or of a workspace's own counts.
    pub async fn remains(&self, target: Target, shards: u16) -> Result<Remains, ReadError> {
        let mut remains = Remains::default();
        let subject = target.subject();
        for (key, row) in self.query_rollups(subject, Range::All).await? {
            let is_left = match key {
                RollupKey::Day(..) | RollupKey::Purged(..) => true,
                RollupKey::Total(_) => row.rollup.counts.total() != 0,
            };
            remains.counts += u64::from(is_left);
        }
        if let Target::Link(link) = target {
            remains.clicks = stream::iter(0..shards.max(1))
                .map(|shard| async move {
                    let rows = self.some_rows(&keys::clicks(link, shard)).await?;
                    Ok::<_, ReadError>(u64::try_from(rows.len()).unwrap_or(u64::MAX))
                })
                .buffer_unordered(AT_ONCE)
                .try_fold(0, |sum, count| async move { Ok(sum + count) })
                .await?;
        }
        Ok(remains)
    }

    /// Moves some shards of a day of a link to what its workspace keeps, unless they are gone.
    async fn move_day(
        &self,
        (link, workspace): (LinkId, WorkspaceId),
        day: Day,
        shards: &[u8],
    ) -> Result<(), PurgeError> {
        let subject = Subject::Link(link);
        let doing = || format!("moving the counts of `{subject}`");
        let mut dice = Dice::of_chance();
        let mut trouble: Option<Cause> = None;
        for tries in 1..=TRIES {
            let kept = keys::purged_day(workspace, day, 0);
            let (_, mut kept_row) = match self.one(&kept, doing()).await? {
                Some(row) => RollupRow::read(&row)?,
                None => (RollupKey::Purged(day, 0), RollupRow::default()),
            };
            let seen = kept_row.clone();
            let mut items = Vec::new();
            for (key, row) in self.query_rollups(subject, Range::Days(day..=day)).await? {
                if let RollupKey::Day(day, shard) = key
                    && shards.contains(&shard)
                {
                    kept_row.rollup.merge(&row.rollup);
                    items.push(self.delete_seen(&keys::day(subject, day, shard), row.version));
                }
            }
            if items.is_empty() {
                return Ok(());
            }
            let (update, condition, values) = seen.update(&kept_row.rollup);
            let update = Update::builder()
                .table_name(&self.clicks)
                .set_key(Some(kept.attributes()))
                .update_expression(update)
                .condition_expression(condition)
                .set_expression_attribute_values(Some(values))
                .build()
                .expect("table, key and expression are set");
            items.push(TransactWriteItem::builder().update(update).build());
            match self.transact(items).await {
                Answer::Written => return Ok(()),
                // Another purge adds to the same day; or this very write has arrived before.
                Answer::Cancelled(verdicts) => {
                    trouble = Some(format!("it was cancelled: {verdicts:?}").into());
                }
                Answer::Unsure(cause) => trouble = Some(cause),
                Answer::Invalid(cause) | Answer::Refused(cause) => {
                    return Err(Unavailable::new(doing(), cause).into());
                }
            }
            pause(&self.client, dice.pause(tries)).await;
        }
        let cause = trouble.unwrap_or_else(|| "others are always faster".into());
        Err(Unavailable::new(doing(), cause).into())
    }

    /// The deletion of a rollup that is still what was read.
    fn delete_seen(&self, key: &Key, version: u64) -> TransactWriteItem {
        let delete = Delete::builder()
            .table_name(&self.clicks)
            .set_key(Some(key.attributes()))
            .condition_expression("v = :seen")
            .expression_attribute_values(":seen", version.attribute())
            .build()
            .expect("table and key are set");
        TransactWriteItem::builder().delete(delete).build()
    }

    /// Takes the counts out of a total that says `purged`.
    async fn empty_total(&self, subject: Subject, shard: u8) -> Result<(), PurgeError> {
        let call = self
            .client
            .update_item()
            .table_name(&self.clicks)
            .set_key(Some(keys::total(subject, shard).attributes()))
            .update_expression("SET human = :zero, bot = :zero REMOVE quarters")
            .condition_expression("attribute_exists(purged)")
            .expression_attribute_values(":zero", 0.attribute());
        let doing = || format!("emptying the counts of `{subject}`");
        let sent = Box::pin(call.send()).await;
        sent.map(drop).map_err(|error| Unavailable::new(doing(), error).into())
    }

    /// Removes all rows of a partition of clicks.
    async fn purge_partition(&self, pk: String) -> Result<u64, PurgeError> {
        let doing = format!("removing `{pk}`");
        let mut removed = 0;
        loop {
            let rows = self.some_rows(&pk).await?;
            if rows.is_empty() {
                return Ok(removed);
            }
            removed += u64::try_from(rows.len()).unwrap_or(u64::MAX);
            self.delete_rows(rows, &doing).await?;
        }
    }

    /// The keys of the first rows of a partition: a megabyte of them. One consistent `Query`.
    async fn some_rows(&self, pk: &str) -> Result<Vec<Item>, ReadError> {
        let call = self
            .client
            .query()
            .table_name(&self.clicks)
            .consistent_read(true)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
            .projection_expression("pk, sk");
        let page =
            Box::pin(call.send()).await.map_err(|error| ReadError::of(format!("`{pk}`"), error))?;
        Ok(page.items.unwrap_or_default())
    }

    /// Deletes rows by their keys. 25 in a `BatchWriteItem`.
    async fn delete_rows(&self, keys: Vec<Item>, doing: &str) -> Result<(), PurgeError> {
        let mut dice = Dice::of_chance();
        for keys in keys.chunks(ROWS_PER_CALL) {
            let delete = |key: &Item| {
                let delete = DeleteRequest::builder().set_key(Some(key.clone())).build();
                WriteRequest::builder().delete_request(delete.expect("the key is set")).build()
            };
            let mut left: Vec<WriteRequest> = keys.iter().map(delete).collect();
            for tries in 1..=TRIES {
                let call = self
                    .client
                    .batch_write_item()
                    .request_items(&self.clicks, std::mem::take(&mut left));
                let answer =
                    Box::pin(call.send()).await.map_err(|error| Unavailable::new(doing, error))?;
                let rest = answer.unprocessed_items.unwrap_or_default();
                left = rest.into_values().flatten().collect();
                if left.is_empty() {
                    break;
                }
                pause(&self.client, dice.pause(tries)).await;
            }
            if !left.is_empty() {
                let cause = format!("{} rows were left over {TRIES} times", left.len());
                return Err(Unavailable::new(doing, cause).into());
            }
        }
        Ok(())
    }

    async fn one(&self, key: &Key, what: String) -> Result<Option<Item>, ReadError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.clicks)
            .set_key(Some(key.attributes()))
            .consistent_read(true);
        let answer = Box::pin(call.send()).await.map_err(|error| ReadError::of(what, error))?;
        Ok(answer.item)
    }
}
