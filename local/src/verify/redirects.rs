//! The counts of each day, and how many redirects somebody else has seen answered.
//!
//! A metric or an access log has no links, so days are compared, of all workspaces together. It is
//! not exact: it may have a request more than once or not at all, a request around midnight is on the
//! other day, and a redirect to a link's fallback is an answer and no click.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use anyhow::{Context, bail};
use domain::{Day, WorkspaceId};
use jiff::Timestamp;
use serde_json::Value;
use store::LedgerStore;
use store::ledger::Subject;

use super::date;

/// How far both may be apart: so much of the larger one, and this many besides.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tolerance {
    percent: f64,
}

/// A few requests around midnight.
const BESIDES: u64 = 10;

/// Redirects that were answered, by day.
#[derive(Debug)]
pub(crate) struct Answered {
    days: BTreeMap<Day, u64>,
    tolerance: Tolerance,
}

/// What came of comparing.
#[derive(Debug)]
pub(crate) struct Redirects {
    pub(crate) days: Vec<Compared>,
    tolerance: Tolerance,
}

/// One day.
#[derive(Debug)]
pub(crate) struct Compared {
    pub(crate) day: Day,
    answered: u64,
    counted: u64,
    pub(crate) is_fine: bool,
}

impl FromStr for Tolerance {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.trim_end_matches('%').trim().parse() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(Self { percent }),
            Ok(_) | Err(_) => Err("this must be a percentage from 0 to 100"),
        }
    }
}

impl fmt::Display for Tolerance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} % and {BESIDES}", self.percent)
    }
}

impl Tolerance {
    #[expect(clippy::cast_precision_loss, reason = "a percentage of a count")]
    fn admits(self, one: u64, other: u64) -> bool {
        let apart = one.abs_diff(other).saturating_sub(BESIDES);
        apart as f64 <= one.max(other) as f64 * self.percent / 100.0
    }
}

impl Answered {
    /// Reads what CloudWatch answers: `get-metric-statistics`, `get-metric-data`, the results of Logs
    /// Insights; or an object of days and numbers.
    pub(crate) fn parse(text: &str, tolerance: Tolerance) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(text).context("the redirects are not JSON")?;
        let mut days = BTreeMap::<Day, u64>::new();
        let mut add = |time: &Value, count: Option<u64>| -> anyhow::Result<()> {
            let day = day_of(time).with_context(|| format!("{time} is no day"))?;
            let count = count.with_context(|| format!("{time} has no count"))?;
            *days.entry(day).or_default() += count;
            Ok(())
        };
        if let Some(points) = value["Datapoints"].as_array() {
            for point in points {
                let count = point.get("Sum").or_else(|| point.get("SampleCount"));
                add(&point["Timestamp"], count.and_then(number))?;
            }
        } else if let Some(results) = value["MetricDataResults"].as_array() {
            for result in results {
                let times = result["Timestamps"].as_array().into_iter().flatten();
                let values = result["Values"].as_array().into_iter().flatten();
                for (time, count) in times.zip(values) {
                    add(time, number(count))?;
                }
            }
        } else if let Some(rows) = value["results"].as_array() {
            for row in rows {
                let fields = || row.as_array().into_iter().flatten();
                let time = fields().find(|field| day_of(&field["value"]).is_some());
                let count = fields().find(|field| number(&field["value"]).is_some());
                let (Some(time), Some(count)) = (time, count) else {
                    bail!("{row} has no day, or no count")
                };
                add(&time["value"], number(&count["value"]))?;
            }
        } else if let Some(fields) = value.as_object() {
            for (time, count) in fields {
                add(&Value::from(time.as_str()), number(count))?;
            }
        } else {
            bail!("there are no days in it");
        }
        Ok(Self { days, tolerance })
    }
}

