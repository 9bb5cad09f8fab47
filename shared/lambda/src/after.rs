//! Work after the answer: an internal Lambda extension that keeps the process awake for it.
//!
//! Lambda freezes a process once it has answered *and* every extension has asked for its next
//! event. So the process registers as an extension of its own function. What is left to do starts
//! when the answer has been posted; the runtime's own loop goes on at once, and the extension asks
//! for its next event when the work is done. The caller never waits for it, and it is never frozen
//! half-way.
//!
//! Every invocation ends exactly once, with work or without: the end is a guard around all of it,
//! so it also comes when the handler panics, when the event cannot be parsed, and when the answer
//! cannot be posted. Otherwise the extension would wait for ever, and every later invocation with
//! it. Invocations and ends are counted, so it does not matter whose event arrives first.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lambda_http::Body;
use lambda_http::Response;
use lambda_runtime::LambdaInvocation;
use lambda_runtime::tower::{Layer, Service};
use tokio::task::JoinHandle;

use crate::chain::Chain;
use crate::clock::Clock;
use crate::extension::{Extension, ExtensionError};
use crate::problem::Problem;

/// How long before the function's deadline work must give up, so that it can still say so.
const MARGIN: Duration = Duration::from_secs(1);

/// How long work may take where the deadline makes no sense.
const WITHOUT_DEADLINE: Duration = Duration::from_secs(10);

/// How long somebody is kept waiting for their answer by work before it, at most. API Gateway gives
/// up after 30 s, whatever the function's own timeout is.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer, and what is to be done once it is out.
#[derive(Debug)]
pub struct After<T> {
    /// The answer. A problem is one, too.
    pub response: Result<Response<Body>, Problem>,
    /// The work, if there is any.
    pub then: Option<T>,
}

impl<T> From<Response<Body>> for After<T> {
    fn from(response: Response<Body>) -> Self {
        Self { response: Ok(response), then: None }
    }
}

/// When clicks are sent: the setting `CLICK_SEND`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClickSend {
    /// After the answer, where the Extensions API is there.
    #[default]
    After,
    /// Before the answer: not even a lost machine may lose a click.
    Before,
}

impl std::str::FromStr for ClickSend {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "after" => Ok(Self::After),
            "before" => Ok(Self::Before),
            _ => Err("it is `after` or `before`"),
        }
    }
}

/// The work itself: what is to be done, and how long it may take.
pub(crate) type Work<T> = Arc<dyn Fn(T, Duration) -> BoxFuture<'static, ()> + Send + Sync>;

/// How long work may take that has to end before this deadline (milliseconds since 1970).
pub(crate) fn budget(deadline_ms: u64, clock: &Clock) -> Duration {
    let now = u64::try_from(clock.now().as_millisecond()).unwrap_or(0);
    match deadline_ms.checked_sub(now) {
        Some(left) => Duration::from_millis(left).saturating_sub(MARGIN),
        // Lambda stops a function at its deadline, so an emulator made this one up: that of
        // `cargo lambda watch` is in 1970.
        None => WITHOUT_DEADLINE,
    }
}

/// Where a handler leaves its work: done at once, or after the answer.
pub(crate) struct Outbox<T> {
    work: Work<T>,
    clock: Clock,
    /// `None`: work is done before the answer.
    awake: Option<Arc<Awake>>,
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        let (work, clock) = (Arc::clone(&self.work), self.clock.clone());
        Self { work, clock, awake: self.awake.clone() }
    }
}

