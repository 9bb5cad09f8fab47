//! Chance that repeats: the same seed makes the same choices.

use std::time::Duration;

/// A stream of random numbers (`SplitMix64`).
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A stream of its own, for somebody whose choices shall not move those of others.
    #[must_use]
    pub fn branch(&mut self) -> Self {
        Self(self.bits())
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or 0 where there is none. (The bias is below 1 in 2^32 here.)
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound.max(1)
    }

    /// An index into so many.
    pub fn index(&mut self, count: usize) -> usize {
        let bound = u64::try_from(count).unwrap_or(u64::MAX);
        usize::try_from(self.below(bound)).unwrap_or(0)
    }

    /// From 0 up to, but without, 1.
    pub fn fraction(&mut self) -> f64 {
        let bits = u32::try_from(self.bits() >> 32).unwrap_or(0);
        f64::from(bits) / (f64::from(u32::MAX) + 1.0)
    }

    /// Whether something happens that has this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.fraction() < probability
    }

    /// A time between these, in whole microseconds.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let span = u64::try_from(most.saturating_sub(least).as_micros()).unwrap_or(u64::MAX);
        least + Duration::from_micros(self.below(span + 1))
    }

    /// Brings a list into any order.
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.index(at + 1));
        }
    }
}

/// Zipf's law: the second is chosen half as often as the first, the third a third as often.
#[derive(Debug, Clone)]
pub struct Zipf {
    /// The sum of the weights up to each place.
    sums: Vec<f64>,
}

impl Zipf {
    /// Among so many, at least one.
    pub fn of(count: usize) -> Self {
        let mut sum = 0.0;
        let weigh = |place: usize| {
            sum += 1.0 / f64::from(u32::try_from(place).unwrap_or(u32::MAX));
            sum
        };
        Self { sums: (1..=count.max(1)).map(weigh).collect() }
    }

    /// One of them, from 0.
    pub fn pick(&self, chance: &mut Chance) -> usize {
        let at = chance.fraction() * self.sums.last().copied().unwrap_or(1.0);
        self.sums.partition_point(|sum| *sum <= at).min(self.sums.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_makes_the_same_choices_and_another_seed_others() {
        let draw = |seed| {
            let mut chance = Chance::new(seed);
            (0..5).map(|_| chance.below(1_000)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn of_two_the_first_is_picked_twice_as_often_and_all_of_many_are_picked() {
        let (zipf, mut chance) = (Zipf::of(2), Chance::new(1));
        let first = (0..30_000).filter(|_| zipf.pick(&mut chance) == 0).count();
        assert!((19_500..20_500).contains(&first), "{first}");
        let (zipf, mut seen) = (Zipf::of(50), [0; 50]);
        for _ in 0..20_000 {
            seen[zipf.pick(&mut chance)] += 1;
        }
        assert!(seen.iter().all(|n| 0 < *n), "{seen:?}");
    }
}
