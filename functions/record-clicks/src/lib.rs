#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use agents::Agents;
use domain::{Click, RecordedClick, Retention};
use lake::RawClicks;
use lambda::{Boot, Clock, EnvError, Failed, Message, Random};
use queue::ClickMessage;
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

/// Records a batch of clicks within the time that it has, and says which messages must come back.
pub async fn handle(
    app: App,
    messages: Vec<Message<ClickMessage>>,
    budget: Duration,
) -> Vec<Failed> {
    let begin = Instant::now();
    let now = app.clock.now();
    let Batch { ids, clicks, mut failed } = Batch::read(messages, &app.agents);
    if clicks.is_empty() {
        return failed;
    }
    let key = match app.lake.put(&clicks, now, app.random.u128()).await {
        Ok(key) => key,
        Err(error) => {
            failed.extend(ids.into_iter().map(|id| Failed::new(id, &error)));
            return failed;
        }
    };
    let how = Recording {
        now,
        retention: app.retention,
        within: budget.saturating_sub(begin.elapsed()),
        random: app.random.u128(),
    };
    let (mut recorded, mut duplicates, mut purged) = (0_u32, 0_u32, 0_u32);
    for (id, outcome) in ids.into_iter().zip(app.ledger.record(&clicks, how).await) {
        match outcome {
            Outcome::Recorded => recorded += 1,
            Outcome::Duplicate => duplicates += 1,
            Outcome::Purged => purged += 1,
            Outcome::Failed(error) => failed.push(Failed::new(id, &*error)),
        }
    }
    tracing::info!(
        clicks.recorded = recorded,
        clicks.duplicates = duplicates,
        clicks.purged = purged,
        clicks.failed = failed.len(),
        raw.key = key,
        duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        "recorded {recorded} clicks"
    );
    failed
}

/// The messages of a batch, apart: clicks, and what is none.
struct Batch {
    /// The queue's ids of the clicks, in their order.
    ids: Vec<String>,
    clicks: Vec<RecordedClick>,
    failed: Vec<Failed>,
}

impl Batch {
    fn read(messages: Vec<Message<ClickMessage>>, agents: &Agents) -> Self {
        let mut batch = Self { ids: Vec::new(), clicks: Vec::new(), failed: Vec::new() };
        for Message { id, body } in messages {
            match Click::try_from(body) {
                Ok(click) => {
                    batch.ids.push(id);
                    batch.clicks.push(agents.read(click));
                }
                Err(error) => batch.failed.push(Failed::new(id, &error)),
            }
        }
        batch
    }
}