impl<T: Send + 'static> Outbox<T> {
    /// Work is done before the answer.
    pub(crate) fn before(work: Work<T>, clock: Clock) -> Self {
        Self { work, clock, awake: None }
    }

    /// Work is done after the answer, as long as this process is an extension.
    pub(crate) fn after(work: Work<T>, clock: Clock, extension: Extension) -> Self {
        let awake = Awake { extension: Mutex::new(Some(extension)), ..Awake::default() };
        Self { work, clock, awake: Some(Arc::new(awake)) }
    }

    /// Takes the work of one invocation, which must be over by then (milliseconds since 1970).
    pub(crate) async fn put(&self, item: T, deadline_ms: u64) {
        let (work, clock) = (Arc::clone(&self.work), self.clock.clone());
        match &self.awake {
            Some(awake) if awake.is_kept() => {
                let left = async move { work(item, budget(deadline_ms, &clock)).await };
                *locked(&awake.left) = Some(left.boxed());
            }
            Some(_) | None => work(item, budget(deadline_ms, &clock).min(PATIENCE)).await,
        }
    }

    /// Runs the runtime's loop. When that ends, which it only does by failing, the work that is
    /// left is still done.
    pub(crate) async fn outlive<R>(&self, running: impl Future<Output = R>) -> R {
        let outcome = AssertUnwindSafe(running).catch_unwind().await;
        let ending = self.awake.as_ref().and_then(|awake| locked(&awake.ending).take());
        if let Some(ending) = ending {
            // A panic in there has been logged.
            let _ = ending.await;
        }
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// What keeps this process awake after an answer, and what for.
#[derive(Default)]
struct Awake {
    /// What the current invocation left to do; Lambda runs one at a time in a process.
    left: Mutex<Option<BoxFuture<'static, ()>>>,
    /// `None`: it failed, and nobody keeps the process awake any more.
    extension: Mutex<Option<Extension>>,
    /// The end of the last invocation.
    ending: Mutex<Option<JoinHandle<()>>>,
}

impl Awake {
    /// Whether the process is not frozen before it says so.
    fn is_kept(&self) -> bool {
        self.with_extension(Extension::check)
    }

    /// Lets Lambda go on, and freeze the process until it does.
    fn let_go(&self) {
        self.with_extension(Extension::ask_for_next);
    }

    /// Whether there still is an extension then.
    fn with_extension(&self, act: fn(&mut Extension) -> Result<(), ExtensionError>) -> bool {
        let mut extension = locked(&self.extension);
        if let Some(Err(error)) = extension.as_mut().map(act) {
            *extension = None;
            let error = Chain(&error).to_string();
            tracing::error!(error, "the extension ended: clicks are sent before the answer");
        }
        extension.is_some()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Does the work once the answer has been posted, and says when an invocation is over.
pub(crate) struct HandOver(Option<Arc<Awake>>);

impl HandOver {
    pub(crate) fn of<T>(outbox: &Outbox<T>) -> Self {
        Self(outbox.awake.clone())
    }
}

impl<S> Layer<S> for HandOver {
    type Service = HandOverService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HandOverService { inner, awake: self.0.clone() }
    }
}

/// The whole of an invocation, answer posted included, with the hand-over at its end.
pub(crate) struct HandOverService<S> {
    inner: S,
    awake: Option<Arc<Awake>>,
}

impl<S> Service<LambdaInvocation> for HandOverService<S>
where
    S: Service<LambdaInvocation, Response = (), Error = lambda_runtime::Error>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = lambda_runtime::Error;
    type Future = BoxFuture<'static, Result<(), Self::Error>>;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        let end = self.awake.clone().map(End);
        let invocation = self.inner.call(invocation);
        Box::pin(async move {
            let outcome = invocation.await;
            drop(end);
            outcome
        })
    }
}

/// The end of an invocation, however it comes: what it left is done, and then it is over.
struct End(Arc<Awake>);

impl Drop for End {
    fn drop(&mut self) {
        let awake = Arc::clone(&self.0);
        let mut ending = locked(&self.0.ending);
        let (left, before) = (locked(&self.0.left).take(), ending.take());
        // A task also where nothing is left: the runtime asks for its next event first.
        *ending = Some(tokio::spawn(async move {
            // The one before is over, unless somebody else than Lambda makes the invocations.
            if let Some(before) = before.filter(|before| !before.is_finished()) {
                let _ = before.await;
            }
            if let Some(left) = left {
                left.await;
            }
            awake.let_go();
        }));
    }
}

/// The moment of a deadline, for contexts that are made by hand.
pub(crate) fn deadline_ms(now: Timestamp, after: Duration) -> u64 {
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    now.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_ends_a_second_before_the_deadline() {
        let now = Timestamp::from_millisecond(1_795_183_407_412).unwrap();
        let clock = Clock::fixed(now);
        let of = |seconds| budget(deadline_ms(now, Duration::from_secs(seconds)), &clock);
        assert_eq!(of(5), Duration::from_secs(4));
        assert_eq!(of(1), Duration::ZERO);
        assert_eq!(of(0), Duration::ZERO);
    }

    #[test]
    fn a_deadline_in_the_past_is_no_deadline() {
        assert_eq!(budget(600_000, &Clock::system()), WITHOUT_DEADLINE);
    }
}
