//! Load on `local`, beside a bare server of the same HTTP stack.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use lambda::Clock;
use serde_json::{Value, json};

use crate::fill::{self, Model};
use crate::load::{Connection, Outcome, Target, pace, saturate};
use crate::server::{Local, Server, api_request};
use crate::table::{Table, publish, say};

/// How the redirect beside the floor is called in `--only`.
const FLOOR: &str = "floor";

/// At the same time, of every load.
const CONNECTIONS: usize = 64;

/// How long each load is measured.
const DURATION: Duration = Duration::from_secs(5);

/// How often the redirect and the floor are measured in turns.
const TURNS: usize = 3;

/// Links that are asked for again and again.
const HOT: u64 = 1_000;

/// All links: five times as many as the redirect remembers, so that whoever asks for one after the
/// other meets none that is remembered.
const LINKS: u64 = 200_000;

/// The rates that are tried, as parts of what goes at most.
const PARTS: [f64; 8] = [0.1, 0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// What is asked for, the status it has, whether it is a click, and the time within which 99 of 100
/// are to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scenario {
    Hit,
    Miss,
    Unknown,
    Create,
    List,
    Stats,
}

impl Scenario {
    const ALL: [Self; 6] =
        [Self::Hit, Self::Miss, Self::Unknown, Self::Create, Self::List, Self::Stats];

    /// What it is called in `--only`.
    fn key(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Unknown => "unknown",
            Self::Create => "create",
            Self::List => "list",
            Self::Stats => "stats",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Hit => "redirect, remembered link",
            Self::Miss => "redirect, link that is read",
            Self::Unknown => "redirect, no such link",
            Self::Create => "create a link",
            Self::List => "list 20 links",
            Self::Stats => "statistics of a link",
        }
    }

    fn is_click(self) -> bool {
        matches!(self, Self::Hit | Self::Miss)
    }

    /// In milliseconds.
    fn limit(self) -> f64 {
        match self {
            Self::Hit | Self::Miss | Self::Unknown => 15.0,
            Self::Create | Self::List | Self::Stats => 50.0,
        }
    }

    fn target(self, local: &Local, begin: jiff::Timestamp) -> Target {
        let address = local.server.address;
        let (host, key) = (address.to_string(), local.key.clone());
        let write = move |number: u64, out: &mut Vec<u8>| {
            let text = match self {
                Self::Hit => follow(&host, &fill::slug(number % HOT)),
                Self::Miss => follow(&host, &fill::slug(number % LINKS)),
                Self::Unknown => follow(&host, &format!("none-{number}")),
                Self::Create => {
                    let url = format!("https://example.com/landing/page?number={number}");
                    let body = json!({ "url": url }).to_string();
                    api_request(&host, &key, "POST", "/api/v1/links", &body)
                }
                Self::List => api_request(&host, &key, "GET", "/api/v1/links?limit=20", ""),
                Self::Stats => {
                    let path = format!("/api/v1/links/{}/stats", fill::id(number % HOT, begin));
                    api_request(&host, &key, "GET", &path, "")
                }
            };
            out.extend_from_slice(text.as_bytes());
        };
        let status = match self {
            Self::Hit | Self::Miss => 302,
            Self::Unknown => 404,
            Self::Create => 201,
            Self::List | Self::Stats => 200,
        };
        Target::new(address, status, write)
    }
}

/// What a browser sends.
fn follow(host: &str, slug: &str) -> String {
    format!(
        "GET /{slug} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) \
         AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36\r\nAccept: */*\r\n\
         Accept-Language: de-DE,de;q=0.9,en;q=0.8\r\nReferer: https://news.example.org/item\r\n\r\n"
    )
}

/// Compiles `local` and measures it, or measures a program that is there.
pub(crate) fn run(more: &[String]) -> anyhow::Result<()> {
    let plan = Plan::read(more)?;
    let program = plan.program.clone().map_or_else(Local::built, Ok)?;
    // On one thread: the others are the server's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let tables = runtime.block_on(measure(&program, &plan))?;
    if plan.only.is_empty() {
        return publish("http", &tables);
    }
    // A part is for whoever looks at it, and not for the page with all results.
    tables.iter().for_each(Table::print);
    Ok(())
}

