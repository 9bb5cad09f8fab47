//! Proving the ledger: the rows of clicks against the counts.
//!
//! Two things must hold of every subject: the rollup of each day whose click rows are all still
//! there is what those rows add up to, and the rollup of all time is the sum of the days.
//!
//! Clicks may be recorded meanwhile. Each of them raises the versions of the counts that it
//! changes, so a count whose versions are the same before and after its clicks were recounted was
//! not changed in between. One that was, or that differs (a transaction becomes visible row by
//! row), is looked at again; if it never comes to rest it is reported as unsettled.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use domain::rollup::Rollup;
use domain::{Day, LinkId, Retention, WorkspaceId};
use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;

use super::LedgerStore;
use super::read::{Range, ReadError};
use super::rows::{Period, RollupRow};
use super::subject::Subject;
use crate::keys::RollupKey;

/// So often is a subject looked at until it has come to rest.
const TRIES: u32 = 5;

/// How long to wait before looking again, times the number of looks: longer than a transaction
/// takes to become visible.
const PAUSE: Duration = Duration::from_millis(100);

/// How many partitions are recounted at once.
const AT_ONCE: usize = 8;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verification {
    /// How many subjects were looked at.
    pub subjects: usize,
    /// How many click rows of links were counted.
    pub clicks: u64,
    /// Where the ledger does not add up.
    pub differences: Vec<Difference>,
    /// What changed each time it was looked at.
    pub unsettled: Vec<(Subject, Period)>,
}

impl Verification {
    /// Whether everything came to rest and adds up.
    pub fn is_clean(&self) -> bool {
        self.differences.is_empty() && self.unsettled.is_empty()
    }

    fn add(&mut self, other: Self) {
        self.subjects += other.subjects;
        self.clicks += other.clicks;
        self.differences.extend(other.differences);
        self.unsettled.extend(other.unsettled);
    }
}

/// A count that is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Whose.
    pub subject: Subject,
    /// Of when.
    pub period: Period,
    /// For a day what its click rows add up to, for all time what the days add up to.
    pub expected: Rollup,
    /// What the rollup says.
    pub found: Rollup,
}

/// The time of a verification.
#[derive(Debug, Clone, Copy)]
struct Today {
    now: Timestamp,
    retention: Retention,
}

/// What the rows of clicks add up to, by day.
type Recount = BTreeMap<Day, Rollup>;

/// A subject's rollup rows.
type Rows = BTreeMap<RollupKey, RollupRow>;

impl LedgerStore {
    /// Verifies the counts of a link, which has so many click partitions.
    pub async fn verify_link(
        &self,
        link: LinkId,
        click_shards: u16,
        now: Timestamp,
        retention: Retention,
    ) -> Result<Verification, ReadError> {
        let today = Today { now, retention };
        Ok(self.check_link((link, click_shards), today).await?.0)
    }

    /// Verifies the counts of a workspace and of all its links, live and deleted, of which each
    /// has so many click partitions. The workspace's own counts must be what all the links' clicks
    /// add up to.
    pub async fn verify_workspace(
        &self,
        workspace: WorkspaceId,
        links: &[(LinkId, u16)],
        now: Timestamp,
        retention: Retention,
    ) -> Result<Verification, ReadError> {
        let today = Today { now, retention };
        let mut found = Verification::default();
        let mut check = Check::new(Subject::Workspace(workspace), today);
        for tries in 1..=TRIES {
            let before = self.rows_of(check.subject).await?;
            let mut recount = Recount::new();
            if tries == 1 {
                // What the links' own verification counts is good for the workspace, too.
                let mut checks =
                    stream::iter(links).map(|&link| self.check_link(link, today)).buffered(AT_ONCE);
                while let Some(checked) = checks.next().await {
                    let (of_link, counted) = checked?;
                    found.add(of_link);
                    merge(&mut recount, counted);
                }
            } else {
                recount = self.recount_all(links, check.days()).await?;
            }
            let after = self.rows_of(check.subject).await?;
            if check.look(&before, &recount, &after) || tries == TRIES {
                break;
            }
            tokio::time::sleep(PAUSE * tries).await;
        }
        found.add(check.end());
        Ok(found)
    }

    async fn check_link(
        &self,
        link: (LinkId, u16),
        today: Today,
    ) -> Result<(Verification, Recount), ReadError> {
        let mut check = Check::new(Subject::Link(link.0), today);
        let mut counted = Recount::new();
        for tries in 1..=TRIES {
            let before = self.rows_of(check.subject).await?;
            let days = check.days();
            let recount = self.recount_all(&[link], days.clone()).await?;
            let after = self.rows_of(check.subject).await?;
            counted.retain(|day, _| !days.contains(day));
            counted.extend(recount.clone());
            if check.look(&before, &recount, &after) || tries == TRIES {
                break;
            }
            tokio::time::sleep(PAUSE * tries).await;
        }
        let clicks = counted.values().map(|rollup| rollup.counts.total()).sum();
        Ok((Verification { clicks, ..check.end() }, counted))
    }

