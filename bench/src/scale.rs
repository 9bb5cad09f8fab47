//! The API with a thousand links and with a million: calls, units, time.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, ensure};
use jiff::{SignedDuration, Timestamp};
use lambda::{Clock, Env};
use local::{Data, Options, Platform};
use serde_json::{Value, json};
use testkit::probe::{Call, Probe};

use crate::fill::{self, Model};
use crate::load::Connection;
use crate::server::api_request;
use crate::table::{Table, publish, say};

/// How many links there are.
const SIZES: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];

/// How often each thing is asked for its median time, each time of another link.
const TIMES: u64 = 201;

const TAG: &str = "scale";

#[derive(Debug, Clone, Copy)]
enum What {
    Redirect,
    Create,
    Get,
    List,
    Search,
    ByTag,
    Stats,
}

impl What {
    const ALL: [Self; 7] = [
        Self::Redirect,
        Self::Create,
        Self::Get,
        Self::List,
        Self::Search,
        Self::ByTag,
        Self::Stats,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Redirect => "redirect, link that is read",
            Self::Create => "create",
            Self::Get => "get",
            Self::List => "list 20",
            Self::Search => "search 20 by the slug's beginning",
            Self::ByTag => "list 20 by tag",
            Self::Stats => "statistics of a link",
        }
    }

    /// The request about the link of a number, and the status of its answer.
    fn request(self, asked: &Asked, number: u64) -> (String, u16) {
        let slug = fill::slug(number);
        let api = |path: &str| asked.api("GET", path, "");
        match self {
            Self::Redirect => {
                (format!("GET /{slug} HTTP/1.1\r\nHost: {}\r\n\r\n", asked.address), 302)
            }
            Self::Create => {
                let url = format!("https://example.com/landing/{slug}");
                let body = json!({ "url": url, "tags": [TAG] }).to_string();
                (asked.api("POST", "/api/v1/links", &body), 201)
            }
            Self::Get => (api(&format!("/api/v1/links/{}", fill::id(number, asked.begin))), 200),
            Self::List => (api("/api/v1/links?limit=20"), 200),
            Self::Search => (api(&format!("/api/v1/links?limit=20&q={}", &slug[..1])), 200),
            Self::ByTag => (api(&format!("/api/v1/links?limit=20&tag={TAG}")), 200),
            Self::Stats => {
                (api(&format!("/api/v1/links/{}/stats", fill::id(number, asked.begin))), 200)
            }
        }
    }
}

pub(crate) fn run() -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let tables = runtime.block_on(measure())?;
    publish("scale", &tables)
}

async fn measure() -> anyhow::Result<Vec<Table>> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let begin = Clock::system().now() - SignedDuration::from_hours(24 * 30);
    let model = model(folder.path(), begin).await?;
    let mut sizes = Table::new("The stores of so many links", &["links", "MB", "seconds to make"]);
    let mut rows: Vec<Vec<Vec<Value>>> = vec![Vec::new(); What::ALL.len()];
    let mut there = 0;
    for links in SIZES {
        let started = Instant::now();
        fill::fill(folder.path(), &model, begin, there..links)?;
        there = links;
        let bytes = std::fs::metadata(folder.path().join("dynamodb.sqlite"))?.len();
        let seconds = started.elapsed().as_secs();
        sizes.row(vec![json!(links), json!(bytes / 1_000_000), json!(seconds)]);
        say(&format!("{links} links are there after {seconds} s"));
        let (platform, asked) = Asked::start(folder.path(), begin).await?;
        for (what, rows) in What::ALL.into_iter().zip(&mut rows) {
            rows.push(asked.measured(what, links).await?);
        }
        platform.stop().await;
    }
    let mut table = Table::new(
        "`local` over HTTP, one request after the other, by the number of links",
        &["what", "links", "calls", "units", "p50 ms"],
    );
    rows.into_iter().flatten().for_each(|row| table.row(row));
    Ok(vec![table, sizes])
}

