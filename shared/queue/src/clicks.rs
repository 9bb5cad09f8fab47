//! The sender of clicks.
//!
//! A click that is alone is a message of its own, at once. In Lambda each is, since a process answers
//! one request at a time. Where one answers many, a call for each click would cost more than all the
//! rest of a redirect: so whoever comes while a call is under way waits until ten are together, or
//! until a call ends, and goes along with the others in one.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_json::{CallError, Client, Service};
use aws_types::SdkConfig;
use domain::{Click, ClickId, Orphan};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::{ClickMessage, OrphanMessage};

/// The most messages that SQS takes in one call. Ten of the longest clicks are far below the most
/// bytes that it takes.
const MAX_TOGETHER: usize = 10;

/// The queue of clicks.
#[derive(Debug, Clone)]
pub struct ClickQueue {
    client: Client,
    url: String,
    line: Arc<Mutex<Line>>,
}

/// Who wants to send.
#[derive(Debug, Default)]
struct Line {
    /// How many calls are under way.
    calls: usize,
    waiting: Vec<Waiting>,
}

/// A message that waits for others.
#[derive(Debug)]
struct Waiting {
    id: ClickId,
    body: String,
    sent: oneshot::Sender<Result<(), SendError>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessage<'q> {
    queue_url: &'q str,
    message_body: &'q str,
}

/// The answer to a message that was taken. Nothing of it is needed.
#[derive(Deserialize)]
struct Sent {}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SendMessageBatch<'q> {
    queue_url: &'q str,
    entries: Vec<Entry<'q>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Entry<'q> {
    id: String,
    message_body: &'q str,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SentTogether {
    /// Those that were taken. It is left out where none was.
    #[serde(default)]
    successful: Vec<Taken>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Taken {
    id: String,
}

/// How a message goes.
enum Turn<'q> {
    /// Nobody else is sending.
    Now(UnderWay<'q>, String),
    /// Whoever sends it says here what came of it.
    WithOthers(oneshot::Receiver<Result<(), SendError>>),
}

/// A click was not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// SQS is slow or away.
    #[error("sending the click `{id}`")]
    Unavailable {
        /// Which one.
        id: ClickId,
        /// Why.
        #[source]
        source: Box<CallError>,
    },
    /// SQS is slow or away, and others were to go with it.
    #[error("sending the click `{id}` with others")]
    Together {
        /// Which one.
        id: ClickId,
        /// Why.
        #[source]
        source: Arc<CallError>,
    },
    /// The process ends.
    #[error("nobody is left to send the click `{id}`")]
    Ended {
        /// Which one.
        id: ClickId,
    },
    /// It cannot be written as JSON.
    #[error("writing the click `{id}` as JSON")]
    Json {
        /// Which one.
        id: ClickId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl ClickQueue {
    /// The queue at this URL.
    pub fn new(aws: &SdkConfig, url: impl Into<String>) -> Self {
        Self { client: Client::new(aws, Service::Sqs), url: url.into(), line: Arc::default() }
    }

    /// Sends one click. A click that is sent twice is counted once.
    pub async fn send(&self, click: &Click) -> Result<(), SendError> {
        self.send_json(click.id, &ClickMessage::from(click)).await
    }

    /// Tells of requests for what is not there. What is sent twice is counted once.
    pub async fn send_orphan(&self, orphan: &Orphan) -> Result<(), SendError> {
        self.send_json(orphan.id, &OrphanMessage::from(orphan)).await
    }

    async fn send_json(&self, id: ClickId, message: &impl Serialize) -> Result<(), SendError> {
        let body =
            serde_json::to_string(message).map_err(|source| SendError::Json { id, source })?;
        match self.stand_in_line(id, body) {
            Turn::Now(_under_way, body) => self.send_one(id, body).await,
            Turn::WithOthers(sent) => sent.await.unwrap_or(Err(SendError::Ended { id })),
        }
    }

    fn stand_in_line(&self, id: ClickId, body: String) -> Turn<'_> {
        let mut line = self.line();
        if line.calls == 0 {
            line.calls = 1;
            return Turn::Now(UnderWay(self), body);
        }
        let (sender, sent) = oneshot::channel();
        line.waiting.push(Waiting { id, body, sent: sender });
        if line.waiting.len() == MAX_TOGETHER {
            self.begin(&mut line);
        }
        Turn::WithOthers(sent)
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a call for all who wait. In a task of its own: the one who happens to be the tenth may
    /// give up waiting.
    fn begin(&self, line: &mut Line) {
        let waiting = std::mem::take(&mut line.waiting);
        // Without a runtime the process ends; who waits is told by that nobody can answer.
        let Ok(runtime) = Handle::try_current() else { return };
        line.calls += 1;
        let queue = self.clone();
        runtime.spawn(async move {
            let under_way = UnderWay(&queue);
            let left = queue.send_together(waiting).await;
            drop(under_way);
            // What was refused in company may go alone.
            for Waiting { id, body, sent } in left {
                let _ = sent.send(queue.send_one(id, body).await);
            }
        });
    }

    async fn send_one(&self, id: ClickId, body: String) -> Result<(), SendError> {
        let message = SendMessage { queue_url: &self.url, message_body: &body };
        let sent = self.client.call::<Sent>("SendMessage", &message).await;
        sent.map(drop).map_err(|source| SendError::Unavailable { id, source: Box::new(source) })
    }

    /// Sends these in one call, and tells each what came of it. The answer is those that were not
    /// taken, though others of the same call were.
    async fn send_together(&self, waiting: Vec<Waiting>) -> Vec<Waiting> {
        let entries = waiting.iter().enumerate();
        let entries = entries
            .map(|(at, waiting)| Entry { id: at.to_string(), message_body: &waiting.body })
            .collect();
        let messages = SendMessageBatch { queue_url: &self.url, entries };
        match self.client.call::<SentTogether>("SendMessageBatch", &messages).await {
            Ok(answer) => told(&answer, waiting),
            Err(source) => {
                let source = Arc::new(source);
                for Waiting { id, sent, .. } in waiting {
                    let _ = sent.send(Err(SendError::Together { id, source: Arc::clone(&source) }));
                }
                Vec::new()
            }
        }
    }
}

/// Tells those that were taken. The answer is the others.
fn told(answer: &SentTogether, waiting: Vec<Waiting>) -> Vec<Waiting> {
    let taken: Vec<usize> =
        answer.successful.iter().filter_map(|entry| entry.id.parse().ok()).collect();
    let (taken, left): (Vec<_>, Vec<_>) =
        waiting.into_iter().enumerate().partition(|(at, _)| taken.contains(at));
    for (_, Waiting { sent, .. }) in taken {
        // Whoever gave up waiting has said so in the log, and it is counted once all the same.
        let _ = sent.send(Ok(()));
    }
    left.into_iter().map(|(_, waiting)| waiting).collect()
}

/// A call that is under way, until it is dropped: then those that have waited go.
struct UnderWay<'q>(&'q ClickQueue);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut line = self.0.line();
        line.calls -= 1;
        if !line.waiting.is_empty() {
            self.0.begin(&mut line);
        }
    }
}
