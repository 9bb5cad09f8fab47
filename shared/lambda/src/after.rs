//! Work after the answer: an internal Lambda extension that keeps the process awake for it.
//!
//! Lambda freezes a process once it has answered *and* every extension has asked for its next
//! event. So the process registers as an extension of its own function. When the answer has been
//! posted, what is left to do is handed to the extension; the extension does it, and only then
//! asks for the next event. The caller never waits for it, and it is never frozen half-way.
//!
//! Exactly one thing is handed over for each invocation, work or nothing: the hand-over is a guard
//! around the whole invocation, so it also happens when the handler panics, when the event cannot
//! be parsed, and when the answer cannot be posted. Otherwise the extension would wait for ever,
//! and every later invocation with it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use lambda_extension::{Extension, NextEvent};
use lambda_http::Response;
use lambda_http::{Body, Context};
use lambda_runtime::LambdaInvocation;
use lambda_runtime::tower::{Layer, Service, service_fn};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::clock::Clock;

/// How long before the function's deadline the work must give up, so that it can still say so.
const MARGIN: Duration = Duration::from_secs(1);

/// An answer, and what is to be done once it is out.
#[derive(Debug)]
pub struct After<T> {
    /// The answer.
    pub response: Response<Body>,
    /// The work, if there is any.
    pub then: Option<T>,
}

impl<T> From<Response<Body>> for After<T> {
    fn from(response: Response<Body>) -> Self {
        Self { response, then: None }
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
    Duration::from_millis(deadline_ms.saturating_sub(now)).saturating_sub(MARGIN)
}

/// Where a handler leaves its work: done at once, or handed over after the answer.
pub(crate) struct Outbox<T> {
    work: Work<T>,
    clock: Clock,
    /// `None`: there is no extension, so work is done before the answer.
    extension: Option<Line<T>>,
}

struct Line<T> {
    /// What the current invocation left; Lambda runs one at a time in a process.
    slot: Arc<Mutex<Option<T>>>,
    sender: UnboundedSender<Option<T>>,
    /// The extension's loop has ended: nobody keeps the process awake any more.
    broken: Arc<AtomicBool>,
}

impl<T> Clone for Line<T> {
    fn clone(&self) -> Self {
        Self {
            slot: Arc::clone(&self.slot),
            sender: self.sender.clone(),
            broken: Arc::clone(&self.broken),
        }
    }
}

impl<T> Clone for Outbox<T> {
    fn clone(&self) -> Self {
        Self {
            work: Arc::clone(&self.work),
            clock: self.clock.clone(),
            extension: self.extension.clone(),
        }
    }
}

impl<T: Send + 'static> Outbox<T> {
    /// Work is done before the answer.
    pub(crate) fn before(work: Work<T>, clock: Clock) -> Self {
        Self { work, clock, extension: None }
    }

    /// Work is done after the answer, if this process can register as an extension.
    pub(crate) async fn register(work: Work<T>, clock: Clock) -> Self {
        let (sender, receiver) = unbounded_channel();
        let line = Line { slot: Arc::default(), sender, broken: Arc::default() };
        match extend(receiver, Arc::clone(&work), clock.clone(), Arc::clone(&line.broken)).await {
            Ok(()) => Self { work, clock, extension: Some(line) },
            Err(error) => {
                let error = error.to_string();
                tracing::warn!(error, "no Extensions API: clicks are sent before the answer");
                Self::before(work, clock)
            }
        }
    }

    /// Takes the work of one invocation.
    pub(crate) async fn put(&self, item: T, context: &Context) {
        match &self.extension {
            Some(line) if !line.broken.load(Ordering::Relaxed) => {
                *line.slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(item);
            }
            Some(_) | None => (self.work)(item, budget(context.deadline, &self.clock)).await,
        }
    }
}

/// Registers for INVOKE only, and runs the extension's loop beside the runtime's.
async fn extend<T: Send + 'static>(
    receiver: UnboundedReceiver<Option<T>>,
    work: Work<T>,
    clock: Clock,
    broken: Arc<AtomicBool>,
) -> Result<(), lambda_extension::Error> {
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let on_event = {
        let (receiver, work) = (Arc::clone(&receiver), Arc::clone(&work));
        move |event: lambda_extension::LambdaEvent| {
            let (receiver, work, clock) = (Arc::clone(&receiver), Arc::clone(&work), clock.clone());
            async move {
                if let NextEvent::Invoke(invoke) = event.next
                    && let Some(Some(item)) = receiver.lock().await.recv().await
                {
                    work(item, budget(invoke.deadline_ms, &clock)).await;
                }
                Ok::<(), Infallible>(())
            }
        }
    };
    let registered = Extension::new()
        .with_extension_name("after-answer")
        .with_events(&["INVOKE"])
        .with_events_processor(service_fn(on_event))
        .register()
        .await?;
    tokio::spawn(async move {
        let outcome = registered.run().await;
        broken.store(true, Ordering::Relaxed);
        let error = outcome.err().map(|error| error.to_string());
        tracing::error!(error, "the extension ended: clicks are sent before the answer");
        // What was handed over meanwhile still goes out.
        while let Some(item) = receiver.lock().await.recv().await {
            if let Some(item) = item {
                work(item, MARGIN).await;
            }
        }
    });
    Ok(())
}

/// Hands the work over once the answer has been posted.
pub(crate) struct HandOver<T>(Outbox<T>);

impl<T> HandOver<T> {
    pub(crate) fn of(outbox: &Outbox<T>) -> Self {
        Self(outbox.clone())
    }
}

impl<T, S> Layer<S> for HandOver<T> {
    type Service = HandOverService<T, S>;

    fn layer(&self, inner: S) -> Self::Service {
        HandOverService { inner, line: self.0.extension.clone() }
    }
}

/// The whole of an invocation, answer posted included, with the hand-over at its end.
pub(crate) struct HandOverService<T, S> {
    inner: S,
    line: Option<Line<T>>,
}

impl<T, S> Service<LambdaInvocation> for HandOverService<T, S>
where
    T: Send + 'static,
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
        let guard = self.line.clone().map(Guard);
        let invocation = self.inner.call(invocation);
        Box::pin(async move {
            let _guard = guard;
            invocation.await
        })
    }
}

/// Exactly one hand-over, however the invocation ends.
struct Guard<T>(Line<T>);

impl<T> Drop for Guard<T> {
    fn drop(&mut self) {
        let item = self.0.slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The receiver lives as long as the process.
        drop(self.0.sender.send(item));
    }
}

/// The moment of a deadline, for contexts that are made by hand.
pub(crate) fn deadline_ms(now: Timestamp, after: Duration) -> u64 {
    let now = u64::try_from(now.as_millisecond()).unwrap_or(0);
    now.saturating_add(u64::try_from(after.as_millis()).unwrap_or(u64::MAX))
}
