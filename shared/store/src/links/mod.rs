//! Links: their definitions, and for each of their slugs all that the redirect needs.
//!
//! A link is one row, and one more for each slug, each tag and its click limit. They are written
//! in one transaction, always all that an edit touches, so that no reader ever sees a half of it:
//! the redirect reads a single row, and still follows the latest edit.

mod change;
mod ids;
mod item;
mod list;
mod read;
mod routes;
#[cfg(test)]
mod tests;

use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;

pub use change::{CreateError, DeleteError, UpdateError};
pub use ids::Existence;
pub use list::{Cursor, CursorError, Filter, LinkPage};
pub use read::ReadLinkError;
pub use routes::{Found, RouteStore, Spent};

/// The links table.
#[derive(Debug, Clone)]
pub struct LinkStore {
    client: Client,
    table: String,
}

impl LinkStore {
    /// The links in this table.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self { client: Client::new(aws), table: table.into() }
    }
}
