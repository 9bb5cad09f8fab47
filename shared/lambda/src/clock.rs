//! Time and chance, handed in so that tests can set them.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

/// Where the time comes from.
#[derive(Debug, Clone, Default)]
pub struct Clock(Option<Arc<Mutex<Timestamp>>>);

impl Clock {
    /// The system's clock.
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still until it is moved: for tests.
    pub fn fixed(at: Timestamp) -> Self {
        Self(Some(Arc::new(Mutex::new(at))))
    }

    /// Moves a fixed clock on, for all who hold it; a system clock goes by itself.
    pub fn advance(&self, by: SignedDuration) {
        if let Some(fixed) = &self.0 {
            let mut at = fixed.lock().unwrap_or_else(PoisonError::into_inner);
            *at = at.saturating_add(by).unwrap_or(*at);
        }
    }

    /// Now.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            None => Timestamp::now(),
            Some(fixed) => *fixed.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }
}

/// Where random bits come from.
#[derive(Debug, Clone, Default)]
pub struct Random(Option<Arc<Mutex<u64>>>);

impl Random {
    /// The operating system's generator: fit for secrets.
    pub fn system() -> Self {
        Self(None)
    }

    /// The same bits each time: for tests and sample data.
    pub fn seeded(seed: u64) -> Self {
        Self(Some(Arc::new(Mutex::new(seed))))
    }

    /// 128 bits.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    pub fn u128(&self) -> u128 {
        match &self.0 {
            None => {
                let mut bytes = [0; 16];
                getrandom::fill(&mut bytes).expect("the system has a source of randomness");
                u128::from_ne_bytes(bytes)
            }
            Some(state) => {
                let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
                u128::from(split_mix(&mut state)) << 64 | u128::from(split_mix(&mut state))
            }
        }
    }
}

/// One step of `SplitMix64`: not for secrets.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_clock_moves_for_all_who_hold_it() {
        let clock = Clock::fixed(Timestamp::UNIX_EPOCH);
        let other = clock.clone();
        clock.advance(SignedDuration::from_secs(5));
        assert_eq!(other.now().as_second(), 5);
    }

    #[test]
    fn seeded_bits_repeat_and_system_bits_do_not() {
        assert_eq!(Random::seeded(1).u128(), Random::seeded(1).u128());
        let random = Random::seeded(1);
        assert_ne!(random.u128(), random.u128());
        assert_ne!(Random::system().u128(), Random::system().u128());
    }
}
