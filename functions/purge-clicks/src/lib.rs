#![doc = include_str!("../README.md")]

mod bucket;
mod stores;
#[cfg(test)]
mod tests;

use std::time::{Duration, Instant};

use archive::{Archive, ArchiveError};
use domain::{Action, AuditEvent, AuditId};
use lambda::{Boot, Clock, EnvError, Failed, Message, Random};
use queue::{PurgeMessage, PurgeQueue, SendPurgeError};
use store::ledger::{PurgeError, PurgeOrder, ReadError, Removed, Target};
use store::{
    AccountStore, Journal, LedgerStore, LinkStore, ReadAccountError, ReadIdsError, ReadLinkError,
    Unavailable,
};

/// What is kept of the time, to write down how far it is.
const MARGIN: Duration = Duration::from_secs(10);

/// When everything has ended that was under way at the first look. A Lambda function runs for so
/// long, and a message waits for so long, at most.
const SECOND_LOOK: Duration = Duration::from_secs(15 * 60);

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    accounts_table: String,
    links: LinkStore,
    ledger: LedgerStore,
    archive: Archive,
    purges: PurgeQueue,
    clock: Clock,
    random: Random,
}

/// Why a purge did not come to its end. The message comes back, and it goes on.
#[derive(Debug, thiserror::Error)]
enum Stuck {
    #[error("a purge of version {0} is unknown here")]
    Version(u8),
    #[error("`{0}` is no link and no workspace")]
    Target(String),
    #[error(transparent)]
    Ledger(#[from] PurgeError),
    #[error(transparent)]
    Ids(#[from] ReadIdsError),
    #[error(transparent)]
    Link(#[from] ReadLinkError),
    #[error(transparent)]
    Account(#[from] ReadAccountError),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error(transparent)]
    Send(#[from] SendPurgeError),
    #[error("something of `{0}` is still there: {1}")]
    Left(Target, String),
}

impl From<ReadError> for Stuck {
    fn from(error: ReadError) -> Self {
        Self::Ledger(error.into())
    }
}

/// How far a purge came in its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing is left of it.
    Done,
    /// There is more to do.
    More,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let accounts = boot.env.required("ACCOUNTS_TABLE")?;
    let clicks = boot.env.required("CLICKS_TABLE")?;
    let links = boot.env.required("LINKS_TABLE")?;
    Ok(App {
        accounts: AccountStore::new(&boot.aws, accounts.clone()),
        accounts_table: accounts,
        links: LinkStore::new(&boot.aws, links.clone()),
        ledger: LedgerStore::new(&boot.aws, clicks, links),
        archive: Archive::new(&boot.aws, boot.env.required("RAW_BUCKET")?),
        purges: PurgeQueue::new(&boot.aws, boot.env.required("PURGES_QUEUE_URL")?),
        clock: boot.clock,
        random: boot.random,
    })
}

/// Purges what the messages name, within the time that it has, and says which must come back.
pub async fn handle(
    app: App,
    messages: Vec<Message<PurgeMessage>>,
    budget: Duration,
) -> Vec<Failed> {
    let until = Instant::now() + budget.saturating_sub(MARGIN);
    let mut failed = Vec::new();
    for Message { id, body } in messages {
        // A box, or the compiler gives up on how large all these futures are together.
        if let Err(error) = Box::pin(app.purge(body, until)).await {
            failed.push(Failed::new(id, &error));
        }
    }
    failed
}

impl App {
    async fn purge(&self, mut message: PurgeMessage, until: Instant) -> Result<(), Stuck> {
        if !message.is_known() {
            return Err(Stuck::Version(message.v));
        }
        let target = Target::parse(&message.target);
        let target = target.ok_or_else(|| Stuck::Target(message.target.clone()))?;
        let Some(order) = self.ledger.purge_order(target).await? else {
            tracing::info!(target.id = %target, "nothing was ordered of `{target}`");
            return Ok(());
        };
        if message.look == 1 && order.proof.is_some() {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        // It may be cut off anywhere: what it has done stays done.
        let work = tokio::time::timeout(left, self.advance(&order, &mut message, until)).await;
        match work {
            Ok(Ok(Progress::Done)) => self.prove(&order, &message).await,
            Ok(Ok(Progress::More)) | Err(_) => {
                tracing::info!(target.id = %target, "the purge of `{target}` goes on");
                Ok(self.purges.send(&message, Duration::ZERO).await?)
            }
            Ok(Err(error)) => Err(error),
        }
    }

    /// Goes on from where the message says, and writes there how far it is.
    async fn advance(
        &self,
        order: &PurgeOrder,
        message: &mut PurgeMessage,
        until: Instant,
    ) -> Result<Progress, Stuck> {
        if !message.proving {
            // Only the lake has a place from which on it goes on; the rest is done by then.
            if message.place.is_none() {
                self.ledger.fence(order).await?;
                self.remove_from_stores(order, message).await?;
            }
            if self.remove_from_lake(order, message, until).await? == Progress::More {
                return Ok(Progress::More);
            }
            message.proving = true;
        }
        if message.place.is_none() {
            self.find_nothing_in_stores(order).await?;
        }
        self.find_nothing_in_lake(order, message, until).await
    }

    /// Writes down that nothing was found.
    async fn prove(&self, order: &PurgeOrder, message: &PurgeMessage) -> Result<(), Stuck> {
        let now = self.clock.now();
        let [clicks, counts, lake] = message.removed;
        let removed = Removed { clicks, counts, lake };
        // Before the proof: with one, this message would do nothing any more.
        if message.look == 1 {
            self.purges.send(&message.second_look(), SECOND_LOOK).await?;
        }
        // A second look that finds nothing either is no news.
        let journal = match (&order.proof, removed.is_nothing()) {
            (Some(_), true) => Journal::none(),
            (None, _) | (Some(_), false) => {
                let action = match order.target {
                    Target::Link(_) => Action::LinkPurged,
                    Target::Workspace(_) => Action::WorkspacePurged,
                };
                let id = AuditId::new(now, self.random.u128());
                let (workspace, by) = (order.workspace, order.ordered_by);
                let event = AuditEvent::new(id, workspace, by, action, order.target);
                Journal::new(&self.accounts_table, event)
                    .with("removed_clicks", clicks)
                    .with("removed_counts", counts)
                    .with("removed_from_lake", lake)
                    .with("found", 0)
            }
        };
        self.ledger.prove_purge(order, removed, now, &journal).await?;
        tracing::info!(
            target.id = %order.target,
            look = message.look,
            removed.clicks = clicks,
            removed.counts = counts,
            removed.lake = lake,
            "nothing is left of `{}`",
            order.target
        );
        Ok(())
    }
}
