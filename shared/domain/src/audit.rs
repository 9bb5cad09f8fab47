//! Who did what to what: an entry of the audit log.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::{AuditId, Principal, WorkspaceId};

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal,)*) => {
        /// What was done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action {
            $($(#[$doc])* $action,)*
        }

        impl Action {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$action),*];

            /// The name, as rows and answers carry it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$action => $name,)*
                }
            }
        }
    };
}

actions! {
    /// A link was made.
    LinkCreated = "link.created",
    /// A link was edited; the details name the fields.
    LinkUpdated = "link.updated",
    /// A link was deleted.
    LinkDeleted = "link.deleted",
    /// Somebody asked that all clicks of a link be removed.
    LinkPurgeOrdered = "link.purge_ordered",
    /// Somebody looked everywhere, and nothing of a link's clicks was left.
    LinkPurged = "link.purged",
    /// An API key was made.
    KeyCreated = "key.created",
    /// An API key was revoked.
    KeyDeleted = "key.deleted",
    /// A workspace was made.
    WorkspaceCreated = "workspace.created",
    /// A workspace was renamed, or its limit was set.
    WorkspaceUpdated = "workspace.updated",
    /// A workspace was deleted, with all that is in it.
    WorkspaceDeleted = "workspace.deleted",
    /// Somebody looked everywhere, and nothing of a workspace was left.
    WorkspacePurged = "workspace.purged",
    /// Somebody became a member of a workspace.
    MemberAdded = "member.added",
    /// A member got another role.
    MemberUpdated = "member.updated",
    /// A member left, or was removed.
    MemberRemoved = "member.removed",
    /// Somebody was invited.
    InvitationCreated = "invitation.created",
    /// An invitation was withdrawn.
    InvitationDeleted = "invitation.deleted",
    /// An invitation was used.
    InvitationAccepted = "invitation.accepted",
    /// A person got an account.
    UserRegistered = "user.registered",
    /// A person changed their name or password; the details name the fields.
    UserUpdated = "user.updated",
    /// An account was linked to one at the company's identity provider.
    IdentityLinked = "identity.linked",
    /// A person signed in.
    SessionOpened = "session.opened",
    /// A sign-in was ended.
    SessionRevoked = "session.revoked",
    /// A refresh token was used twice: the sign-in was ended.
    SessionReused = "session.reused",
    /// An access token was made worthless before its time.
    TokenRevoked = "token.revoked",
}

/// A word that names no action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an action of the audit log")]
pub struct ActionError;

impl Action {
    /// The action of this name.
    pub fn parse(text: &str) -> Result<Self, ActionError> {
        Self::ALL.iter().copied().find(|action| action.as_str() == text).ok_or(ActionError)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One entry: who did what to what.
///
/// It is made of ids, roles and names of fields. An e-mail address, a name or a token has no place in
/// it: entries outlive the people they tell of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    /// Its id, which says when.
    pub id: AuditId,
    /// The workspace in whose log it stands; without one it stands in the actor's own.
    pub workspace: Option<WorkspaceId>,
    /// Who did it.
    pub actor: Principal,
    /// What was done.
    pub action: Action,
    /// The id of what it was done to.
    pub subject: String,
    /// More about it, such as the names of the fields that were changed.
    pub details: BTreeMap<String, String>,
}

impl AuditEvent {
    /// How long entries are kept: a year, and time to look at it.
    pub const KEPT_DAYS: i64 = 400;

    /// An entry without details.
    pub fn new(
        id: AuditId,
        workspace: impl Into<Option<WorkspaceId>>,
        actor: impl Into<Principal>,
        action: Action,
        subject: impl fmt::Display,
    ) -> Self {
        Self {
            id,
            workspace: workspace.into(),
            actor: actor.into(),
            action,
            subject: subject.to_string(),
            details: BTreeMap::new(),
        }
    }

    /// The entry with one more detail.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.details.insert(name.to_owned(), value.to_string());
        self
    }

    /// When it was done, to the millisecond.
    pub fn at(&self) -> Timestamp {
        self.id.at()
    }

    /// When it may be deleted, in seconds since 1970.
    pub fn expires(&self) -> i64 {
        self.at().as_second().saturating_add(Self::KEPT_DAYS * 24 * 60 * 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyId;

    #[test]
    fn names_read_back_and_say_the_kind_and_what_happened() {
        for action in Action::ALL {
            assert_eq!(Action::parse(action.as_str()), Ok(*action));
            assert_eq!(action.as_str().split('.').count(), 2, "{action}");
        }
        assert_eq!(Action::parse("link.Created"), Err(ActionError));
    }

    #[test]
    fn an_entry_is_kept_for_400_days() {
        let at: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let event = AuditEvent::new(
            AuditId::new(at, 1),
            None,
            KeyId::new(at, 1),
            Action::LinkUpdated,
            "lnk_1",
        );
        let end: Timestamp = "2027-02-05T00:00:00Z".parse().unwrap();
        assert_eq!(event.expires(), end.as_second());
        let event = event.with("fields", "url, title");
        assert_eq!(event.details["fields"], "url, title");
    }
}
