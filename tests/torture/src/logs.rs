//! The log lines of clicks that could not be sent, which an operator sends again.

use std::fmt::{self, Debug};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::{DefaultGuard, set_default};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// The field of such a line that holds the click's message, whole.
const LOST_CLICK: &str = "lost_click";

/// The clicks that a log says were not sent.
#[derive(Debug, Clone, Default)]
pub struct LostClicks(Arc<Mutex<Vec<String>>>);

impl LostClicks {
    /// Listens to what this thread logs, as long as the guard is there.
    pub fn listen() -> (Self, DefaultGuard) {
        let lost = Self::default();
        let subscriber = tracing_subscriber::registry().with(lost.clone());
        (lost, set_default(subscriber))
    }

    /// Takes those that there are.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Subscriber> Layer<S> for LostClicks {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Reader(self));
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::ERROR)
    }
}

struct Reader<'a>(&'a LostClicks);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == LOST_CLICK {
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(value.to_owned());
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

impl fmt::Display for LostClicks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} clicks", self.0.lock().unwrap_or_else(PoisonError::into_inner).len())
    }
}