/// `2026-11-22`, with or without a time and a zone; of another zone than UTC nothing can be told.
fn day_of(value: &Value) -> Option<Day> {
    let text = value.as_str()?;
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(Day::of(at));
    }
    let date = text.get(..10)?;
    date.chars().nth(4).filter(|it| *it == '-')?;
    Day::parse(&date.replace('-', "")).ok()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "CloudWatch writes counts as 123.0"
)]
fn number(value: &Value) -> Option<u64> {
    let number = match value.as_str() {
        Some(text) => text.parse::<f64>().ok()?,
        None => value.as_f64()?,
    };
    (0.0..9e15).contains(&number).then_some(number as u64)
}

/// Compares.
pub(super) async fn compare(
    ledger: &LedgerStore,
    workspaces: &[WorkspaceId],
    Answered { days, tolerance }: Answered,
) -> anyhow::Result<Redirects> {
    let (Some(first), Some(last)) = (days.keys().next(), days.keys().next_back()) else {
        return Ok(Redirects { days: Vec::new(), tolerance });
    };
    let mut counted = BTreeMap::<Day, u64>::new();
    for &workspace in workspaces {
        for (day, rollup) in ledger.days(Subject::Workspace(workspace), *first..=*last).await? {
            *counted.entry(day).or_default() += rollup.counts.total();
        }
    }
    let compared = days.iter().map(|(&day, &answered)| {
        let counted = counted.get(&day).copied().unwrap_or(0);
        let is_fine = tolerance.admits(answered, counted);
        Compared { day, answered, counted, is_fine }
    });
    Ok(Redirects { days: compared.collect(), tolerance })
}

impl fmt::Display for Redirects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tolerance = self.tolerance;
        for Compared { day, answered, counted, is_fine } in &self.days {
            let what = if *is_fine { "redirects" } else { "difference" };
            let day = date(*day);
            write!(f, "{what}: on {day} {answered} were answered, {counted} are counted")?;
            match is_fine {
                true => writeln!(f)?,
                false => writeln!(f, ", more than {tolerance} apart")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn days(value: &Value) -> Vec<(String, u64)> {
        let answered = Answered::parse(&value.to_string(), Tolerance { percent: 1.0 }).unwrap();
        answered.days.iter().map(|(day, count)| (day.to_string(), *count)).collect()
    }

    #[test]
    fn whatever_cloudwatch_answers_is_days_and_counts() {
        let expected = [("20261121".to_owned(), 120), ("20261122".to_owned(), 7)];
        for value in [
            json!({"2026-11-21": 120, "2026-11-22": 7}),
            json!({"Label": "x", "Datapoints": [
                {"Timestamp": "2026-11-22T00:00:00Z", "Sum": 7.0, "Unit": "Count"},
                {"Timestamp": "2026-11-21T00:00:00+00:00", "SampleCount": 120.0},
            ]}),
            json!({"MetricDataResults": [
                {"Timestamps": ["2026-11-21T00:00:00Z"], "Values": [100.0]},
                {"Timestamps": ["2026-11-22T00:00:00Z", "2026-11-21T12:00:00Z"], "Values": [7, 20]},
            ]}),
            json!({"results": [
                [{"field": "bin(1d)", "value": "2026-11-21 00:00:00.000"},
                 {"field": "count()", "value": "120"}],
                [{"field": "bin(1d)", "value": "2026-11-22 00:00:00.000"},
                 {"field": "count()", "value": "7"}],
            ], "status": "Complete"}),
        ] {
            assert_eq!(days(&value), expected, "{value}");
        }
        for wrong in ["", "[]", "{\"x\": 1}", "{\"2026-11-21\": \"many\"}", "{\"2026-11-21\": -1}"]
        {
            assert!(Answered::parse(wrong, Tolerance { percent: 1.0 }).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_tolerance_is_a_part_and_a_few() {
        let tolerance: Tolerance = "1 %".parse().unwrap();
        for (one, other, admits) in
            [(0, 10, true), (0, 11, false), (10_000, 10_111, true), (10_000, 10_120, false)]
        {
            assert_eq!(tolerance.admits(one, other), admits, "{one} {other}");
            assert_eq!(tolerance.admits(other, one), admits, "{other} {one}");
        }
        assert!("101".parse::<Tolerance>().is_err() && "x".parse::<Tolerance>().is_err());
        assert_eq!(tolerance.to_string(), "1 % and 10");
    }
}
