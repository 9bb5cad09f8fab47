#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

pub use archive::Merged;
use archive::{Archive, ArchiveError};
use lambda::{Boot, EnvError, Metrics, Scheduled};
use store::LedgerStore;
use store::ledger::ReadError;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    archive: Archive,
    ledger: LedgerStore,
    metrics: Metrics,
}

/// Why not everything could be compacted. What was done is done.
#[derive(Debug, thiserror::Error)]
pub enum CompactError {
    /// Batches could not be listed.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// Whose clicks are to be forgotten could not be read.
    #[error("whose clicks are purged could not be read")]
    Purges(#[from] ReadError),
    /// Some files or batches are in the way; the log says which.
    #[error("{0} files or batches could not be worked on, and stay as they are")]
    Some(usize),
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        archive: Archive::new(&boot.aws, boot.env.required("RAW_BUCKET")?),
        ledger: LedgerStore::without_links(&boot.aws, boot.env.required("CLICKS_TABLE")?),
        metrics: boot.metrics,
    })
}

/// Compacts as much as can be in the time that it has.
pub async fn handle(app: App, event: Scheduled, budget: Duration) -> Result<(), CompactError> {
    let begin = Instant::now();
    // What has been begun then wants some seconds more. Should it take the rest and longer, it is cut
    // off, and the next run begins it anew.
    let until = begin + budget.mul_f64(0.6);
    let mut merged = Merged::default();
    // A box, or the compiler gives up on how large all these futures are together.
    let outcome = Box::pin(compact(&app, &mut merged, until)).await;
    tracing::info!(
        schedule.id = event.id,
        schedule.time = %event.time,
        clicks = merged.clicks,
        duplicates = merged.duplicates,
        purged = merged.purged,
        unreadable = merged.unreadable,
        left = merged.left,
        files = merged.files,
        raw.deleted = merged.deleted,
        duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        "compacted {} clicks into {} files",
        merged.clicks,
        merged.files
    );
    outcome?;
    // A newer version is about to be deployed everywhere, and takes these lines then.
    let errors = merged.errors.iter().filter(|error| !matches!(error, ArchiveError::Newer(_)));
    match errors.count() {
        0 => Ok(()),
        count => Err(CompactError::Some(count)),
    }
}

/// Compacts batch after batch until none is left or it is time to end, and adds up what was done.
pub async fn compact(app: &App, all: &mut Merged, until: Instant) -> Result<(), CompactError> {
    let mut after = None;
    let outcome = loop {
        let batch = match app.archive.take(after.as_ref()).await {
            Ok(Some(batch)) => batch,
            Ok(None) => break Ok(()),
            Err(error) => break Err(error.into()),
        };
        after = Some(batch.last().clone());
        // After the clicks: of what is ordered later, a purge finds the files that this one writes.
        let purges = match app.ledger.purges().await {
            Ok(purges) => purges,
            Err(error) => break Err(error.into()),
        };
        let gone = |link, workspace| purges.covers(link, workspace);
        let merged = app.archive.merge(batch, &gone, until).await;
        for error in &merged.errors {
            tracing::error!(error = %error, "clicks could not be compacted: {error}");
        }
        if 0 < merged.unreadable {
            let unreadable = merged.unreadable;
            tracing::error!(unreadable, "lines that are no clicks were put aside in `raw/bad/`");
            app.metrics.add("RawLinesUnreadable", unreadable);
        }
        all.add(merged);
        if until <= Instant::now() {
            break Ok(());
        }
    };
    app.metrics.add("ClicksCompacted", all.clicks);
    outcome
}
