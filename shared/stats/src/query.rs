//! What is asked: the query of an operation of statistics.

use domain::Dimension;
use domain::filter::Filter;
use domain::stats::{Interval, Window};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lambda::input::Params;
use lambda::{Fault, Problem, Request, header};

use crate::zones::zone;

/// The most UTC days of which dimensions are read: three years of rows of all values.
const MAX_DAYS_WITH_DIMENSIONS: i64 = 1_100;

/// A question for statistics.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Of when, and by which points.
    pub window: Window,
    /// What is to be broken down, in the order of the question.
    pub dimensions: Vec<Dimension>,
    /// Which clicks.
    pub filter: Filter,
    /// Whether what was before is asked for as well.
    pub compare: bool,
    /// How it is to be answered.
    pub form: Form,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As JSON.
    Json,
    /// As lines of values between commas.
    Csv,
}

impl Form {
    /// What `Accept` names first of the two.
    fn of(request: &Request) -> Self {
        let accepts = request.headers().get_all(header::ACCEPT).iter();
        let mut types = accepts
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|range| range.split(';').next().unwrap_or_default().trim());
        let first = types.find(|name| {
            name.eq_ignore_ascii_case("text/csv") || name.eq_ignore_ascii_case("application/json")
        });
        match first {
            Some(name) if name.eq_ignore_ascii_case("text/csv") => Self::Csv,
            Some(_) | None => Self::Json,
        }
    }
}

impl Asked {
    /// Reads the question, about dimensions that are offered. Every fault is told at once.
    pub fn read(
        request: &Request,
        mut params: Params,
        now: Timestamp,
        offered: &[Dimension],
    ) -> Result<Self, Problem> {
        let clock = params.optional("tz", zone).unwrap_or(TimeZone::UTC);
        let from = params.optional("from", |text| moment(text, &clock));
        let to = params.optional("to", |text| moment(text, &clock));
        let interval = params.optional("interval", Interval::parse).unwrap_or(Interval::Day);
        let dimensions = params.optional("dimensions", |text| dimensions(text, offered));
        let filter = filter(&mut params, offered);
        let compare = params.optional("compare", |text| match text {
            "previous" => Ok(()),
            _ => Err("this can only be `previous`"),
        });
        params.finish()?;

        let to = to.unwrap_or(now);
        let from = from.unwrap_or_else(|| to.checked_sub(default_length(interval)).unwrap_or(to));
        let invalid = |text: String| Problem::invalid(vec![Fault::parameter("from", text)]);
        let window =
            Window::new(from, to, interval, clock).map_err(|error| invalid(error.to_string()))?;
        let dimensions = dimensions.unwrap_or_default();
        let (first, last) = window.days();
        let days = (last.end_second() - first.start_second()) / (24 * 60 * 60);
        let are_read = !dimensions.is_empty() || !filter.is_by_bot_only();
        if are_read && MAX_DAYS_WITH_DIMENSIONS < days {
            let most = MAX_DAYS_WITH_DIMENSIONS;
            return Err(invalid(format!("{days} days are more than {most}, with dimensions")));
        }
        let form = Form::of(request);
        Ok(Self { window, dimensions, filter, compare: compare.is_some(), form })
    }
}

/// The clauses of all parameters `filter`.
pub fn filter(params: &mut Params, offered: &[Dimension]) -> Filter {
    let mut filter = Filter::default();
    for text in params.all("filter") {
        for error in filter.add(&text, offered).err().into_iter().flatten() {
            params.fault(Fault::parameter("filter", error));
        }
    }
    filter
}

/// A time, or a date for its first moment on this clock.
pub fn moment(text: &str, clock: &TimeZone) -> Result<Timestamp, &'static str> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let date = || {
        let date = Date::strptime("%Y-%m-%d", text).ok()?;
        Some(date.to_zoned(clock.clone()).ok()?.timestamp())
    };
    // In a query a `+` means a space: `+01:00` that was not escaped arrives as ` 01:00`.
    time(text)
        .or_else(date)
        .or_else(|| time(&text.replace(' ', "+")))
        .ok_or("this must be a time such as `2026-11-22T10:00:00Z`, or a date")
}

fn dimensions(text: &str, offered: &[Dimension]) -> Result<Vec<Dimension>, String> {
    let mut asked = Vec::new();
    for name in text.split(',').map(str::trim) {
        let Some(dimension) = offered.iter().copied().find(|it| it.as_str() == name) else {
            let name: String = name.chars().take(60).collect();
            let offered: Vec<_> = offered.iter().map(|it| it.as_str()).collect();
            return Err(format!(
                "there is no dimension `{name}`; there are {}",
                offered.join(", ")
            ));
        };
        if asked.contains(&dimension) {
            return Err(format!("`{name}` stands twice"));
        }
        asked.push(dimension);
    }
    Ok(asked)
}

/// How long the window is when nobody says: as much as a chart shows well.
fn default_length(interval: Interval) -> SignedDuration {
    let days = match interval {
        Interval::Hour => 7,
        Interval::Day => 30,
        Interval::Week => 26 * 7,
        Interval::Month => 365,
    };
    SignedDuration::from_hours(days * 24)
}
