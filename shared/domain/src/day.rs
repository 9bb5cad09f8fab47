//! A day, always in UTC: what the ledger's rows are filed under.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Seconds in a UTC day: leap seconds are not counted, as in every Unix time.
const SECONDS: i64 = 24 * 60 * 60;
const NANOSECONDS: i128 = SECONDS as i128 * 1_000_000_000;

/// A UTC day. Sorts, and displays as `yyyymmdd`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day {
    /// Days since 1970-01-01. Every day that a [`Timestamp`] can lie in fits.
    since_epoch: i32,
}

/// Why a string is not a [`Day`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a day as `yyyymmdd`")]
pub struct DayError(String);

impl Day {
    /// The day that a moment lies in.
    pub fn of(at: Timestamp) -> Self {
        // By nanoseconds, because whole seconds are cut off towards 1970, not downwards.
        let since_epoch = i32::try_from(at.as_nanosecond().div_euclid(NANOSECONDS))
            .expect("a timestamp lies within 12,000 years of 1970");
        Self { since_epoch }
    }

    /// Parses `yyyymmdd`.
    pub fn parse(text: &str) -> Result<Self, DayError> {
        let error = || DayError(text.to_owned());
        // The digits are counted here, because the formats of dates also take signs and dashes.
        if text.len() != 8 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(error());
        }
        let date = Date::strptime("%Y%m%d", text).map_err(|_| error())?;
        let start = date.to_zoned(TimeZone::UTC).map_err(|_| error())?;
        Ok(Self::of(start.timestamp()))
    }

    /// Its first second, since 1970.
    pub fn start_second(self) -> i64 {
        i64::from(self.since_epoch) * SECONDS
    }

    /// The first second after it, since 1970.
    pub fn end_second(self) -> i64 {
        self.start_second() + SECONDS
    }

    /// Its first moment.
    pub fn start(self) -> Timestamp {
        saturating(self.start_second())
    }

    /// The first moment after it.
    pub fn end(self) -> Timestamp {
        saturating(self.end_second())
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The day this many days later; earlier when negative.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        Self { since_epoch: self.since_epoch.saturating_add(days) }
    }
}

/// A timestamp reaches neither to the start of its first day nor to the end of its last.
fn saturating(second: i64) -> Timestamp {
    let edge = if second < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(second).unwrap_or(edge)
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = TimeZone::UTC.to_datetime(self.start());
        write!(f, "{:04}{:02}{:02}", date.year(), date.month(), date.day())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_ends_where_the_next_begins() {
        let day = Day::of(at("2028-02-28T23:59:59.999Z"));
        assert_eq!(day.to_string(), "20280228");
        assert_eq!(day.next().to_string(), "20280229");
        assert_eq!(day.end(), at("2028-02-29T00:00:00Z"));
        assert_eq!(Day::of(day.end()), day.next());
        assert_eq!(day.plus(2).to_string(), "20280301");
    }

    #[test]
    fn only_eight_digits_of_a_real_date_are_a_day() {
        for text in ["2026-01-01", "20260230", "2026010", "202601011", "+2026101", "２0260101", ""]
        {
            assert!(Day::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_edges_of_time_do_not_panic() {
        assert_eq!(Day::of(Timestamp::MAX).end(), Timestamp::MAX);
        assert_eq!(Day::of(Timestamp::MIN).start(), Timestamp::MIN);
    }

    proptest! {
        #[test]
        fn days_read_back_sort_as_text_and_hold_their_moments(
            a in -60_000_000_000_i64..253_000_000_000,
            b in -60_000_000_000_i64..253_000_000_000,
            nanosecond in 0..1_000_000_000,
        ) {
            let (a, b) =
                (Timestamp::new(a, nanosecond).unwrap(), Timestamp::from_second(b).unwrap());
            let (day_a, day_b) = (Day::of(a), Day::of(b));
            prop_assert_eq!(Day::parse(&day_a.to_string()), Ok(day_a));
            prop_assert_eq!(day_a.cmp(&day_b), day_a.to_string().cmp(&day_b.to_string()));
            prop_assert!(day_a.start() <= a && a < day_a.end());
        }
    }
}
