//! A batch of clicks under way: the write path of the ledger.
//!
//! 1. Clicks that are too old are refused, and copies within the batch are set aside.
//! 2. The rest is sorted so that clicks with common counts are neighbours, and cut into
//!    transactions ([`pack`](super::pack)).
//! 3. All counts that the batch changes are read at once, and then carried forward from
//!    transaction to transaction ([`Rollups`]).
//! 4. A transaction that is cancelled says why, item by item. A click that is there already is a
//!    duplicate: it is taken out. A count that somebody else changed is read again. Then the rest
//!    is written, until it is, or until time is up.
//!
//! A batch may be cut off anywhere: what a transaction wrote is whole, and delivering the batch
//! again finds it by the rows of its clicks.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::error::Error;
use std::sync::Arc;

use aws_sdk_dynamodb::types::TransactWriteItem;
use domain::rollup::Rollup;
use domain::{Day, RecordedClick};

use super::pack::{Limits, Parcel, pack};
use super::read::ReadError;
use super::record::{Outcome, RecordError, Recording};
use super::rollups::Rollups;
use super::rows::{self, Cell};
use super::subject::Subject;
use super::transact::{Answer, Verdict};
use super::{LedgerStore, shards};
use crate::dice::Dice;
use crate::pause::pause;
use crate::row::Item;
use crate::unavailable::Cause;

/// So often a subject is in another batch's way before it gets more shards. Once is chance.
const CONFLICTS_BEFORE_GROWTH: u32 = 2;

/// A batch under way.
pub(super) struct Batch<'a> {
    store: &'a LedgerStore,
    clicks: &'a [RecordedClick],
    how: Recording,
    /// By the clicks' places; `None` as long as nothing is known.
    outcomes: Vec<Option<Outcome>>,
    rollups: Rollups,
    /// How often each subject was in another batch's way.
    conflicts: HashMap<Subject, u32>,
    dice: Dice,
    /// The last error after which was tried again.
    trouble: Option<Cause>,
}

/// Clicks of a batch, by their places.
type Places = Vec<usize>;

impl<'a> Batch<'a> {
    pub(super) fn new(store: &'a LedgerStore, clicks: &'a [RecordedClick], how: Recording) -> Self {
        Self {
            store,
            clicks,
            how,
            outcomes: vec![None; clicks.len()],
            rollups: Rollups::default(),
            conflicts: HashMap::new(),
            dice: Dice::new(how.random),
            trouble: None,
        }
    }

    /// Does all that can be done. May be cut off anywhere.
    pub(super) async fn run(&mut self) {
        self.refuse_the_old();
        self.set_copies_aside();
        let (order, parcels) = self.sorted();
        let cells: BTreeSet<Cell> =
            parcels.iter().flat_map(|parcel| parcel.cells.iter().copied()).collect();
        match self.read(&cells).await {
            // Whose row it is, the groups find out.
            Ok(()) | Err(ReadError::BadRow(_)) => {}
            Err(error) => return self.fail(&order, RecordError::Unreadable(error)),
        }
        let stretches = pack(&parcels, Limits::DYNAMODB, |cell| self.rollups.bytes(cell));
        let mut groups: VecDeque<Places> =
            stretches.into_iter().map(|stretch| order[stretch].to_vec()).collect();
        while let Some(group) = groups.pop_front() {
            for part in self.write(group).await {
                groups.push_front(part);
            }
        }
    }

    fn refuse_the_old(&mut self) {
        let (now, retention) = (self.how.now, self.how.retention);
        for (new, outcome) in self.clicks.iter().zip(&mut self.outcomes) {
            let at = new.click.id.at();
            if !retention.keeps(Day::of(at), now) {
                let error = RecordError::TooOld { at, retention };
                *outcome = Some(Outcome::Failed(Arc::new(error)));
            }
        }
    }

    /// A transaction takes each row once. The first of several copies stands for all: if it fails
    /// it is delivered again, and the others need not be.
    fn set_copies_aside(&mut self) {
        let mut seen = HashSet::new();
        for (new, outcome) in self.clicks.iter().zip(&mut self.outcomes) {
            let click = &new.click;
            if outcome.is_none() && !seen.insert((click.link, click.shard, click.id)) {
                *outcome = Some(Outcome::Duplicate);
            }
        }
    }

    /// The clicks to be written, those with common counts next to each other.
    fn sorted(&self) -> (Places, Vec<Parcel<Cell>>) {
        let mut order: Places =
            (0..self.clicks.len()).filter(|&place| self.outcomes[place].is_none()).collect();
        order.sort_by_key(|&place| {
            let click = &self.clicks[place].click;
            (click.workspace, click.link, click.id)
        });
        let parcels = order
            .iter()
            .map(|&place| Parcel {
                bytes: rows::bytes_of(&self.row(place)) + rows::BYTES_PER_CLICK,
                cells: Cell::of(&self.clicks[place].click).to_vec(),
            })
            .collect();
        (order, parcels)
    }

