//! The part of a purge in the lake, from place to place.

use std::time::Instant;

use archive::{Of, Place};
use queue::PurgeMessage;
use store::ledger::{PurgeOrder, Target};

use crate::{App, Progress, Stuck};

fn of(order: &PurgeOrder) -> Of {
    match order.target {
        Target::Link(link) => Of::Link(order.workspace, link),
        Target::Workspace(workspace) => Of::Workspace(workspace),
    }
}

fn place(message: &PurgeMessage) -> Option<Place> {
    message.place.as_deref().map(Place::new)
}

impl App {
    /// Removes lines and rows.
    pub(crate) async fn remove_from_lake(
        &self,
        order: &PurgeOrder,
        message: &mut PurgeMessage,
        until: Instant,
    ) -> Result<Progress, Stuck> {
        let looked = self.archive.purge(of(order), place(message), until).await?;
        message.removed[2] = message.removed[2].saturating_add(looked.clicks);
        message.place = looked.next.map(|place| place.to_string());
        Ok(if message.place.is_some() { Progress::More } else { Progress::Done })
    }

    /// Looks at everything. What it finds has come since it was looked for, and is removed next.
    pub(crate) async fn find_nothing_in_lake(
        &self,
        order: &PurgeOrder,
        message: &mut PurgeMessage,
        until: Instant,
    ) -> Result<Progress, Stuck> {
        let looked = self.archive.find(of(order), place(message), until).await?;
        if looked.clicks != 0 {
            (message.proving, message.place) = (false, None);
            return Ok(Progress::More);
        }
        message.place = looked.next.map(|place| place.to_string());
        Ok(if message.place.is_some() { Progress::More } else { Progress::Done })
    }
}
