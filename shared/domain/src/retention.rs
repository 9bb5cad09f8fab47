//! For how long the ledger keeps click rows, and so which clicks it can still tell apart.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;

use crate::day::Day;

/// How many days click rows are kept.
///
/// A row expires this long after the later of its click's UTC day and its recording, so all rows
/// of a day are there for this long after the day. As long as they are, a second delivery of a
/// click is known by its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    days: u16,
}

/// A number of days that is too small or too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("clicks are kept for {} to {} days", Retention::MIN_DAYS, Retention::MAX_DAYS)]
pub struct RetentionError;

impl Retention {
    /// A message lives up to 14 days in its queue and as long again in the dead-letter queue that
    /// it is moved from by hand; a week is left to do that in.
    pub const MIN_DAYS: u16 = 21;
    /// Ten years.
    pub const MAX_DAYS: u16 = 3_650;
    /// What it is unless somebody says otherwise.
    pub const DEFAULT: Self = Self { days: 90 };

    /// DynamoDB deletes by its own clock; ours may be behind it by no more than this.
    const CLOCK_MARGIN_SECONDS: i64 = 60 * 60;

    /// A retention of so many days.
    pub fn of_days(days: u64) -> Result<Self, RetentionError> {
        u16::try_from(days)
            .ok()
            .filter(|days| (Self::MIN_DAYS..=Self::MAX_DAYS).contains(days))
            .map(|days| Self { days })
            .ok_or(RetentionError)
    }

    /// How many days.
    pub const fn days(self) -> u16 {
        self.days
    }

    /// When the row of a click of this day expires that is recorded now, in seconds since 1970.
    pub fn expires(self, clicked: Day, now: Timestamp) -> i64 {
        clicked.end_second().max(now.as_second()) + self.seconds()
    }

    /// Whether all rows of this day are still there, whenever they were recorded.
    pub fn keeps(self, day: Day, now: Timestamp) -> bool {
        now.as_second() + Self::CLOCK_MARGIN_SECONDS < day.end_second() + self.seconds()
    }

    /// The first day whose rows are all still there.
    pub fn first_kept(self, now: Timestamp) -> Day {
        // The margin is far below a day, so it can only cost the first of the days.
        let first = Day::of(now).plus(-i32::from(self.days));
        if self.keeps(first, now) { first } else { first.next() }
    }

    fn seconds(self) -> i64 {
        i64::from(self.days) * 24 * 60 * 60
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        Self::of_days(text.parse().map_err(|_| RetentionError)?)
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} days", self.days)
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
    fn a_row_expires_after_the_later_of_its_day_and_its_recording() {
        let retention = Retention::of_days(90).unwrap();
        let day = Day::parse("20260301").unwrap();
        let soon = retention.expires(day, at("2026-03-01T10:00:00Z"));
        assert_eq!(soon, at("2026-05-31T00:00:00Z").as_second());
        let late = retention.expires(day, at("2026-03-05T10:00:00Z"));
        assert_eq!(late, at("2026-06-03T10:00:00Z").as_second());
    }

    #[test]
    fn a_day_is_kept_until_just_before_its_first_row_can_expire() {
        let retention = Retention::of_days(90).unwrap();
        let day = Day::parse("20260301").unwrap();
        assert!(retention.keeps(day, at("2026-05-30T22:59:59Z")));
        assert!(!retention.keeps(day, at("2026-05-30T23:00:00Z")));
    }

    #[test]
    fn too_few_or_too_many_days_are_refused() {
        assert!(Retention::of_days(20).is_err());
        assert!(Retention::of_days(21).is_ok());
        assert!(Retention::of_days(3_651).is_err());
        assert!(Retention::of_days(1 << 40).is_err());
        assert_eq!("90".parse(), Ok(Retention::DEFAULT));
        assert_eq!(
            "soon".parse::<Retention>().unwrap_err().to_string(),
            "clicks are kept for 21 to 3650 days"
        );
    }

    proptest! {
        #[test]
        fn what_is_kept_has_not_expired_and_begins_at_the_first_kept_day(
            now in 1_700_000_000_i64..1_900_000_000,
            days in 21_u64..400,
            age in -3_i32..410,
        ) {
            let now = Timestamp::from_second(now).unwrap();
            let retention = Retention::of_days(days).unwrap();
            let day = Day::of(now).plus(-age);
            let kept = retention.keeps(day, now);
            prop_assert_eq!(kept, retention.first_kept(now) <= day);
            // The earliest that any row of the day can have been recorded is on the day.
            prop_assert!(!kept || now.as_second() < retention.expires(day, day.start()));
        }
    }
}
