//! What a year of statistics with all dimensions takes, of a link with few clicks and with many.
//!
//! A day is recorded for real, and its counts are copied to the other days of the year: what is read
//! depends on the rows of the counts, and not on how many clicks they stand for.

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
use testkit::probe::Probe;
use testkit::{World, event, now};

use crate::clicks::{Clicks, batch, link};
use crate::ledger;
use crate::table::{Table, publish};

/// Days of the year.
const DAYS: i64 = 365;

/// How often each question is asked for its median time.
const TIMES: usize = 41;

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
            "p50 ms",
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
    let boot = Boot { aws: through, ..world.boot("link-stats") };
    let function = Function::http(boot, link_stats::load, link_stats::handle).await?;
    let names: Vec<_> = Dimension::OF_LINKS.iter().map(|it| it.as_str()).collect();
    let day =
        |before: i64| (now() - SignedDuration::from_hours(24 * before)).strftime("%F").to_string();
    let (from, to) = (day(DAYS - 1), day(-1));
    let query = format!("from={from}&to={to}&interval=day&dimensions={}", names.join(","));
    let question = event("link-stats/minimal").path("id", &asked.id.to_string()).query(&query);
    let question = question.json().to_string().into_bytes();
    let ask = || function.invoke(Invocation::new(question.clone(), "bench"));

    let answer: Value = serde_json::from_slice(&ask().await?)?;
    let body = answer["body"].as_str().unwrap_or_default();
    ensure!(answer["statusCode"] == 200, "{answer}");
    let said: Value = serde_json::from_str(body)?;
    let clicks = said["totals"]["clicks"].as_u64().unwrap_or(0);
    let expected = u64::try_from(of_a_day)? * u64::try_from(days)? * u64::from(shards);
    ensure!(clicks == expected, "{clicks} clicks were counted, there are {expected}");
    let calls = probe.take_calls();
    let units: f64 = calls.iter().map(|call| call.capacity).sum();

    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begin = Instant::now();
        ask().await?;
        times.push(begin.elapsed());
        probe.take_calls();
    }
    times.sort_unstable();
    Ok(vec![
        json!(clicks),
        json!(days),
        json!(shards),
        json!(calls.len()),
        json!(units),
        // A unit is a consistent read of 4 KB.
        json!(units * 4.0),
        json!(f64::from(u32::try_from(body.len())?) / 1_024.0),
        json!(times[TIMES / 2].as_secs_f64() * 1_000.0),
    ])
}

/// The clicks of today, through the worker.
async fn record_a_day(world: &World, aws: &SdkConfig, count: usize) -> anyhow::Result<()> {
    let boot = Boot { aws: aws.clone(), ..world.boot("record-clicks") };
    let worker = Function::sqs(boot, record_clicks::load, record_clicks::handle).await?;
    let begin = Day::of(now()).start();
    let mut clicks = Clicks::new(1);
    let spread = 80_000_000 / i64::try_from(count)?;
    let all: Vec<_> = (0..i64::try_from(count)?)
        .map(|number| clicks.on(0, begin + SignedDuration::from_millis(number * spread)))
        .collect();
    for part in all.chunks(1_000) {
        let timeout = Duration::from_secs(900);
        let invocation = Invocation { timeout, ..Invocation::new(batch(part), "bench") };
        let answer: Value = serde_json::from_slice(&worker.invoke(invocation).await?)?;
        ensure!(answer["batchItemFailures"].as_array().is_none_or(Vec::is_empty), "{answer}");
    }
    Ok(())
}

/// Copies today's row of the link's counts to the other shards, and to the days before.
async fn copy(client: &Client, link: &Link, days: i64, shards: u8) -> anyhow::Result<()> {
    let today = Day::of(now());
    let rows = client
        .query()
        .table_name("clicks")
        .key_condition_expression("pk = :pk AND begins_with(sk, :day)")
        .expression_attribute_values(":pk", AttributeValue::S(format!("R#{}", link.id)))
        .expression_attribute_values(":day", AttributeValue::S(format!("D#{today}")))
        .send()
        .await?;
    let row = rows.items().first().context("today has counts")?.clone();
    let mut puts = Vec::new();
    for before in 0..days {
        let at: Timestamp = now() - SignedDuration::from_hours(24 * before);
        for shard in 0..shards {
            let mut copy: HashMap<String, AttributeValue> = row.clone();
            copy.insert(
                "sk".to_owned(),
                AttributeValue::S(format!("D#{}#{shard:02}", Day::of(at))),
            );
            let put = PutRequest::builder().set_item(Some(copy)).build()?;
            puts.push(WriteRequest::builder().put_request(put).build());
        }
    }
    for part in puts.chunks(25) {
        client.batch_write_item().request_items("clicks", part.to_vec()).send().await?;
    }
    Ok(())
}
