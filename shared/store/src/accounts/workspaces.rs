//! Workspaces.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::WorkspaceId;

use super::{AccountStore, ReadAccountError};
use crate::keys;
use crate::row::{Read, Write, row};
use crate::unavailable::Unavailable;

impl AccountStore {
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
}
