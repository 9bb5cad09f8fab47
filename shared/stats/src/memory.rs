//! What a process remembers of the counts that it read: those of days that are over.
//!
//! A year of a busy link is megabytes of rows, of which only today's still change, except for a click
//! that arrives late. So the other days are kept as few numbers, ready to be added up, and with
//! each question it is proven that they are still what the ledger says. The proof is the ledger's
//! own invariant: every click raises a version of its subject's totals, in the transaction that
//! counts it in its day; and what the totals say less what the open days say is what the closed
//! days say.
//!
//! 1. Are the totals' versions those that were seen last, nothing was counted since then.
//! 2. Else the open days are read between two looks at the totals that see the same. If the
//!    remainder is what it was, no closed day has changed: counts only grow.
//! 3. Else all is read again.
//!
//! Where none of this can be told, rows are read as if there were no memory. What is remembered of a
//! subject is filled when it is asked for a second time, so that a single question costs no more.

use std::collections::{BTreeMap, HashMap};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::rollup::{Counts, Quarter, Rollup};
use domain::{Day, Dimension};
use store::ledger::{Mark, Subject};

/// About how many bytes are remembered at most, a quarter of it of one subject: a few years of the
/// busiest there can be, or some thousands of others.
const MOST_BYTES: usize = 96 * 1024 * 1024;

/// About how large a day that is not over is, but for its values: its visitors, one by one.
const OPEN_DAY_BYTES: usize = 20 * 1024;

/// The most subjects of which something is remembered, if only that somebody asked.
const MOST_SUBJECTS: usize = 4_096;

/// What a process remembers. Clones are the same memory.
#[derive(Debug, Clone, Default)]
pub struct Memory(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    subjects: HashMap<Subject, Entry>,
    bytes: usize,
    /// Counts questions, to tell what was not asked for longest.
    clock: u64,
}

#[derive(Debug)]
struct Entry {
    asked: u64,
    known: Option<Arc<Known>>,
    /// It would not leave room for others, so it is read each time.
    is_too_large: bool,
}

impl Entry {
    fn bytes(&self) -> usize {
        self.known.as_ref().map_or(0, |known| known.bytes())
    }
}

/// All that is known of a subject.
#[derive(Debug)]
pub(crate) struct Known {
    /// The days that are over.
    pub(crate) closed: Arc<Closed>,
    /// What all closed days of the subject count, also those before the first that is known.
    pub(crate) closed_counts: Counts,
    /// The days behind them.
    pub(crate) open: Arc<BTreeMap<Day, Rollup>>,
    /// Where the totals were when these were read.
    pub(crate) mark: Mark,
}

impl Known {
    /// About how large this is.
    fn bytes(&self) -> usize {
        let text = |value: &Option<String>| value.as_ref().map_or(0, String::len);
        let open = self.open.values().map(|day| {
            let names = day.values.values().flat_map(|values| values.named.keys());
            let names = names.map(|name| size_of::<(Option<String>, Counts)>() + text(name));
            OPEN_DAY_BYTES + names.sum::<usize>()
        });
        self.closed.bytes + open.sum::<usize>()
    }
}

impl Memory {
    /// Notes that somebody asks. Says what is known, if it is or may become something.
    pub(crate) fn ask(&self, subject: Subject) -> Result<Option<Arc<Known>>, ReadAll> {
        let mut inner = self.inner();
        inner.clock += 1;
        let asked = inner.clock;
        if let Some(entry) = inner.subjects.get_mut(&subject) {
            entry.asked = asked;
            return if entry.is_too_large { Err(ReadAll) } else { Ok(entry.known.clone()) };
        }
        inner.subjects.insert(subject, Entry { asked, known: None, is_too_large: false });
        inner.make_room();
        Err(ReadAll)
    }

