//! Work that is not given up when nobody waits for it any more.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;

/// The work ended by a panic.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Panicked;

/// Runs where it is waited for; if that ends before it does, in a task of its own.
///
/// A task from the beginning would do as well. But almost everybody waits for their answer, and a
/// redirect takes less time than to hand it to a task and back.
pub(super) struct ToItsEnd<T: Send + 'static>(Option<BoxFuture<'static, Result<T, Panicked>>>);

impl<T: Send + 'static> ToItsEnd<T> {
    pub(super) fn of(work: impl Future<Output = T> + Send + 'static) -> Self {
        let work = AssertUnwindSafe(work).catch_unwind();
        Self(Some(work.map(|outcome| outcome.map_err(|_| Panicked)).boxed()))
    }
}

impl<T: Send + 'static> Future for ToItsEnd<T> {
    type Output = Result<T, Panicked>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(work) = &mut self.0 else { return Poll::Pending };
        let outcome = ready!(work.as_mut().poll(cx));
        self.0 = None;
        Poll::Ready(outcome)
    }
}

impl<T: Send + 'static> Drop for ToItsEnd<T> {
    fn drop(&mut self) {
        // Without a runtime the process is about to end.
        if let (Some(work), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            runtime.spawn(work);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot;
    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn work_goes_on_when_nobody_waits_any_more() {
        let (go, may_go) = oneshot::channel::<()>();
        let (done, is_done) = oneshot::channel();
        let work = ToItsEnd::of(async move {
            may_go.await.unwrap();
            done.send(()).unwrap();
        });
        assert!(timeout(Duration::from_millis(1), work).await.is_err());
        go.send(()).unwrap();
        is_done.await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_told_and_ends_nothing_else() {
        assert_eq!(ToItsEnd::of(async { 7 }).await, Ok(7));
        let panics = async {
            if true {
                panic!("on purpose")
            }
        };
        assert_eq!(ToItsEnd::of(panics).await, Err(Panicked));
    }
}
