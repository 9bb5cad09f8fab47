//! How often somebody may do something: a token bucket that holds as many tokens as a minute brings.
//!
//! A bucket is one number, the moment from which on it is full (the «theoretical arrival time» of
//! the generic cell rate algorithm). Each token that is taken moves it on by what it takes to bring
//! one. So nothing has to run for a bucket to fill, an untouched one need not exist, and one
//! conditional write takes a token.
//!
//! Whoever is allowed N a minute may do N at once, and in any span of time of `s` seconds at most
//! N + N × s / 60.

use jiff::Timestamp;

/// A minute, in microseconds: finer than the fastest bucket's milliseconds by a thousand.
const MINUTE: i64 = 60 * SECOND;
const SECOND: i64 = 1_000_000;

/// So many in a minute, and so many at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    per_minute: u32,
}

/// A token bucket: the moment from which on it is full, in microseconds since 1970.
///
/// It only ever moves on, whoever looks at it and whatever their limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    full_at: i64,
}

/// How much of a limit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// What the limit is.
    pub limit: RateLimit,
    /// How many are left now.
    pub left: u32,
    /// After how many seconds all of them are there again.
    pub full_in_seconds: u64,
    /// After how many seconds at least one is there again; 0 if one is left now.
    pub next_in_seconds: u64,
}

impl RateLimit {
    /// The highest limit: a thousand in a second, which is what DynamoDB lets one row take.
    pub const MAX_PER_MINUTE: u32 = 60_000;

    /// So many in a minute, from 1 to [`RateLimit::MAX_PER_MINUTE`].
    pub fn of_per_minute(per_minute: u32) -> Option<Self> {
        (1..=Self::MAX_PER_MINUTE).contains(&per_minute).then_some(Self { per_minute })
    }

    /// How many in a minute.
    pub const fn per_minute(self) -> u32 {
        self.per_minute
    }

    /// How many microseconds bring a token. Rounded up, so never too many.
    pub fn token_micros(self) -> i64 {
        let per_minute = i64::from(self.per_minute);
        (MINUTE + per_minute - 1) / per_minute
    }

    /// A bucket after one token was taken at this moment, where it was full before.
    pub fn first_taken(self, now: Timestamp) -> Bucket {
        Bucket { full_at: micros(now) + self.token_micros() }
    }

    /// The bucket that has exactly one token at this moment: one that fills later has none.
    pub fn last_token(self, now: Timestamp) -> Bucket {
        Bucket { full_at: micros(now) + (i64::from(self.per_minute) - 1) * self.token_micros() }
    }

    /// Takes a token out of a bucket; `None` if there is none.
    pub fn take(self, bucket: Bucket, now: Timestamp) -> Option<Bucket> {
        if bucket.is_full(now) {
            Some(self.first_taken(now))
        } else if bucket <= self.last_token(now) {
            Some(Bucket { full_at: bucket.full_at + self.token_micros() })
        } else {
            None
        }
    }

    /// What is left in a bucket.
    pub fn quota(self, bucket: Bucket, now: Timestamp) -> Quota {
        let now_micros = micros(now);
        let full_in = (bucket.full_at - now_micros).max(0);
        let size = i64::from(self.per_minute) * self.token_micros();
        let left = (size - full_in).max(0) / self.token_micros();
        let next_in = (bucket.full_at - self.last_token(now).full_at).max(0);
        Quota {
            limit: self,
            left: u32::try_from(left).unwrap_or(self.per_minute),
            full_in_seconds: seconds(full_in),
            next_in_seconds: seconds(next_in),
        }
    }
}

impl Bucket {
    /// A bucket that is full from this many microseconds since 1970 on.
    pub const fn full_at_micros(full_at: i64) -> Self {
        Self { full_at }
    }

    /// From when on it is full, in microseconds since 1970.
    pub const fn micros(self) -> i64 {
        self.full_at
    }

    /// Whether nothing is missing at this moment.
    pub fn is_full(self, now: Timestamp) -> bool {
        self.full_at <= micros(now)
    }

    /// When nobody needs to know of it any more, in seconds since 1970. Clocks may differ by a minute.
    pub fn expires(self) -> i64 {
        self.full_at / SECOND + 61
    }
}

fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// Whole seconds, rounded up.
fn seconds(micros: i64) -> u64 {
    u64::try_from((micros + SECOND - 1) / SECOND).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_microsecond(1_795_183_407_000_000 + micros).unwrap()
    }

    fn limit(per_minute: u32) -> RateLimit {
        RateLimit::of_per_minute(per_minute).unwrap()
    }

    #[test]
    fn exactly_so_many_are_let_through_at_once() {
        for per_minute in [1, 7, 60, 100, 6_000, 45_000, 60_000] {
            let limit = limit(per_minute);
            let mut bucket = Bucket::full_at_micros(0);
            for left in (0..per_minute).rev() {
                bucket = limit.take(bucket, at(0)).unwrap();
                assert_eq!(limit.quota(bucket, at(0)).left, left);
            }
            assert_eq!(limit.take(bucket, at(0)), None, "{per_minute}");
        }
    }

    #[test]
    fn who_comes_back_when_told_is_let_through() {
        let limit = limit(100);
        let mut bucket = Bucket::full_at_micros(0);
        while let Some(taken) = limit.take(bucket, at(0)) {
            bucket = taken;
        }
        let quota = limit.quota(bucket, at(0));
        assert_eq!((quota.left, quota.full_in_seconds, quota.next_in_seconds), (0, 60, 1));
        assert!(limit.take(bucket, at(599_999)).is_none());
        assert!(limit.take(bucket, at(600_000)).is_some());
        let slow = RateLimit { per_minute: 2 };
        let empty = Bucket::full_at_micros(at(60_000_000).as_microsecond());
        assert_eq!(slow.quota(empty, at(0)).next_in_seconds, 30);
    }

    #[test]
    fn limits_have_bounds() {
        assert_eq!(RateLimit::of_per_minute(0), None);
        assert_eq!(RateLimit::of_per_minute(60_001), None);
        assert_eq!(limit(60_000).token_micros(), 1_000);
    }

    #[test]
    fn an_untouched_bucket_has_everything() {
        let quota = limit(5).quota(Bucket::full_at_micros(0), at(0));
        assert_eq!((quota.left, quota.full_in_seconds, quota.next_in_seconds), (5, 0, 0));
    }

    proptest! {
        #[test]
        fn no_span_of_time_sees_more_than_the_limit_allows(
            per_minute in 1_u32..300,
            pauses in prop::collection::vec(0_i64..2_000_000, 1..400),
        ) {
            let limit = limit(per_minute);
            let (mut now, mut bucket) = (0, Bucket::full_at_micros(0));
            let mut granted = Vec::new();
            for pause in pauses {
                now += pause;
                let quota = limit.quota(bucket, at(now));
                match limit.take(bucket, at(now)) {
                    Some(taken) => {
                        prop_assert!(bucket < taken);
                        prop_assert!(0 < quota.left);
                        prop_assert_eq!(limit.quota(taken, at(now)).left, quota.left - 1);
                        bucket = taken;
                        granted.push(now);
                    }
                    None => {
                        prop_assert_eq!(quota.left, 0);
                        // Not a moment too early, and not more than a second too late.
                        let wait = i64::try_from(quota.next_in_seconds).unwrap() * SECOND;
                        prop_assert!(0 < wait);
                        prop_assert!(limit.take(bucket, at(now + wait)).is_some());
                        prop_assert!(limit.take(bucket, at(now + wait - SECOND)).is_none());
                    }
                }
            }
            for (first, from) in granted.iter().enumerate() {
                for (last, to) in granted.iter().enumerate().skip(first) {
                    let count = i64::try_from(last - first + 1).unwrap();
                    let allowed = i64::from(per_minute) + (to - from) / limit.token_micros();
                    prop_assert!(count <= allowed);
                }
            }
        }

        #[test]
        fn who_keeps_to_the_pace_is_never_refused(
            per_minute in 1_u32..60_000,
            jitter in prop::collection::vec(0_i64..1_000, 1..200),
        ) {
            let limit = limit(per_minute);
            let (mut now, mut bucket) = (0, Bucket::full_at_micros(0));
            for late in jitter {
                now += limit.token_micros() + late;
                let taken = limit.take(bucket, at(now));
                prop_assert!(taken.is_some());
                bucket = taken.unwrap();
            }
        }
    }
}
