//! What a year of statistics with all dimensions takes, of a link with few clicks and with many.
//!
//! A day is recorded for real, and its counts are copied to the other days of the year: what is read
//! depends on the rows of the counts, and not on how many clicks they stand for.
//!
//! Each question is asked of a function that was just started (`cold`), of one that was asked before
//! (`p50`), and of that again each time after one more click was counted.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, PutRequest, WriteRequest};
use aws_types::SdkConfig;
use domain::Dimension;
use domain::{Day, Link};
use embedded::Embedded;
use jiff::{SignedDuration, Timestamp};
use lambda::{Boot, Function, Invocation};
use serde_json::{Value, json};
use testkit::probe::{Call, Probe};
use testkit::{World, event, now};

use crate::clicks::{Clicks, batch, link};
use crate::ledger;
use crate::table::{Table, publish};

/// Days of the year.
const DAYS: i64 = 365;

/// How often each question is asked for its median time.
const TIMES: usize = 41;

/// The same of a function that was just started.
const COLD_TIMES: usize = 7;

pub(crate) fn run() -> anyhow::Result<()> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let table = runtime.block_on(measure())?;
    publish("stats", &[table])
}

async fn measure() -> anyhow::Result<Table> {
    let mut table = Table::new(
        "A year of a link's statistics with all dimensions, by day",
        &[
            "clicks of the link",
            "days with clicks",
            "shards",
            "calls",
            "read units",
            "KB read",
            "KB answered",
            "cold ms",
            "calls later",
            "read units later",
            "p50 ms",
            "p50 ms after a click",
        ],
    );
    for (of_a_day, days, shards) in
        [(1, 100, 1), (3, DAYS, 1), (274, DAYS, 1), (27_397, DAYS, 1), (3_425, DAYS, 8)]
    {
        table.row(measured(of_a_day, days, shards).await?);
    }
    Ok(table)
}

/// A link with so many clicks in each shard of each of so many days.
async fn measured(of_a_day: usize, days: i64, shards: u8) -> anyhow::Result<Vec<Value>> {
    let folder = tempfile::tempdir().context("making a folder")?;
    let world = World::new().await;
    let embedded = Embedded::open(folder.path())?;
    let aws = embedded.sdk_config();
    ledger::open(&aws).await?;
    let mut asked = testkit::link("s0");
    asked.id = link(0);
    let links = store::LinkStore::new(&aws, "links");
    links.create(&asked, &store::Journal::none()).await?;
    record_a_day(&world, &aws, of_a_day).await?;
    copy(&Client::new(&aws), &asked, days, shards).await?;

    let (probe, through) = Probe::between(&aws);
    let start = || {
        let boot = Boot { aws: through.clone(), ..world.boot("link-stats") };
        Function::http(boot, link_stats::load, link_stats::handle)
    };
    let names: Vec<_> = Dimension::OF_LINKS.iter().map(|it| it.as_str()).collect();
    let day =
        |before: i64| (now() - SignedDuration::from_hours(24 * before)).strftime("%F").to_string();
    let (from, to) = (day(DAYS - 1), day(-1));
    let query = format!("from={from}&to={to}&interval=day&dimensions={}", names.join(","));
    let question = event("link-stats/minimal").path("id", &asked.id.to_string()).query(&query);
    let question = question.json().to_string().into_bytes();
    let question = || Invocation::new(question.clone(), "bench");
    let units = |calls: &[Call]| -> f64 { calls.iter().map(|call| call.capacity).sum() };

    let mut cold = Vec::new();
    let (mut function, mut calls, mut answer) = (start().await?, Vec::new(), Value::Null);
    for _ in 0..COLD_TIMES {
        function = start().await?;
        probe.take_calls();
        let begin = Instant::now();
        let bytes = function.invoke(question()).await?;
        cold.push(begin.elapsed());
        calls = probe.take_calls();
        answer = serde_json::from_slice(&bytes)?;
    }
    let body = answer["body"].as_str().unwrap_or_default();
    let clicks = counted(&answer)?;
    let expected = u64::try_from(of_a_day)? * u64::try_from(days)? * u64::from(shards);
    ensure!(clicks == expected, "{clicks} clicks were counted, there are {expected}");

    // What is remembered is remembered from the second question on.
    function.invoke(question()).await?;
    let (mut later, mut times) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        probe.take_calls();
        let begin = Instant::now();
        let bytes = function.invoke(question()).await?;
        times.push(begin.elapsed());
        later = probe.take_calls();
        let same: Value = serde_json::from_slice(&bytes)?;
        ensure!(same["body"] == answer["body"], "what is remembered answers something else");
    }
    let recorder = Recorder::new(&world, &aws).await?;
    let (mut more, mut after) = (Clicks::new(2), Vec::new());
    for number in 1..=TIMES {
        recorder.record(&[more.on(0, now())]).await?;
        let begin = Instant::now();
        let bytes = function.invoke(question()).await?;
        after.push(begin.elapsed());
        let clicks = counted(&serde_json::from_slice(&bytes)?)?;
        ensure!(clicks == expected + u64::try_from(number)?, "{clicks} clicks after {number} more");
    }
    let median = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        json!(times[times.len() / 2].as_secs_f64() * 1_000.0)
    };
    Ok(vec![
        json!(clicks),
        json!(days),
        json!(shards),
        json!(calls.len()),
        json!(units(&calls)),
        // A unit is a consistent read of 4 KB.
        json!(units(&calls) * 4.0),
        json!(f64::from(u32::try_from(body.len())?) / 1_024.0),
        median(&mut cold),
        json!(later.len()),
        json!(units(&later)),
        median(&mut times),
        median(&mut after),
    ])
}

