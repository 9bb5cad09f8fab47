#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::Scope;
use domain::rollup::Counts;
use domain::stats::{Interval, Series, Window};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use lambda::input::Params;
use lambda::{Body, Boot, Clock, EnvError, Fault, Problem, Request, Response, StatusCode, auth};
use serde::Serialize;
use store::ledger::Subject;
use store::{LedgerStore, LinkStore};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    links: LinkStore,
    ledger: LedgerStore,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = boot.env.required("LINKS_TABLE")?;
    Ok(App {
        ledger: LedgerStore::new(&boot.aws, boot.env.required("CLICKS_TABLE")?, &links),
        links: LinkStore::new(&boot.aws, links),
        clock: boot.clock,
    })
}

/// Answers with the counts of a link's clicks, as a whole and as a series.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::StatsRead)?;
    let window = window(&request, app.clock.now())?;
    let link = api::found(&app.links, caller.workspace()?, &request).await?;
    let (first, last) = window.days();
    let days = app.ledger.days(Subject::Link(link.id), first..=last).await.map_err(api::unread)?;
    let stats = Stats::new(link.id.to_string(), &window, &window.series(&days));
    lambda::json(StatusCode::OK, &stats)
}

/// The window that the query asks for.
fn window(request: &Request, now: Timestamp) -> Result<Window, Problem> {
    let mut params = Params::of(request);
    let from = params.optional("from", moment);
    let to = params.optional("to", moment);
    let interval = params.optional("interval", Interval::parse);
    params.finish()?;
    let interval = interval.unwrap_or(Interval::Day);
    let to = to.unwrap_or(now);
    let from = from.unwrap_or_else(|| to.checked_sub(default_length(interval)).unwrap_or(to));
    Window::new(from, to, interval, TimeZone::UTC)
        .map_err(|error| Problem::invalid(vec![Fault::parameter("from", error)]))
}

/// How long the window is when nobody says: as much as a chart shows well.
fn default_length(interval: Interval) -> SignedDuration {
    match interval {
        Interval::Hour => SignedDuration::from_hours(7 * 24),
        Interval::Day => SignedDuration::from_hours(30 * 24),
        Interval::Week => SignedDuration::from_hours(26 * 7 * 24),
        Interval::Month => SignedDuration::from_hours(365 * 24),
    }
}

/// A time, or a date for its first moment in UTC.
fn moment(text: &str) -> Result<Timestamp, &'static str> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    let date = || {
        let date = Date::strptime("%Y-%m-%d", text).ok()?;
        Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    // In a query a `+` means a space: `+01:00` that was not escaped arrives as ` 01:00`.
    time(text)
        .or_else(date)
        .or_else(|| time(&text.replace(' ', "+")))
        .ok_or("this must be a time such as `2026-11-22T10:00:00Z`, or a date")
}

#[derive(Serialize)]
struct Stats {
    link: String,
    from: String,
    to: String,
    interval: &'static str,
    totals: Count,
    series: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    start: String,
    #[serde(flatten)]
    count: Count,
}

#[derive(Serialize)]
struct Count {
    clicks: u64,
    human: u64,
    bot: u64,
}

impl Stats {
    fn new(link: String, window: &Window, series: &Series) -> Self {
        let points = series.points.iter();
        Self {
            link,
            from: window.from().to_string(),
            to: window.to().to_string(),
            interval: window.interval().as_str(),
            totals: series.totals.into(),
            series: points
                .map(|point| Point { start: point.start.to_string(), count: point.counts.into() })
                .collect(),
        }
    }
}

impl From<Counts> for Count {
    fn from(counts: Counts) -> Self {
        Self { clicks: counts.total(), human: counts.human, bot: counts.bot }
    }
}
