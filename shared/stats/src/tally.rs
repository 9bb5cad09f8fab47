//! From rollups and click rows to figures: which of the two answers for which day, and adding up.
//!
//! Rollups hold the counts of each quarter of an hour, the values of each dimension of each day,
//! and the visitors of each day. What they cannot answer for a day (a part of it, or two
//! dimensions at once) its click rows can. Days follow UTC here, as in the ledger.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ops::RangeInclusive;

use domain::Dimension;
use domain::filter::Filter;
use domain::rollup::{Counts, Rollup};
use domain::stats::{Series, Window};
use domain::{Day, RecordedClick, Visitor};
use jiff::Timestamp;

use crate::memory::{Closed, ClosedDay};

/// What is asked about one window.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Of when.
    pub window: &'a Window,
    /// What is to be broken down.
    pub dimensions: &'a [Dimension],
    /// Which clicks.
    pub filter: &'a Filter,
}

/// What answers for a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The counts of its quarters and, if dimensions are asked for, the values of the whole day.
    Rollup,
    /// The counts of the values that the filter's only clause names: all of them lie in this point.
    Values(usize),
    /// Its click rows, of which there are at least so many in the window.
    Rows(Counts),
}

impl Question<'_> {
    /// What answers for each day that has clicks in the window.
    pub(crate) fn sources(&self, days: &BTreeMap<Day, Rollup>) -> BTreeMap<Day, Source> {
        let source = |(&day, rollup): (&Day, &Rollup)| {
            let inside = self.inside(day, rollup);
            (!inside.is_zero()).then(|| (day, self.source(day, rollup, inside)))
        };
        days.iter().filter_map(source).collect()
    }

    /// Which of some days are over and can be answered for by what is remembered: those that are in
    /// the window as a whole, and others if nothing is broken down.
    pub(crate) fn closed_days(
        &self,
        days: &RangeInclusive<Day>,
        last: Day,
    ) -> Option<RangeInclusive<Day>> {
        let (mut first, mut end) = (*days.start(), last.min(*days.end()));
        if !self.dimensions.is_empty() {
            if first.start() < self.window.from() {
                first = first.next();
            }
            if self.window.to() < end.end() {
                end = end.plus(-1);
            }
        }
        (first <= end && self.filter.is_by_bot_only()).then_some(first..=end)
    }

    fn source(&self, day: Day, rollup: &Rollup, inside: Counts) -> Source {
        let is_whole = inside == rollup.counts;
        if self.filter.is_by_bot_only() {
            let is_enough = is_whole || self.dimensions.is_empty();
            return if is_enough { Source::Rollup } else { Source::Rows(inside) };
        }
        if let (Some((dimension, _)), Some(point)) =
            (self.filter.only_clause(), self.only_point(day, rollup))
            && is_complete(rollup, dimension)
            && self.dimensions.iter().all(|asked| *asked == dimension)
        {
            return Source::Values(point);
        }
        Source::Rows(inside)
    }

    /// What of a day lies in the window.
    fn inside(&self, day: Day, rollup: &Rollup) -> Counts {
        let inside = |sum: Counts, (&quarter, &counts)| match self.window.point_in(day, quarter) {
            Some(_) => sum.merge(counts),
            None => sum,
        };
        rollup.quarters.iter().fold(Counts::default(), inside)
    }

    /// The point in which all clicks of a day lie, if there is one.
    fn only_point(&self, day: Day, rollup: &Rollup) -> Option<usize> {
        let mut points = rollup.quarters.keys().map(|&quarter| self.window.point_in(day, quarter));
        let first = points.next()??;
        points.all(|point| point == Some(first)).then_some(first)
    }
}

/// Whether the values of a day's dimension are all that there are, so that each count is exact.
pub(crate) fn is_complete(rollup: &Rollup, dimension: Dimension) -> bool {
    let named = rollup.values.get(&dimension).into_iter().flat_map(|values| values.named.values());
    named.fold(Counts::default(), |sum, &counts| sum.merge(counts)) == rollup.counts
}

/// The clicks of one dimension, by value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// By value; `None` is unknown.
    pub(crate) named: HashMap<Option<String>, Counts>,
    /// Of all values, named or not.
    pub(crate) total: Counts,
    /// How many clicks a named value may have more than it says, and any other value at most.
    pub(crate) missed: u64,
}

impl Found {
    fn add(&mut self, value: Option<String>, counts: Counts) {
        let sum = self.named.entry(value).or_default();
        *sum = sum.merge(counts);
    }

    /// What is not named.
    pub(crate) fn other(&self) -> Counts {
        let named = self.named.values().fold(Counts::default(), |sum, &counts| sum.merge(counts));
        Counts {
            human: self.total.human.saturating_sub(named.human),
            bot: self.total.bot.saturating_sub(named.bot),
        }
    }

