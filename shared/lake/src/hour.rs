//! Hours of UTC: what the files of clicks are filed under.

use std::fmt;

use domain::Day;
use jiff::Timestamp;

const SECONDS: i64 = 60 * 60;

/// Where the files of the hours are.
const FILES: &str = "clicks/";

/// A file's name in its hour's folder.
const FILE: &str = "clicks.parquet";

/// An hour of UTC. Displays as the folder that tools know as partitions: `dt=2026-11-22/hr=09`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hour {
    day: Day,
    hour: u8,
}

impl Hour {
    /// The first key of no file and no folder before the files of the hours.
    pub const FILES: &str = FILES;

    /// The hour that a moment lies in.
    pub fn of(at: Timestamp) -> Self {
        let day = Day::of(at);
        // Whole seconds are cut off towards 1970; nothing was clicked before.
        let hour = (at.as_second() - day.start_second()).div_euclid(SECONDS).clamp(0, 23);
        Self { day, hour: u8::try_from(hour).unwrap_or(0) }
    }

    /// The day that it belongs to.
    pub const fn day(self) -> Day {
        self.day
    }

    /// The key of its file.
    pub fn key(self) -> String {
        format!("{FILES}{self}/{FILE}")
    }

    /// What the keys of all files of a day begin with.
    pub fn files_of(day: Day) -> String {
        let [year, month, day] = parts(day);
        format!("{FILES}dt={year}-{month}-{day}/")
    }

    /// The hour whose file has this key.
    pub fn parse(key: &str) -> Option<Self> {
        let folder = key.strip_prefix(FILES)?.strip_suffix(FILE)?;
        let (date, hour) = folder.strip_prefix("dt=")?.strip_suffix('/')?.split_once("/hr=")?;
        let hour: u8 = hour.parse().ok()?;
        let hour = Self { day: Day::parse(&date.replace('-', "")).ok()?, hour };
        // There is one spelling only.
        (hour.hour < 24 && hour.key() == key).then_some(hour)
    }
}

fn parts(day: Day) -> [String; 3] {
    let digits = day.to_string();
    let (year, rest) = digits.split_at(digits.len().saturating_sub(4));
    let (month, day) = rest.split_at(2);
    [year.to_owned(), month.to_owned(), day.to_owned()]
}

impl fmt::Display for Hour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [year, month, day] = parts(self.day);
        write!(f, "dt={year}-{month}-{day}/hr={:02}", self.hour)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_has_a_file_and_its_key_says_which() {
        for (at, key) in [
            ("1970-01-01T00:00:00Z", "clicks/dt=1970-01-01/hr=00/clicks.parquet"),
            ("2026-11-22T09:59:59.999Z", "clicks/dt=2026-11-22/hr=09/clicks.parquet"),
            ("2026-11-22T23:00:00Z", "clicks/dt=2026-11-22/hr=23/clicks.parquet"),
        ] {
            let hour = Hour::of(at.parse().unwrap());
            assert_eq!(hour.key(), key);
            assert_eq!(Hour::parse(key), Some(hour));
            assert!(key.starts_with(&Hour::files_of(hour.day())));
        }
        for key in [
            "",
            "clicks/dt=2026-11-22/hr=24/clicks.parquet",
            "clicks/dt=2026-11-22/hr=9/clicks.parquet",
            "clicks/dt=20261122/hr=09/clicks.parquet",
            "clicks/dt=2026-11-22/hr=09/other.parquet",
            "raw/dt=2026-11-22/hr=09/clicks.parquet",
        ] {
            assert_eq!(Hour::parse(key), None, "{key}");
        }
    }
}