/// A link that was made and followed as usual.
async fn model(folder: &Path, begin: Timestamp) -> anyhow::Result<Model> {
    let (platform, asked) = Asked::start(folder, begin).await?;
    let mut connection = Connection::open(asked.address).await?;
    let slug = "model-of-all";
    let body = json!({ "url": "https://example.com/landing/page", "slug": slug, "tags": [TAG] });
    let create = asked.api("POST", "/api/v1/links", &body.to_string());
    connection.expect(create.as_bytes(), 201).await?;
    let link: Value = serde_json::from_slice(connection.body())?;
    let follow = format!("GET /{slug} HTTP/1.1\r\nHost: {}\r\n\r\n", asked.address);
    connection.expect(follow.as_bytes(), 302).await?;
    platform.work_off().await?;
    platform.stop().await;
    let id = link["id"].as_str().context("a link has an id")?.to_owned();
    Ok(Model { id, slug: slug.to_owned() })
}

/// The platform in this process, with a probe at its functions' clients.
pub(crate) struct Asked {
    pub(crate) address: SocketAddr,
    key: String,
    probe: Probe,
    begin: Timestamp,
}

impl Asked {
    async fn start(folder: &Path, begin: Timestamp) -> anyhow::Result<(Platform, Self)> {
        let options = Options::new(Data::Directory(folder.to_owned()));
        Self::with(options, begin).await
    }

    /// Nothing polls: what is counted is what was asked for.
    pub(crate) async fn with(
        mut options: Options,
        begin: Timestamp,
    ) -> anyhow::Result<(Platform, Self)> {
        let (sender, receiver) = std::sync::mpsc::channel();
        options.poll = false;
        // There is one caller here, who would be told to wait.
        options.env = Env::fixed([("WRITES_PER_MINUTE", "60000".to_owned())]);
        options.between = Some(Box::new(move |aws| {
            let (probe, through) = Probe::between(&aws);
            // Whoever started it waits for this.
            let _ = sender.send(probe);
            through
        }));
        let platform = Box::pin(Platform::start(options)).await?;
        let probe = receiver.recv().context("the platform has clients")?;
        let ready = platform.ready();
        let address = ready.url.trim_start_matches("http://").parse()?;
        let key = ready.api_key.clone();
        Ok((platform, Self { address, key, probe, begin }))
    }

    pub(crate) fn api(&self, method: &str, path: &str, body: &str) -> String {
        api_request(&self.address.to_string(), &self.key, method, path, body)
    }

    /// Asks on a connection; says what the functions asked of AWS meanwhile.
    pub(crate) async fn calls(
        &self,
        connection: &mut Connection,
        request: &str,
        status: u16,
    ) -> anyhow::Result<Vec<Call>> {
        self.probe.take_calls();
        connection.expect(request.as_bytes(), status).await?;
        Ok(self.probe.take_calls())
    }

    async fn measured(&self, what: What, links: u64) -> anyhow::Result<Vec<Value>> {
        let mut connection = Connection::open(self.address).await?;
        // The key is new to the authorizer, and the day's salt to the redirect.
        let (request, status) = what.request(self, 1);
        self.calls(&mut connection, &request, status).await?;
        let (mut times, mut calls, mut units) = (Vec::new(), Vec::new(), Vec::new());
        for time in 0..TIMES {
            // All over them, and none twice: there is no factor of a size in it.
            let (request, status) = what.request(self, (2 + time) * 7_919 % links);
            let begin = Instant::now();
            let made = self.calls(&mut connection, &request, status).await?;
            times.push(begin.elapsed());
            calls.push(made.len());
            units.push(made.iter().map(|call| call.capacity).sum::<f64>());
        }
        times.sort_unstable();
        calls.sort_unstable();
        units.sort_unstable_by(f64::total_cmp);
        let middle = times.len() / 2;
        ensure!(calls[middle] < 10, "{} took {} calls", what.name(), calls[middle]);
        Ok(vec![
            json!(what.name()),
            json!(links),
            json!(calls[middle]),
            json!(units[middle]),
            json!(times[middle].as_secs_f64() * 1_000.0),
        ])
    }
}
