//! How many visitors there were, without knowing who.
//!
//! A `HyperLogLog` sketch (Flajolet and others, 2007): 16,384 registers, each of which holds the
//! longest run of zeros that a hash of its share began with. The estimate is Ertl's («New
//! cardinality estimation algorithms for `HyperLogLog` sketches», 2017), which needs no tables and
//! no switching between small and large numbers.
//!
//! Equal sets of visitors are equal sketches, in whatever order they came and were merged: that
//! is what lets the ledger be verified. Hence no list of the first few, which would depend on it.

use miniz_oxide::deflate::core::{self as deflate, CompressionStrategy};

use crate::{Visitor, varint};

/// Bits of a hash that choose its register.
const BITS: u8 = 14;
const REGISTERS: usize = 1 << BITS;
/// The highest rank: all other bits are zero.
const MAX_RANK: u8 = 64 - BITS + 1;
/// Up to so many registers are kept as a list: a day of a link with few visitors is small.
const FEW: usize = 1_024;

/// A set of visitors of which only their number can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitors(Registers);

/// The registers that are not zero. The form is chosen by their number alone, so that equal sets
/// are equal values.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Registers {
    /// By register, at most [`FEW`].
    Few(Vec<(u16, u8)>),
    /// All of them.
    Many(Box<[u8]>),
}

impl Default for Visitors {
    fn default() -> Self {
        Self(Registers::Few(Vec::new()))
    }
}

impl Visitors {
    /// The standard error of an estimate: 1.04 / √16,384. Two of three estimates are that near,
    /// nineteen of twenty are twice that near.
    pub const STANDARD_ERROR: f64 = 0.008_125;

    /// One visitor.
    pub fn one(visitor: Visitor) -> Self {
        let mut all = Self::default();
        all.add(visitor);
        all
    }

    /// Whether nobody is in it.
    pub fn is_empty(&self) -> bool {
        match &self.0 {
            Registers::Few(few) => few.is_empty(),
            Registers::Many(_) => false,
        }
    }

    /// Adds a visitor, who may be there already.
    pub fn add(&mut self, visitor: Visitor) {
        let hash = mix(visitor.number());
        let index = u16::try_from(hash >> (64 - BITS)).unwrap_or(0);
        let rest = hash << BITS;
        let rank = u8::try_from(rest.leading_zeros() + 1).unwrap_or(MAX_RANK).min(MAX_RANK);
        self.raise(index, rank);
    }

    /// Adds the visitors of another set.
    pub fn merge(&mut self, other: &Self) {
        match &other.0 {
            Registers::Few(few) => {
                for &(index, rank) in few {
                    self.raise(index, rank);
                }
            }
            Registers::Many(many) => {
                let mine = self.all();
                for (mine, &rank) in mine.iter_mut().zip(many.iter()) {
                    *mine = rank.max(*mine);
                }
            }
        }
    }

    fn raise(&mut self, index: u16, rank: u8) {
        match &mut self.0 {
            Registers::Many(many) => {
                let mine = &mut many[usize::from(index)];
                *mine = rank.max(*mine);
            }
            Registers::Few(few) => match few.binary_search_by_key(&index, |&(at, _)| at) {
                Ok(at) => few[at].1 = rank.max(few[at].1),
                Err(at) if few.len() < FEW => few.insert(at, (index, rank)),
                Err(_) => self.all()[usize::from(index)] = rank,
            },
        }
    }

    /// All registers, as a list that has room for each.
    fn all(&mut self) -> &mut [u8] {
        if let Registers::Few(few) = &self.0 {
            let mut all = vec![0; REGISTERS].into_boxed_slice();
            for &(index, rank) in few {
                all[usize::from(index)] = rank;
            }
            self.0 = Registers::Many(all);
        }
        match &mut self.0 {
            Registers::Many(many) => many,
            Registers::Few(_) => &mut [],
        }
    }