    pub(crate) fn keep(&self, subject: Subject, known: Arc<Known>) {
        let mut inner = self.inner();
        inner.clock += 1;
        let is_too_large = MOST_BYTES / 4 < known.bytes();
        let known = (!is_too_large).then_some(known);
        let entry = Entry { asked: inner.clock, known, is_too_large };
        inner.bytes += entry.bytes();
        if let Some(before) = inner.subjects.insert(subject, entry) {
            inner.bytes -= before.bytes();
        }
        inner.make_room();
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Forgets what was not asked for longest.
    fn make_room(&mut self) {
        while MOST_BYTES < self.bytes || MOST_SUBJECTS < self.subjects.len() {
            let oldest = self.subjects.iter().min_by_key(|(_, entry)| entry.asked);
            let Some((&subject, _)) = oldest else { return };
            if let Some(entry) = self.subjects.remove(&subject) {
                self.bytes -= entry.bytes();
            }
        }
    }
}

/// Nobody has asked for this subject before, as far as this process remembers; or there is too much
/// of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadAll;

/// What was counted on days that are over, as few numbers.
#[derive(Debug)]
pub(crate) struct Closed {
    /// All of these days are known; those without clicks are not in `days`.
    pub(crate) range: RangeInclusive<Day>,
    /// Whether there are values; or else only numbers.
    pub(crate) with_values: bool,
    /// In order.
    days: Vec<ClosedDay>,
    /// The values of each dimension. Days say which by their place here.
    names: HashMap<Dimension, Vec<Option<String>>>,
    /// About how large this is.
    bytes: usize,
}

/// A day that is over.
#[derive(Debug)]
pub(crate) struct ClosedDay {
    pub(crate) day: Day,
    pub(crate) counts: Counts,
    pub(crate) quarters: Box<[(Quarter, Counts)]>,
    /// About how many visitors there were.
    pub(crate) visitors: u64,
    values: Box<[(Dimension, OfDay)]>,
}

/// The values of one dimension of a day.
#[derive(Debug)]
struct OfDay {
    named: Box<[(u32, Counts)]>,
    missed: u64,
}

/// The values of one dimension of some days.
#[derive(Debug, Default)]
pub(crate) struct Sums<'a> {
    pub(crate) named: Vec<(&'a Option<String>, Counts)>,
    pub(crate) missed: u64,
}

impl Closed {
    /// What these days count. `None` where the quarters of a day are not its counts: then it is not
    /// for a memory to say what that means.
    pub(crate) fn of(
        range: RangeInclusive<Day>,
        with_values: bool,
        rollups: BTreeMap<Day, Rollup>,
    ) -> Option<Self> {
        let mut places: HashMap<Dimension, HashMap<Option<String>, u32>> = HashMap::new();
        let mut days = Vec::with_capacity(rollups.len());
        let mut bytes = 0;
        for (day, rollup) in rollups {
            let Rollup { counts, quarters, values, visitors } = rollup;
            let all = quarters.values().fold(Counts::default(), |sum, &part| sum.merge(part));
            if all != counts {
                return None;
            }
            if counts.is_zero() {
                continue;
            }
            let mut of_day = Vec::with_capacity(values.len());
            for (dimension, values) in values {
                let places = places.entry(dimension).or_default();
                let mut named = Vec::with_capacity(values.named.len());
                for (value, counts) in values.named {
                    let next = u32::try_from(places.len()).ok()?;
                    named.push((*places.entry(value).or_insert(next), counts));
                }
                bytes += size_of::<(Dimension, OfDay)>();
                bytes += named.len() * size_of::<(u32, Counts)>();
                of_day.push((dimension, OfDay { named: named.into(), missed: values.missed }));
            }
            bytes += size_of::<ClosedDay>() + quarters.len() * size_of::<(Quarter, Counts)>();
            days.push(ClosedDay {
                day,
                counts,
                quarters: quarters.into_iter().collect(),
                visitors: visitors.estimate(),
                values: of_day.into(),
            });
        }
        let mut names = HashMap::new();
        for (dimension, places) in places {
            let mut all = vec![None; places.len()];
            for (value, place) in places {
                bytes += size_of::<Option<String>>() + value.as_ref().map_or(0, String::len);
                *all.get_mut(usize::try_from(place).ok()?)? = value;
            }
            names.insert(dimension, all);
        }
        Some(Self { range, with_values, days, names, bytes })
    }

