//! Random choices: where to write, and how long to wait before the next try.

use std::hash::{BuildHasher, DefaultHasher, Hash, Hasher, RandomState};
use std::time::Duration;

/// A stream of random numbers (SplitMix64): for spreading load, not for secrets.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    state: u64,
}

impl Dice {
    /// A stream that these random bits choose.
    pub(crate) fn new(random: u128) -> Self {
        // Half of them are plenty.
        Self { state: u64::try_from(random >> 64).unwrap_or(0) }
    }

    /// The stream that belongs to a name: for pauses where nobody hands in random bits. Names here
    /// hold random ids.
    pub(crate) fn named(name: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self { state: hasher.finish() }
    }

    /// A stream of its own for everybody: for those who met at a row and have the same to do there.
    pub(crate) fn of_chance() -> Self {
        // Its keys are the operating system's random bits.
        Self { state: RandomState::new().build_hasher().finish() }
    }

    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `count`; 0 when there is none.
    pub(crate) fn below(&mut self, count: u8) -> u8 {
        u8::try_from(self.roll() % u64::from(count.max(1))).unwrap_or(0)
    }

    /// How long to wait before try number `tries` (from 1): anything up to a bound that doubles.
    ///
    /// The whole range and not its upper half: those who met once shall not meet again.
    pub(crate) fn pause(&mut self, tries: u32) -> Duration {
        let bound = FIRST_PAUSE_MICROS << tries.saturating_sub(1).min(MAX_DOUBLINGS);
        Duration::from_micros(self.roll() % bound)
    }
}

/// About as long as a transaction takes in DynamoDB.
const FIRST_PAUSE_MICROS: u64 = 20_000;
/// Up to 1.28 s: a throttled table needs rest, a waiting function costs money.
const MAX_DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_spread_and_stay_in_bounds() {
        let mut dice = Dice::named(7);
        let mut seen = [0; 8];
        for _ in 0..800 {
            seen[usize::from(dice.below(8))] += 1;
        }
        assert!(seen.iter().all(|n| 50 < *n), "{seen:?}");
        assert_eq!((dice.below(1), dice.below(0)), (0, 0));
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let mut dice = Dice::named(7);
        let longest = |dice: &mut Dice, tries| (0..200).map(|_| dice.pause(tries)).max().unwrap();
        assert!(longest(&mut dice, 1) < Duration::from_millis(20));
        assert!(Duration::from_millis(20) < longest(&mut dice, 3));
        assert!(longest(&mut dice, u32::MAX) < Duration::from_millis(1_280));
    }
}