    /// About how many visitors are in it.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate is not negative, and ends far below 2^64"
    )]
    pub fn estimate(&self) -> u64 {
        let mut counts = [0_u32; MAX_RANK as usize + 1];
        match &self.0 {
            Registers::Few(few) => {
                for &(_, rank) in few {
                    counts[usize::from(rank)] += 1;
                }
                counts[0] = u32::try_from(REGISTERS - few.len()).unwrap_or(0);
            }
            Registers::Many(many) => {
                for &rank in many {
                    counts[usize::from(rank)] += 1;
                }
            }
        }
        let m = REGISTERS as f64;
        let highest = usize::from(MAX_RANK);
        let mut z = m * tau(1.0 - f64::from(counts[highest]) / m);
        for &count in counts[1..highest].iter().rev() {
            z = 0.5 * (z + f64::from(count));
        }
        z += m * sigma(f64::from(counts[0]) / m);
        // An infinite `z`, of no visitors, gives 0.
        (m * m / (2.0 * std::f64::consts::LN_2 * z)).round() as u64
    }

    /// As few bytes as they take: `0` and the registers one by one, or `1` and all of them,
    /// deflated (6 KB at a million visitors instead of 16; no code takes less than 5.8).
    pub fn to_bytes(&self) -> Vec<u8> {
        let all = |few: &[(u16, u8)]| {
            let mut all = vec![0; REGISTERS];
            few.iter().for_each(|&(index, rank)| all[usize::from(index)] = rank);
            all
        };
        match &self.0 {
            Registers::Few(few) if few.len() <= LISTED => listed(few),
            Registers::Few(few) => {
                let (listed, deflated) = (listed(few), deflated(&all(few)));
                if listed.len() <= deflated.len() { listed } else { deflated }
            }
            Registers::Many(many) => deflated(many),
        }
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote; `None` for anything else.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        match bytes.split_first()? {
            (&LIST, rest) => from_list(rest),
            (&ALL, rest) => from_all(rest),
            _ => None,
        }
    }
}

/// The first byte of registers one by one.
const LIST: u8 = 0;
/// The first byte of all registers.
const ALL: u8 = 1;

/// Up to so many registers, nothing takes fewer bytes than a list.
const LISTED: usize = 128;

/// A rank that fits into half a byte, or says that it does not.
const HALF_BYTE: u8 = 15;

/// Each register that is not zero: how far it is from the one before, and its rank.
fn listed(few: &[(u16, u8)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + 3 * few.len());
    bytes.push(LIST);
    let mut next = 0;
    for &(index, rank) in few {
        varint::write(&mut bytes, u64::from(index - next));
        bytes.push(rank);
        next = index;
    }
    bytes
}

fn from_list(mut rest: &[u8]) -> Option<Visitors> {
    let mut few: Vec<(u16, u8)> = Vec::new();
    while !rest.is_empty() {
        let step = u16::try_from(varint::read(&mut rest)?).ok()?;
        let rank = varint::take(&mut rest, 1)?[0];
        let index = match few.last() {
            None => step,
            Some(&(last, _)) if step != 0 => last.checked_add(step)?,
            Some(_) => return None,
        };
        let sound = usize::from(index) < REGISTERS && (1..=MAX_RANK).contains(&rank);
        if !sound || few.len() == FEW {
            return None;
        }
        few.push((index, rank));
    }
    Some(Visitors(Registers::Few(few)))
}

/// All registers, two in a byte; those that are too high follow. That is little but noise, in which
/// searching for repetitions (the other half of DEFLATE) mostly makes it larger.
fn deflated(all: &[u8]) -> Vec<u8> {
    let mut plain: Vec<u8> = all
        .chunks_exact(2)
        .map(|pair| (pair[0].min(HALF_BYTE) << 4) | pair[1].min(HALF_BYTE))
        .collect();
    plain.extend(all.iter().copied().filter(|&rank| HALF_BYTE <= rank));
    let codes =
        deflate::create_comp_flags_from_zip_params(6, 0, CompressionStrategy::HuffmanOnly as i32);
    let mut bytes = vec![0; 1 + 2 * plain.len()];
    bytes[0] = ALL;
    let mut state = deflate::CompressorOxide::new(codes);
    let (_, _, length) =
        deflate::compress(&mut state, &plain, &mut bytes[1..], deflate::TDEFLFlush::Finish);
    bytes.truncate(1 + length);
    let repetitions = miniz_oxide::deflate::compress_to_vec(&plain, 6);
    if repetitions.len() + 1 < bytes.len() {
        bytes.truncate(1);
        bytes.extend(repetitions);
    }
    bytes
}

