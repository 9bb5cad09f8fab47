//! `workers.yaml`: what starts the functions that no route starts.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::repository::read;

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Workers {
    pub(crate) workers: BTreeMap<String, Worker>,
    pub(crate) queues: BTreeMap<String, Queue>,
}

/// What starts one worker: a queue or a schedule.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Worker {
    pub(crate) timeout_seconds: u32,
    pub(crate) schedule: Option<String>,
    pub(crate) queue: Option<String>,
    // Of a queue.
    pub(crate) batch_size: Option<u32>,
    pub(crate) batching_window_seconds: Option<u32>,
    pub(crate) maximum_concurrency: Option<u32>,
    pub(crate) report_batch_item_failures: Option<bool>,
}

/// A queue.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Queue {
    pub(crate) visibility_timeout_seconds: u32,
    pub(crate) receive_wait_seconds: u32,
    pub(crate) message_retention_seconds: u32,
    pub(crate) max_receive_count: Option<u32>,
    pub(crate) dead_letter_queue: Option<String>,
}

impl Workers {
    /// The file of this repository.
    pub(crate) fn get() -> Self {
        serde_saphyr::from_str(&read("workers.yaml"))
            .unwrap_or_else(|error| panic!("workers.yaml: {error}"))
    }
}