    /// Whether this can tell of these days what is asked.
    pub(crate) fn tells(&self, days: &RangeInclusive<Day>, with_values: bool) -> bool {
        self.range.start() <= days.start()
            && days.end() <= self.range.end()
            && (self.with_values || !with_values)
    }

    /// Those of some days that have clicks.
    pub(crate) fn between(&self, days: &RangeInclusive<Day>) -> &[ClosedDay] {
        let begin = self.days.partition_point(|it| it.day < *days.start());
        let end = self.days.partition_point(|it| it.day <= *days.end());
        self.days.get(begin..end).unwrap_or_default()
    }

    /// The values of some days together.
    pub(crate) fn sums(&self, dimension: Dimension, days: &[ClosedDay]) -> Sums<'_> {
        let names = self.names.get(&dimension).map(Vec::as_slice).unwrap_or_default();
        let mut counts = vec![Counts::default(); names.len()];
        let mut missed: u64 = 0;
        for day in days {
            match day.values.iter().find(|(of, _)| *of == dimension) {
                Some((_, values)) => {
                    for &(place, more) in &values.named {
                        if let Some(sum) =
                            usize::try_from(place).ok().and_then(|it| counts.get_mut(it))
                        {
                            *sum = sum.merge(more);
                        }
                    }
                    missed = missed.saturating_add(values.missed);
                }
                // A day of before there were values: any of them may have had all of it.
                None => missed = missed.saturating_add(day.counts.total()),
            }
        }
        let named = names.iter().zip(counts).filter(|(_, counts)| !counts.is_zero()).collect();
        Sums { named, missed }
    }
}

#[cfg(test)]
mod tests {
    use domain::LinkId;
    use jiff::Timestamp;

    use super::*;

    fn subject(number: usize) -> Subject {
        Subject::Link(LinkId::new(Timestamp::UNIX_EPOCH, number as u128))
    }

    /// Something of at least so many megabytes.
    fn known(megabytes: i32) -> Arc<Known> {
        let today = Day::of(Timestamp::UNIX_EPOCH);
        let days = megabytes * 1024 * 1024 / i32::try_from(OPEN_DAY_BYTES).unwrap() + 1;
        let open = (0..days).map(|day| (today.plus(day), Rollup::default())).collect();
        Arc::new(Known {
            closed: Arc::new(Closed::of(today..=today, true, BTreeMap::new()).unwrap()),
            closed_counts: Counts::default(),
            open: Arc::new(open),
            mark: Mark::default(),
        })
    }

    #[test]
    fn who_was_not_asked_for_longest_is_forgotten() {
        let memory = Memory::default();
        for number in 0..=MOST_SUBJECTS {
            assert!(memory.ask(subject(number)).is_err());
            assert!(memory.ask(subject(0)).is_ok() || number == 0);
        }
        assert_eq!(memory.inner().subjects.len(), MOST_SUBJECTS);
        assert!(memory.ask(subject(1)).is_err());
        assert!(memory.ask(subject(MOST_SUBJECTS)).is_ok());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let memory = Memory::default();
        for number in 0..20 {
            // Once more in its own place.
            for _ in 0..2 {
                memory.keep(subject(number), known(10));
                let inner = memory.inner();
                let bytes: usize = inner.subjects.values().map(Entry::bytes).sum();
                assert_eq!(inner.bytes, bytes);
                assert!(bytes <= MOST_BYTES);
                assert_eq!(inner.subjects.len(), (number + 1).min(9));
            }
        }
        // What is too large by itself is not kept, and drives nobody out.
        memory.keep(subject(100), known(25));
        assert!(memory.ask(subject(100)).is_err());
        assert!(memory.ask(subject(19)).is_ok_and(|known| known.is_some()));
    }
}
