//! Proving the ledger: the rows of clicks against the counts.
//!
//! Two things must hold of every subject: the rollup of each day whose click rows are all still
//! there is what those rows add up to, and the rollup of all time is the sum of the days.
//!
//! Clicks may be recorded meanwhile. Each of them raises the versions of the counts that it
//! changes, so a count whose versions are the same before and after its clicks were recounted was
//! not changed in between. One that was, or that differs (a transaction becomes visible row by
//! row), is looked at again; if it never comes to rest it is reported as unsettled.
//!
//! Who verifies must know all partitions of the clicks: a link that gets more of them meanwhile
//! seems to differ. So a difference only counts if they are still the same afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use domain::rollup::{Counts, Rollup};
use domain::values::Values;
use domain::{Day, Dimension, LinkId, Retention, WorkspaceId};
use futures_util::StreamExt;
use futures_util::stream;
use jiff::Timestamp;

use super::LedgerStore;
use super::read::{Range, ReadError};
use super::rows::{Period, RollupRow};
use super::subject::Subject;
use crate::keys::RollupKey;
use crate::pause::pause;

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
    /// How many rows were read for it, of clicks and of counts: what it costs.
    pub rows: u64,
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

    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: Self) {
        self.subjects += other.subjects;
        self.clicks += other.clicks;
        self.rows += other.rows;
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

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (subject, period) = (self.subject, self.period);
        let by = match period {
            Period::AllTime => "the days add up to",
            Period::Day(_) => "the recorded clicks are",
        };
        let (counted, says) = (self.expected.counts, self.found.counts);
        if counted == says {
            let what = if self.expected.quarters != self.found.quarters {
                "the hours are"
            } else if self.expected.visitors != self.found.visitors {
                "the visitors are"
            } else {
                "the values are"
            };
            return write!(f, "`{subject}` {period}: {what} not those of the clicks");
        }
        let shown = |counts: Counts| format!("{} human and {} bot", counts.human, counts.bot);
        let (counted, says) = (shown(counted), shown(says));
        write!(f, "`{subject}` {period}: {by} {counted}, the count says {says}")
    }
}

/// The time of a verification.
#[derive(Debug, Clone, Copy)]
struct Today {
    now: Timestamp,
    retention: Retention,
}

