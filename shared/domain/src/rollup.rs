//! What is known of many clicks at once: counts that can be merged in any order.
//!
//! The ledger keeps one rollup for all clicks of a subject and one for each of its days, split
//! over shards, and adds to them batch by batch. That is exact only because merging is a
//! commutative monoid: [`Rollup::default`] changes nothing, and neither order nor grouping
//! matters. The property tests below hold every field to it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::values::Values;
use crate::visitors::Visitors;
use crate::{Dimension, Orphan, RecordedClick, varint};

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

/// Counts of clicks: when in the day they were, what they had, and of how many visitors.
///
/// What else is to be known of clicks becomes one more field here, which must itself be a
/// commutative monoid, and one more line in [`Rollup::merge`]. (The named values are one as long
/// as there are no more than a dimension's limit. Beyond that [`Values`] says what holds.)
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollup {
    /// How many.
    pub counts: Counts,
    /// How many in each quarter of an hour, for a rollup of one day; empty in one of all time.
    /// Quarters without clicks are not there, so equal rollups are equal values.
    pub quarters: BTreeMap<Quarter, Counts>,
    /// How many of each value, by dimension, for a rollup of one day.
    pub values: BTreeMap<Dimension, Values>,
    /// The visitors, for a rollup of one day. Programs are none.
    pub visitors: Visitors,
}

/// How values are stored: the first byte of what [`Rollup::encode_values`] writes.
const PLAIN: u8 = 0;
const DEFLATED: u8 = 1;

/// So many bytes are worth deflating: a row of up to 1 KB costs the same however small it is.
const WORTH_DEFLATING: usize = 300;

/// The most bytes that values can be, before they are deflated: several times what the limits of
/// all dimensions together allow.
const MOST_BYTES: usize = 2 * 1024 * 1024;

impl Rollup {
    /// One click, for the rollup of its day, by these dimensions.
    pub fn of_day(recorded: &RecordedClick, dimensions: &[Dimension]) -> Self {
        let bot = recorded.bot.is_some();
        let counts = Counts::one(bot);
        let one = |&dimension: &Dimension| {
            (dimension, Values::one(dimension.of(recorded).as_deref(), bot))
        };
        Self {
            counts,
            quarters: BTreeMap::from([(Quarter::of(recorded.click.id.at()), counts)]),
            values: dimensions.iter().map(one).collect(),
            visitors: match recorded.click.visitor {
                Some(visitor) if !bot => Visitors::one(visitor),
                Some(_) | None => Visitors::default(),
            },
        }
    }

    /// Requests for a slug that no link has, for the rollup of their day. Who asked is not known,
    /// and counts as a person. Only the last one of them says for which slug.
    pub fn of_orphans(orphan: &Orphan) -> Self {
        let counts = Counts { human: orphan.count, bot: 0 };
        let slug = Dimension::Slug.kept(orphan.slug.as_str().into());
        Self {
            counts,
            quarters: BTreeMap::from([(Quarter::of(orphan.id.at()), counts)]),
            values: BTreeMap::from([(Dimension::Slug, Values::one(Some(&slug), false))]),
            visitors: Visitors::default(),
        }
    }

