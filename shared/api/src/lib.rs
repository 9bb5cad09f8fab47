//! What the functions of the API share: links and people as JSON, and how the stores' errors reach
//! the caller.
//!
//! It stands between `lambda`, which knows no links, and `domain` and `store`, which know no HTTP.

mod account;
mod fail;
mod input;
mod keys;
mod output;
mod page;
mod people;
mod purge;

pub use account::{
    find_member, find_person, find_workspace, is_still_meant, last_owner, manager, member_id_of,
    no_member, person, too_early, too_small_a_role, unread_account, workspace_of,
};

pub use fail::{
    changed, faulty, found, id_of, no_link, slug_taken, unavailable, unpurged, unread, unread_ids,
    unreadable,
};
pub use input::{NewLink, link_change};
pub use keys::KeyView;
pub use output::{LinkView, etag, respond};
pub use page::{located, respond_page};
pub use people::{
    InvitationView, MemberView, UserView, WorkspaceView, respond_workspace, workspace_etag,
};
pub use purge::respond_purge;
