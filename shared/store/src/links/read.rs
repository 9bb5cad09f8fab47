//! Reading links.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{Link, LinkId, WorkspaceId};

use super::LinkStore;
use super::item::read_link;
use crate::dice::Dice;
use crate::keys::{self, Key};
use crate::row::{BadRow, Item};
use crate::unavailable::Unavailable;

/// Why a link could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadLinkError {
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A row does not hold what it should.
    #[error(transparent)]
    BadRow(#[from] BadRow),
}

/// How often the rest of a batch is asked for that DynamoDB did not answer at once.
const BATCH_TRIES: u32 = 5;

impl LinkStore {
    /// The link of this id in this workspace. One consistent `GetItem`.
    pub async fn find(
        &self,
        workspace: WorkspaceId,
        id: LinkId,
    ) -> Result<Option<Link>, ReadLinkError> {
        let row = self.row(keys::link(workspace, id)).await?;
        Ok(row.as_ref().map(read_link).transpose()?)
    }

    /// These links of a workspace, in this order, each once, without those that are gone. One
    /// `BatchGetItem` for up to 100.
    pub(super) async fn find_all(
        &self,
        workspace: WorkspaceId,
        ids: &[LinkId],
    ) -> Result<Vec<Link>, ReadLinkError> {
        // An index may show a link twice while its slug changes, and DynamoDB refuses a key twice.
        let mut once = BTreeSet::new();
        let ids: Vec<LinkId> = ids.iter().copied().filter(|id| once.insert(*id)).collect();
        let mut links = Vec::with_capacity(ids.len());
        for ids in ids.chunks(100) {
            let mut keys: Vec<_> =
                ids.iter().map(|id| keys::link(workspace, *id).attributes()).collect();
            let mut dice = Dice::named(ids);
            for tries in 0..BATCH_TRIES {
                if keys.is_empty() {
                    break;
                }
                if 0 < tries {
                    tokio::time::sleep(dice.pause(tries)).await;
                }
                let (rows, rest) = self.batch(std::mem::take(&mut keys)).await?;
                for row in &rows {
                    links.push(read_link(row)?);
                }
                keys = rest;
            }
            if !keys.is_empty() {
                let cause = format!("{} rows were not answered", keys.len());
                return Err(
                    Unavailable::new(format!("reading links of `{workspace}`"), cause).into()
                );
            }
        }
        let place = |link: &Link| ids.iter().position(|id| *id == link.id);
        links.sort_by_key(place);
        Ok(links)
    }

    async fn batch(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), Unavailable> {
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .expect("the keys are set");
        let call = self.client.batch_get_item().request_items(&self.table, request);
        let answer = call
            .send()
            .await
            .map_err(|error| Unavailable::new("reading a page of links", error))?;
        let rows = answer.responses.and_then(|mut all| all.remove(&self.table)).unwrap_or_default();
        let rest = answer.unprocessed_keys.and_then(|mut all| all.remove(&self.table));
        Ok((rows, rest.map(|rest| rest.keys).unwrap_or_default()))
    }

    async fn row(&self, key: Key) -> Result<Option<Item>, Unavailable> {
        let pk = AttributeValue::S(key.pk.clone());
        let call = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PK, pk)
            .key(keys::SK, AttributeValue::S(key.sk))
            .consistent_read(true);
        let answer = call
            .send()
            .await
            .map_err(|error| Unavailable::new(format!("reading the row `{}`", key.pk), error))?;
        Ok(answer.item)
    }
}