fn from_all(bytes: &[u8]) -> Option<Visitors> {
    let plain =
        miniz_oxide::inflate::decompress_to_vec_with_limit(bytes, REGISTERS / 2 + REGISTERS)
            .ok()?;
    let (pairs, mut high) = plain.split_at_checked(REGISTERS / 2)?;
    let mut all = Vec::with_capacity(REGISTERS);
    for half in pairs.iter().flat_map(|pair| [pair >> 4, pair & 0x0f]) {
        all.push(match half {
            HALF_BYTE => varint::take(&mut high, 1)?[0],
            low => low,
        });
    }
    let sound = high.is_empty() && all.iter().all(|&rank| rank <= MAX_RANK);
    let used = all.iter().filter(|&&rank| rank != 0).count();
    match (sound, used <= FEW) {
        (false, _) => None,
        (true, false) => Some(Visitors(Registers::Many(all.into_boxed_slice()))),
        (true, true) => {
            let few = (0_u16..).zip(all).filter(|&(_, rank)| rank != 0).collect();
            Some(Visitors(Registers::Few(few)))
        }
    }
}

/// Spreads a number over all bits once more (the finaliser of SplitMix64): a visitor is a piece of
/// a hash, but nothing here depends on which.
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// Ertl's σ: what the registers that are still zero stand for.
fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z <= before {
            return z;
        }
    }
}

/// Ertl's τ: what the registers that can rise no higher stand for.
fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || 1.0 <= x {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if before <= z {
            return z / 3.0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(numbers: impl IntoIterator<Item = u64>) -> Visitors {
        let mut visitors = Visitors::default();
        for number in numbers {
            visitors.add(Visitor::new(number));
        }
        visitors
    }

    /// So many different visitors, other ones for each seed.
    fn crowd(count: u64, seed: u64) -> Visitors {
        of((0..count).map(|number| mix(mix(seed) ^ number)))
    }

    #[test]
    fn a_hundred_thousand_visitors_are_told_within_two_percent() {
        let errors: Vec<f64> =
            (0..40).map(|seed| crowd(100_000, seed).estimate() as f64 / 100_000.0 - 1.0).collect();
        // Two percent are 2.5 standard errors: about one in a hundred may be further off.
        let far = errors.iter().filter(|error| 0.02 < error.abs()).count();
        assert!(far <= 2, "{errors:?}");
        let mean = errors.iter().sum::<f64>() / 40.0;
        assert!(mean.abs() < 0.005, "{mean}");
    }

    #[test]
    fn few_visitors_are_told_nearly_exactly() {
        for count in [0, 1, 2, 10, 100] {
            let far = (0..50).filter(|&seed| crowd(count, seed).estimate() != count).count();
            assert!(far <= 20, "{far} of 50 estimates of {count} are off");
            for seed in 0..50 {
                assert!(crowd(count, seed).estimate().abs_diff(count) <= 1 + count / 50);
            }
        }
    }

    #[test]
    fn a_day_of_few_visitors_takes_few_bytes_and_one_of_many_is_bounded() {
        assert!(crowd(10, 1).to_bytes().len() < 50);
        assert!(crowd(6_000, 1).to_bytes().len() < 3_300);
        assert!(crowd(1_000_000, 1).to_bytes().len() < 6_100);
    }

    proptest! {
        #[test]
        fn visitors_are_a_set(
            mut a in vec(any::<u64>(), 0..60),
            b in vec(any::<u64>(), 0..60),
            crowded in any::<bool>(),
        ) {
            let base = if crowded { crowd(1_500, 3) } else { Visitors::default() };
            let together = |parts: &[&[u64]]| {
                let mut all = base.clone();
                for part in parts {
                    all.merge(&of(part.iter().copied()));
                }
                all
            };
            let all = together(&[&a, &b]);
            prop_assert_eq!(&together(&[&b, &a]), &all);
            prop_assert_eq!(&together(&[&a, &b, &a, &b]), &all);
            let mut turned = of(a.iter().chain(&b).copied());
            turned.merge(&base);
            prop_assert_eq!(&turned, &all);
            prop_assert_eq!(Visitors::from_bytes(&all.to_bytes()), Some(all));
            a.reverse();
            prop_assert_eq!(of(a.iter().copied()), of(a.iter().rev().copied()));
        }

        #[test]
        fn reading_never_panics(mut bytes in vec(any::<u8>(), 0..60), kind in 0..3_u8) {
            let _ = Visitors::from_bytes(&bytes);
            bytes.insert(0, kind);
            if let Some(visitors) = Visitors::from_bytes(&bytes) {
                prop_assert_eq!(Visitors::from_bytes(&visitors.to_bytes()), Some(visitors));
            }
        }
    }
}
