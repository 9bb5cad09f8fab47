//! What a click costs on its way into the ledger, and how many of them get there in a second.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use aws_types::SdkConfig;
use domain::Click;
use embedded::Embedded;
use futures_util::future::join_all;
use jiff::SignedDuration;
use lambda::{Boot, Function, Invocation, Random};
use serde_json::{Value, json};
use store::Tables;
use testkit::probe::{Fault, On, Probe};
use testkit::{World, now};
use torture::chance::{Chance, Zipf};
use torture::sim::Sim;
use torture::weather::{Pace, Weather};

use crate::clicks::{Clicks, batch};
use crate::table::{Table, publish};

/// As many messages as `workers.yaml` puts into one batch.
const BATCH: usize = 1_000;

/// How much of a day is on the counts already when it is measured: they have all their values then.
const BATCHES_BEFORE: usize = 10;

pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let cost = runtime()?.block_on(cost(BATCHES_BEFORE))?;
    let model = runtime()?.block_on(model())?;
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let local = threads.block_on(local())?;
    publish("ledger", &[cost, model, local])
}

/// Which link the clicks of a batch are on.
#[derive(Debug, Clone, Copy)]
enum Shape {
    Hot,
    Single,
    Zipf,
}

impl Shape {
    const ALL: [(Self, &'static str); 3] = [
        (Self::Hot, "one hot link"),
        (Self::Single, "1,000 links of one click"),
        (Self::Zipf, "5,000 links by Zipf's law"),
    ];

    fn clicks(self, clicks: &mut Clicks, zipf: &Zipf, of: usize) -> Vec<Click> {
        // A batch is some seconds of a day.
        let begin = now() + SignedDuration::from_secs(i64::try_from(of).unwrap_or(0) * 60);
        let click = |number: usize| {
            let link = match self {
                Self::Hot => 0,
                Self::Single => of * BATCH + number,
                Self::Zipf => clicks.pick(zipf),
            };
            let milliseconds = i64::try_from(number).unwrap_or(0) * 60;
            clicks.on(link, begin + SignedDuration::from_millis(milliseconds))
        };
        (0..BATCH).map(click).collect()
    }
}

async fn worker(boot: Boot) -> anyhow::Result<Function> {
    Ok(Function::sqs(boot, record_clicks::load, record_clicks::handle).await?)
}

/// Records a batch, all of it.
async fn record(worker: &Function, clicks: &[Click]) -> anyhow::Result<()> {
    let timeout = Duration::from_secs(900);
    let invocation = Invocation { timeout, ..Invocation::new(batch(clicks), "bench") };
    let answer: Value = serde_json::from_slice(&worker.invoke(invocation).await?)?;
    let failed = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
    ensure!(failed == 0, "{failed} clicks were not recorded");
    Ok(())
}

/// Calls and units of a batch of 1,000 clicks, as the embedded DynamoDB says them: of the first of a
/// day, and of the one after so many others.
pub(crate) async fn cost(before: usize) -> anyhow::Result<Table> {
    let mut table = Table::new(
        "A batch of 1,000 clicks: calls, and units by DynamoDB's own rules",
        &[
            "clicks on",
            "the day so far",
            "read units",
            "write units",
            "write units per click",
            "BatchGetItem",
            "TransactWriteItems",
            "S3 PUT",
        ],
    );
    for (shape, name) in Shape::ALL {
        let world = World::new().await;
        let worker = worker(world.boot("record-clicks")).await?;
        let (mut clicks, zipf) = (Clicks::new(1), Zipf::of(5_000));
        for of in 0..=before {
            let all = shape.clicks(&mut clicks, &zipf, of);
            world.probe.take_calls();
            record(&worker, &all).await?;
            if of != 0 && of != before {
                continue;
            }
            let calls = world.probe.take_calls();
            let units = |operation: &str| -> f64 {
                let of = calls.iter().filter(|call| call.operation == operation);
                of.map(|call| call.capacity).sum()
            };
            let count =
                |operation: &str| calls.iter().filter(|call| call.operation == operation).count();
            let written = units("TransactWriteItems") + units("UpdateItem");
            table.row(vec![
                json!(name),
                json!(if of == 0 { "nothing".to_owned() } else { format!("{of},000 clicks") }),
                json!(units("BatchGetItem") + units("GetItem")),
                json!(written),
                json!(written / 1_000.0),
                json!(count("BatchGetItem")),
                json!(count("TransactWriteItems")),
                json!(count("PUT")),
            ]);
        }
    }
    Ok(table)
}

/// How many clicks on one link get through in a second of a simulated DynamoDB.
async fn model() -> anyhow::Result<Table> {
    let mut table = Table::new(
        "A model, not a measurement: one hot link, where each call takes 4 ms and 0.15 ms for each item and \
         up to 2 ms each way, a PUT 30 ms, and transactions that meet at a row are cancelled; our own CPU \
         takes no time",
        &[
            "workers",
            "clicks/s",
            "conflicts per 1,000 clicks",
            "clicks/s with one shard",
            "conflicts with one shard",
        ],
    );
    for workers in [1, 2, 4, 8] {
        let split = modelled(workers, true).await?;
        let whole = modelled(workers, false).await?;
        table.row(vec![
            json!(workers),
            json!(split.0),
            json!(split.1),
            json!(whole.0),
            json!(whole.1),
        ]);
    }
    Ok(table)
}

async fn modelled(workers: usize, may_split: bool) -> anyhow::Result<(u64, f64)> {
    const BATCHES: usize = 6;
    let (world, sim) = (World::new().await, Sim::default());
    world.add(&testkit::link("s0")).await;
    // The probe is where the split is refused.
    let (probe, stores) = Probe::between(&world.aside());
    if !may_split {
        let conflict = Fault::Error { status: 400, code: "AccessDeniedException" };
        probe.inject(On::operation("UpdateItem"), conflict);
    }
    let weather = Weather::over(&stores, &sim, Chance::new(1));
    weather.pace(Pace::AWS);
    let (mut clicks, zipf) = (Clicks::new(1), Zipf::of(1));
    let mut all = Vec::new();
    for number in 0..workers {
        let seed = u64::try_from(number)?;
        let boot = world.boot("record-clicks");
        let aws = weather.aws(&Arc::default());
        let worker = worker(Boot { aws, random: Random::seeded(seed), ..boot }).await?;
        let batches: Vec<_> =
            (0..BATCHES + 2).map(|of| Shape::Hot.clicks(&mut clicks, &zipf, of)).collect();
        all.push((worker, batches));
    }
    // The first two of each: until the shards are as many as are needed.
    for part in [0..2, 2..BATCHES + 2] {
        let begin = (sim.now(), weather.tally());
        let work = all.iter().map(async |(worker, batches)| {
            for batch in &batches[part.clone()] {
                record(worker, batch).await?;
            }
            anyhow::Ok(())
        });
        for done in sim.run(join_all(work)).await {
            done?;
        }
        if part.start == 0 {
            continue;
        }
        let seconds = (sim.now() - begin.0).as_secs_f64();
        let met = "met another transaction";
        let of = |tally: &torture::weather::Tally| tally.get(met).copied().unwrap_or(0);
        let conflicts = of(&weather.tally()) - of(&begin.1);
        let recorded = f64::from(u32::try_from(workers * BATCHES * BATCH)?);
        let per_second = format!("{:.0}", recorded / seconds).parse()?;
        return Ok((per_second, f64::from(u32::try_from(conflicts)?) / recorded * 1_000.0));
    }
    unreachable()
}

fn unreachable<T>() -> anyhow::Result<T> {
    anyhow::bail!("there are two parts")
}

/// How many clicks the embedded stores take in a second, on this disk.
async fn local() -> anyhow::Result<Table> {
    let mut table = Table::new(
        "Measured: what `local` takes, with its stores on this machine's disk",
        &["clicks on", "workers", "clicks", "seconds", "clicks/s"],
    );
    for (shape, name) in [Shape::ALL[0], Shape::ALL[2]] {
        for workers in [1, 2, 4] {
            const BATCHES: usize = 10;
            let folder = tempfile::tempdir().context("making a folder")?;
            let world = World::new().await;
            let embedded = Embedded::open(folder.path())?;
            let aws = embedded.sdk_config();
            open(&aws).await?;
            let mut working = Vec::new();
            let (mut clicks, zipf) = (Clicks::new(1), Zipf::of(5_000));
            for number in 0..workers {
                let boot = world.boot("record-clicks");
                let random = Random::seeded(u64::try_from(number)?);
                let worker = worker(Boot { aws: aws.clone(), random, ..boot }).await?;
                let batches: Vec<_> =
                    (0..BATCHES / workers).map(|of| shape.clicks(&mut clicks, &zipf, of)).collect();
                working.push((worker, batches));
            }
            let begin = Instant::now();
            let work = working.into_iter().map(|(worker, batches)| {
                tokio::spawn(async move {
                    for batch in batches {
                        record(&worker, &batch).await?;
                    }
                    anyhow::Ok(())
                })
            });
            for done in join_all(work).await {
                done??;
            }
            let seconds = begin.elapsed().as_secs_f64();
            let count = BATCHES / workers * workers * BATCH;
            table.row(vec![
                json!(name),
                json!(workers),
                json!(count),
                json!(seconds),
                json!(format!("{:.0}", f64::from(u32::try_from(count)?) / seconds).parse::<u64>()?),
            ]);
        }
    }
    Ok(table)
}

/// Tables and bucket, as a world has them.
pub(crate) async fn open(aws: &SdkConfig) -> anyhow::Result<()> {
    let tables = Tables { links: "links", clicks: "clicks", accounts: "accounts", salts: "salts" };
    store::create_tables(aws, tables).await?;
    let request = aws_sdk_s3::config::Builder::from(aws).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(request).create_bucket().bucket("raw-clicks").send().await?;
    Ok(())
}