    /// The biggest values, so many at most, and what all others have together.
    ///
    /// A value that is left out here has no more than the smallest that stays, so what may be
    /// missed grows by as much.
    pub(crate) fn biggest(mut self, most: usize) -> Biggest {
        let all = self.named.iter().filter(|(_, counts)| !counts.is_zero());
        let mut values: Vec<_> = all.map(|(value, &counts)| (value.clone(), counts)).collect();
        values.sort_by(|(a, of_a), (b, of_b)| (of_b.total(), a).cmp(&(of_a.total(), b)));
        let left_out = values.get(most).map_or(0, |(_, counts)| counts.total());
        values.truncate(most);
        let missed = self.missed.saturating_add(left_out);
        self.named = values.iter().cloned().collect();
        Biggest { values, other: self.other(), missed }
    }
}

/// The biggest values of a dimension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Biggest {
    pub(crate) values: Vec<(Option<String>, Counts)>,
    pub(crate) other: Counts,
    pub(crate) missed: u64,
}

/// The figures of a window.
#[derive(Debug, Clone)]
pub struct Tally {
    pub(crate) series: Series,
    pub(crate) found: BTreeMap<Dimension, Found>,
    /// Of when `found` is: the window, or more where a day had to be taken as a whole.
    pub(crate) found_from: Timestamp,
    pub(crate) found_to: Timestamp,
    pub(crate) unique: Option<Uniques>,
}

impl Tally {
    /// For requests that led nowhere: nobody knows who asked, and what was not told by slug may have
    /// been for any.
    pub(crate) fn forget_what_is_not_told(&mut self) {
        self.unique = None;
        for found in self.found.values_mut() {
            found.missed = found.missed.max(found.other().total());
        }
    }
}

/// How many people there were, each counted once a day.
#[derive(Debug, Clone)]
pub(crate) struct Uniques {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    pub(crate) days: BTreeMap<Day, u64>,
    /// Whether any of it is an estimate.
    pub(crate) is_estimate: bool,
}

impl Uniques {
    pub(crate) fn total(&self) -> u64 {
        self.days.values().sum()
    }

    /// Those of a stretch of whole days.
    pub(crate) fn between(&self, from: Timestamp, to: Timestamp) -> u64 {
        if to <= from {
            return 0;
        }
        let last = Timestamp::from_nanosecond(to.as_nanosecond() - 1).unwrap_or(to);
        self.days.range(Day::of(from)..=Day::of(last)).map(|(_, count)| count).sum()
    }

    /// Those of a point, if it is whole days and all of them were counted.
    pub(crate) fn of_point(&self, from: Timestamp, to: Timestamp) -> Option<u64> {
        let is_edge = |at: Timestamp| Day::of(at).start() == at || at == self.from || at == self.to;
        let is_counted = self.from <= from && to <= self.to && is_edge(from) && is_edge(to);
        is_counted.then(|| self.between(from, to))
    }
}

/// Adds up.
#[derive(Debug)]
pub(crate) struct Adding<'a> {
    question: Question<'a>,
    series: Series,
    found: BTreeMap<Dimension, Found>,
    found_from: Timestamp,
    found_to: Timestamp,
    /// `None` where nobody knows how many.
    unique: BTreeMap<Day, Option<u64>>,
    /// Days that are only partly in the window, and whose visitors nobody counted.
    cut: BTreeSet<Day>,
    seen: HashSet<(Day, Visitor)>,
    /// Days whose visitors were counted one by one.
    by_rows: BTreeSet<Day>,
    is_estimate: bool,
}

impl<'a> Adding<'a> {
    pub(crate) fn new(question: Question<'a>) -> Self {
        let window = question.window;
        let found = question.dimensions.iter().map(|&asked| (asked, Found::default())).collect();
        Self {
            question,
            series: window.empty_series(),
            found,
            found_from: window.from(),
            found_to: window.to(),
            unique: BTreeMap::new(),
            cut: BTreeSet::new(),
            seen: HashSet::new(),
            by_rows: BTreeSet::new(),
            is_estimate: false,
        }
    }

    /// Adds what a day's rollup says.
    pub(crate) fn add_day(&mut self, day: Day, rollup: &Rollup, source: Source) {
        match source {
            Source::Rollup => self.add_rollup(day, rollup),
            Source::Values(point) => self.add_values(day, rollup, point),
            Source::Rows(_) => {
                self.by_rows.insert(day);
            }
        }
    }

    /// Adds what is remembered of days: what adding their rollups one by one comes to.
    pub(crate) fn add_closed(&mut self, closed: &Closed, days: &RangeInclusive<Day>) {
        let filter = self.question.filter;
        let days = closed.between(days);
        for day in days {
            let inside = self.add_to_series(day);
            if inside.is_zero() {
                continue;
            }
            if filter.bot() == Some(true) {
                self.unique.insert(day.day, Some(0));
            } else if inside == day.counts {
                self.unique.insert(day.day, Some(day.visitors));
                self.is_estimate = true;
            } else {
                self.cut.insert(day.day);
            }
        }
        let all = days.iter().fold(Counts::default(), |sum, day| sum.merge(day.counts));
        for (&dimension, found) in &mut self.found {
            found.total = found.total.merge(filter.mask(all));
            let sums = closed.sums(dimension, days);
            found.missed = found.missed.saturating_add(sums.missed);
            found.named.reserve(sums.named.len());
            for (value, counts) in sums.named {
                found.add(value.clone(), filter.mask(counts));
            }
        }
    }

