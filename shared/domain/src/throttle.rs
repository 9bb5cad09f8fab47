//! How long somebody waits who guesses passwords.
//!
//! An attempt is counted before the password is looked at, and taken back when it was right: so
//! guesses that run side by side are counted as those one after another are.

use std::net::{IpAddr, Ipv6Addr};

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::Email;
use crate::secret::hex;

/// What guesses are counted for. Its name is a hash: addresses of people are not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guesses {
    hash: String,
    throttle: Throttle,
}

/// How patient we are with one kind of subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttle {
    /// So many failures cost no time. People mistype.
    free: u32,
    /// The longest wait.
    longest: SignedDuration,
    /// When failures are forgotten, counted from the last attempt.
    memory: SignedDuration,
}

/// The failures of a subject, and when the last attempt was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attempts {
    /// Attempts that were not right, those under way included.
    pub failures: u32,
    /// When the last one began.
    pub last_at: Timestamp,
}

impl Guesses {
    /// Guesses at the password of one account, whether there is such an account or not.
    pub fn at_account(email: &Email) -> Self {
        Self { hash: hash("account", email.as_str()), throttle: Throttle::ACCOUNT }
    }

    /// Guesses from one address.
    pub fn from_address(address: IpAddr) -> Self {
        Self { hash: hash("address", &network(address).to_string()), throttle: Throttle::ADDRESS }
    }

    /// What stands for it in the keys of rows: 64 hex digits.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// How patient we are with it.
    pub const fn throttle(&self) -> Throttle {
        self.throttle
    }
}

/// The addresses that one household or machine can choose among: of IPv6 a network of 64 bits.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

fn hash(kind: &str, text: &str) -> String {
    hex(&Sha256::digest(format!("guesses\n{kind}\n{text}")))
}

impl Throttle {
    /// For guesses at one account, from wherever they come. Longer waits would let anybody lock people
    /// out of their accounts.
    pub const ACCOUNT: Self = Self {
        free: 5,
        longest: SignedDuration::from_mins(15),
        memory: SignedDuration::from_hours(24),
    };

    /// For guesses from one address, at whatever accounts. A company may sit behind it, and a right
    /// password does not clear it: so its waits are short, and soon forgotten. Two guesses a minute
    /// lead nowhere either.
    pub const ADDRESS: Self = Self {
        free: 20,
        longest: SignedDuration::from_secs(30),
        memory: SignedDuration::from_hours(1),
    };

    /// How many attempts need no wait, if none was right.
    pub const fn free(self) -> u32 {
        self.free
    }

    /// When failures are forgotten, counted from the last attempt.
    pub const fn memory(self) -> SignedDuration {
        self.memory
    }

    /// The wait after so many failures: none, then a second, and twice as long each time.
    pub fn delay(self, failures: u32) -> SignedDuration {
        let Some(doublings) = failures.checked_sub(self.free) else {
            return SignedDuration::ZERO;
        };
        // 2^10 s is more than any longest wait.
        SignedDuration::from_secs(1 << doublings.min(10)).min(self.longest)
    }

    /// How long somebody has still to wait; nothing if an attempt may begin now.
    pub fn wait(self, attempts: Attempts, now: Timestamp) -> Option<SignedDuration> {
        // Clocks of several machines differ by a little: never longer than the delay itself.
        let delay = self.delay(attempts.failures);
        let left = (delay - now.duration_since(attempts.last_at)).min(delay);
        left.is_positive().then_some(left)
    }

    /// Whether attempts are so long ago that they count no more.
    pub fn is_forgotten(self, attempts: Attempts, now: Timestamp) -> bool {
        self.memory <= now.duration_since(attempts.last_at)
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
        let seconds = |failures| Throttle::ADDRESS.delay(failures).as_secs();
        assert_eq!([20, 21, 24, 25, u32::MAX].map(seconds), [1, 2, 16, 30, 30]);
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
    fn guesses_are_named_by_hashes_and_counted_by_network() {
        let from = |address: &str| Guesses::from_address(address.parse().unwrap());
        assert_eq!(from("2001:db8:1:2::1"), from("2001:db8:1:2:ffff::"));
        assert_ne!(from("2001:db8:1:2::1"), from("2001:db8:1:3::1"));
        assert_eq!(from("192.0.2.1"), from("::ffff:192.0.2.1"));
        assert_ne!(from("192.0.2.1"), from("192.0.2.2"));
        assert_eq!(from("192.0.2.1").throttle(), Throttle::ADDRESS);
        let email = Email::parse("Ada@example.com").unwrap();
        let account = Guesses::at_account(&email);
        assert_eq!(account, Guesses::at_account(&Email::parse("ada@example.com").unwrap()));
        assert_eq!(account.hash().len(), 64);
        assert_ne!(account.hash(), email.hash(), "who reads one row finds no other by it");
        assert_eq!(account.throttle(), Throttle::ACCOUNT);
    }

    #[test]
    fn failures_are_forgotten_after_a_day_and_those_of_an_address_after_an_hour() {
        let attempts = Attempts { failures: 100, last_at: at(0) };
        for (throttle, memory) in [(Throttle::ACCOUNT, 86_400), (Throttle::ADDRESS, 3_600)] {
            assert!(!throttle.is_forgotten(attempts, at(memory - 1)));
            assert!(throttle.is_forgotten(attempts, at(memory)));
        }
    }
}
