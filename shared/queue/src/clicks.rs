//! The sender of clicks.
//!
//! A click that is alone is a message of its own, at once. In Lambda each is, since a process answers
//! one request at a time. Where one answers many, a message for each click would cost more than all
//! the rest of a redirect: so whoever comes while a call is under way waits until some are together,
//! or until a call ends, and goes along with the others in one message.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_json::{CallError, Client, Service};
use aws_types::SdkConfig;
use domain::{Click, ClickId, Orphan};
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::{ClickMessage, OrphanMessage};

/// The most clicks in one message. As many of the longest ones are far below the most bytes that SQS
/// takes, and what becomes of one of them is told with all others. More bring nothing that can be seen.
const MAX_TOGETHER: usize = 20;

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

/// A click that waits for others.
#[derive(Debug)]
struct Waiting {
    id: ClickId,
    /// As JSON.
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

/// How a click goes.
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
        /// Why; the same for all that went with it.
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

    /// Begins a call for all who wait. In a task of its own: the one who happens to be the last may
    /// give up waiting.
    fn begin(&self, line: &mut Line) {
        let waiting = std::mem::take(&mut line.waiting);
        // Without a runtime the process ends; who waits is told by that nobody can answer.
        let Ok(runtime) = Handle::try_current() else { return };
        line.calls += 1;
        let queue = self.clone();
        runtime.spawn(async move {
            let under_way = UnderWay(&queue);
            let sent = queue.send_together(&waiting).await;
            drop(under_way);
            for Waiting { id, body, sent: told } in waiting {
                let sent = match &sent {
                    Ok(()) => Ok(()),
                    Err(error) if error.may_pass() => Err(SendError::unavailable(id, error)),
                    // What is refused in company may go alone.
                    Err(_) => queue.send_one(id, body).await,
                };
                // Whoever gave up waiting has said so in the log, and it is counted once all the same.
                let _ = told.send(sent);
            }
        });
    }

    async fn send_one(&self, id: ClickId, body: String) -> Result<(), SendError> {
        let sent = self.send_message(&body).await;
        sent.map_err(|error| SendError::unavailable(id, &Arc::new(error)))
    }

    async fn send_together(&self, waiting: &[Waiting]) -> Result<(), Arc<CallError>> {
        let bodies: Vec<&str> = waiting.iter().map(|waiting| waiting.body.as_str()).collect();
        self.send_message(&["[", &bodies.join(","), "]"].concat()).await.map_err(Arc::new)
    }

    async fn send_message(&self, body: &str) -> Result<(), CallError> {
        let message = SendMessage { queue_url: &self.url, message_body: body };
        self.client.call::<Sent>("SendMessage", &message).await.map(drop)
    }
}

impl SendError {
    fn unavailable(id: ClickId, source: &Arc<CallError>) -> Self {
        Self::Unavailable { id, source: Arc::clone(source) }
    }
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
