//! What DynamoDB and SQS do by themselves in the cloud: deleting what has expired.

use std::time::{Duration, Instant};

use embedded::Embedded;

use super::Stop;

/// How often it is done: DynamoDB itself promises days.
const INTERVAL: Duration = Duration::from_secs(60);

/// A sweep reads every row, so it rests this many times as long as the last one took: however
/// large the tables are, it takes a twentieth of the engine's time.
const REST: u32 = 20;

/// Sweeps until it is told to stop.
pub(crate) async fn sweep(stores: Embedded, mut stop: Stop) {
    let mut rest = INTERVAL;
    while !stop.within(rest).await {
        let begin = Instant::now();
        match stores.sweep_expired().await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "deleted {rows} expired rows"),
            Err(error) => tracing::warn!(%error, "the sweep stopped early"),
        }
        rest = INTERVAL.max(begin.elapsed().saturating_mul(REST));
    }
}
