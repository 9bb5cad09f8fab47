//! The audit log of a workspace. Its entries are written with what they tell of, see
//! [`crate::Journal`].

use domain::{Action, AuditEvent, AuditId, Principal, WorkspaceId};

use super::page::{After, List, Page, next};
use super::{AccountStore, ReadAccountError};
use crate::keys;
use crate::row::{BadRow, Item, Read};

impl AccountStore {
    /// A page of at most `limit` entries of a workspace's log, newest first. One `Query`.
    pub async fn audit(
        &self,
        workspace: WorkspaceId,
        after: Option<After<AuditId>>,
        limit: usize,
    ) -> Result<Page<AuditEvent, AuditId>, ReadAccountError> {
        let list = List {
            pk: keys::audits(workspace),
            prefix: keys::AUDITS,
            after: after.map(|After(id)| keys::audit(workspace, id)),
            newest_first: true,
        };
        let doing = format!("reading the audit log of `{workspace}`");
        let (rows, more) = self.list(list, limit, doing).await?;
        let read = |row: &Item| read_event(workspace, row);
        let items = rows.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let next = next(items.last().map(|event| event.id), more);
        Ok(Page { items, next })
    }
}

fn read_event(workspace: WorkspaceId, item: &Item) -> Result<AuditEvent, BadRow> {
    Ok(AuditEvent {
        id: item.parse(keys::SK, |text| AuditId::parse(text).ok())?,
        workspace: Some(workspace),
        actor: item.parse("actor", |text| Principal::parse(text).ok())?,
        action: item.parse("action", |text| Action::parse(text).ok())?,
        subject: item.parse("subject", |text| Some(text.to_owned()))?,
        details: item.texts("details")?,
    })
}
