//! API keys.

use domain::{KeyId, KeyRecord, Scope, SecretHash, WorkspaceId};
use jiff::Timestamp;

use super::{AccountStore, ReadAccountError};
use crate::keys;
use crate::row::{BadRow, Item, Read, Write, row};
use crate::unavailable::Unavailable;

impl AccountStore {
    /// The key of this id. One `GetItem`, consistent: a key that was revoked is not there.
    pub async fn find_key(&self, id: KeyId) -> Result<Option<KeyRecord>, ReadAccountError> {
        let item = self.row(&keys::key(id), format!("reading the key `{id}`")).await?;
        Ok(item.map(|item| read_key(id, &item)).transpose()?)
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
