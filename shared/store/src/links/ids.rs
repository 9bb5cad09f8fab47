//! The ids of a workspace's links, for verifying the ledger.

use domain::{LinkId, WorkspaceId};

use super::LinkStore;
use crate::ids::{Ids, Part, ReadIdsError};
use crate::keys::{self, Key};
use crate::row::{BadRow, Read};

/// Which links: a workspace's counts are those of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Existence {
    /// Those that are there.
    Live,
    /// Those that were.
    Deleted,
}

impl Existence {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Live, Self::Deleted];

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Live => Self::Deleted,
            Self::Deleted => Self::Live,
        }
    }

    fn key(self, workspace: WorkspaceId, link: LinkId) -> Key {
        match self {
            Self::Live => keys::link(workspace, link),
            Self::Deleted => keys::deleted_link(workspace, link),
        }
    }
}

impl LinkStore {
    /// So many ids of links, with the number of their click partitions, and whether there may be
    /// more. One `Query`.
    pub async fn ids(
        &self,
        (workspace, which): (WorkspaceId, Existence),
        part: Part<LinkId>,
        limit: usize,
    ) -> Result<(Vec<(LinkId, u16)>, bool), ReadIdsError> {
        let key = move |link| which.key(workspace, link);
        let list = self.id_list(workspace, &key);
        let (rows, more) = list.page(part, limit, "pk, sk, click_shards").await?;
        let mut ids = Vec::with_capacity(rows.len());
        for row in rows {
            let shards = row.number("click_shards")?.unwrap_or(1);
            ids.push((row.parse(keys::SK, keys::parse_link)?, shards));
        }
        Ok((ids, more))
    }

    /// The number of click partitions of one of these links, if it is among them. One `Query`.
    pub async fn click_shards(
        &self,
        (workspace, which): (WorkspaceId, Existence),
        link: LinkId,
    ) -> Result<Option<u16>, ReadIdsError> {
        let key = move |link| which.key(workspace, link);
        let row = self.id_list(workspace, &key).one(link, "pk, sk, click_shards").await?;
        Ok(row.map(|row| Ok::<_, BadRow>(row.number("click_shards")?.unwrap_or(1))).transpose()?)
    }

    /// The ids of all links of a workspace that are, or were.
    pub async fn every_id(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Vec<(LinkId, u16)>, ReadIdsError> {
        // What DynamoDB answers at once: 1 MB.
        const AT_ONCE: usize = 10_000;
        let mut all = Vec::new();
        for which in Existence::ALL {
            let mut part = Part::ALL;
            loop {
                let (ids, more) = self.ids((workspace, which), part, AT_ONCE).await?;
                part.after = ids.last().map(|(id, _)| *id).or(part.after);
                all.extend(ids);
                if !more {
                    break;
                }
            }
        }
        Ok(all)
    }

    /// A place among these links, chosen by random bits; `None` if there are none.
    pub async fn somewhere(
        &self,
        (workspace, which): (WorkspaceId, Existence),
        random: u128,
    ) -> Result<Option<LinkId>, ReadIdsError> {
        let key = move |link| which.key(workspace, link);
        self.id_list(workspace, &key).somewhere(random).await
    }

    fn id_list<'a>(
        &'a self,
        workspace: WorkspaceId,
        key: &'a (dyn Fn(LinkId) -> Key + Send + Sync),
    ) -> Ids<'a, LinkId> {
        Ids {
            client: &self.client,
            table: &self.table,
            key,
            parse: keys::parse_link,
            new: LinkId::new,
            at: LinkId::at,
            of: format!("all links of `{workspace}`"),
        }
    }
}
