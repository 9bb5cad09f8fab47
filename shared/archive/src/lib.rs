//! The archive: all clicks as Parquet, one file for each hour in which there were some.
//!
//! Compaction ([`Archive::take`], [`Archive::merge`]) moves raw batches into the files of the hours
//! in which the clicks were. A file holds each click once, sorted by workspace, link and id, and is
//! replaced as a whole: whoever reads sees the one before or the one after. A replacement happens only
//! if the file is still the one that was read, so two compactions at once lose nothing, and batches
//! go only when all of their clicks are in files. Everything may be killed anywhere and begun anew.
//!
//! Besides that it is looked through: to remove what is to be forgotten ([`Archive::purge`]), and to
//! count ([`Archive::counts`]).

mod columns;
mod compact;
mod counts;
mod look;
mod merge;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::fmt;

use aws_types::SdkConfig;
use domain::{LinkId, WorkspaceId};
use lake::{Hour, ObjectError, Objects};

pub use columns::columns;
pub use compact::{Batch, Merged};
pub use counts::Waiting;
pub use look::Looked;
pub use read::FileError;

/// The version of the files. A reader knows this one and the one before.
///
/// It is raised with every column that is added or changes its meaning.
pub const VERSION: u32 = 1;

/// Under this name files say their version.
pub const VERSION_KEY: &str = "signpost.version";

/// What a file of Parquet is called in HTTP.
const PARQUET: &str = "application/vnd.apache.parquet";

/// How often a write is tried again when somebody else wrote meanwhile.
const TRIES: u32 = 10;

/// How many objects are read at the same time.
const AT_ONCE: usize = 8;

/// The clicks in the bucket.
#[derive(Debug, Clone)]
pub struct Archive {
    objects: Objects,
}

/// Whose clicks are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Those of a link.
    Link(WorkspaceId, LinkId),
    /// Those of all links that a workspace ever had.
    Workspace(WorkspaceId),
}

impl Of {
    /// Whether it means this link's.
    pub fn covers(self, workspace: WorkspaceId, link: LinkId) -> bool {
        match self {
            Self::Link(_, it) => it == link,
            Self::Workspace(it) => it == workspace,
        }
    }
}

/// Up to where the bucket has been looked through. What it displays as can be kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place(String);

impl Place {
    /// The place that displays so.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why something in the archive could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bucket did not do what it was asked to.
    #[error(transparent)]
    Object(#[from] ObjectError),
    /// A file is not as it should be.
    #[error("the file `{key}`: {source}")]
    File {
        /// Where it is.
        key: String,
        /// What is wrong.
        source: FileError,
    },
    /// Others kept writing at the same time.
    #[error("`{0}` was changed by others each time")]
    Contended(String),
    /// A batch has lines of a newer version of this software: it stays until that compacts it.
    #[error("the batch `{0}` has lines of a newer version, which stay there")]
    Newer(String),
}

impl Archive {
    /// The clicks in this bucket.
    pub fn new(aws: &SdkConfig, bucket: impl Into<String>) -> Self {
        Self { objects: Objects::new(aws, bucket) }
    }
}

/// An error about a file.
fn in_file(key: &str, source: FileError) -> ArchiveError {
    ArchiveError::File { key: key.to_owned(), source }
}

/// The hour of a click.
fn hour_of(click: &domain::RecordedClick) -> Hour {
    Hour::of(click.click.id.at())
}
