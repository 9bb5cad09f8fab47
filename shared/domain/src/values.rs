//! Which values clicks had, and how often: the most frequent of them by name.
//!
//! What can be counted has no end (referrers, cities), what fits into a row has. So a set of
//! values names the most frequent ones, by the algorithm of Misra and Gries as Agarwal and others
//! made it mergeable («Mergeable Summaries», 2012): where there is no room for all, as much is
//! taken off every named value as makes the smallest go.
//!
//! What that is worth: as long as there were no more values than the limit, all is exact, and in
//! whatever order it was merged. Beyond that every named count is at most [`Values::missed`] too
//! low and never too high, and every value with more clicks than that is named.

use std::collections::BTreeMap;

use crate::rollup::Counts;
use crate::varint;

/// Counts by value. `None` is the value of the clicks whose value is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Values {
    /// The most frequent values, and at least so many clicks of each.
    pub named: BTreeMap<Option<String>, Counts>,
    /// By how much the count of a value can be too low, at most; 0: all is exact.
    pub missed: u64,
}

impl Values {
    /// One click.
    pub fn one(value: Option<&str>, bot: bool) -> Self {
        let named = BTreeMap::from([(value.map(str::to_owned), Counts::one(bot))]);
        Self { named, missed: 0 }
    }

    /// Counts one more click; there may be more values than a limit until [`Values::cut`].
    pub fn add(&mut self, value: Option<&str>, counts: Counts) {
        let mine = self.named.entry(value.map(str::to_owned)).or_default();
        *mine = mine.merge(counts);
    }

    /// Adds what others counted, and names at most `limit` values of both.
    pub fn merge(&mut self, other: &Self, limit: usize) {
        for (value, &counts) in &other.named {
            self.add(value.as_deref(), counts);
        }
        self.missed = self.missed.saturating_add(other.missed);
        self.cut(limit);
    }

    /// Names at most `limit` values: takes as much off all of them as makes the others go.
    pub fn cut(&mut self, limit: usize) {
        if self.named.len() <= limit {
            return;
        }
        let mut sizes: Vec<u64> = self.named.values().map(|counts| counts.total()).collect();
        // The largest of those that must go.
        sizes.sort_unstable_by_key(|&size| std::cmp::Reverse(size));
        let off = sizes[limit];
        self.named.retain(|_, counts| {
            *counts = less(*counts, off);
            !counts.is_zero()
        });
        self.missed = self.missed.saturating_add(off);
    }

    /// Whether both can be true of the same clicks.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let at_most = |mine: &Self, theirs: &Self| {
            mine.named.iter().all(|(value, counts)| {
                let known = theirs.named.get(value).copied().unwrap_or_default();
                counts.human <= known.human.saturating_add(theirs.missed)
                    && counts.bot <= known.bot.saturating_add(theirs.missed)
            })
        };
        at_most(self, other) && at_most(other, self)
    }

    /// Appends it to bytes.
    pub(crate) fn encode(&self, bytes: &mut Vec<u8>) {
        varint::write(bytes, self.missed);
        varint::write(bytes, self.named.len() as u64);
        for (value, counts) in &self.named {
            // 0 is the unknown; no text is longer than its length in bytes and one more.
            match value {
                None => varint::write(bytes, 0),
                Some(text) => {
                    varint::write(bytes, text.len() as u64 + 1);
                    bytes.extend(text.as_bytes());
                }
            }
            varint::write(bytes, counts.human);
            varint::write(bytes, counts.bot);
        }
    }

    /// Takes what [`encode`](Self::encode) wrote off the front of bytes.
    pub(crate) fn decode(bytes: &mut &[u8]) -> Option<Self> {
        let missed = varint::read(bytes)?;
        let count = varint::read(bytes)?;
        let mut one = || {
            let value = match varint::read(bytes)?.checked_sub(1) {
                None => None,
                Some(length) => {
                    let text = std::str::from_utf8(varint::take(bytes, length)?).ok()?;
                    Some(text.to_owned())
                }
            };
            let (human, bot) = (varint::read(bytes)?, varint::read(bytes)?);
            Some((value, Counts { human, bot }))
        };
        // They are in order, and so this is one run and not a search for each.
        let named = (0..count).map(|_| one()).collect::<Option<_>>()?;
        Some(Self { named, missed })
    }

    /// How many clicks are named.
    pub fn sum(&self) -> Counts {
        self.named.values().fold(Counts::default(), |sum, &counts| sum.merge(counts))
    }

    /// What is named of neither of so many clicks.
    pub fn other(&self, all: Counts) -> Counts {
        let named = self.sum();
        Counts {
            human: all.human.saturating_sub(named.human),
            bot: all.bot.saturating_sub(named.bot),
        }
    }
}