/// What is measured.
#[derive(Debug, Default)]
struct Plan {
    program: Option<PathBuf>,
    /// Empty: all.
    only: Vec<String>,
}

impl Plan {
    fn read(more: &[String]) -> anyhow::Result<Self> {
        let mut plan = Self::default();
        let mut rest = more.iter();
        while let Some(option) = rest.next() {
            let value = rest.next().with_context(|| format!("{option} has a value"))?;
            match option.as_str() {
                "--program" => plan.program = Some(PathBuf::from(value)),
                "--only" => plan.only = value.split(',').map(str::to_owned).collect(),
                other => bail!("unknown option {other}; see bench/README.md"),
            }
        }
        let is_known = |name: &&String| {
            *name == FLOOR || Scenario::ALL.iter().any(|scenario| scenario.key() == *name)
        };
        if let Some(unknown) = plan.only.iter().find(|name| !is_known(name)) {
            bail!("there is no {unknown} to measure; see bench/README.md");
        }
        Ok(plan)
    }

    fn has(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == name)
    }
}

async fn measure(program: &Path, plan: &Plan) -> anyhow::Result<Vec<Table>> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let begin = Clock::system().now() - jiff::SignedDuration::from_hours(24 * 30);
    let model = model(program, folder.path()).await?;
    fill::fill(folder.path(), &model, begin, 0..LINKS)?;
    let local = Local::start(program, folder.path())?;
    let mut run = Run { local, begin, clicks: 0 };
    run.local.drain().await?;
    run.clicks = run.counted().await?;
    let mut tables = Vec::new();
    if plan.has(FLOOR) {
        tables.push(run.beside_the_floor().await?);
    }
    let scenarios = Scenario::ALL.into_iter().filter(|scenario| plan.has(scenario.key()));
    let scenarios: Vec<_> = scenarios.collect();
    if !scenarios.is_empty() {
        tables.extend(run.rates(&scenarios).await?);
    }
    run.local.drain().await?;
    let (answered, counted) = (run.clicks, run.counted().await?);
    ensure!(answered == counted, "{answered} clicks were answered, {counted} are counted");
    say(&format!("\nAll {answered} redirects that were answered are counted."));
    Ok(tables)
}

/// A link that was made and followed as usual.
async fn model(program: &Path, folder: &Path) -> anyhow::Result<Model> {
    let local = Local::start(program, folder)?;
    let asked = json!({ "url": "https://example.com/landing/page", "slug": "model-of-all" });
    let link = local.ask("POST", "/api/v1/links", &asked.to_string(), 201).await?;
    let slug = link["slug"].as_str().context("a link has a slug")?.to_owned();
    let mut connection = Connection::open(local.server.address).await?;
    let request = follow(&local.server.address.to_string(), &slug);
    connection.expect(request.as_bytes(), 302).await?;
    local.drain().await?;
    let id = link["id"].as_str().context("a link has an id")?.to_owned();
    Ok(Model { id, slug })
}

struct Run {
    local: Local,
    begin: jiff::Timestamp,
    /// How many redirects were answered.
    clicks: u64,
}

impl Run {
    /// Waits until all clicks are counted; says how many were left, and how many were counted in a
    /// second.
    async fn drain(&self) -> anyhow::Result<(u64, f64)> {
        let left = self.clicks.saturating_sub(self.counted().await?);
        let begin = Instant::now();
        self.local.drain().await?;
        let counted = f64::from(u32::try_from(left)?);
        Ok((left, counted / begin.elapsed().as_secs_f64()))
    }

    /// How many clicks the workspace has.
    async fn counted(&self) -> anyhow::Result<u64> {
        let day = (Clock::system().now() - jiff::SignedDuration::from_hours(24)).strftime("%F");
        let path = format!("/api/v1/stats?from={day}");
        let said = self.local.ask("GET", &path, "", 200).await?;
        said["totals"]["clicks"].as_u64().context("statistics have totals")
    }

    fn add(&mut self, scenario: Scenario, outcome: &Outcome) {
        if scenario.is_click() {
            self.clicks += outcome.answered;
        }
    }

