//! The Lambda authorizer, and what is remembered of its decisions.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use lambda::{Clock, Function};
use quick_cache::sync::Cache;
use serde::Deserialize;
use serde_json::Value;

/// How long a decision holds: as long as API Gateway is told to keep it.
const TTL: SignedDuration = SignedDuration::from_secs(60);

/// How many are kept. Whoever tries out keys must not fill the memory.
const CAPACITY: usize = 1000;

/// The longest credentials that are remembered, for the same reason.
const MAX_BYTES: usize = 4096;

/// What the authorizer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Go on, with this context.
    Allowed(Arc<HashMap<String, Value>>),
    /// 403.
    Denied,
}

/// The authorizer of one gateway.
#[derive(Debug)]
pub(super) struct Authorizer {
    function: Function,
    decisions: Cache<String, (Timestamp, Verdict)>,
    clock: Clock,
}

/// The simple response of payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    is_authorized: bool,
    #[serde(default)]
    context: Option<HashMap<String, Value>>,
}

impl Authorizer {
    pub(super) fn new(function: Function, clock: Clock) -> Self {
        Self { function, decisions: Cache::new(CAPACITY), clock }
    }

    pub(super) fn function(&self) -> &Function {
        &self.function
    }

    /// What it said of these credentials less than a minute ago.
    pub(super) fn cached(&self, credentials: &str) -> Option<Verdict> {
        let (until, verdict) = self.decisions.get(credentials)?;
        (self.clock.now() < until).then_some(verdict)
    }

    /// Reads and remembers what it says.
    pub(super) fn decide(
        &self,
        credentials: &str,
        answer: &[u8],
    ) -> Result<Verdict, serde_json::Error> {
        let decision: Decision = serde_json::from_slice(answer)?;
        let verdict = if decision.is_authorized {
            Verdict::Allowed(Arc::new(decision.context.unwrap_or_default()))
        } else {
            Verdict::Denied
        };
        if credentials.len() <= MAX_BYTES
            && let Ok(until) = self.clock.now().checked_add(TTL)
        {
            self.decisions.insert(credentials.to_owned(), (until, verdict.clone()));
        }
        Ok(verdict)
    }
}
