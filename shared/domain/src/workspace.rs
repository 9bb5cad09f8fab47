//! Workspaces, and who is in them.

use jiff::Timestamp;

use crate::{Name, Role, UserId, WorkspaceId};

/// A workspace: the tenant that links, keys and members belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workspace {
    /// Its id, for ever; its time is the workspace's `created_at`.
    pub id: WorkspaceId,
    /// What it is called.
    pub name: Name,
    /// How much each of its principals may write, where it is not what all others may.
    pub writes_per_minute: Option<u32>,
    /// Counts the edits; what the `ETag` says. Members come and go without.
    pub revision: u64,
}

/// An edit: what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceChange {
    /// Another name.
    pub name: Option<Name>,
    /// Another rate limit, or what all others have.
    pub writes_per_minute: Option<Option<u32>>,
}

/// A person in a workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The person.
    pub user: UserId,
    /// What they may do in it.
    pub role: Role,
    /// Since when.
    pub joined_at: Timestamp,
}

impl Workspace {
    /// A new one.
    pub fn new(id: WorkspaceId, name: Name) -> Self {
        Self { id, name, writes_per_minute: None, revision: 1 }
    }

    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.id.at()
    }

    /// Whoever makes a workspace owns it.
    pub fn founded_by(&self, user: UserId) -> Member {
        Member { workspace: self.id, user, role: Role::Owner, joined_at: self.created_at() }
    }

    /// The workspace as it will be; the same revision where nothing would change.
    #[must_use]
    pub fn edited(&self, change: WorkspaceChange) -> Self {
        let edited = Self {
            name: change.name.unwrap_or_else(|| self.name.clone()),
            writes_per_minute: change.writes_per_minute.unwrap_or(self.writes_per_minute),
            ..self.clone()
        };
        if edited == *self { edited } else { Self { revision: self.revision + 1, ..edited } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace() -> Workspace {
        let id = WorkspaceId::new(Timestamp::UNIX_EPOCH, 1);
        Workspace::new(id, Name::parse("Shop").unwrap())
    }

    #[test]
    fn an_edit_that_changes_nothing_makes_no_version() {
        assert_eq!(workspace().edited(WorkspaceChange::default()), workspace());
        let same = WorkspaceChange { name: Some(workspace().name), writes_per_minute: Some(None) };
        assert_eq!(workspace().edited(same), workspace());
    }

    #[test]
    fn an_edit_changes_what_it_names() {
        let limit = WorkspaceChange { writes_per_minute: Some(Some(60)), ..Default::default() };
        let limited = workspace().edited(limit);
        assert_eq!((limited.writes_per_minute, limited.revision), (Some(60), 2));
        assert_eq!(limited.name, workspace().name);
        let name = WorkspaceChange { name: Name::parse("Mall").ok(), ..Default::default() };
        let renamed = limited.edited(name);
        assert_eq!((renamed.name.as_str(), renamed.revision), ("Mall", 3));
        assert_eq!(renamed.writes_per_minute, Some(60));
    }

    #[test]
    fn whoever_makes_a_workspace_owns_it() {
        let user = UserId::new(Timestamp::UNIX_EPOCH, 2);
        let founder = workspace().founded_by(user);
        assert_eq!((founder.user, founder.role), (user, Role::Owner));
        assert_eq!(founder.joined_at, workspace().created_at());
    }
}
