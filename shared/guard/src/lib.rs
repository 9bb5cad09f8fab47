//! What stands around every write: how often, only once, and who it was.
//!
//! - [`Guard::admit`] counts a request against the caller's limit, and tells what is left.
//! - [`Guard::once`] finds the first answer to a request that is sent again.
//! - [`Guard::journal`] is the entry of the audit log, and [`First::keep`] the answer, that a store
//!   writes in the transaction of the change.
//!
//! `functions/create-link` shows how they go together. [`PublicGuard`] is the same where nobody has
//! credentials yet: there an address is counted.

mod limit;
mod once;
mod public;
mod seal;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use domain::{Action, AuditEvent, AuditId, Principal, RateLimit, WorkspaceId};
use lambda::auth::Caller;
use lambda::{Body, Boot, Clock, EnvError, Problem, Random, Request, Response};
use store::Journal;

use limit::Limiter;
use once::Answers;

pub use once::{First, Once};
pub use public::PublicGuard;

/// The writes of a principal in a minute, unless the key, the workspace or the operator says
/// otherwise.
const WRITES_PER_MINUTE: u32 = 6_000;

/// Stands around the writes of callers with credentials.
#[derive(Debug, Clone)]
pub struct Guard {
    limiter: Limiter,
    default: Option<RateLimit>,
    answers: Answers,
    log: Log,
}

impl Guard {
    /// The guard of a function, by `ACCOUNTS_TABLE` and `WRITES_PER_MINUTE` (0: no limit).
    pub fn load(boot: &Boot) -> Result<Self, EnvError> {
        let default = limit::setting(boot, "WRITES_PER_MINUTE", WRITES_PER_MINUTE)?;
        let table = boot.env.required("ACCOUNTS_TABLE")?;
        Ok(Self {
            limiter: Limiter::new(boot, &table, "writes"),
            default,
            answers: Answers::new(boot, &table),
            log: Log::new(boot, table),
        })
    }

    /// Counts a request against the caller's limit and handles it, or answers 429. What is left of
    /// the limit is told in every answer, whatever it is.
    ///
    /// When DynamoDB is away, requests are let through uncounted: a limit protects callers from each
    /// other, and is no reason to turn anybody away.
    pub async fn admit<Handling>(
        &self,
        caller: &Caller,
        handle: impl FnOnce() -> Handling,
    ) -> Result<Response<Body>, Problem>
    where
        Handling: Future<Output = Result<Response<Body>, Problem>>,
    {
        let own = caller.writes_per_minute().and_then(RateLimit::of_per_minute);
        self.limiter.admit(caller.principal(), own.or(self.default), handle).await
    }

    /// Whether this request has an answer already: one with its `Idempotency-Key`, of this caller
    /// in this workspace, within 24 hours. The same key with another path or body is a 422.
    pub async fn once(&self, caller: &Caller, request: &Request) -> Result<Once, Problem> {
        let workspace: Option<String> = caller.some_workspace()?;
        let whose = [caller.principal(), workspace.as_deref().unwrap_or_default()];
        self.answers.once(&whose, request).await
    }

    /// The first answer to a request that was answered by somebody else a moment ago: where the store
    /// says `Answered` to a journal.
    pub async fn replay(&self, first: First) -> Result<Response<Body>, Problem> {
        self.answers.replay(first).await
    }

    /// The same where something that was read does not let the request be done: the same request may
    /// have done it since [`Guard::once`] looked for its answer. Else this problem.
    pub async fn replay_or(
        &self,
        first: First,
        problem: Problem,
    ) -> Result<Response<Body>, Problem> {
        self.answers.replay_or(first, problem).await
    }

    /// An entry in the log of the caller's workspace, for the store to write with the change; in the
    /// caller's own log where they are in no workspace.
    pub fn journal(
        &self,
        caller: &Caller,
        action: Action,
        subject: impl Display,
    ) -> Result<Journal, Problem> {
        let (workspace, actor) = (caller.some_workspace()?, caller.principal_as::<Principal>()?);
        Ok(self.journal_of(workspace, actor, action, subject))
    }

    /// An entry in another log than [`Guard::journal`] takes: of a workspace that is made or joined
    /// just now.
    pub fn journal_of(
        &self,
        workspace: impl Into<Option<WorkspaceId>>,
        actor: impl Into<Principal>,
        action: Action,
        subject: impl Display,
    ) -> Journal {
        self.log.journal(self.event(workspace, actor, action, subject))
    }

    /// One more entry, for [`Journal::and`].
    pub fn event(
        &self,
        workspace: impl Into<Option<WorkspaceId>>,
        actor: impl Into<Principal>,
        action: Action,
        subject: impl Display,
    ) -> AuditEvent {
        AuditEvent::new(self.log.id(), workspace, actor, action, subject)
    }
}

/// What entries of the audit log are made with.
#[derive(Debug, Clone)]
struct Log {
    table: String,
    clock: Clock,
    random: Random,
}

impl Log {
    fn new(boot: &Boot, table: String) -> Self {
        Self { table, clock: boot.clock.clone(), random: boot.random.clone() }
    }

    fn id(&self) -> AuditId {
        AuditId::new(self.clock.now(), self.random.u128())
    }

    fn journal(&self, event: AuditEvent) -> Journal {
        Journal::new(&self.table, event)
    }
}