/// So many clicks less, of people first: both counts stay lower bounds.
fn less(counts: Counts, off: u64) -> Counts {
    let human = off.min(counts.human);
    Counts { human: counts.human - human, bot: counts.bot.saturating_sub(off - human) }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    type Clicks = Vec<(u8, bool)>;

    /// Clicks counted one by one, cut at each step, as the ledger does.
    fn counted(clicks: &[(u8, bool)], limit: usize) -> Values {
        let mut values = Values::default();
        for &(value, bot) in clicks {
            values.merge(&Values::one(name(value).as_deref(), bot), limit);
        }
        values
    }

    /// 0 is the unknown. Small numbers are frequent.
    fn name(value: u8) -> Option<String> {
        value.checked_sub(1).map(|value| format!("v{value}"))
    }

    fn truth(clicks: &[(u8, bool)]) -> BTreeMap<Option<String>, Counts> {
        counted(clicks, usize::MAX).named
    }

    fn clicks() -> impl Strategy<Value = Clicks> {
        let value = prop_oneof![3 => 0..4_u8, 1 => any::<u8>()];
        vec((value, any::<bool>()), 0..150)
    }

    fn check(values: &Values, clicks: &[(u8, bool)], limit: usize) {
        let truth = truth(clicks);
        assert!(values.named.len() <= limit);
        let total = u64::try_from(clicks.len()).unwrap();
        // What Misra and Gries promise.
        assert!(values.missed * (u64::try_from(limit).unwrap() + 1) <= total);
        for (value, true_counts) in &truth {
            let said = values.named.get(value).copied().unwrap_or_default();
            assert!(said.human <= true_counts.human && said.bot <= true_counts.bot);
            assert!(true_counts.human <= said.human + values.missed);
            assert!(true_counts.bot <= said.bot + values.missed);
            assert!(true_counts.total() <= said.total() + values.missed);
        }
        assert!(values.named.keys().all(|value| truth.contains_key(value)));
        if truth.len() <= limit {
            assert_eq!((&values.named, values.missed), (&truth, 0));
        }
    }

    proptest! {
        #[test]
        fn the_promise_holds_however_clicks_are_merged(
            parts in vec(clicks(), 1..6),
            limit in 1..12_usize,
            left_first in any::<bool>(),
        ) {
            let mut parts: Vec<_> =
                parts.into_iter().map(|part| (counted(&part, limit), part)).collect();
            for (values, clicks) in &parts {
                check(values, clicks, limit);
            }
            // Any tree of merges: pairs first, or one after the other.
            while 1 < parts.len() {
                let (values, clicks) = if left_first { parts.remove(0) } else { parts.pop().unwrap() };
                let (mut merged, mut all) = parts.remove(0);
                merged.merge(&values, limit);
                all.extend(clicks);
                check(&merged, &all, limit);
                if left_first { parts.push((merged, all)) } else { parts.insert(0, (merged, all)) }
            }
            let (values, clicks) = &parts[0];
            let (other, all) = (values.other(total(clicks)), total(clicks));
            prop_assert_eq!(values.sum().total() + other.total(), all.total());
        }

        #[test]
        fn what_two_count_of_the_same_clicks_agrees(clicks in clicks(), a in 1..9_usize, b in 1..9_usize) {
            let (one, two) = (counted(&clicks, a), counted(&clicks, b));
            prop_assert!(one.agrees_with(&two) && two.agrees_with(&one));
            let mut more = counted(&clicks, usize::MAX);
            prop_assert!(more.agrees_with(&one));
            more.add(Some("v1"), Counts { human: one.missed + 1, bot: 0 });
            let mut exact = counted(&clicks, usize::MAX);
            exact.add(Some("v1"), Counts::default());
            prop_assert!(!more.agrees_with(&exact));
        }
    }

    fn total(clicks: &[(u8, bool)]) -> Counts {
        clicks.iter().fold(Counts::default(), |sum, &(_, bot)| sum.merge(Counts::one(bot)))
    }

    #[test]
    fn the_frequent_stay_named_among_many_rare_ones() {
        let mut values = Values::default();
        for number in 0..10_000 {
            let city =
                if number % 4 == 0 { "London".to_owned() } else { format!("village {number}") };
            values.merge(&Values::one(Some(&city), false), 50);
        }
        let london = values.named[&Some("London".to_owned())].human;
        assert!((2_500 - values.missed..=2_500).contains(&london), "{london}");
        assert!(values.missed <= 10_000 / 51);
    }
}
