//! Accounts: people, workspaces, who is a member of which, invitations, and API keys.
//!
//! All rows that somebody's rights depend on are read consistently: what was taken away is gone.

mod api_keys;
mod workspaces;

use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;

use crate::keys::Key;
use crate::row::{BadRow, Item};
use crate::unavailable::Unavailable;

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

    /// Writes a row over whatever is there.
    async fn put(&self, item: Item, doing: impl Into<String>) -> Result<(), Unavailable> {
        let call = self.client.put_item().table_name(&self.table).set_item(Some(item));
        call.send().await.map(drop).map_err(|error| Unavailable::new(doing, error))
    }
}
