//! DynamoDB: the rows of links, slugs, keys and clicks.
//!
//! Each store is concrete, and its methods are named by use. [`ledger`] tells how clicks are
//! counted exactly, [`LinkStore`] how a link and its slugs stay one thing.

mod accounts;
mod buckets;
mod commit;
mod dice;
mod ids;
mod journal;
mod keys;
pub mod ledger;
mod links;
mod pause;
mod row;
mod salts;
mod schema;
mod unavailable;
mod wire;

pub use accounts::{
    AcceptError, AccountStore, After, AfterError, Attempt, ChangeMemberError, Claimed,
    CreateInvitationError, CreateKeyError, CreateUserError, CreateWorkspaceError,
    DeleteInvitationError, DeleteKeyError, FoundCode, Joined, Joining, LinkIdentityError,
    OpenSessionError, Page, ReadAccountError, RotateError, Standing, UpdateUserError,
    UpdateWorkspaceError,
};
pub use buckets::{BucketStore, Taken};
pub use ids::{Part, ReadIdsError};
pub use journal::{Answer, Journal};
pub use ledger::LedgerStore;
pub use links::{
    CreateError, Cursor, CursorError, DeleteError, Existence, Filter, Found, LinkPage, LinkStore,
    ReadLinkError, RouteStore, Spent, UpdateError,
};
pub use salts::{SaltReader, SaltStore};
pub use schema::{Tables, create_tables};
pub use unavailable::Unavailable;
