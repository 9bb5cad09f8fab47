//! Event sources: what starts a function without a request.

mod event;
mod queue;
mod schedule;
mod sweep;

pub(crate) use self::queue::{BATCHES, Source, create_queues};
pub(crate) use self::schedule::Schedule;
pub(crate) use self::sweep::sweep;

use std::time::Duration;

use tokio::sync::watch;

/// Says that the platform is to stop, to all who wait for it.
#[derive(Debug, Clone)]
pub(crate) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// The sign, and the one who can give it.
    pub(crate) fn new() -> (watch::Sender<bool>, Self) {
        let (sender, receiver) = watch::channel(false);
        (sender, Self(receiver))
    }

    /// Done when the sign is given, or nobody is left who could.
    pub(crate) async fn given(&mut self) {
        let _ = self.0.wait_for(|stop| *stop).await;
    }

    /// Waits so long; says whether the sign was given meanwhile.
    async fn within(&mut self, time: Duration) -> bool {
        tokio::time::timeout(time, self.given()).await.is_ok()
    }
}