    /// The redirect and the floor, in turns, as much as goes.
    async fn beside_the_floor(&mut self) -> anyhow::Result<Table> {
        let mut table = Table::new(
            format!(
                "Redirects at {CONNECTIONS} connections, as many as go, beside a bare server of the same HTTP \
                 stack; the median of {TURNS} turns"
            ),
            &[
                "server",
                "redirects/s",
                "p50 ms",
                "p99 ms",
                "peak MB",
                "clicks left to count",
                "counted/s then",
            ],
        );
        let target = Scenario::Hit.target(&self.local, self.begin);
        let (mut bare, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let floor = Server::floor()?;
            let there = Target::new(floor.address, 302, {
                let host = floor.address.to_string();
                move |number, out| {
                    let text = follow(&host, &fill::slug(number % HOT));
                    out.extend_from_slice(text.as_bytes());
                }
            });
            let outcome = saturate(&there, CONNECTIONS, DURATION).await?;
            bare.push((outcome, floor.peak_mb(), None));
            drop(floor);
            let outcome = saturate(&target, CONNECTIONS, DURATION).await?;
            self.add(Scenario::Hit, &outcome);
            let peak = self.local.server.peak_mb();
            // Before the floor's turn: counting must not slow it down.
            ours.push((outcome, peak, Some(self.drain().await?)));
        }
        let mut rates = Vec::new();
        for (name, mut turns) in [("bare", bare), ("local", ours)] {
            turns.sort_by(|a, b| a.0.rate.total_cmp(&b.0.rate));
            let (outcome, peak, drained) = &turns[TURNS / 2];
            rates.push(outcome.rate);
            say(&format!("{name}: {:.0}/s, 99 of 100 in {} ms", outcome.rate, outcome.ms(99.0)));
            table.row(vec![
                json!(name),
                whole(outcome.rate),
                json!(outcome.ms(50.0)),
                json!(outcome.ms(99.0)),
                whole(*peak),
                drained.map_or(Value::Null, |(left, _)| json!(left)),
                drained.map_or(Value::Null, |(_, rate)| whole(rate)),
            ]);
        }
        say(&format!("\nlocal / bare: {:.3}", rates[1] / rates[0]));
        Ok(table)
    }

    /// Each scenario as much as goes, and then at rising rates until it is too slow.
    async fn rates(&mut self, scenarios: &[Scenario]) -> anyhow::Result<[Table; 2]> {
        let mut most = Table::new(
            format!("`local` at {CONNECTIONS} connections, as much as goes"),
            &["what", "answered/s", "p50 ms", "p99 ms"],
        );
        let mut rates = Table::new(
            format!(
                "`local` at rates, on {CONNECTIONS} connections at most, until one of 100 waits for longer than \
                 15 ms (redirects) or 50 ms"
            ),
            &["what", "asked/s", "answered/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms"],
        );
        for &scenario in scenarios {
            let target = scenario.target(&self.local, self.begin);
            let outcome = saturate(&target, CONNECTIONS, DURATION).await?;
            self.add(scenario, &outcome);
            most.row(vec![
                json!(scenario.name()),
                whole(outcome.rate),
                json!(outcome.ms(50.0)),
                json!(outcome.ms(99.0)),
            ]);
            let best = outcome.rate;
            for part in PARTS {
                self.local.drain().await?;
                let asked = rounded(best * part);
                let outcome = pace(&target, CONNECTIONS, asked, DURATION).await?;
                self.add(scenario, &outcome);
                rates.row(vec![
                    json!(scenario.name()),
                    whole(asked),
                    whole(outcome.rate),
                    json!(outcome.ms(50.0)),
                    json!(outcome.ms(99.0)),
                    json!(outcome.ms(99.9)),
                    json!(outcome.ms(100.0)),
                ]);
                if scenario.limit() < outcome.ms(99.0) {
                    break;
                }
            }
            self.local.drain().await?;
        }
        Ok([most, rates])
    }
}

fn whole(number: f64) -> Value {
    json!(format!("{number:.0}").parse::<u64>().unwrap_or(0))
}

/// To two digits.
fn rounded(rate: f64) -> f64 {
    let scale = 10_f64.powf(rate.log10().floor() - 1.0);
    (rate / scale).round() * scale
}
