//! The same where nobody has credentials yet: signing up and signing in.

use std::fmt::Display;
use std::net::IpAddr;

use domain::{Action, AuditEvent, Principal, RateLimit, WorkspaceId};
use lambda::{Body, Boot, EnvError, Problem, Request, Response};
use sha2::{Digest, Sha256};
use store::Journal;

use crate::limit::{self, Limiter};
use crate::once::Answers;
use crate::{First, Log, Once};

/// The requests of an address in a minute, unless the operator says otherwise.
const SIGN_IN_PER_MINUTE: u32 = 60;

/// Stands around what is done without credentials.
#[derive(Debug, Clone)]
pub struct PublicGuard {
    limiter: Limiter,
    limit: Option<RateLimit>,
    answers: Answers,
    log: Log,
}

impl PublicGuard {
    /// The guard of a function, by `ACCOUNTS_TABLE` and `SIGN_IN_PER_MINUTE` (0: no limit).
    pub fn load(boot: &Boot) -> Result<Self, EnvError> {
        let limit = limit::setting(boot, "SIGN_IN_PER_MINUTE", SIGN_IN_PER_MINUTE)?;
        let table = boot.env.required("ACCOUNTS_TABLE")?;
        Ok(Self {
            limiter: Limiter::new(boot, &table, "sign-ins"),
            limit,
            answers: Answers::new(boot, &table),
            log: Log::new(boot, table),
        })
    }

    /// Counts a request against the limit of its address and handles it, or answers 429; see
    /// [`crate::Guard::admit`].
    pub async fn admit<Handling>(
        &self,
        address: IpAddr,
        handle: impl FnOnce() -> Handling,
    ) -> Result<Response<Body>, Problem>
    where
        Handling: Future<Output = Result<Response<Body>, Problem>>,
    {
        self.limiter.admit(&bucket(address), self.limit, handle).await
    }

    /// Whether this request has an answer already; see [`crate::Guard::once`]. Whoever has the key and
    /// the same body gets it.
    pub async fn once(&self, request: &Request) -> Result<Once, Problem> {
        self.answers.once(&["public"], request).await
    }

    /// See [`crate::Guard::replay`].
    pub async fn replay(&self, first: First) -> Result<Response<Body>, Problem> {
        self.answers.replay(first).await
    }

    /// See [`crate::Guard::replay_or`].
    pub async fn replay_or(
        &self,
        first: First,
        problem: Problem,
    ) -> Result<Response<Body>, Problem> {
        self.answers.replay_or(first, problem).await
    }

    /// An entry of the log of a workspace, or of the actor's own.
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

/// The name of an address's bucket: a hash, for addresses are not stored. Of IPv6 it is the network
/// that a household gets, whose addresses its holder can choose among.
fn bucket(address: IpAddr) -> String {
    let hash = Sha256::digest(format!("signpost bucket of {}", domain::network(address)));
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_hashed_and_of_ipv6_its_network() {
        let of = |text: &str| bucket(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1").len(), 64);
        assert!(!of("192.0.2.1").contains("192.0.2"));
    }
}
