//! Accounts: people, workspaces, who is a member of which, invitations, and API keys.
//!
//! All rows that somebody's rights depend on are read consistently: what was taken away is gone.

mod answers;
mod api_keys;
mod attempts;
mod audit;
mod identities;
mod invitations;
mod item;
mod members;
mod page;
mod sessions;
mod sign_ins;
mod standing;
#[cfg(test)]
mod tests;
mod users;
mod workspaces;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use aws_types::SdkConfig;

pub use api_keys::{CreateKeyError, DeleteKeyError};
pub use attempts::Attempt;
pub use identities::LinkIdentityError;
pub use invitations::{AcceptError, CreateInvitationError, DeleteInvitationError};
pub use members::ChangeMemberError;
pub use page::{After, AfterError, Page};
pub use sessions::{OpenSessionError, RotateError};
pub use sign_ins::FoundCode;
pub use standing::{Claimed, Standing};
pub use users::{CreateUserError, Joining, UpdateUserError};
pub use workspaces::{CreateWorkspaceError, Joined, UpdateWorkspaceError};

use crate::commit::{Change, CommitError, commit};
use crate::dice::Dice;
use crate::journal::Journal;
use crate::keys::Key;
use crate::row::{BadRow, Item};
use crate::unavailable::Unavailable;

/// How often the rest of a batch is asked for that DynamoDB did not answer at once.
const BATCH_TRIES: u32 = 5;

/// The accounts table.
#[derive(Debug, Clone)]
pub struct AccountStore {
    client: Client,
    table: String,
}

/// Why an account's row could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadAccountError {
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A row does not hold what it should.
    #[error(transparent)]
    BadRow(#[from] BadRow),
}

impl AccountStore {
    /// The accounts in this table.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self { client: Client::new(aws), table: table.into() }
    }

    /// One row. One `GetItem`, consistent.
    async fn row(&self, key: &Key, doing: impl Into<String>) -> Result<Option<Item>, Unavailable> {
        let call = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .consistent_read(true);
        let answer = call.send().await.map_err(|error| Unavailable::new(doing, error))?;
        Ok(answer.item)
    }

    /// Those of these rows that are there, in no order. One consistent `BatchGetItem` for up to 100.
    async fn rows(
        &self,
        keys: impl IntoIterator<Item = Key>,
        doing: &str,
    ) -> Result<Vec<Item>, Unavailable> {
        // DynamoDB refuses a key that stands twice.
        let keys: Vec<Key> = keys.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut rows = Vec::with_capacity(keys.len());
        for keys in keys.chunks(100) {
            let mut dice = Dice::named(keys);
            let mut wanted: Vec<_> = keys.iter().map(Key::attributes).collect();
            for tries in 0..BATCH_TRIES {
                if wanted.is_empty() {
                    break;
                }
                if 0 < tries {
                    tokio::time::sleep(dice.pause(tries)).await;
                }
                let (found, rest) = self.batch(std::mem::take(&mut wanted), doing).await?;
                rows.extend(found);
                wanted = rest;
            }
            if !wanted.is_empty() {
                let cause = format!("{} rows were not answered", wanted.len());
                return Err(Unavailable::new(doing, cause));
            }
        }
        Ok(rows)
    }

    async fn batch(
        &self,
        keys: Vec<Item>,
        doing: &str,
    ) -> Result<(Vec<Item>, Vec<Item>), Unavailable> {
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .expect("the keys are set");
        let call = self.client.batch_get_item().request_items(&self.table, request);
        let answer = call.send().await.map_err(|error| Unavailable::new(doing, error))?;
        let rows = answer.responses.and_then(|mut all| all.remove(&self.table)).unwrap_or_default();
        let rest = answer.unprocessed_keys.and_then(|mut all| all.remove(&self.table));
        Ok((rows, rest.map(|rest| rest.keys).unwrap_or_default()))
    }

    /// Writes all or nothing, and the journal with it.
    async fn commit(&self, changes: Vec<Change>, journal: &Journal) -> Result<(), CommitError> {
        commit(&self.client, &self.table, changes, journal).await
    }

    /// Writes a row over whatever is there.
    async fn put(&self, item: Item, doing: impl Into<String>) -> Result<(), Unavailable> {
        let call = self.client.put_item().table_name(&self.table).set_item(Some(item));
        call.send().await.map(drop).map_err(|error| Unavailable::new(doing, error))
    }
}
