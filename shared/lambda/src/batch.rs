//! SQS batches: each message stands or falls alone.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::FutureExt;
use lambda_runtime::Diagnostic;
use serde::de::DeserializeOwned;

use crate::chain::Chain;

/// One message of a batch, parsed.
#[derive(Debug)]
pub struct Message<T> {
    /// The queue's id of it.
    pub id: String,
    /// What it says.
    pub body: T,
}

/// A message that must come back, since it was not dealt with.
#[derive(Debug)]
pub struct Failed {
    /// The queue's id of it.
    pub id: String,
    /// Why, on one line, for the log.
    pub why: String,
}

impl Failed {
    /// A message that failed with an error; the log gets the whole chain.
    pub fn new(id: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        Self { id: id.into(), why: Chain(error).to_string() }
    }
}

/// The batch cannot be answered message by message, so all of it must come back.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    /// Lambda takes an empty identifier for «the whole batch failed»; we say so ourselves.
    #[error("a message has no id")]
    NoMessageId,
    /// Each message failed: let the invocation count as an error.
    #[error("all {0} messages failed")]
    AllFailed(usize),
    /// The worker panicked: nothing is known of any message.
    #[error("the worker panicked")]
    Panicked,
}

impl From<BatchError> for Diagnostic {
    fn from(error: BatchError) -> Self {
        // Without this the error type in the console is a `Box<dyn Error …>`.
        Self { error_type: "BatchError".to_owned(), error_message: error.to_string() }
    }
}

/// Hands the batch's messages to `handle`, and reports those that failed.
///
/// A body that is not a `T` fails its own message only, which the redrive policy then moves to the
/// dead-letter queue: no message is ever dropped here. `budget` is how long the worker may take.
pub(crate) async fn handle_batch<T, H, Fut>(
    event: SqsEvent,
    budget: Duration,
    handle: H,
) -> Result<SqsBatchResponse, BatchError>
where
    T: DeserializeOwned,
    H: FnOnce(Vec<Message<T>>, Duration) -> Fut,
    Fut: Future<Output = Vec<Failed>>,
{
    let total = event.records.len();
    let mut messages = Vec::with_capacity(total);
    let mut failed = Vec::new();
    for record in event.records {
        let id = record.message_id.ok_or(BatchError::NoMessageId)?;
        match serde_json::from_str(record.body.as_deref().unwrap_or_default()) {
            Ok(body) => messages.push(Message { id, body }),
            Err(error) => failed.push(Failed { id, why: format!("parsing the body: {error}") }),
        }
    }
    if !messages.is_empty() {
        let work = AssertUnwindSafe(async { handle(messages, budget).await });
        failed.extend(work.catch_unwind().await.map_err(|_| BatchError::Panicked)?);
    }
    for Failed { id, why } in &failed {
        tracing::error!(message.id = id, error = why, "message `{id}` failed");
    }
    if 0 < total && failed.len() == total {
        return Err(BatchError::AllFailed(total));
    }
    let mut response = SqsBatchResponse::default();
    response.set_failures(failed.into_iter().map(|failed| failed.id));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Click {
        slug: String,
    }

    fn event(messages: &[(&str, &str)]) -> SqsEvent {
        let records: Vec<_> = messages
            .iter()
            .map(|(id, body)| serde_json::json!({"messageId": id, "body": body}))
            .collect();
        serde_json::from_value(serde_json::json!({ "Records": records })).unwrap()
    }

    async fn refuse_b(messages: Vec<Message<Click>>, _: Duration) -> Vec<Failed> {
        let wrong = |m: &Message<Click>| m.body.slug == "b";
        messages.iter().filter(|m| wrong(m)).map(|m| Failed::new(&m.id, &std::fmt::Error)).collect()
    }

    async fn run(event: SqsEvent) -> Result<Vec<String>, BatchError> {
        let response = handle_batch(event, Duration::from_secs(1), refuse_b).await?;
        Ok(response.batch_item_failures.into_iter().map(|f| f.item_identifier).collect())
    }

    #[tokio::test]
    async fn a_bad_body_and_a_refused_message_fail_alone() {
        let event = event(&[("1", r#"{"slug":"a"}"#), ("2", "not json"), ("3", r#"{"slug":"b"}"#)]);
        assert_eq!(run(event).await.unwrap(), ["2", "3"]);
    }

    #[tokio::test]
    async fn a_message_without_an_id_fails_the_batch() {
        let mut event = event(&[("1", r#"{"slug":"a"}"#)]);
        event.records[0].message_id = None;
        assert!(matches!(run(event).await, Err(BatchError::NoMessageId)));
    }

    #[tokio::test]
    async fn when_every_message_fails_so_does_the_invocation() {
        let event = event(&[("1", "x"), ("2", r#"{"slug":"b"}"#)]);
        assert!(matches!(run(event).await, Err(BatchError::AllFailed(2))));
    }

    #[tokio::test]
    async fn a_panic_fails_the_batch() {
        let event = event(&[("1", r#"{"slug":"a"}"#)]);
        let panics = |_: Vec<Message<Click>>, _| async { panic!("boom") };
        let outcome = handle_batch(event, Duration::from_secs(1), panics).await;
        assert!(matches!(outcome, Err(BatchError::Panicked)));
    }
}
