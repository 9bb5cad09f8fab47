//! Series of counts over time, made from the rollups of days.
//!
//! Everything is exact: a window is widened to whole quarters of an hour, which is what rollups
//! hold, and each of its clicks is in exactly one point.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::day::Day;
use crate::rollup::{Counts, Quarter, Rollup};

/// How long one point of a series is, on the UTC clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// From one full hour to the next.
    Hour,
    /// From one midnight to the next.
    Day,
}

/// A word that names no [`Interval`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an interval is `hour` or `day`")]
pub struct IntervalError;

impl Interval {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Hour, Self::Day];

    /// The name, as the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
        }
    }

    /// The interval of this name.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == text).ok_or(IntervalError)
    }

    /// How many quarters of an hour one has.
    const fn quarters(self) -> i64 {
        match self {
            Self::Hour => 4,
            Self::Day => Quarter::PER_DAY as i64,
        }
    }
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The stretch of time that a series is about.
///
/// It holds whole quarters of an hour, counted from 1970, so no arithmetic here can leave a
/// quarter in two points or in none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    from: i64,
    to: i64,
    interval: Interval,
}

/// Why there is no series for a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// It ends where it begins, or before.
    #[error("`from` must be before `to`")]
    Empty,
    /// Its series would be too long to answer.
    #[error("{points} points of one {interval} are more than {}", Window::MAX_POINTS)]
    TooLong {
        /// How many points it would have.
        points: i64,
        /// What each would stand for.
        interval: Interval,
    },
}

impl Window {
    /// The most points that a series has: 125 days of hours, or 8 years of days. About 240 KB of
    /// JSON, from at most 3 MB of rows.
    pub const MAX_POINTS: i64 = 3_000;

    /// The window from `from` (rounded down to a quarter of an hour) to `to` (rounded up, and not
    /// part of the window).
    pub fn new(from: Timestamp, to: Timestamp, interval: Interval) -> Result<Self, WindowError> {
        if to <= from {
            return Err(WindowError::Empty);
        }
        let floor = Quarter::since_epoch(to);
        let to = if moment(floor) == to { floor } else { floor + 1 };
        let window = Self { from: Quarter::since_epoch(from), to, interval };
        let points = window.last_point() - window.first_point() + 1;
        if Self::MAX_POINTS < points {
            return Err(WindowError::TooLong { points, interval });
        }
        Ok(window)
    }

    /// Where it begins.
    pub fn from(&self) -> Timestamp {
        moment(self.from)
    }

    /// The first moment after it.
    pub fn to(&self) -> Timestamp {
        moment(self.to)
    }

    /// What one point stands for.
    pub fn interval(&self) -> Interval {
        self.interval
    }

    /// The first and the last day that its clicks can lie in: those whose rollups
    /// [`Window::series`] needs.
    pub fn days(&self) -> (Day, Day) {
        (Day::of(moment(self.from)), Day::of(moment(self.to - 1)))
    }

    /// The counts of this window, from the rollups of its days. Days without one had no clicks;
    /// days outside the window are ignored.
    ///
    /// There is a point for every interval, also where nothing was clicked. The first one begins
    /// where the window does, even if that is within an hour or a day.
    pub fn series(&self, days: &BTreeMap<Day, Rollup>) -> Series {
        let mut totals = Counts::default();
        let mut points: Vec<Point> = (self.first_point()..=self.last_point())
            .map(|point| point * self.interval.quarters())
            .map(|quarter| Point { start: moment(quarter.max(self.from)), counts: totals })
            .collect();
        for (day, rollup) in days {
            let midnight = day.start_second().div_euclid(Quarter::SECONDS);
            for (quarter, &counts) in &rollup.quarters {
                let quarter = midnight + i64::from(quarter.index());
                if quarter < self.from || self.to <= quarter {
                    continue;
                }
                let point = quarter.div_euclid(self.interval.quarters()) - self.first_point();
                if let Some(point) = usize::try_from(point).ok().and_then(|i| points.get_mut(i)) {
                    point.counts = point.counts.merge(counts);
                    totals = totals.merge(counts);
                }
            }
        }
        Series { totals, points }
    }

    /// Points are numbered from 1970, like quarters.
    fn first_point(&self) -> i64 {
        self.from.div_euclid(self.interval.quarters())
    }

    fn last_point(&self) -> i64 {
        (self.to - 1).div_euclid(self.interval.quarters())
    }
}

fn moment(quarter: i64) -> Timestamp {
    // Rounding may lead just outside of what a timestamp can hold, where no click can be.
    let edge = if quarter < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(quarter * Quarter::SECONDS).unwrap_or(edge)
}

/// The counts of a window, whole and point by point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// Of the whole window: always the sum of the points.
    pub totals: Counts,
    /// One for every interval, oldest first.
    pub points: Vec<Point>,
}

