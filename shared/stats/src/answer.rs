//! The answer: as JSON, or as lines of values between commas.

use std::collections::BTreeMap;

use domain::Dimension;
use domain::filter::{OTHER, UNKNOWN};
use domain::rollup::Counts;
use domain::stats::Window;
use domain::visitors::Visitors;
use futures_util::future::try_join;
use jiff::Timestamp;
use lambda::{Body, HeaderValue, Problem, Response, StatusCode, header};
use serde::Serialize;

use crate::csv::Csv;
use crate::query::{Asked, Form};
use crate::read::{Reader, Whose};
use crate::tally::{Biggest, Question, Tally, Uniques};
use crate::zones;

/// Answers a question.
pub async fn answer(
    reader: &Reader,
    whose: &Whose,
    asked: &Asked,
    now: Timestamp,
) -> Result<Response<Body>, Problem> {
    let Asked { window, dimensions, filter, compare, form } = asked;
    let question = Question { window, dimensions, filter };
    let previous = window.previous().filter(|_| *compare);
    let before = async {
        let Some(window) = &previous else { return Ok(None) };
        // Nothing is broken down of what was before.
        let question = Question { window, dimensions: &[], filter };
        reader.tally(whose, question, now).await.map(Some)
    };
    // Each of them is some kilobytes that wait for DynamoDB.
    let (tally, before) = Box::pin(try_join(reader.tally(whose, question, now), before)).await?;
    match form {
        Form::Csv => Ok(csv(asked, tally)),
        Form::Json => {
            let previous = previous.as_ref().zip(before.as_ref());
            let stats = Stats::new(whose, asked, tally, previous);
            lambda::json(StatusCode::OK, &stats)
        }
    }
}

/// The body of an answer. What is not asked for is `null` or empty.
#[derive(Debug, Serialize)]
struct Stats {
    #[serde(flatten)]
    whose: WhoseView,
    from: String,
    to: String,
    interval: &'static str,
    tz: String,
    totals: Figures,
    series: Vec<Point>,
    unique: Option<UniqueView>,
    breakdown: BTreeMap<&'static str, Vec<Value>>,
    bounds: BTreeMap<&'static str, Bound>,
    breakdown_from: Option<String>,
    breakdown_to: Option<String>,
    previous: Option<Previous>,
    change: Option<Change>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum WhoseView {
    Link(String),
    Workspace(String),
    Domain(String),
}

impl WhoseView {
    fn new(whose: &Whose) -> Self {
        match whose {
            Whose::Link(link) => Self::Link(link.id.to_string()),
            Whose::Workspace(workspace, _) => Self::Workspace(workspace.to_string()),
            Whose::Orphans(domain) => Self::Domain(domain.clone()),
        }
    }
}

#[derive(Debug, Serialize)]
struct Figures {
    clicks: u64,
    human: u64,
    bot: u64,
    unique: Option<u64>,
}

impl Figures {
    fn new(counts: Counts, unique: Option<u64>) -> Self {
        Self { clicks: counts.total(), human: counts.human, bot: counts.bot, unique }
    }

    fn of(tally: &Tally) -> Self {
        Self::new(tally.series.totals, tally.unique.as_ref().map(Uniques::total))
    }
}

#[derive(Debug, Serialize)]
struct Point {
    start: String,
    #[serde(flatten)]
    figures: Figures,
}

/// What `unique` counts.
#[derive(Debug, Serialize)]
struct UniqueView {
    visitor_days: bool,
    from: String,
    to: String,
    standard_error: f64,
}

impl UniqueView {
    fn new(unique: &Uniques) -> Self {
        let last = Timestamp::from_nanosecond(unique.to.as_nanosecond() - 1).unwrap_or(unique.to);
        Self {
            visitor_days: domain::Day::of(unique.from) != domain::Day::of(last),
            from: unique.from.to_string(),
            to: unique.to.to_string(),
            standard_error: if unique.is_estimate { Visitors::STANDARD_ERROR } else { 0.0 },
        }
    }
}

#[derive(Debug, Serialize)]
struct Value {
    value: String,
    clicks: u64,
    human: u64,
    bot: u64,
}

impl Value {
    fn new(value: &str, counts: Counts) -> Self {
        let Counts { human, bot } = counts;
        Self { value: value.to_owned(), clicks: counts.total(), human, bot }
    }