    async fn rows_of(&self, subject: Subject) -> Result<Rows, ReadError> {
        self.query_rollups(subject, Range::All).await
    }

    /// Counts the rows of clicks on these days, partition by partition.
    async fn recount_all(
        &self,
        links: &[(LinkId, u16)],
        days: RangeInclusive<Day>,
    ) -> Result<Recount, ReadError> {
        let partitions =
            links.iter().flat_map(|&(link, shards)| (0..shards.max(1)).map(move |s| (link, s)));
        let mut parts = stream::iter(partitions)
            .map(|(link, shard)| self.recount(link, shard, &days))
            .buffer_unordered(AT_ONCE);
        let mut recount = Recount::new();
        while let Some(part) = parts.next().await {
            merge(&mut recount, part?);
        }
        Ok(recount)
    }
}

fn merge(recount: &mut Recount, other: Recount) {
    for (day, rollup) in other {
        recount.entry(day).or_default().merge(&rollup);
    }
}

/// A subject under verification.
struct Check {
    subject: Subject,
    /// The days whose rows are all there, from the first one on.
    kept: Day,
    /// What is still to be looked at; `None` before the first look, which finds out what there is.
    open: Option<BTreeSet<Period>>,
    /// Of what is open: what differed, without having changed, when it was last looked at.
    differing: BTreeMap<Period, (Rollup, Rollup)>,
}

impl Check {
    fn new(subject: Subject, today: Today) -> Self {
        let kept = today.retention.first_kept(today.now);
        Self { subject, kept, open: None, differing: BTreeMap::new() }
    }

    /// The days to recount.
    fn days(&self) -> RangeInclusive<Day> {
        let all = self.kept..=Day::of(Timestamp::MAX);
        let Some(open) = &self.open else { return all };
        let days: BTreeSet<Day> = open.iter().filter_map(day_of).collect();
        match (days.first(), days.last()) {
            (Some(&first), Some(&last)) => first..=last,
            // Only the total is open, for which no clicks are counted; one day must do.
            (None, _) | (_, None) => self.kept..=self.kept,
        }
    }

    /// Compares what is open; says whether nothing is any more.
    fn look(&mut self, before: &Rows, recount: &Recount, after: &Rows) -> bool {
        let (before, after) = (sums(before), sums(after));
        let open = self.open.take().unwrap_or_else(|| {
            let of_rows = before.keys().chain(after.keys()).copied();
            let kept = of_rows.filter(|period| day_of(period).is_none_or(|day| self.kept <= day));
            let of_clicks = recount.keys().map(|&day| Period::Day(day));
            kept.chain(of_clicks).chain([Period::AllTime]).collect()
        });
        self.differing.clear();
        let mut still = BTreeSet::new();
        for period in open {
            let found = after.get(&period).map(|sum| sum.rollup.clone()).unwrap_or_default();
            let (expected, moved) = match period {
                Period::Day(day) => {
                    let versions = |sums: &Sums| sums.get(&period).map(|sum| sum.versions.clone());
                    let expected = recount.get(&day).cloned().unwrap_or_default();
                    (expected, versions(&before) != versions(&after))
                }
                // It changes with every day, so it is at rest only when all days are.
                Period::AllTime => (of_all_days(&after), before != after),
            };
            if moved || found != expected {
                still.insert(period);
            }
            if !moved && found != expected {
                self.differing.insert(period, (expected, found));
            }
        }
        let settled = still.is_empty();
        self.open = Some(still);
        settled
    }

    fn end(mut self) -> Verification {
        let mut found = Verification { subjects: 1, ..Verification::default() };
        let subject = self.subject;
        for period in self.open.unwrap_or_default() {
            match self.differing.remove(&period) {
                Some((expected, rollup)) => {
                    found.differences.push(Difference { subject, period, expected, found: rollup });
                }
                None => found.unsettled.push((subject, period)),
            }
        }
        found
    }
}

fn day_of(period: &Period) -> Option<Day> {
    match period {
        Period::Day(day) => Some(*day),
        Period::AllTime => None,
    }
}

/// The shards of one rollup together.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    rollup: Rollup,
    /// Of each shard that is there.
    versions: Vec<(RollupKey, u64)>,
}

type Sums = BTreeMap<Period, Sum>;

fn sums(rows: &Rows) -> Sums {
    let mut sums = Sums::new();
    for (&key, row) in rows {
        let period = match key {
            RollupKey::Day(day, _) => Period::Day(day),
            RollupKey::Total(_) => Period::AllTime,
        };
        let sum = sums.entry(period).or_default();
        sum.rollup.merge(&row.rollup);
        sum.versions.push((key, row.version));
    }
    sums
}

/// What the rollup of all time must be: it counts as the days do, but not by the time of day.
fn of_all_days(sums: &Sums) -> Rollup {
    let mut all = Rollup::default();
    for (period, sum) in sums {
        if day_of(period).is_some() {
            all.counts = all.counts.merge(sum.rollup.counts);
        }
    }
    all
}
