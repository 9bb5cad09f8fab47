//! Reading request bodies: in time, within limits, and never too many large ones at once.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::Refusal;

/// API Gateway's limit.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// What every function refuses. Above it a body must wait for its turn, because on its way it is
/// in memory several times over.
const LARGE_BYTES: usize = 256 * 1024;

/// How many large bodies there may be at once.
const LARGE_AT_ONCE: usize = 1;

/// How much more of a body that is too large is read and dropped. A connection that is closed on
/// a client that still sends is a broken one to it: it would never see the answer.
const DROPPED_BYTES: usize = 32 * 1024 * 1024;

/// The bodies of one gateway.
#[derive(Debug)]
pub(super) struct Bodies {
    large: Semaphore,
    /// How long a body may take.
    time: Duration,
}

/// A body.
#[derive(Debug)]
pub(super) struct Whole<'a> {
    pub(super) bytes: Bytes,
    /// The turn of a large one, to be kept until the request has been answered.
    pub(super) turn: Option<SemaphorePermit<'a>>,
}

impl Bodies {
    pub(super) fn new(time: Duration) -> Self {
        Self { large: Semaphore::new(LARGE_AT_ONCE), time }
    }

    pub(super) async fn read(&self, body: Incoming) -> Result<Whole<'_>, Refusal> {
        if body.is_end_stream() {
            return Ok(Whole { bytes: Bytes::new(), turn: None });
        }
        // Boxed: most requests have no body, and should not carry the room for reading one.
        let reading = Box::pin(self.collect(body));
        timeout(self.time, reading).await.unwrap_or(Err(Refusal::Timeout))
    }

    async fn collect(&self, mut body: Incoming) -> Result<Whole<'_>, Refusal> {
        if u64::try_from(MAX_BYTES).is_ok_and(|most| most < body.size_hint().lower()) {
            return drop_rest(body, 0).await;
        }
        let mut turn = None;
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        while let Some(frame) = body.frame().await {
            // The client hung up, or does not speak HTTP.
            let frame = frame.map_err(|_| Refusal::BadRequest)?;
            let Ok(data) = frame.into_data() else { continue };
            let total = first.len() + rest.len() + data.len();
            if MAX_BYTES < total {
                drop((first, rest, turn));
                return drop_rest(body, total).await;
            }
            if LARGE_BYTES < total && turn.is_none() {
                turn = Some(self.large.acquire().await.map_err(|_| Refusal::Unavailable)?);
                // Once, and not again and again while it grows.
                let more = usize::try_from(body.size_hint().lower()).unwrap_or(0);
                rest.reserve((total + more).min(MAX_BYTES));
            }
            // Most bodies come in one piece, which then is not copied.
            if first.is_empty() && rest.is_empty() {
                first = data;
            } else {
                rest.extend_from_slice(&first);
                first = Bytes::new();
                rest.extend_from_slice(&data);
            }
        }
        let bytes = if rest.is_empty() { first } else { rest.freeze() };
        Ok(Whole { bytes, turn })
    }
}

async fn drop_rest<'a>(mut body: Incoming, mut read: usize) -> Result<Whole<'a>, Refusal> {
    while read < MAX_BYTES + DROPPED_BYTES {
        match body.frame().await {
            Some(Ok(frame)) => read += frame.data_ref().map_or(0, Bytes::len),
            Some(Err(_)) | None => break,
        }
    }
    Err(Refusal::TooLarge)
}
