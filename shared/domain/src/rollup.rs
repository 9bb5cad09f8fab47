//! What is known of many clicks at once: counts that can be merged in any order.
//!
//! The ledger keeps one rollup for all clicks of a subject and one for each of its days, split
//! over shards, and adds to them batch by batch. That is exact only because merging is a
//! commutative monoid: [`Rollup::default`] changes nothing, and neither order nor grouping
//! matters. The property tests below hold every field to it.

use std::collections::BTreeMap;

use jiff::Timestamp;

/// How many clicks, by who clicked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// By people, as far as one can tell.
    pub human: u64,
    /// By programs that are known not to be people.
    pub bot: u64,
}

impl Counts {
    /// One click.
    pub const fn one(bot: bool) -> Self {
        if bot { Self { human: 0, bot: 1 } } else { Self { human: 1, bot: 0 } }
    }

    /// All of them. Not stored anywhere, so that it cannot contradict its parts.
    pub const fn total(self) -> u64 {
        self.human.saturating_add(self.bot)
    }

    /// Whether nothing was counted.
    pub const fn is_zero(self) -> bool {
        self.human == 0 && self.bot == 0
    }

    /// Both together. Saturates, which unlike wrapping keeps the sum independent of the order.
    #[must_use]
    pub const fn merge(self, other: Self) -> Self {
        Self {
            human: self.human.saturating_add(other.human),
            bot: self.bot.saturating_add(other.bot),
        }
    }
}

/// One of the 96 quarters of an hour of a UTC day.
///
/// Every time zone in use is offset by a multiple of it, so hours and days of all zones are sums
/// of quarters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Quarter(u8);

impl Quarter {
    /// How many a day has.
    pub const PER_DAY: u8 = 96;
    /// How long one is.
    pub const SECONDS: i64 = 15 * 60;

    /// The quarter that a moment lies in.
    pub fn of(at: Timestamp) -> Self {
        let of_day = Self::since_epoch(at).rem_euclid(i64::from(Self::PER_DAY));
        Self(u8::try_from(of_day).expect("a remainder of 96 is below 96"))
    }

    /// How many quarters ended between 1970 and this moment.
    pub(crate) fn since_epoch(at: Timestamp) -> i64 {
        // By nanoseconds, because whole seconds are cut off towards 1970, not downwards.
        let nanoseconds = i128::from(Self::SECONDS) * 1_000_000_000;
        i64::try_from(at.as_nanosecond().div_euclid(nanoseconds))
            .expect("a timestamp lies within 12,000 years of 1970")
    }

    /// The quarter of this number; `None` from 96.
    pub fn new(index: u8) -> Option<Self> {
        (index < Self::PER_DAY).then_some(Self(index))
    }

    /// Its number, from 0.
    pub const fn index(self) -> u8 {
        self.0
    }
}

/// Counts of clicks, and when in the day they were.
///
/// What is to be known of clicks later (countries, referrers, a sketch of uniques) becomes one
/// more field here, which must itself be a commutative monoid, and one more line in
/// [`Rollup::merge`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollup {
    /// How many.
    pub counts: Counts,
    /// How many in each quarter of an hour, for a rollup of one day; empty in one of all time.
    /// Quarters without clicks are not there, so equal rollups are equal values.
    pub quarters: BTreeMap<Quarter, Counts>,
}

impl Rollup {
    /// One click, for the rollup of its day.
    pub fn of_day(at: Timestamp, bot: bool) -> Self {
        let counts = Counts::one(bot);
        Self { counts, quarters: BTreeMap::from([(Quarter::of(at), counts)]) }
    }

    /// One click, for the rollup of all time.
    pub fn of_all_time(bot: bool) -> Self {
        Self { counts: Counts::one(bot), quarters: BTreeMap::new() }
    }

    /// Adds what another rollup counted.
    pub fn merge(&mut self, other: &Self) {
        self.counts = self.counts.merge(other.counts);
        for (&quarter, &counts) in &other.quarters {
            // A zero from outside must not become a key: `quarters` has one form per value.
            if !counts.is_zero() {
                let mine = self.quarters.entry(quarter).or_default();
                *mine = mine.merge(counts);
            }
        }
    }

    /// Both together.
    #[must_use]
    pub fn merged(mut self, other: &Self) -> Self {
        self.merge(other);
        self
    }

    /// Whether nothing was counted.
    pub fn is_zero(&self) -> bool {
        self.counts.is_zero() && self.quarters.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;

    fn count() -> impl Strategy<Value = u64> {
        // Mostly plain counts, and some so large that they saturate.
        prop_oneof![4 => 0_u64..1_000, 1 => u64::MAX - 500..=u64::MAX]
    }

    fn counts() -> impl Strategy<Value = Counts> {
        (count(), count()).prop_map(|(human, bot)| Counts { human, bot })
    }

    fn rollup() -> impl Strategy<Value = Rollup> {
        (counts(), btree_map(0..Quarter::PER_DAY, counts(), 0..8)).prop_map(|(counts, quarters)| {
            let quarters = quarters
                .into_iter()
                .filter(|(_, counts)| !counts.is_zero())
                .filter_map(|(index, counts)| Some((Quarter::new(index)?, counts)))
                .collect();
            Rollup { counts, quarters }
        })
    }

    proptest! {
        #[test]
        fn zero_changes_nothing(a in rollup()) {
            prop_assert_eq!(a.clone().merged(&Rollup::default()), a.clone());
            prop_assert_eq!(Rollup::default().merged(&a), a);
        }

        #[test]
        fn order_does_not_matter(a in rollup(), b in rollup()) {
            prop_assert_eq!(a.clone().merged(&b), b.merged(&a));
        }

        #[test]
        fn grouping_does_not_matter(a in rollup(), b in rollup(), c in rollup()) {
            let left = a.clone().merged(&b).merged(&c);
            let right = a.merged(&b.merged(&c));
            prop_assert_eq!(left, right);
        }

        #[test]
        fn a_day_counts_each_click_once_whatever_the_order(
            clicks in vec((0_i64..86_400, any::<bool>()), 0..200),
            seed in any::<u64>(),
        ) {
            let of = |clicks: &[(i64, bool)]| {
                clicks.iter().fold(Rollup::default(), |sum, &(second, bot)| {
                    sum.merged(&Rollup::of_day(Timestamp::from_second(second).unwrap(), bot))
                })
            };
            let day = of(&clicks);
            let mut shuffled = clicks.clone();
            shuffled.sort_by_key(|&(second, bot)| {
                (second.unsigned_abs() ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ u64::from(bot)
            });

            prop_assert_eq!(&of(&shuffled), &day);
            prop_assert_eq!(usize::try_from(day.counts.total()).unwrap(), clicks.len());
            let of_quarters =
                day.quarters.values().fold(Counts::default(), |sum, &counts| sum.merge(counts));
            prop_assert_eq!(of_quarters, day.counts);
        }
    }

    #[test]
    fn a_quarter_begins_at_its_first_second() {
        let quarter = |text: &str| Quarter::of(text.parse().unwrap()).index();
        assert_eq!(quarter("2026-01-01T00:00:00Z"), 0);
        assert_eq!(quarter("2026-01-01T00:14:59.999Z"), 0);
        assert_eq!(quarter("2026-01-01T00:15:00Z"), 1);
        assert_eq!(quarter("2026-01-01T23:59:59.999Z"), 95);
        assert_eq!(Quarter::new(96), None);
    }
}