impl Today {
    /// The days whose rows are all there, and those to come.
    fn kept(self) -> RangeInclusive<Day> {
        self.retention.first_kept(self.now)..=Day::of(Timestamp::MAX)
    }
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
        let check = Check::new(Subject::Link(link), Today { now, retention }.kept());
        Ok(self.check_link((link, click_shards), check).await?.0)
    }

    /// Verifies the counts of a link, but recounts at most so many clicks, or one day's: where it
    /// has more, those of some days, which the random bits choose.
    pub async fn verify_some_days(
        &self,
        link: (LinkId, u16),
        most_clicks: u64,
        random: u128,
        (now, retention): (Timestamp, Retention),
    ) -> Result<Verification, ReadError> {
        let subject = Subject::Link(link.0);
        let kept = Today { now, retention }.kept();
        let rows = self.rows_of(subject).await?;
        let days = some_days(&of_days(&rows, &kept), most_clicks, random).unwrap_or(kept);
        let (mut found, _) = self.check_link(link, Check::new(subject, days)).await?;
        found.rows += count(&rows);
        Ok(found)
    }

    /// Verifies that the days of a subject add up to its count of all time. No click is recounted.
    pub async fn verify_sum(&self, subject: Subject) -> Result<Verification, ReadError> {
        let nothing = Day::of(Timestamp::MAX);
        let mut check = Check::new(subject, nothing..=nothing);
        let mut rows = 0;
        for tries in 1..=TRIES {
            let before = self.rows_of(subject).await?;
            let after = self.rows_of(subject).await?;
            rows += count(&before) + count(&after);
            if check.look(&before, &Recount::new(), &after) || tries == TRIES {
                break;
            }
            pause(&self.client, PAUSE * tries).await;
        }
        Ok(Verification { rows, ..check.end() })
    }

    /// How many clicks would be recounted to verify a subject, by what its counts say.
    pub async fn clicks_kept(
        &self,
        subject: Subject,
        now: Timestamp,
        retention: Retention,
    ) -> Result<u64, ReadError> {
        let rows = self.rows_of(subject).await?;
        Ok(of_days(&rows, &Today { now, retention }.kept()).values().sum())
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
        let mut check = Check::new(Subject::Workspace(workspace), today.kept());
        let of_link = |link: LinkId| Check::new(Subject::Link(link), today.kept());
        for tries in 1..=TRIES {
            let before = self.rows_of(check.subject).await?;
            if is_purged(&before) {
                return Ok(found);
            }
            let mut recount = Recount::new();
            if tries == 1 {
                // What the links' own verification counts is good for the workspace, too.
                let mut checks = stream::iter(links.iter().copied())
                    .map(|link| self.check_link(link, of_link(link.0)))
                    .buffered(AT_ONCE);
                while let Some(checked) = checks.next().await {
                    let (of_link, counted) = checked?;
                    found.add(of_link);
                    merge(&mut recount, counted);
                }
            } else {
                recount = self.contributions(links, check.days()).await?;
                found.rows += clicks_of(&recount);
            }
            let after = self.rows_of(check.subject).await?;
            found.rows += count(&before) + count(&after);
            if check.look(&before, &recount, &after) || tries == TRIES {
                break;
            }
            pause(&self.client, PAUSE * tries).await;
        }
        found.add(check.end());
        Ok(found)
    }

    async fn check_link(
        &self,
        link: (LinkId, u16),
        mut check: Check,
    ) -> Result<(Verification, Recount), ReadError> {
        let (mut counted, mut rows) = (Recount::new(), 0);
        let all_days = check.days();
        for tries in 1..=TRIES {
            let before = self.rows_of(check.subject).await?;
            let days = check.days();
            let recount = self.recount_all(&[link], days.clone()).await?;
            let after = self.rows_of(check.subject).await?;
            rows += count(&before) + clicks_of(&recount) + count(&after);
            // Its rows go one by one, and what there is of its counts is what its workspace has of
            // it.
            if is_purged(&after) {
                let found = Verification { subjects: 1, rows, ..Verification::default() };
                return Ok((found, of_purged(link.0, &after, &all_days)));
            }
            counted.retain(|day, _| !days.contains(day));
            counted.extend(recount.clone());
            if check.look(&before, &recount, &after) || tries == TRIES {
                break;
            }
            pause(&self.client, PAUSE * tries).await;
        }
        let clicks = clicks_of(&counted);
        Ok((Verification { clicks, rows, ..check.end() }, counted))
    }

    /// What links add to their workspace on these days.
    async fn contributions(
        &self,
        links: &[(LinkId, u16)],
        days: RangeInclusive<Day>,
    ) -> Result<Recount, ReadError> {
        let mut parts = stream::iter(links.iter().copied())
            .map(|link| {
                let days = days.clone();
                async move {
                    let recount = self.recount_all(&[link], days.clone()).await?;
                    // If its rows were going meanwhile, this says so.
                    let rows = self.rows_of(Subject::Link(link.0)).await?;
                    let gone = is_purged(&rows).then(|| of_purged(link.0, &rows, &days));
                    Ok::<_, ReadError>(gone.unwrap_or(recount))
                }
            })
            .buffer_unordered(AT_ONCE);
        let mut all = Recount::new();
        while let Some(part) = parts.next().await {
            merge(&mut all, part?);
        }
        Ok(all)
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
        let partitions = links
            .iter()
            .copied()
            .flat_map(|(link, shards)| (0..shards.max(1)).map(move |s| (link, s)));
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

/// Whether nothing may be recorded any more for whom these rows are.
fn is_purged(rows: &Rows) -> bool {
    rows.get(&RollupKey::Total(0)).is_some_and(|row| row.purged)
}

/// What a link that is being purged still adds to its workspace on these days.
fn of_purged(link: LinkId, rows: &Rows, days: &RangeInclusive<Day>) -> Recount {
    let mut recount = Recount::new();
    for (period, sum) in sums(rows) {
        if let Some(day) = day_of(&period).filter(|day| days.contains(day)) {
            let mut rollup = sum.rollup;
            let named = BTreeMap::from([(Some(link.to_string()), rollup.counts)]);
            rollup.values.insert(Dimension::Link, Values { named, missed: 0 });
            recount.insert(day, rollup);
        }
    }
    recount
}

fn merge(recount: &mut Recount, other: Recount) {
    for (day, rollup) in other {
        recount.entry(day).or_default().merge(&rollup);
    }
}

/// How many clicks there are in a recount, each of which is a row.
fn clicks_of(recount: &Recount) -> u64 {
    recount.values().map(|rollup| rollup.counts.total()).sum()
}

fn count(rows: &Rows) -> u64 {
    u64::try_from(rows.len()).unwrap_or(u64::MAX)
}

/// How many clicks the counts of these days say, by day.
fn of_days(rows: &Rows, days: &RangeInclusive<Day>) -> BTreeMap<Day, u64> {
    let mut by_day = BTreeMap::new();
    for (period, sum) in sums(rows) {
        if let Some(day) = day_of(&period).filter(|day| days.contains(day)) {
            by_day.insert(day, sum.rollup.counts.total());
        }
    }
    by_day
}

/// Neighbouring days with at most so many clicks together, or one day; `None` where all days have
/// no more. Any of them may be the first.
fn some_days(clicks: &BTreeMap<Day, u64>, most: u64, random: u128) -> Option<RangeInclusive<Day>> {
    if clicks.values().sum::<u64>() <= most {
        return None;
    }
    let days: Vec<_> = clicks.iter().collect();
    let from = usize::try_from(random % u128::try_from(days.len()).ok()?).ok()?;
    let (mut last, mut sum) = (days[from].0, *days[from].1);
    for (day, more) in &days[from + 1..] {
        sum = sum.saturating_add(**more);
        if most < sum {
            break;
        }
        last = day;
    }
    Some(*days[from].0..=*last)
}

/// A subject under verification.
struct Check {
    subject: Subject,
    /// The days to verify: the rows of all of them are there.
    kept: RangeInclusive<Day>,
    /// What is still to be looked at; `None` before the first look, which finds out what there is.
    open: Option<BTreeSet<Period>>,
    /// Of what is open: what differed, without having changed, when it was last looked at.
    differing: BTreeMap<Period, (Rollup, Rollup)>,
}

impl Check {
    fn new(subject: Subject, kept: RangeInclusive<Day>) -> Self {
        Self { subject, kept, open: None, differing: BTreeMap::new() }
    }

    /// The days to recount.
    fn days(&self) -> RangeInclusive<Day> {
        let Some(open) = &self.open else { return self.kept.clone() };
        let days: BTreeSet<Day> = open.iter().filter_map(day_of).collect();
        match (days.first(), days.last()) {
            (Some(&first), Some(&last)) => first..=last,
            // Only the total is open, for which no clicks are counted; one day must do.
            (None, _) | (_, None) => *self.kept.start()..=*self.kept.start(),
        }
    }

    /// Compares what is open; says whether nothing is any more.
    fn look(&mut self, before: &Rows, recount: &Recount, after: &Rows) -> bool {
        let (purged_before, purged) = (purged_days(before), purged_days(after));
        let (before, after) = (sums(before), sums(after));
        let open = self.open.take().unwrap_or_else(|| {
            let of_rows = before.keys().chain(after.keys()).copied();
            let kept =
                of_rows.filter(|period| day_of(period).is_none_or(|day| self.kept.contains(&day)));
            let of_clicks = recount.keys().map(|&day| Period::Day(day));
            kept.chain(of_clicks).chain([Period::AllTime]).collect()
        });
        self.differing.clear();
        let mut still = BTreeSet::new();
        for period in open {
            let mut found = after.get(&period).map(|sum| sum.rollup.clone()).unwrap_or_default();
            let (expected, moved) = match period {
                Period::Day(day) => {
                    let versions = |sums: &Sums| sums.get(&period).map(|sum| sum.versions.clone());
                    let mut expected = recount.get(&day).cloned().unwrap_or_default();
                    if matches!(self.subject, Subject::Link(_)) {
                        expected.values.remove(&Dimension::Link);
                    }
                    if let Some(gone) = purged.get(&day) {
                        expected.merge(&gone.rollup);
                        // Which links they were is not kept.
                        expected.values.remove(&Dimension::Link);
                        found.values.remove(&Dimension::Link);
                    }
                    let moved = versions(&before) != versions(&after)
                        || purged_before.get(&day) != purged.get(&day);
                    (expected, moved)
                }
                // It changes with every day, so it is at rest only when all days are.
                Period::AllTime => (of_all_days(&after), before != after),
            };
            let agrees = found.agrees_with(&expected);
            if moved || !agrees {
                still.insert(period);
            }
            if !moved && !agrees {
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

/// What a workspace keeps of links that were purged, by day.
fn purged_days(rows: &Rows) -> BTreeMap<Day, Sum> {
    let mut days = BTreeMap::<Day, Sum>::new();
    for (&key, row) in rows {
        if let RollupKey::Purged(day, _) = key {
            let sum = days.entry(day).or_default();
            sum.rollup.merge(&row.rollup);
            sum.versions.push((key, row.version));
        }
    }
    days
}

fn sums(rows: &Rows) -> Sums {
    let mut sums = Sums::new();
    for (&key, row) in rows {
        let period = match key {
            RollupKey::Day(day, _) => Period::Day(day),
            RollupKey::Total(_) => Period::AllTime,
            // Nobody adds to these any more.
            RollupKey::Purged(..) => continue,
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