/// How many clicks an answer counts.
fn counted(answer: &Value) -> anyhow::Result<u64> {
    ensure!(answer["statusCode"] == 200, "{answer}");
    let said: Value = serde_json::from_str(answer["body"].as_str().unwrap_or_default())?;
    said["totals"]["clicks"].as_u64().context("the answer has totals")
}

/// The worker that counts clicks.
struct Recorder(Function);

impl Recorder {
    async fn new(world: &World, aws: &SdkConfig) -> anyhow::Result<Self> {
        let boot = Boot { aws: aws.clone(), ..world.boot("record-clicks") };
        Ok(Self(Function::sqs(boot, record_clicks::load, record_clicks::handle).await?))
    }

    async fn record(&self, clicks: &[domain::Click]) -> anyhow::Result<()> {
        let timeout = Duration::from_secs(900);
        let invocation = Invocation { timeout, ..Invocation::new(batch(clicks), "bench") };
        let answer: Value = serde_json::from_slice(&self.0.invoke(invocation).await?)?;
        ensure!(answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty), "{answer}");
        Ok(())
    }
}

/// The clicks of today, through the worker.
async fn record_a_day(world: &World, aws: &SdkConfig, count: usize) -> anyhow::Result<()> {
    let recorder = Recorder::new(world, aws).await?;
    let begin = Day::of(now()).start();
    let mut clicks = Clicks::new(1);
    let spread = 80_000_000 / i64::try_from(count)?;
    let all: Vec<_> = (0..i64::try_from(count)?)
        .map(|number| clicks.on(0, begin + SignedDuration::from_millis(number * spread)))
        .collect();
    for part in all.chunks(1_000) {
        recorder.record(part).await?;
    }
    Ok(())
}

/// Copies today's row of the link's counts to the other shards, and to the days before, and makes
/// its totals what these add up to.
async fn copy(client: &Client, link: &Link, days: i64, shards: u8) -> anyhow::Result<()> {
    let today = Day::of(now());
    let row = first(client, link, &format!("D#{today}")).await?;
    let total = first(client, link, "T#").await?;
    let mut puts = Vec::new();
    let mut put = |row: &Item, key: String, more: &[(&str, String)]| {
        let mut copy = row.clone();
        copy.insert("sk".to_owned(), AttributeValue::S(key));
        for (name, number) in more {
            copy.insert((*name).to_owned(), AttributeValue::N(number.clone()));
        }
        let put = PutRequest::builder().set_item(Some(copy)).build()?;
        puts.push(WriteRequest::builder().put_request(put).build());
        anyhow::Ok(())
    };
    for shard in 0..shards {
        for before in 0..days {
            let at: Timestamp = now() - SignedDuration::from_hours(24 * before);
            put(&row, format!("D#{}#{shard:02}", Day::of(at)), &[])?;
        }
        let of_all_days = |name: &str| -> anyhow::Result<String> {
            let count = total.get(name).and_then(|it| it.as_n().ok()).context("a total")?;
            Ok((count.parse::<i64>()? * days).to_string())
        };
        let counts = [
            ("human", of_all_days("human")?),
            ("bot", of_all_days("bot")?),
            ("shards", shards.to_string()),
        ];
        put(&total, format!("T#{shard:02}"), if shard == 0 { &counts } else { &counts[..2] })?;
    }
    for part in puts.chunks(25) {
        client.batch_write_item().request_items("clicks", part.to_vec()).send().await?;
    }
    Ok(())
}

type Item = HashMap<String, AttributeValue>;

/// The first row of the link's counts whose key begins so.
async fn first(client: &Client, link: &Link, key: &str) -> anyhow::Result<Item> {
    let rows = client
        .query()
        .table_name("clicks")
        .key_condition_expression("pk = :pk AND begins_with(sk, :key)")
        .expression_attribute_values(":pk", AttributeValue::S(format!("R#{}", link.id)))
        .expression_attribute_values(":key", AttributeValue::S(key.to_owned()))
        .send()
        .await?;
    rows.items().first().cloned().context("today has counts")
}
