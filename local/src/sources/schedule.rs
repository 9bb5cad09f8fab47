//! A schedule that starts a function, as EventBridge does at its times.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use lambda::{Clock, Function, Invocation, Random};

use super::Stop;
use crate::contract::Scheduled;
use crate::json::Object;

/// A schedule and the function that it starts.
#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    every: Duration,
    timeout: Duration,
    function: Function,
    clock: Clock,
    random: Random,
}

impl Schedule {
    pub(crate) fn new(
        worker: &Scheduled,
        function: Function,
        clock: Clock,
        random: Random,
    ) -> Self {
        let timeout = Duration::from_secs(worker.timeout_seconds);
        Self { every: worker.every, timeout, function, clock, random }
    }

    /// Starts the function at once, and then each time until it is told to stop; what has begun is
    /// finished. EventBridge would wait for an interval first; but here nobody has deployed the day
    /// before, and what the redirect needs of a schedule is needed now. There is no second one at
    /// the same time: one that takes too long comes later instead.
    pub(crate) async fn run(self, mut stop: Stop) {
        self.once().await;
        while !stop.within(self.every).await {
            self.once().await;
        }
    }

    /// Starts the function once. An error is only logged: the next time is as good.
    pub(crate) async fn once(&self) {
        let function = self.function.name();
        let id = self.id();
        let invocation =
            Invocation { event: self.event(&id), request_id: id.clone(), timeout: self.timeout };
        tracing::debug!(function, id, "it is time for `{function}`");
        // A panic has been logged where it happened.
        let working = AssertUnwindSafe(self.function.invoke(invocation)).catch_unwind();
        let error = match tokio::time::timeout(self.timeout, working).await {
            Ok(Ok(Ok(_))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(_)) => "it panicked".to_owned(),
            Err(_) => format!("it took more than {} s", self.timeout.as_secs()),
        };
        tracing::error!(function, id, error, "`{function}` could not do its scheduled work");
    }

    /// The event that EventBridge makes.
    fn event(&self, id: &str) -> Vec<u8> {
        let rule = format!(
            "arn:aws:events:{}:000000000000:rule/{}",
            embedded::REGION,
            self.function.name()
        );
        // Whole seconds, as there.
        let time = self.clock.now().strftime("%FT%TZ").to_string();
        let mut out = Vec::new();
        Object::write(&mut out, |event| {
            event.text("version", "0");
            event.text("id", id);
            event.text("detail-type", "Scheduled Event");
            event.text("source", "aws.events");
            event.text("account", "000000000000");
            event.text("time", &time);
            event.text("region", embedded::REGION);
            event.list("resources", [rule.as_str()]);
            event.object("detail", |_| {});
        });
        out
    }

    /// A random UUID.
    fn id(&self) -> String {
        let bits = self.random.u128() & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
        let hex = format!("{bits:032x}");
        let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
        parts.join("-")
    }
}
