//! What the functions of statistics share: from a question to its answer.
//!
//! It keeps the time zones of the world out of all other functions.

mod answer;
mod csv;
mod memory;
mod query;
mod read;
mod tally;
#[cfg(test)]
mod tests;
mod zones;

use domain::Dimension;

pub use answer::answer;
pub use memory::Memory;
pub use query::{Asked, Form, filter, moment};
pub use read::{MAX_LINKS, MAX_ROWS, Reader, TallyError, Whose};
pub use tally::{Question, Tally};
pub use zones::{ZoneError, zone};

/// What the clicks of a link can be broken down and filtered by.
pub fn of_links() -> Vec<Dimension> {
    Dimension::OF_LINKS.to_vec()
}

/// What the clicks of a workspace can be broken down and filtered by.
pub fn of_workspaces() -> Vec<Dimension> {
    Dimension::ALL.to_vec()
}

/// What is known of requests that led nowhere.
pub fn of_orphans() -> Vec<Dimension> {
    vec![Dimension::Slug]
}
