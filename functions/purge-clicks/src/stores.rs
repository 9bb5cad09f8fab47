//! The part of a purge in DynamoDB.

use domain::{LinkId, WorkspaceId};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use queue::PurgeMessage;
use store::ledger::{MAX_SHARDS, PurgeOrder, Target};
use store::{DeleteError, Existence, Journal, Part};

use crate::{App, Stuck};

/// How many links of a workspace are listed, and worked on, at once.
const PAGE: usize = 200;
const AT_ONCE: usize = 8;

/// How often a link is deleted that somebody else edits meanwhile.
const TRIES: usize = 10;

impl App {
    pub(crate) async fn remove_from_stores(
        &self,
        order: &PurgeOrder,
        message: &mut PurgeMessage,
    ) -> Result<(), Stuck> {
        match order.target {
            Target::Link(link) => {
                // All partitions that there can be: it costs little to look, and forgets nothing.
                let clicks = self.ledger.purge_clicks(link, u16::from(MAX_SHARDS)).await?;
                message.removed[0] = message.removed[0].saturating_add(clicks);
                let counts = self.ledger.purge_counts(link, order.workspace).await?;
                message.removed[1] = message.removed[1].saturating_add(counts);
            }
            Target::Workspace(workspace) => self.empty(workspace, message).await?,
        }
        Ok(())
    }

    /// Removes all that belongs to a workspace.
    async fn empty(&self, workspace: WorkspaceId, message: &mut PurgeMessage) -> Result<(), Stuck> {
        self.accounts.empty_workspace(workspace).await?;
        // Those that are gone are not listed again.
        loop {
            let links = self.some_links((workspace, Existence::Live)).await?;
            if links.is_empty() {
                break;
            }
            stream::iter(links.into_iter().map(Ok))
                .try_for_each_concurrent(AT_ONCE, |(link, _)| self.delete(workspace, link))
                .await?;
        }
        loop {
            let links = self.some_links((workspace, Existence::Deleted)).await?;
            if links.is_empty() {
                break;
            }
            let mut purged = stream::iter(links)
                .map(|link| self.forget(workspace, link))
                .buffer_unordered(AT_ONCE);
            while let Some((clicks, counts)) = purged.try_next().await? {
                message.removed[0] = message.removed[0].saturating_add(clicks);
                message.removed[1] = message.removed[1].saturating_add(counts);
            }
        }
        let counts = self.ledger.purge_all_counts(Target::Workspace(workspace)).await?;
        message.removed[1] = message.removed[1].saturating_add(counts);
        Ok(())
    }

    async fn some_links(
        &self,
        place: (WorkspaceId, Existence),
    ) -> Result<Vec<(LinkId, u16)>, Stuck> {
        Ok(self.links.ids(place, Part::ALL, PAGE).await?.0)
    }

    /// Deletes a link: its slugs become tombstones.
    async fn delete(&self, workspace: WorkspaceId, id: LinkId) -> Result<(), Stuck> {
        for _ in 0..TRIES {
            let Some(link) = self.links.find(workspace, id).await? else { return Ok(()) };
            // The audit log has one entry for all of them: the workspace's.
            match self.links.delete(&link, self.clock.now(), &Journal::none()).await {
                Ok(()) => return Ok(()),
                Err(DeleteError::Changed(_)) => {}
                Err(DeleteError::Unavailable(error)) => return Err(error.into()),
            }
        }
        Err(Stuck::Left(Target::Link(id), "it is edited by many at once".to_owned()))
    }

    /// Removes all that is known of a deleted link, and in the end the link itself. Says how many
    /// clicks and counts that were.
    async fn forget(
        &self,
        workspace: WorkspaceId,
        (link, shards): (LinkId, u16),
    ) -> Result<(u64, u64), Stuck> {
        let target = Target::Link(link);
        let clicks = self.ledger.purge_clicks(link, shards).await?;
        let counts = self.ledger.purge_all_counts(target).await?;
        // Nobody finds out about it any more when it is not listed.
        let remains = self.ledger.remains(target, shards).await?;
        if remains != Default::default() {
            return Err(Stuck::Left(target, format!("{remains:?}")));
        }
        self.links.forget(workspace, link).await?;
        Ok((clicks, counts))
    }

    /// Looks at everything again.
    pub(crate) async fn find_nothing_in_stores(&self, order: &PurgeOrder) -> Result<(), Stuck> {
        let target = order.target;
        let remains = self.ledger.remains(target, u16::from(MAX_SHARDS)).await?;
        if remains != Default::default() {
            return Err(Stuck::Left(target, format!("{remains:?}")));
        }
        if let Target::Workspace(workspace) = target {
            for which in Existence::ALL {
                let links = self.some_links((workspace, which)).await?;
                if !links.is_empty() {
                    return Err(Stuck::Left(target, format!("{} links", links.len())));
                }
            }
            let rest = self.accounts.empty_workspace(workspace).await?;
            if rest != 0 {
                return Err(Stuck::Left(target, format!("{rest} members, invitations or keys")));
            }
        }
        Ok(())
    }
}
