//! Waiting before the next try.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::AsyncSleep;

/// Waits as the SDK does between its own tries: who simulates its time simulates this, too.
pub(crate) async fn pause(client: &Client, time: Duration) {
    match client.config().sleep_impl() {
        Some(sleep) => sleep.sleep(time).await,
        None => tokio::time::sleep(time).await,
    }
}
