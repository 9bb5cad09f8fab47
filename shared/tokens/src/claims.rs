//! What an access token says.

use domain::{Principal, Scope, SessionId, TokenId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};

/// What an access token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// Its own name.
    pub id: TokenId,
    /// Whose it is.
    pub principal: Principal,
    /// Where it is good; none for a person who is in no workspace.
    pub workspace: Option<WorkspaceId>,
    /// What for, at most: what its holder may do now is for the authorizer to say.
    pub scopes: Vec<Scope>,
    /// The sign-in that it comes from; keys have none.
    pub session: Option<SessionId>,
    /// Since when it is good. Whole seconds.
    pub issued_at: Timestamp,
    /// From when on it is worthless. Whole seconds.
    pub expires_at: Timestamp,
}

impl AccessToken {
    /// How long one is good. It is believed without a look at its session only for the 60 seconds of
    /// the gateway's cache; this bounds what is left of it where even that look is impossible.
    pub const LIFETIME: SignedDuration = SignedDuration::from_secs(900);

    /// A token that is good from this moment on.
    pub fn new(
        id: TokenId,
        principal: Principal,
        workspace: Option<WorkspaceId>,
        scopes: Vec<Scope>,
        session: Option<SessionId>,
        now: Timestamp,
    ) -> Self {
        // What a JWT can say.
        let issued_at = Timestamp::from_second(now.as_second()).unwrap_or(now);
        let expires_at = issued_at.saturating_add(Self::LIFETIME).unwrap_or(Timestamp::MAX);
        Self { id, principal, workspace, scopes, session, issued_at, expires_at }
    }

    /// The same, good for no longer than what it was taken with, if that has an end. A second is the
    /// least: whether its holder is still good in it is for the authorizer to say.
    #[must_use]
    pub fn until(self, end: Option<Timestamp>) -> Self {
        let Some(end) = end else { return self };
        let last = end.as_second().max(self.issued_at.as_second().saturating_add(1));
        let last = Timestamp::from_second(last).unwrap_or(self.expires_at);
        Self { expires_at: self.expires_at.min(last), ..self }
    }

    /// For how many seconds it is good, from its beginning on.
    pub fn seconds(&self) -> i64 {
        self.expires_at.duration_since(self.issued_at).as_secs()
    }
}
