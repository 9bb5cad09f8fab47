#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::{Duration, Instant};

use agents::Agents;
use domain::{Day, Orphan, RecordedClick, Retention};
use jiff::Timestamp;
use lake::{PutError, RawClicks};
use lambda::{Boot, Clock, EnvError, Failed, Message, Random};
use queue::{LedgerMessages, Seen};
use store::LedgerStore;
use store::ledger::{Outcome, Recording};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    agents: Agents,
    lake: RawClicks,
    ledger: LedgerStore,
    retention: Retention,
    clock: Clock,
    random: Random,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let clicks = boot.env.required("CLICKS_TABLE")?;
    let links = boot.env.required("LINKS_TABLE")?;
    Ok(App {
        agents: Agents::default(),
        lake: RawClicks::new(&boot.aws, boot.env.required("RAW_BUCKET")?),
        ledger: LedgerStore::new(&boot.aws, clicks, links),
        retention: boot.env.parsed("CLICK_RETENTION_DAYS", Retention::DEFAULT)?,
        clock: boot.clock,
        random: boot.random,
    })
}

/// Records a batch of clicks and orphans within the time that it has, and says which messages must
/// come back.
pub async fn handle(
    app: App,
    messages: Vec<Message<LedgerMessages>>,
    budget: Duration,
) -> Vec<Failed> {
    let begin = Instant::now();
    let now = app.clock.now();
    let mut batch = Batch::read(messages, &app.agents);
    let how = |random| Recording {
        now,
        retention: app.retention,
        within: budget.saturating_sub(begin.elapsed()),
        random,
    };
    let mut tally = Tally::default();
    let mut key = None;
    if !batch.clicks.is_empty() {
        match put(&app, &batch.clicks, now).await {
            Ok(put) => {
                key = put;
                let clicks = app.ledger.record(&batch.clicks, how(app.random.u128())).await;
                for (id, outcome) in batch.ids.drain(..).zip(clicks) {
                    tally.add(id, outcome);
                }
            }
            Err(error) => {
                tally.failed.extend(batch.ids.drain(..).map(|id| Failed::new(id, &error)));
            }
        }
    }
    // In what time is left: nobody pays for orphans.
    let orphans = app.ledger.record_orphans(&batch.orphans, how(app.random.u128())).await;
    for (id, outcome) in batch.orphan_ids.drain(..).zip(orphans) {
        tally.add(id, outcome);
    }
    let mut failed: Vec<_> = batch.failed.into_iter().chain(tally.failed).collect();
    let clicks_failed = failed.len();
    // A message comes back once, however many of its clicks failed.
    let mut known = HashSet::new();
    failed.retain(|failed| known.insert(failed.id.clone()));
    tracing::info!(
        clicks.recorded = tally.recorded,
        clicks.duplicates = tally.duplicates,
        clicks.purged = tally.purged,
        clicks.failed = clicks_failed,
        raw.key = key,
        duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        "recorded {} clicks",
        tally.recorded
    );
    failed
}

/// Puts clicks into the lake. Those that the ledger refuses, because they are too old, are not to be
/// there either: what is in the lake is what is counted.
async fn put(
    app: &App,
    clicks: &[RecordedClick],
    now: Timestamp,
) -> Result<Option<String>, PutError> {
    let kept = |click: &RecordedClick| app.retention.keeps(Day::of(click.click.id.at()), now);
    let mut kept_clicks = Cow::Borrowed(clicks);
    // Seldom: only who redrives what lay for weeks has such clicks.
    if !clicks.iter().all(kept) {
        kept_clicks.to_mut().retain(kept);
    }
    if kept_clicks.is_empty() {
        return Ok(None);
    }
    app.lake.put(&kept_clicks, now, app.random.u128()).await.map(Some)
}

/// What became of the messages.
#[derive(Debug, Default)]
struct Tally {
    recorded: u32,
    duplicates: u32,
    purged: u32,
    failed: Vec<Failed>,
}

impl Tally {
    fn add(&mut self, id: String, outcome: Outcome) {
        match outcome {
            Outcome::Recorded => self.recorded += 1,
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Purged => self.purged += 1,
            Outcome::Failed(error) => self.failed.push(Failed::new(id, &*error)),
        }
    }
}

/// What is in the messages of a batch, apart: clicks, orphans, and what is neither. Ids are the
/// messages', in the order of what is in them.
#[derive(Default)]
struct Batch {
    ids: Vec<String>,
    clicks: Vec<RecordedClick>,
    orphan_ids: Vec<String>,
    orphans: Vec<Orphan>,
    failed: Vec<Failed>,
}

impl Batch {
    fn read(messages: Vec<Message<LedgerMessages>>, agents: &Agents) -> Self {
        let mut batch = Self::default();
        for Message { id, body } in messages {
            for seen in body.0 {
                match Seen::try_from(seen) {
                    Ok(Seen::Click(click)) => {
                        batch.ids.push(id.clone());
                        batch.clicks.push(agents.read(*click));
                    }
                    Ok(Seen::Orphan(orphan)) => {
                        batch.orphan_ids.push(id.clone());
                        batch.orphans.push(orphan);
                    }
                    Err(error) => batch.failed.push(Failed::new(&id, &error)),
                }
            }
        }
        batch
    }
}
