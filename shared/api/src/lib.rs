//! What the functions around links share: a link as JSON, in and out, and how the stores' errors
//! reach the caller.
//!
//! It stands between `lambda`, which knows no links, and `domain` and `store`, which know no HTTP.

mod fail;
mod input;
mod output;

pub use fail::{changed, faulty, found, id_of, slug_taken, unavailable, unread, unreadable};
pub use input::{NewLink, link_change};
pub use output::{LinkView, etag, respond};
