//! How long somebody waits who guesses passwords.
//!
//! An attempt is counted before the password is looked at, and taken back when it was right: so
//! guesses that run side by side are counted as those one after another are.

use jiff::{SignedDuration, Timestamp};

/// How patient we are with one kind of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// So many failures cost no time. People mistype.
    free: u32,
}

/// The failures of a subject, and when the last attempt was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts that were not right, those under way included.
    pub failures: u32,
    /// When the last one began.
    pub last_at: Timestamp,
}

impl Throttle {
    /// For guesses at one account, from wherever they come.
    pub const ACCOUNT: Self = Self { free: 5 };

    /// For guesses from one address, at whatever accounts: a company may sit behind it.
    pub const ADDRESS: Self = Self { free: 20 };

    /// The longest wait. Longer ones would let anybody lock people out of their accounts.
    pub const LONGEST: SignedDuration = SignedDuration::from_mins(15);

    /// When failures are forgotten, counted from the last attempt.
    pub const MEMORY: SignedDuration = SignedDuration::from_hours(24);

    /// How many attempts need no wait, if none was right.
    pub const fn free(self) -> u32 {
        self.free
    }

    /// The wait after so many failures: none, then a second, and twice as long each time.
    pub fn delay(self, failures: u32) -> SignedDuration {
        let Some(doublings) = failures.checked_sub(self.free) else {
            return SignedDuration::ZERO;
        };
        // 2^10 s is more than the longest wait.
        SignedDuration::from_secs(1 << doublings.min(10)).min(Self::LONGEST)
    }

    /// How long somebody has still to wait; nothing if an attempt may begin now.
    pub fn wait(self, attempts: Attempts, now: Timestamp) -> Option<SignedDuration> {
        // Clocks of several machines differ by a little: never longer than the delay itself.
        let delay = self.delay(attempts.failures);
        let left = (delay - now.duration_since(attempts.last_at)).min(delay);
        left.is_positive().then_some(left)
    }

    /// Whether attempts are so long ago that they count no more.
    pub fn is_forgotten(attempts: Attempts, now: Timestamp) -> bool {
        Self::MEMORY <= now.duration_since(attempts.last_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    #[test]
    fn the_wait_begins_after_some_failures_and_doubles_up_to_a_bound() {
        let seconds = |failures| Throttle::ACCOUNT.delay(failures).as_secs();
        assert_eq!(
            [0, 1, 4, 5, 6, 7, 8, 14, 15, 16, 1000].map(seconds),
            [0, 0, 0, 1, 2, 4, 8, 512, 900, 900, 900]
        );
        assert_eq!(Throttle::ADDRESS.delay(19), SignedDuration::ZERO);
        assert_eq!(Throttle::ADDRESS.delay(20).as_secs(), 1);
        assert_eq!(Throttle::ADDRESS.delay(u32::MAX), Throttle::LONGEST);
    }

    #[test]
    fn a_wait_is_counted_from_the_last_attempt() {
        let attempts = Attempts { failures: 7, last_at: at(0) };
        let wait = |seconds| Throttle::ACCOUNT.wait(attempts, at(seconds));
        assert_eq!(wait(0), Some(SignedDuration::from_secs(4)));
        assert_eq!(wait(3), Some(SignedDuration::from_secs(1)));
        assert_eq!(wait(4), None);
        assert_eq!(wait(-100), Some(SignedDuration::from_secs(4)), "a clock that is behind");
        let few = Attempts { failures: 4, last_at: at(0) };
        assert_eq!(Throttle::ACCOUNT.wait(few, at(0)), None);
    }

    #[test]
    fn failures_are_forgotten_after_a_day() {
        let attempts = Attempts { failures: 100, last_at: at(0) };
        assert!(!Throttle::is_forgotten(attempts, at(86_399)));
        assert!(Throttle::is_forgotten(attempts, at(86_400)));
    }
}