    fn row(&self, place: usize) -> Item {
        rows::click_row(&self.clicks[place], self.how.now, self.how.retention)
    }

    /// Reads what is not known of these cells, again and again while that may help.
    async fn read(&mut self, cells: &BTreeSet<Cell>) -> Result<(), ReadError> {
        let mut tries = 0;
        loop {
            match self.rollups.ensure(self.store, cells, &mut self.dice).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => self.trouble = Some(error.into()),
            }
            tries += 1;
            self.pause(tries).await;
        }
    }

    /// Writes a group that fits into one transaction. What comes back is to be tried in parts.
    async fn write(&mut self, mut group: Places) -> Vec<Places> {
        let mut tries = 0;
        while !group.is_empty() {
            let added = self.added(&group);
            match self.read(&added.keys().copied().collect()).await {
                Ok(()) => {}
                // Which link's it is, halving finds out.
                Err(ReadError::BadRow(_)) if 1 < group.len() => return halves(group),
                Err(error) => {
                    self.fail(&group, RecordError::Unreadable(error));
                    break;
                }
            }
            if self.let_purged_go(&mut group) {
                continue;
            }
            match self.store.transact(self.items(&group, &added)).await {
                Answer::Written => {
                    self.rollups.written(&added);
                    self.settle(&group, &Outcome::Recorded);
                    break;
                }
                Answer::Cancelled(verdicts) => {
                    let end = self.sort_out(&mut group, &added, verdicts);
                    self.cool(&end.contended, &group).await;
                    if !end.wait || group.is_empty() {
                        continue;
                    }
                }
                Answer::Unsure(cause) => {
                    // If it was written after all, all that is known of its counts is old.
                    for cell in added.keys() {
                        self.rollups.forget(cell.subject);
                    }
                    self.trouble = Some(cause);
                }
                // Which click it is, halving finds out.
                Answer::Invalid(_) if 1 < group.len() => return halves(group),
                Answer::Invalid(source) | Answer::Refused(source) => {
                    let error = RecordError::Refused { clicks: group.len(), source };
                    self.fail(&group, error);
                    break;
                }
            }
            tries += 1;
            self.pause(tries).await;
        }
        Vec::new()
    }

    /// Lets those clicks go whose link or workspace is purged. Says whether there were any.
    ///
    /// Every transaction that follows writes a total of both subjects under the condition that it
    /// is still the one that was read, without a fence.
    fn let_purged_go(&mut self, group: &mut Places) -> bool {
        let purged: Places = group
            .iter()
            .copied()
            .filter(|&place| {
                let click = &self.clicks[place].click;
                self.rollups.purged(Subject::Link(click.link))
                    || self.rollups.purged(Subject::Workspace(click.workspace))
            })
            .collect();
        self.settle(&purged, &Outcome::Purged);
        group.retain(|place| !purged.contains(place));
        !purged.is_empty()
    }

    /// What a group adds to each cell.
    fn added(&self, group: &[usize]) -> BTreeMap<Cell, Rollup> {
        let mut added = BTreeMap::<Cell, Rollup>::new();
        for &place in group {
            let recorded = &self.clicks[place];
            for cell in Cell::of(&recorded.click) {
                added.entry(cell).or_default().merge(&cell.one(recorded));
            }
        }
        added
    }

    /// The transaction: the clicks of the group in their order, then the cells in theirs.
    fn items(&self, group: &[usize], added: &BTreeMap<Cell, Rollup>) -> Vec<TransactWriteItem> {
        let clicks = group.iter().map(|&place| self.store.put_click(self.row(place)));
        let rollups = added.iter().map(|(&cell, added)| {
            let (shard, seen) = (self.rollups.shard(cell), self.rollups.row(cell));
            self.store.put_rollup(cell, shard, &seen, &seen.rollup.clone().merged(added))
        });
        clicks.chain(rollups).collect()
    }

    /// Settles what a cancelled transaction says of its clicks, and leaves in the group those that
    /// are to be written again.
    fn sort_out(
        &mut self,
        group: &mut Places,
        added: &BTreeMap<Cell, Rollup>,
        verdicts: Vec<Verdict>,
    ) -> Cancelled {
        let mut end = Cancelled::default();
        let mut verdicts = verdicts.into_iter();
        for (&place, verdict) in group.iter().zip(verdicts.by_ref()) {
            match verdict {
                Verdict::Fine => {}
                Verdict::ConditionFailed => self.settle(&[place], &Outcome::Duplicate),
                // Another batch has the same click.
                Verdict::Conflict | Verdict::Throttled => end.wait = true,
                Verdict::Invalid(reason) => self.fail(&[place], RecordError::BadRow { reason }),
            }
        }
        for (&cell, verdict) in added.keys().zip(verdicts) {
            match verdict {
                Verdict::Fine => {}
                Verdict::ConditionFailed | Verdict::Conflict => {
                    end.wait = true;
                    end.contended.insert(cell.subject);
                }
                Verdict::Throttled => end.wait = true,
                Verdict::Invalid(reason) => {
                    let mut touching = group.clone();
                    touching.retain(|&place| Cell::of(&self.clicks[place].click).contains(&cell));
                    touching.retain(|&place| self.outcomes[place].is_none());
                    self.fail(&touching, RecordError::BadRow { reason });
                }
            }
        }
        group.retain(|&place| self.outcomes[place].is_none());
        end
    }

    /// Makes room where batches are in each other's way: the next try reads the counts of these
    /// subjects again, at another shard, and there are more shards if this happens repeatedly.
    async fn cool(&mut self, contended: &BTreeSet<Subject>, group: &[usize]) {
        for &subject in contended {
            self.rollups.forget(subject);
            // Where only duplicates were in the way (most likely of this batch's own earlier
            // delivery) nothing is hot.
            if group.is_empty() {
                continue;
            }
            let conflicts = self.conflicts.entry(subject).or_default();
            *conflicts += 1;
            if CONFLICTS_BEFORE_GROWTH <= *conflicts {
                self.grow(subject, group).await;
            }
            let count = self.rollups.count(subject);
            self.rollups.choose(subject, count, &mut self.dice);
        }
    }

    /// Doubles the shards of a subject. That it fails only means that it is tried at the next
    /// conflict again.
    async fn grow(&mut self, subject: Subject, group: &[usize]) {
        let from = self.rollups.count(subject);
        if shards::MAX_SHARDS <= from {
            return;
        }
        match self.store.grow_rollup_shards(subject, from.saturating_mul(2)).await {
            Ok(count) => {
                tracing::info!(%subject, shards = count, "counts of `{subject}` have {count} shards");
                self.rollups.choose(subject, count, &mut self.dice);
                self.conflicts.remove(&subject);
            }
            Err(error) => {
                let error = chain(&error);
                tracing::warn!(%subject, error, "counts of `{subject}` stay hot");
                return;
            }
        }
        let Subject::Link(link) = subject else { return };
        let Some(click) =
            group.iter().map(|&place| &self.clicks[place].click).find(|click| click.link == link)
        else {
            return;
        };
        let count = u16::from(self.rollups.count(subject));
        // A link whose counts are hot has hot click partitions, too.
        if let Err(error) = self.store.grow_click_shards(click.workspace, link, count).await {
            let error = chain(&error);
            tracing::warn!(%subject, error, "click partitions of `{subject}` stay as they are");
        }
    }

    async fn pause(&mut self, tries: u32) {
        pause(&self.store.client, self.dice.pause(tries)).await;
    }

    fn settle(&mut self, places: &[usize], outcome: &Outcome) {
        for &place in places {
            self.outcomes[place] = Some(outcome.clone());
        }
    }

    fn fail(&mut self, places: &[usize], error: RecordError) {
        self.settle(places, &Outcome::Failed(Arc::new(error)));
    }

    /// Fails what is not settled.
    pub(super) fn out_of_time(&mut self) {
        let open: Places =
            (0..self.clicks.len()).filter(|&place| self.outcomes[place].is_none()).collect();
        let error = RecordError::OutOfTime { within: self.how.within, source: self.trouble.take() };
        self.fail(&open, error);
    }

    /// What became of the clicks, in their order.
    pub(super) fn outcomes(mut self) -> Vec<Outcome> {
        // Whoever forgets a click here would lose it: what has no outcome is delivered again.
        self.out_of_time();
        self.outcomes.into_iter().flatten().collect()
    }
}

fn halves(mut group: Places) -> Vec<Places> {
    let rest = group.split_off(group.len() / 2);
    vec![rest, group]
}

/// What is to be done after a cancelled transaction.
#[derive(Debug, Default)]
struct Cancelled {
    /// Trying at once would meet the same obstacle.
    wait: bool,
    /// Whose counts somebody else changed, or was about to.
    contended: BTreeSet<Subject>,
}

/// An error and all its sources on one line: ours never print their source themselves.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(&format!(": {cause}"));
        next = cause.source();
    }
    text
}
