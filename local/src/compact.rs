//! `compact`: does now what `compact-clicks` does every hour.

use std::time::{Duration, Instant};

use aws_types::SdkConfig;
use compact_clicks::Merged;
use lambda::{Boot, Clock, Env, Metrics, Random};

use crate::settings::{RAW_BUCKET, TABLES};

/// Nobody waits behind it, and what is left is done by the next.
const PATIENCE: Duration = Duration::from_secs(60 * 60);

/// Compacts all clicks that wait for it.
pub(crate) async fn compact(aws: &SdkConfig) -> anyhow::Result<Merged> {
    let name = "compact-clicks";
    let settings = [("CLICKS_TABLE", TABLES.clicks), ("RAW_BUCKET", RAW_BUCKET)];
    let boot = Boot {
        name,
        env: Env::fixed(settings.map(|(name, value)| (name, value.to_owned()))),
        aws: aws.clone(),
        clock: Clock::system(),
        random: Random::system(),
        metrics: Metrics::logged(name),
    };
    let app = compact_clicks::load(boot).await?;
    let mut merged = Merged::default();
    Box::pin(compact_clicks::compact(&app, &mut merged, Instant::now() + PATIENCE)).await?;
    Ok(merged)
}

/// What was done, for a person.
pub(crate) fn told(merged: &Merged, seconds: f32) -> String {
    let Merged { clicks, duplicates, purged, unreadable, files, deleted, .. } = merged;
    let mut text = format!(
        "Compacted {clicks} clicks into {files} files in {seconds:.1} s: {deleted} batches are gone, \
         {duplicates} clicks were there already or came several times.\n"
    );
    if 0 < *purged {
        text.push_str(&format!("{purged} clicks were left out, because they are purged.\n"));
    }
    if 0 < *unreadable {
        text.push_str(&format!("{unreadable} lines are no clicks, and are in `raw/bad/` now.\n"));
    }
    for error in &merged.errors {
        text.push_str(&format!("error: {error}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_done_is_told_too() {
        let mut merged = Merged { clicks: 7, files: 2, deleted: 1, ..Merged::default() };
        let text = told(&merged, 0.25);
        assert!(text.starts_with("Compacted 7 clicks into 2 files in 0.2 s: 1 batches"), "{text}");
        assert_eq!(text.lines().count(), 1);
        (merged.purged, merged.unreadable) = (3, 4);
        assert_eq!(told(&merged, 0.25).lines().count(), 3);
    }
}
