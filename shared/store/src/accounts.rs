//! Workspaces and API keys.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use domain::{KeyId, KeyRecord, Scope, SecretHash, WorkspaceId};
use jiff::Timestamp;

use crate::keys;
use crate::row::{BadRow, Item, Read, Write, row};
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

    /// The key of this id. One `GetItem`, consistent: a key that was revoked is not there.
    pub async fn find_key(&self, id: KeyId) -> Result<Option<KeyRecord>, ReadAccountError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(keys::key(id).attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Unavailable::new(format!("reading the key `{id}`"), error))?;
        Ok(answer.item.map(|item| read_key(id, &item)).transpose()?)
    }

    /// Writes a key.
    pub async fn put_key(&self, key: &KeyRecord) -> Result<(), Unavailable> {
        let mut item = row(&keys::key(key.id));
        item.set("hash", key.hash.to_hex());
        item.set("workspace", key.workspace.to_string());
        item.set("title", key.name.as_str());
        item.set("scopes", key.scopes.iter().map(Scope::to_string).collect::<Vec<_>>());
        item.set_some("expires_at", key.expires_at.map(|at| at.to_string()));
        self.put(item, format!("writing the key `{}`", key.id)).await
    }

    /// Writes a workspace.
    pub async fn put_workspace(&self, id: WorkspaceId, name: &str) -> Result<(), Unavailable> {
        let mut item = row(&keys::workspace(id));
        item.set("title", name);
        self.put(item, format!("writing the workspace `{id}`")).await
    }

    /// All workspaces, oldest first.
    pub async fn workspaces(&self) -> Result<Vec<WorkspaceId>, ReadAccountError> {
        let mut ids = Vec::new();
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .key_condition_expression("pk = :pk")
                .expression_attribute_values(":pk", AttributeValue::S(keys::WORKSPACES.to_owned()))
                .consistent_read(true)
                .set_exclusive_start_key(start)
                .send()
                .await
                .map_err(|error| Unavailable::new("listing the workspaces", error))?;
            for item in answer.items() {
                ids.push(item.parse(keys::SK, |text| WorkspaceId::parse(text).ok())?);
            }
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(ids);
            }
        }
    }

    async fn put(&self, item: Item, doing: String) -> Result<(), Unavailable> {
        self.client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .send()
            .await
            .map(drop)
            .map_err(|error| Unavailable::new(doing, error))
    }
}

fn read_key(id: KeyId, item: &Item) -> Result<KeyRecord, BadRow> {
    Ok(KeyRecord {
        id,
        hash: item.parse("hash", SecretHash::from_hex)?,
        workspace: item.parse("workspace", |text| WorkspaceId::parse(text).ok())?,
        name: item.text("title").unwrap_or_default().to_owned(),
        scopes: item.list("scopes", |text| Scope::parse(text).ok())?,
        expires_at: item.parse_some("expires_at", |text| text.parse::<Timestamp>().ok())?,
    })
}