/// The counts of one interval of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Where it begins. It ends where the next begins, or with the window.
    pub start: Timestamp,
    /// What was counted in it.
    pub counts: Counts,
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn rollups(clicks: &[(Timestamp, bool)]) -> BTreeMap<Day, Rollup> {
        let mut days = BTreeMap::<Day, Rollup>::new();
        for &(at, bot) in clicks {
            days.entry(Day::of(at)).or_default().merge(&Rollup::of_day(at, bot));
        }
        days
    }

    #[test]
    fn the_ends_are_rounded_outwards_to_the_quarter() {
        let window =
            Window::new(at("2026-03-01T10:29:59Z"), at("2026-03-01T12:15:00.001Z"), Interval::Hour)
                .unwrap();
        assert_eq!(window.from(), at("2026-03-01T10:15:00Z"));
        assert_eq!(window.to(), at("2026-03-01T12:30:00Z"));

        let clicks = [
            (at("2026-03-01T10:14:59.999Z"), false),
            (at("2026-03-01T10:15:00Z"), false),
            (at("2026-03-01T12:29:59.999Z"), true),
            (at("2026-03-01T12:30:00Z"), true),
        ];
        let series = window.series(&rollups(&clicks));
        assert_eq!(series.totals, Counts { human: 1, bot: 1 });
        let starts: Vec<_> = series.points.iter().map(|p| p.start.to_string()).collect();
        assert_eq!(
            starts,
            ["2026-03-01T10:15:00Z", "2026-03-01T11:00:00Z", "2026-03-01T12:00:00Z"]
        );
        assert_eq!(series.points[1].counts, Counts::default());
    }

    #[test]
    fn a_window_that_ends_at_midnight_needs_no_row_of_the_next_day() {
        let window =
            Window::new(at("2026-03-01T00:00:00Z"), at("2026-03-03T00:00:00Z"), Interval::Day)
                .unwrap();
        let (first, last) = window.days();
        assert_eq!((first.to_string(), last.to_string()), ("20260301".into(), "20260302".into()));
        assert_eq!(window.series(&BTreeMap::new()).points.len(), 2);
    }

    #[test]
    fn windows_that_are_empty_or_too_long_are_refused() {
        let (from, to) = (at("2026-03-01T00:00:00Z"), at("2026-07-04T00:00:00Z"));
        assert!(Window::new(from, to, Interval::Hour).is_ok());
        let longer = at("2026-07-04T00:00:00.001Z");
        assert_eq!(
            Window::new(from, longer, Interval::Hour),
            Err(WindowError::TooLong { points: 3_001, interval: Interval::Hour })
        );
        assert_eq!(Window::new(from, from, Interval::Day), Err(WindowError::Empty));
        assert_eq!(Window::new(to, from, Interval::Day), Err(WindowError::Empty));
        assert!(Window::new(Timestamp::MIN, Timestamp::MAX, Interval::Day).is_err());
    }

    #[test]
    fn the_edges_of_time_do_not_panic() {
        let nanosecond = std::time::Duration::from_nanos(1);
        for from in [Timestamp::MIN, Timestamp::MAX.checked_sub(nanosecond).unwrap()] {
            let to = from.checked_add(nanosecond).unwrap();
            let window = Window::new(from, to, Interval::Hour).unwrap();
            assert_eq!(window.series(&BTreeMap::new()).points.len(), 1);
            let _ = window.days();
        }
    }

    proptest! {
        #[test]
        fn each_click_of_the_window_is_in_exactly_one_point(
            // Ten days of milliseconds, and windows within and around them.
            clicks in vec((0_i64..864_000_000, any::<bool>()), 0..120),
            from in -100_000_000_i64..900_000_000,
            length in 1_i64..900_000_000,
            daily in any::<bool>(),
        ) {
            let moment = |ms: i64| Timestamp::from_millisecond(1_772_000_000_000 + ms).unwrap();
            let clicks: Vec<_> = clicks.into_iter().map(|(ms, bot)| (moment(ms), bot)).collect();
            let interval = if daily { Interval::Day } else { Interval::Hour };
            let window = Window::new(moment(from), moment(from + length), interval).unwrap();
            let series = window.series(&rollups(&clicks));

            let expected = clicks
                .iter()
                .filter(|(at, _)| window.from() <= *at && *at < window.to())
                .fold(Counts::default(), |sum, &(_, bot)| sum.merge(Counts::one(bot)));
            prop_assert_eq!(series.totals, expected);
            let sum =
                series.points.iter().fold(Counts::default(), |sum, point| sum.merge(point.counts));
            prop_assert_eq!(sum, expected);

            // Dense: the points begin with the window and follow each other on the clock.
            prop_assert_eq!(series.points[0].start, window.from());
            for pair in series.points.windows(2) {
                let step = pair[1].start.as_second() - pair[0].start.as_second();
                prop_assert!(0 < step && step <= interval.quarters() * Quarter::SECONDS);
                let seconds = interval.quarters() * Quarter::SECONDS;
                prop_assert_eq!(pair[1].start.as_second().rem_euclid(seconds), 0);
            }
            // Each point counts what lies between its start and the next.
            for (i, point) in series.points.iter().enumerate() {
                let end = series.points.get(i + 1).map_or(window.to(), |next| next.start);
                let inside = clicks
                    .iter()
                    .filter(|(at, _)| point.start <= *at && *at < end)
                    .fold(Counts::default(), |sum, &(_, bot)| sum.merge(Counts::one(bot)));
                prop_assert_eq!(point.counts, inside);
            }
            let (first, last) = window.days();
            prop_assert!(first == Day::of(window.from()));
            prop_assert!(last.start() < window.to() && window.to() <= last.end());
        }
    }
}
