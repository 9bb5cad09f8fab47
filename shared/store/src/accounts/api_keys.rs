//! API keys: a row by which a key is found, and one in the list of its workspace.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::{KeyId, KeyRecord, Principal, Scope, SecretHash, WorkspaceId};
use jiff::Timestamp;

use super::page::{After, List, Page, next};
use super::{AccountStore, ReadAccountError};
use crate::commit::{Change, CommitError, Condition};
use crate::journal::Journal;
use crate::keys;
use crate::row::{BadRow, Item, Read, Value, Write, row};
use crate::unavailable::Unavailable;

/// Why a key was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateKeyError {
    /// The request was answered before, and that answer was kept.
    #[error("the request was answered before")]
    Answered,
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a key was not revoked.
#[derive(Debug, thiserror::Error)]
pub enum DeleteKeyError {
    /// The workspace has no such key.
    #[error("there is no key `{0}`")]
    NotFound(KeyId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AccountStore {
    /// The key of this id. One `GetItem`, consistent: a key that was revoked is not there.
    pub async fn find_key(&self, id: KeyId) -> Result<Option<KeyRecord>, ReadAccountError> {
        let item = self.row(&keys::key(id), format!("reading the key `{id}`")).await?;
        Ok(item.map(|item| read_key(id, &item)).transpose()?)
    }

    /// A page of at most `limit` (1 to 100) keys of a workspace, newest first. One `Query` and one
    /// `BatchGetItem`. A key that is revoked at this moment may be missing from a page, which is
    /// then shorter.
    pub async fn keys(
        &self,
        workspace: WorkspaceId,
        after: Option<After<KeyId>>,
        limit: usize,
    ) -> Result<Page<KeyRecord, KeyId>, ReadAccountError> {
        let list = List {
            pk: keys::of_workspace(workspace),
            prefix: keys::KEYS,
            after: after.map(|After(id)| keys::key_of(workspace, id)),
            newest_first: true,
        };
        let doing = format!("listing the keys of `{workspace}`");
        let (places, more) = self.list(list, limit, doing.as_str()).await?;
        let id = |place: &Item| place.parse(keys::SK, keys::parse_key_of);
        let ids: Vec<KeyId> = places.iter().map(id).collect::<Result<_, BadRow>>()?;
        let mut found = BTreeMap::new();
        for row in self.rows(ids.iter().copied().map(keys::key), &doing).await? {
            let id = row.parse(keys::PK, keys::parse_key)?;
            found.insert(id, read_key(id, &row)?);
        }
        let items = ids.iter().filter_map(|id| found.remove(id)).collect();
        Ok(Page { items, next: next(ids.last().copied(), more) })
    }

    /// Makes a key. Two rows in one transaction, besides the journal's.
    pub async fn create_key(
        &self,
        key: &KeyRecord,
        journal: &Journal,
    ) -> Result<(), CreateKeyError> {
        let free = || Some(Condition::of("attribute_not_exists(pk)"));
        let changes = vec![Change::Put(key_row(key), free()), Change::Put(place_row(key), free())];
        let doing = || format!("making the key `{}`", key.id);
        match self.commit(changes, journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Answered) => Err(CreateKeyError::Answered),
            Err(CommitError::Conditions(_)) => {
                Err(Unavailable::new(doing(), "its id is taken").into())
            }
            Err(CommitError::Unavailable(source)) => Err(Unavailable::new(doing(), source).into()),
        }
    }

    /// Revokes a key of a workspace. One transaction; that the workspace lists it is its condition, so
    /// nothing is read before.
    pub async fn delete_key(
        &self,
        workspace: WorkspaceId,
        id: KeyId,
        journal: &Journal,
    ) -> Result<(), DeleteKeyError> {
        let listed = Some(Condition::of("attribute_exists(pk)"));
        let changes = vec![
            Change::Delete(keys::key_of(workspace, id), listed),
            Change::Delete(keys::key(id), None),
        ];
        match self.commit(changes, journal).await {
            Ok(()) => Ok(()),
            // Only what is created keeps its answer.
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(DeleteKeyError::NotFound(id))
            }
            Err(CommitError::Unavailable(source)) => {
                Err(Unavailable::new(format!("revoking the key `{id}`"), source).into())
            }
        }
    }

    /// Writes down that a key is used now, if it is still known to be used when it was as read: of
    /// many that use it at once, one writes. See [`KeyRecord::use_is_news`].
    pub async fn touch_key(&self, key: &KeyRecord, now: Timestamp) -> Result<(), Unavailable> {
        let unchanged = match key.last_used_at {
            None => Condition::of("attribute_exists(pk) AND attribute_not_exists(last_used_at)"),
            Some(at) => Condition::of("last_used_at = :was").with(":was", at.to_string()),
        };
        let call = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::key(key.id).attributes()))
            .update_expression("SET last_used_at = :now")
            .condition_expression(unchanged.expression)
            .set_expression_attribute_values(Some(unchanged.values))
            .expression_attribute_values(":now", now.to_string().attribute());
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_conditional_check_failed_exception()) =>
            {
                Ok(())
            }
            Err(error) => {
                Err(Unavailable::new(format!("noting the use of the key `{}`", key.id), error))
            }
        }
    }

    /// Puts a key that is there into the list of its workspace: for one that was made before there were
    /// such lists. One `PutItem`, which changes nothing where it is listed.
    pub async fn list_key(&self, key: &KeyRecord) -> Result<(), Unavailable> {
        self.put(place_row(key), format!("listing the key `{}`", key.id)).await
    }

    /// Writes a key over whatever is there: for the one that a platform makes at its start, and for
    /// tests.
    pub async fn put_key(&self, key: &KeyRecord) -> Result<(), Unavailable> {
        let changes = vec![Change::Put(key_row(key), None), Change::Put(place_row(key), None)];
        let doing = || format!("writing the key `{}`", key.id);
        match self.commit(changes, &Journal::none()).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(Unavailable::new(doing(), "there are no conditions"))
            }
            Err(CommitError::Unavailable(source)) => Err(Unavailable::new(doing(), source)),
        }
    }
}

fn key_row(key: &KeyRecord) -> Item {
    let mut item = row(&keys::key(key.id));
    item.set("hash", key.hash.to_hex());
    item.set("workspace", key.workspace.to_string());
    item.set("title", key.name.as_str());
    item.set("scopes", key.scopes.iter().map(Scope::to_string).collect::<Vec<_>>());
    item.set_some("expires_at", key.expires_at.map(|at| at.to_string()));
    item.set_some("created_by", key.created_by.map(|by| by.to_string()));
    item.set_some("writes_per_minute", key.writes_per_minute.map(u64::from));
    item.set_some("last_used_at", key.last_used_at.map(|at| at.to_string()));
    item
}

fn place_row(key: &KeyRecord) -> Item {
    row(&keys::key_of(key.workspace, key.id))
}

pub(super) fn read_key(id: KeyId, item: &Item) -> Result<KeyRecord, BadRow> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    Ok(KeyRecord {
        id,
        hash: item.parse("hash", SecretHash::from_hex)?,
        workspace: item.parse("workspace", |text| WorkspaceId::parse(text).ok())?,
        name: item.text("title").unwrap_or_default().to_owned(),
        scopes: item.list("scopes", |text| Scope::parse(text).ok())?,
        expires_at: item.parse_some("expires_at", time)?,
        created_by: item.parse_some("created_by", |text| Principal::parse(text).ok())?,
        writes_per_minute: item.number("writes_per_minute")?,
        last_used_at: item.parse_some("last_used_at", time)?,
    })
}
