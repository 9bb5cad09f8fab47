//! What one batch knows of the rollups that it changes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::rollup::Rollup;

use super::read::ReadError;
use super::rows::{Cell, RollupRow};
use super::subject::Subject;
use super::{LedgerStore, shards};
use crate::dice::Dice;

/// The rollup rows that were read, and which shard of each subject this batch writes to.
///
/// Rows are read once and then carried forward: after a write this batch knows what they hold.
/// Only what somebody else changed is read again.
#[derive(Debug, Default)]
pub(super) struct Rollups {
    rows: HashMap<(Cell, u8), RollupRow>,
    choices: HashMap<Subject, Choice>,
}

/// Where a batch writes the counts of a subject.
#[derive(Debug, Clone, Copy)]
struct Choice {
    /// How many shards the subject has, at least: the number only grows.
    count: u8,
    shard: u8,
}

impl Default for Choice {
    /// Most subjects have one shard, so this guess is mostly the only read that is needed.
    fn default() -> Self {
        Self { count: 1, shard: 0 }
    }
}

impl Rollups {
    /// Reads what is not known of these cells, at the shards to which this batch writes.
    pub(super) async fn ensure(
        &mut self,
        store: &LedgerStore,
        cells: &BTreeSet<Cell>,
        dice: &mut Dice,
    ) -> Result<(), ReadError> {
        loop {
            let missing = self.missing(cells);
            if missing.is_empty() {
                return Ok(());
            }
            let rows = store.rollup_rows(&missing, dice).await?;
            for (at, row) in rows {
                if row.shards > self.choice(at.0.subject).count {
                    self.choose(at.0.subject, row.shards, dice);
                }
                self.rows.insert(at, row);
            }
        }
    }

    fn missing(&self, cells: &BTreeSet<Cell>) -> Vec<(Cell, u8)> {
        let needed: BTreeSet<(Cell, u8)> = cells
            .iter()
            // Shard 0 of the total says how many shards there are.
            .flat_map(|&cell| [(cell, self.shard(cell)), (Cell::total(cell.subject), 0)])
            .collect();
        needed.into_iter().filter(|at| !self.rows.contains_key(at)).collect()
    }

    /// The shard that this batch writes a cell to.
    pub(super) fn shard(&self, cell: Cell) -> u8 {
        self.choice(cell.subject).shard
    }

    /// How many shards a subject has, as far as is known.
    pub(super) fn count(&self, subject: Subject) -> u8 {
        self.choice(subject).count
    }

    fn choice(&self, subject: Subject) -> Choice {
        self.choices.get(&subject).copied().unwrap_or_default()
    }

    /// Picks one of so many shards of a subject for what follows.
    pub(super) fn choose(&mut self, subject: Subject, count: u8, dice: &mut Dice) {
        let count = count.clamp(1, shards::MAX_SHARDS).max(self.count(subject));
        self.choices.insert(subject, Choice { count, shard: dice.below(count) });
    }

    /// Whether nothing may be recorded for a subject any more, as far as is known.
    pub(super) fn purged(&self, subject: Subject) -> bool {
        self.rows.get(&(Cell::total(subject), 0)).is_some_and(|row| row.purged)
    }

    /// About how large the row of a cell is, at this batch's shard.
    pub(super) fn bytes(&self, cell: Cell) -> usize {
        let row = self.rows.get(&(cell, self.shard(cell)));
        row.map_or(super::rows::NEW_ROLLUP_BYTES, |row| row.bytes)
    }

    /// The row that holds a cell, at this batch's shard.
    pub(super) fn row(&self, cell: Cell) -> RollupRow {
        self.rows.get(&(cell, self.shard(cell))).cloned().unwrap_or_default()
    }

    /// Notes that these were added, each as one more version.
    pub(super) fn written(&mut self, added: &BTreeMap<Cell, Rollup>) {
        for (&cell, added) in added {
            let shard = self.shard(cell);
            let row = self.rows.entry((cell, shard)).or_default();
            row.rollup.merge(added);
            row.version += 1;
        }
    }

    /// Forgets the rows of a subject, which somebody else may have changed.
    pub(super) fn forget(&mut self, subject: Subject) {
        self.rows.retain(|(cell, _), _| cell.subject != subject);
    }
}