    /// So many clicks, for the rollup of all time.
    pub fn of_all_time(counts: Counts) -> Self {
        Self { counts, ..Self::default() }
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
        for (&dimension, values) in &other.values {
            self.values.entry(dimension).or_default().merge(values, dimension.limit());
        }
        self.visitors.merge(&other.visitors);
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

    /// Whether this is what others counted of the same clicks, as far as both can know: numbers,
    /// times and visitors are the same, and no named value is further off than both say that it
    /// can be.
    pub fn agrees_with(&self, other: &Self) -> bool {
        let nothing = Values::default();
        let of = |all: &BTreeMap<Dimension, Values>, dimension| all.get(dimension).cloned();
        let mut dimensions = self.values.keys().chain(other.values.keys());
        self.counts == other.counts
            && self.quarters == other.quarters
            && self.visitors == other.visitors
            && dimensions.all(|dimension| {
                let mine = of(&self.values, dimension).unwrap_or_else(|| nothing.clone());
                let theirs = of(&other.values, dimension).unwrap_or_else(|| nothing.clone());
                mine.agrees_with(&theirs)
            })
    }

    /// The values as bytes, as few as they take.
    pub fn encode_values(&self) -> Vec<u8> {
        let mut plain = vec![PLAIN];
        for (&dimension, values) in &self.values {
            plain.push(dimension.number());
            values.encode(&mut plain);
        }
        if plain.len() < WORTH_DEFLATING {
            return plain;
        }
        let mut deflated = vec![DEFLATED];
        deflated.extend(miniz_oxide::deflate::compress_to_vec(&plain[1..], 6));
        if deflated.len() < plain.len() { deflated } else { plain }
    }

    /// Reads what [`encode_values`](Self::encode_values) wrote; `None` for anything else.
    pub fn decode_values(bytes: &[u8]) -> Option<BTreeMap<Dimension, Values>> {
        let inflated;
        let mut rest = match bytes.split_first()? {
            (&PLAIN, plain) => plain,
            (&DEFLATED, deflated) => {
                inflated = miniz_oxide::inflate::decompress_to_vec_with_limit(deflated, MOST_BYTES)
                    .ok()?;
                &inflated
            }
            _ => return None,
        };
        let mut values = BTreeMap::new();
        while !rest.is_empty() {
            let dimension = Dimension::numbered(varint::take(&mut rest, 1)?[0])?;
            values.insert(dimension, Values::decode(&mut rest)?);
        }
        Some(values)
    }

    /// The values of clicks of which none was kept: any of them may have been any.
    pub fn unknown_values(counts: Counts) -> BTreeMap<Dimension, Values> {
        let unknown = Values { named: BTreeMap::new(), missed: counts.total() };
        Dimension::ALL.into_iter().map(|dimension| (dimension, unknown.clone())).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::{
        Agent, BotLabel, BotWhy, Click, ClickId, LinkId, Place, Utm, Visitor, WorkspaceId,
    };

    fn count() -> impl Strategy<Value = u64> {
        // Mostly plain counts, and some so large that they saturate.
        prop_oneof![4 => 0_u64..1_000, 1 => u64::MAX - 500..=u64::MAX]
    }

    fn counts() -> impl Strategy<Value = Counts> {
        (count(), count()).prop_map(|(human, bot)| Counts { human, bot })
    }

    fn values() -> impl Strategy<Value = BTreeMap<Dimension, Values>> {
        // Fewer than the smallest limit: beyond it merging is a monoid no more.
        let one = (0..Dimension::ALL.len(), 0..8_u8, 1..50_u64, any::<bool>());
        vec(one, 0..20).prop_map(|all| {
            let mut values = BTreeMap::<Dimension, Values>::new();
            for (dimension, value, count, bot) in all {
                let name = value.checked_sub(1).map(|value| format!("v{value}"));
                let counts = if bot {
                    Counts { human: 0, bot: count }
                } else {
                    Counts { human: count, bot: 0 }
                };
                let of = values.entry(Dimension::ALL[dimension]).or_default();
                of.add(name.as_deref(), counts);
            }
            values
        })
    }

    fn rollup() -> impl Strategy<Value = Rollup> {
        let quarters = btree_map(0..Quarter::PER_DAY, counts(), 0..8);
        (counts(), quarters, values(), vec(any::<u64>(), 0..8)).prop_map(
            |(counts, quarters, values, visitors)| {
                let quarters = quarters
                    .into_iter()
                    .filter(|(_, counts)| !counts.is_zero())
                    .filter_map(|(index, counts)| Some((Quarter::new(index)?, counts)))
                    .collect();
                let mut rollup = Rollup { counts, quarters, values, ..Rollup::default() };
                for visitor in visitors {
                    rollup.visitors.add(Visitor::new(visitor));
                }
                rollup
            },
        )
    }

    fn clicked(second: i64, bot: bool) -> RecordedClick {
        let number = second.unsigned_abs();
        let id = ClickId::new(Timestamp::from_second(second).unwrap(), u128::from(number));
        let mut click = Click {
            id,
            link: LinkId::new(Timestamp::UNIX_EPOCH, u128::from(number % 3)),
            workspace: WorkspaceId::new(Timestamp::UNIX_EPOCH, 1),
            domain: "go.example.com".to_owned(),
            slug: format!("s{}", number % 4),
            shard: 0,
            status: 302,
            destination: None,
            referrer: None,
            referrer_url: None,
            user_agent: None,
            language: Some("de-AT".to_owned()),
            purpose: None,
            place: Place::default(),
            network: None,
            utm: Utm::default(),
            asked_utm: Utm::default(),
            visitor: Some(Visitor::new(number % 17)),
        };
        click.place.country = (!number.is_multiple_of(5)).then(|| format!("C{}", number % 5));
        let label = BotLabel { name: "curl".to_owned(), why: BotWhy::UserAgent };
        RecordedClick { click, agent: Agent::default(), bot: bot.then_some(label) }
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
                    sum.merged(&Rollup::of_day(&clicked(second, bot), &Dimension::ALL))
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
            for values in day.values.values() {
                prop_assert_eq!((values.sum(), values.missed), (day.counts, 0));
            }
            let people: std::collections::BTreeSet<_> =
                clicks.iter().filter(|(_, bot)| !bot).map(|(second, _)| second % 17).collect();
            prop_assert_eq!(usize::try_from(day.visitors.estimate()).unwrap(), people.len());
        }

        #[test]
        fn values_read_back(rollup in rollup()) {
            let bytes = rollup.encode_values();
            prop_assert_eq!(Rollup::decode_values(&bytes), Some(rollup.values));
        }

        #[test]
        fn reading_values_never_panics(bytes in vec(any::<u8>(), 0..60)) {
            let _ = Rollup::decode_values(&bytes);
        }
    }

    #[test]
    fn what_is_not_known_of_before_agrees_with_whatever_it_was() {
        let click = Rollup::of_day(&clicked(7, false), &Dimension::ALL);
        let mut before = click.clone();
        before.values = Rollup::unknown_values(click.counts);
        assert!(before.agrees_with(&click) && click.agrees_with(&before));
        let mut wrong = click.clone();
        let slugs = Values::one(Some("other"), false);
        wrong.values.insert(Dimension::Slug, slugs);
        assert!(!wrong.agrees_with(&click) && !click.agrees_with(&wrong));
    }

    #[test]
    fn orphans_count_all_that_they_stand_for_and_name_the_last() {
        let id = ClickId::new(Timestamp::UNIX_EPOCH, 1);
        let (domain, slug) = ("go.example.com".to_owned(), "sprng".to_owned());
        let rollup = Rollup::of_orphans(&Orphan { id, domain, slug, count: 40 });
        assert_eq!(rollup.counts.total(), 40);
        let slugs = &rollup.values[&Dimension::Slug];
        assert_eq!(slugs.named[&Some("sprng".to_owned())].total(), 1);
        assert_eq!(slugs.other(rollup.counts).total(), 39);
    }

    #[test]
    fn values_that_repeat_are_stored_in_fewer_bytes() {
        let mut rollup = Rollup::default();
        let mut values = Values::default();
        for number in 0..40 {
            let value = format!("https://example.org/campaigns/spring/{number}");
            values.add(Some(&value), Counts::one(false));
        }
        rollup.values.insert(Dimension::UtmCampaign, values);
        let bytes = rollup.encode_values();
        assert!(bytes.len() < 400, "{} bytes", bytes.len());
        assert_eq!(Rollup::decode_values(&bytes), Some(rollup.values));
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
