//! What clicks are counted for.

use std::fmt;

use domain::{LinkId, WorkspaceId};

/// Who has rollups: every click counts for its link and for its workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// A link.
    Link(LinkId),
    /// A workspace: all of its links, also those that were deleted.
    Workspace(WorkspaceId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link(id) => fmt::Display::fmt(id, f),
            Self::Workspace(id) => fmt::Display::fmt(id, f),
        }
    }
}
