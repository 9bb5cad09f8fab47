//! Schedules: what EventBridge starts a function with, at its times.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use jiff::Timestamp;
use lambda_runtime::Diagnostic;
use serde::{Deserialize, Deserializer};

use crate::chain::Chain;

/// One time of a schedule.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Scheduled {
    /// The event's id: the same when it is delivered again.
    pub id: String,
    /// The time that it stands for, which may have been some time ago.
    #[serde(deserialize_with = "timestamp")]
    pub time: Timestamp,
}

fn timestamp<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// The work was not done. Lambda tries again twice, and then counts it as failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScheduleError {
    /// The worker said so.
    #[error("{0}")]
    Failed(String),
    /// The panic hook has logged it.
    #[error("the worker panicked")]
    Panicked,
}

impl From<ScheduleError> for Diagnostic {
    fn from(error: ScheduleError) -> Self {
        // Without this the error type in the console is a `Box<dyn Error …>`.
        Self { error_type: "ScheduleError".to_owned(), error_message: error.to_string() }
    }
}

/// Does the work of one time. An error is logged here, with all its causes.
pub(crate) async fn work_at<E: std::error::Error + 'static>(
    working: impl Future<Output = Result<(), E>>,
) -> Result<(), ScheduleError> {
    match AssertUnwindSafe(working).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            let error = Chain(&error).to_string();
            tracing::error!(error, "the scheduled work failed");
            Err(ScheduleError::Failed(error))
        }
        Err(_) => Err(ScheduleError::Panicked),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Env, Function, Invocation, Metrics, Random};

    /// What EventBridge sends, without what nobody here asks for.
    const EVENT: &str = r#"{"version":"0","id":"53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa",
        "detail-type":"Scheduled Event","source":"aws.events","account":"123456789012",
        "time":"2026-11-20T14:00:00Z","region":"eu-central-1",
        "resources":["arn:aws:events:eu-central-1:123456789012:rule/verify"],"detail":{}}"#;

    #[derive(Debug, thiserror::Error)]
    #[error("no")]
    struct No;

    async fn invoke(event: &str, outcome: fn() -> Result<(), No>) -> Result<String, String> {
        let clock = crate::Clock::system();
        let boot = crate::Boot {
            name: "worker",
            env: Env::fixed([]),
            aws: aws_types::SdkConfig::builder().build(),
            clock: clock.clone(),
            random: Random::seeded(1),
            metrics: Metrics::in_memory(),
        };
        let load = |_| async { Ok::<_, No>(()) };
        let handle = move |(), event: Scheduled, budget: Duration| async move {
            assert_eq!(event.id, "53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa");
            assert_eq!(event.time.to_string(), "2026-11-20T14:00:00Z");
            assert!(Duration::from_secs(8) < budget && budget <= Duration::from_secs(9));
            outcome()
        };
        let function = Function::schedule(boot, load, handle).await.unwrap();
        let invocation = Invocation {
            timeout: Duration::from_secs(10),
            ..Invocation::new(event.as_bytes().to_vec(), "r")
        };
        let answer = function.invoke(invocation).await;
        answer.map(|json| String::from_utf8(json).unwrap()).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn the_worker_is_told_which_time_it_is_and_how_long_it_may_take() {
        assert_eq!(invoke(EVENT, || Ok(())).await.unwrap(), "null");
    }

    #[tokio::test]
    async fn an_error_and_a_panic_fail_the_invocation() {
        assert_eq!(invoke(EVENT, || Err(No)).await.unwrap_err(), "no");
        assert_eq!(invoke(EVENT, || panic!("boom")).await.unwrap_err(), "the worker panicked");
    }

    #[tokio::test]
    async fn what_is_no_schedule_is_refused() {
        for event in ["{}", r#"{"id":"a","time":"now"}"#, r#"{"Records":[]}"#] {
            assert!(invoke(event, || Ok(())).await.is_err(), "{event}");
        }
    }
}