    /// Adds the counts of a day to the series, and says what of them lies in the window.
    fn add_to_series(&mut self, day: &ClosedDay) -> Counts {
        let Question { window, filter, .. } = self.question;
        let point = |quarter| window.point_in(day.day, quarter);
        let first = day.quarters.first().and_then(|&(quarter, _)| point(quarter));
        let last = day.quarters.last().and_then(|&(quarter, _)| point(quarter));
        if let (Some(first), Some(last)) = (first, last)
            && first == last
        {
            // Points are in order, so what is in between lies in the same.
            self.series.add(first, filter.mask(day.counts));
            return day.counts;
        }
        let mut inside = Counts::default();
        for &(quarter, counts) in &day.quarters {
            if let Some(point) = point(quarter) {
                self.series.add(point, filter.mask(counts));
                inside = inside.merge(counts);
            }
        }
        inside
    }

    fn add_rollup(&mut self, day: Day, rollup: &Rollup) {
        let Question { window, filter, .. } = self.question;
        for (&quarter, &counts) in &rollup.quarters {
            if let Some(point) = window.point_in(day, quarter) {
                self.series.add(point, filter.mask(counts));
            }
        }
        let is_whole = self.question.inside(day, rollup) == rollup.counts;
        for (dimension, found) in &mut self.found {
            let total = rollup.counts;
            found.total = found.total.merge(filter.mask(total));
            match rollup.values.get(dimension) {
                Some(values) => {
                    for (value, &counts) in &values.named {
                        found.add(value.clone(), filter.mask(counts));
                    }
                    found.missed = found.missed.saturating_add(values.missed);
                }
                // A day of before there were values: any of them may have had all of it.
                None => found.missed = found.missed.saturating_add(total.total()),
            }
        }
        if !is_whole && !self.found.is_empty() {
            self.found_from = self.found_from.min(day.start());
            self.found_to = self.found_to.max(day.end());
        }
        if filter.bot() == Some(true) {
            self.unique.insert(day, Some(0));
        } else if is_whole {
            self.unique.insert(day, Some(rollup.visitors.estimate()));
            self.is_estimate = true;
        } else {
            self.cut.insert(day);
        }
    }

    fn add_values(&mut self, day: Day, rollup: &Rollup, point: usize) {
        let Question { filter, .. } = self.question;
        let Some((dimension, wanted)) = filter.only_clause() else { return };
        self.unique.insert(day, None);
        let Some(values) = rollup.values.get(&dimension) else { return };
        for value in wanted {
            let counts = values.named.get(value).copied().unwrap_or_default();
            let counts = filter.mask(counts);
            self.series.add(point, counts);
            if let Some(found) = self.found.get_mut(&dimension)
                && !counts.is_zero()
            {
                found.add(value.clone(), counts);
                found.total = found.total.merge(counts);
            }
        }
    }

    /// Adds a click, as its row tells it. What is not asked for is left out.
    pub(crate) fn add_click(&mut self, click: &RecordedClick) {
        let at = click.click.id.at();
        let day = Day::of(at);
        let Some(point) = self.question.window.point_at(at) else { return };
        if !self.by_rows.contains(&day) || !self.question.filter.admits(click) {
            return;
        }
        let counts = Counts::one(click.bot.is_some());
        self.series.add(point, counts);
        for (dimension, found) in &mut self.found {
            found.add(dimension.of(click).map(std::borrow::Cow::into_owned), counts);
            found.total = found.total.merge(counts);
        }
        if let (None, Some(visitor)) = (&click.bot, click.click.visitor) {
            self.seen.insert((day, visitor));
        }
    }

    pub(crate) fn finish(mut self) -> Tally {
        for &day in &self.by_rows {
            self.unique.insert(day, Some(0));
        }
        for (day, _) in &self.seen {
            if let Some(Some(count)) = self.unique.get_mut(day) {
                *count += 1;
            }
        }
        Tally {
            unique: self.uniques(),
            series: self.series,
            found: self.found,
            found_from: self.found_from,
            found_to: self.found_to,
        }
    }

    /// A day that is cut can only be the first or the last.
    fn uniques(&self) -> Option<Uniques> {
        let window = self.question.window;
        let (mut from, mut to) = (window.from(), window.to());
        for day in &self.cut {
            if day.start() <= window.from() {
                from = from.max(day.end());
            }
            if window.to() <= day.end() {
                to = to.min(day.start());
            }
        }
        let days: Option<BTreeMap<Day, u64>> =
            self.unique.iter().map(|(&day, &count)| Some((day, count?))).collect();
        let days = days.filter(|_| from < to)?;
        Some(Uniques { from, to, days, is_estimate: self.is_estimate })
    }
}