    /// The biggest first, and last what is not named.
    fn all(biggest: &Biggest) -> Vec<Self> {
        let named = biggest.values.iter();
        let named =
            named.map(|(value, counts)| Self::new(value.as_deref().unwrap_or(UNKNOWN), *counts));
        let other = (!biggest.other.is_zero()).then(|| Self::new(OTHER, biggest.other));
        named.chain(other).collect()
    }
}

#[derive(Debug, Serialize)]
struct Bound {
    limit: usize,
    missed: u64,
}

#[derive(Debug, Serialize)]
struct Previous {
    from: String,
    to: String,
    totals: Figures,
}

/// By how much there is more now, as a part of what was before: 0.25 is a quarter more.
#[derive(Debug, Serialize)]
struct Change {
    clicks: Option<f64>,
    human: Option<f64>,
    bot: Option<f64>,
    unique: Option<f64>,
}

impl Change {
    fn new(now: &Figures, before: &Figures) -> Self {
        Self {
            clicks: change(now.clicks, before.clicks),
            human: change(now.human, before.human),
            bot: change(now.bot, before.bot),
            unique: now.unique.zip(before.unique).and_then(|(now, then)| change(now, then)),
        }
    }
}

/// Rounded to hundredths of a percent; `None` where there was nothing.
fn change(now: u64, before: u64) -> Option<f64> {
    if before == 0 {
        return None;
    }
    let (wide_now, wide_before) = (i128::from(now), i128::from(before));
    // Clicks are below 2^53, and so is this for every change that is below a billion times.
    let parts = (wide_now - wide_before) * 10_000 / wide_before;
    i32::try_from(parts).ok().map(|parts| f64::from(parts) / 10_000.0)
}

impl Stats {
    fn new(
        whose: &Whose,
        asked: &Asked,
        tally: Tally,
        previous: Option<(&Window, &Tally)>,
    ) -> Self {
        let window = &asked.window;
        let totals = Figures::of(&tally);
        let previous = previous.map(|(window, tally)| Previous {
            from: window.from().to_string(),
            to: window.to().to_string(),
            totals: Figures::of(tally),
        });
        let change = previous.as_ref().map(|previous| Change::new(&totals, &previous.totals));
        let is_broken_down = !asked.dimensions.is_empty();
        let (breakdown_from, breakdown_to) = (tally.found_from, tally.found_to);
        let mut stats = Self {
            whose: WhoseView::new(whose),
            from: window.from().to_string(),
            to: window.to().to_string(),
            interval: window.interval().as_str(),
            tz: zones::name(window.zone()).to_owned(),
            series: points(window, &tally).collect(),
            totals,
            unique: tally.unique.as_ref().map(UniqueView::new),
            breakdown: BTreeMap::new(),
            bounds: BTreeMap::new(),
            breakdown_from: is_broken_down.then(|| breakdown_from.to_string()),
            breakdown_to: is_broken_down.then(|| breakdown_to.to_string()),
            previous,
            change,
        };
        for (dimension, found) in tally.found {
            let limit = dimension.limit();
            let biggest = found.biggest(limit);
            stats.bounds.insert(dimension.as_str(), Bound { limit, missed: biggest.missed });
            stats.breakdown.insert(dimension.as_str(), Value::all(&biggest));
        }
        stats
    }
}

fn points<'a>(window: &'a Window, tally: &'a Tally) -> impl Iterator<Item = Point> + 'a {
    tally.series.points.iter().enumerate().map(|(number, point)| {
        let unique = tally.unique.as_ref().zip(window.point(number));
        let unique = unique.and_then(|(unique, (from, to))| unique.of_point(from, to));
        Point { start: point.start.to_string(), figures: Figures::new(point.counts, unique) }
    })
}

/// The values of the dimensions that are asked for, else the series.
fn csv(asked: &Asked, mut tally: Tally) -> Response<Body> {
    let numbers = |counts: [u64; 3]| counts.map(|count| count.to_string());
    let text = if asked.dimensions.is_empty() {
        let mut csv = Csv::new(&["start", "clicks", "human", "bot", "unique"]);
        for Point { start, figures } in points(&asked.window, &tally) {
            let counts = numbers([figures.clicks, figures.human, figures.bot]);
            let unique = figures.unique.map(|unique| unique.to_string()).unwrap_or_default();
            csv.line([start].into_iter().chain(counts).chain([unique]));
        }
        csv.into_text()
    } else {
        let mut csv = Csv::new(&["dimension", "value", "clicks", "human", "bot"]);
        let found = |dimension: &Dimension| {
            tally.found.remove(dimension).unwrap_or_default().biggest(dimension.limit())
        };
        let tables: Vec<_> = asked.dimensions.iter().map(found).collect();
        for (dimension, table) in asked.dimensions.iter().zip(&tables) {
            for Value { value, clicks, human, bot } in Value::all(table) {
                let name = [dimension.as_str().to_owned(), value];
                csv.line(name.into_iter().chain(numbers([clicks, human, bot])));
            }
        }
        csv.into_text()
    };
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
