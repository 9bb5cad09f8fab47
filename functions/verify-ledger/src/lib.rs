#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use domain::{LinkId, Retention, WorkspaceId};
use jiff::Timestamp;
use lambda::{Boot, Clock, EnvError, Metrics, Random, Scheduled};
use store::ledger::{ReadError, Subject, Verification};
use store::{AccountStore, Existence, LedgerStore, LinkStore, Part, ReadIdsError};

/// How many rows of clicks and counts a run reads, about: the last subject is read to its end. They
/// are 3,000 to 50,000 read units, so a run costs less than a cent however much there is.
const ROWS: u64 = 50_000;

/// How many links a run looks at, of which each is three queries even if nobody clicked it.
const LINKS: usize = 2_000;

/// How many workspaces a run looks at.
const WORKSPACES: usize = 1_000;

/// How many links a workspace may have to be verified as a whole.
const SMALL: usize = 100;

/// How many links of a larger one are verified before the next workspace has its turn.
const TURN: usize = 100;

/// How many differences are logged one by one; all are counted.
const SHOWN: u64 = 100;

/// So often is a subject verified anew, if what its clicks are found by changed meanwhile.
const TRIES: u32 = 3;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    links: LinkStore,
    ledger: LedgerStore,
    clock: Clock,
    random: Random,
    metrics: Metrics,
}

/// Why not everything could be looked at.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// Workspaces or links could not be listed.
    #[error(transparent)]
    Ids(#[from] ReadIdsError),
    /// Clicks or counts could not be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = boot.env.required("LINKS_TABLE")?;
    let clicks = boot.env.required("CLICKS_TABLE")?;
    let accounts = boot.env.required("ACCOUNTS_TABLE")?;
    Ok(App {
        accounts: AccountStore::new(&boot.aws, accounts),
        links: LinkStore::new(&boot.aws, links.clone()),
        ledger: LedgerStore::new(&boot.aws, clicks, links),
        clock: boot.clock,
        random: boot.random,
        metrics: boot.metrics,
    })
}

/// Verifies as much as can be in the time that it has, and says what was found.
pub async fn handle(app: App, event: Scheduled, budget: Duration) -> Result<(), VerifyError> {
    let begin = Instant::now();
    let mut run = Run::new(&app);
    // A box, or the compiler gives up on how large all these futures are together.
    let outcome = tokio::time::timeout(budget, Box::pin(run.all())).await;
    let Verification { subjects, clicks, rows, .. } = run.found;
    let end = match &outcome {
        Ok(Ok(End::Everything)) => "everything was looked at",
        Ok(Ok(End::Enough)) => "it has read what it may",
        Ok(Err(_)) => "it could not go on",
        Err(_) => "its time was used",
    };
    tracing::info!(
        schedule.id = event.id,
        schedule.time = %event.time,
        subjects,
        clicks,
        rows,
        differences = run.differences,
        unsettled = run.unsettled,
        duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        "verified {subjects} subjects: {end}"
    );
    if 0 < run.differences {
        app.metrics.add("LedgerDifference", run.differences);
    }
    app.metrics.add("LedgerVerified", u64::try_from(subjects).unwrap_or(u64::MAX));
    outcome.unwrap_or(Ok(End::Enough)).map(drop)
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Everything,
    Enough,
}

/// One run: what it has found so far, also if it is cut off.
struct Run<'a> {
    app: &'a App,
    when: (Timestamp, Retention),
    /// Sums; its differences and what was unsettled are counted beside it.
    found: Verification,
    differences: u64,
    unsettled: u64,
    links: usize,
}

/// A workspace that is too large to be verified as a whole.
struct Large {
    workspace: WorkspaceId,
    /// What is still to be looked at.
    ring: VecDeque<(Existence, Part<LinkId>)>,
}

/// A list from this place to its end, and then from its beginning to this place.
fn around<I: Copy>(place: Option<I>) -> impl Iterator<Item = Part<I>> {
    let begin = place.map(|_| Part { after: None, until: place });
    std::iter::once(Part { after: place, until: None }).chain(begin)
}

impl<'a> Run<'a> {
    fn new(app: &'a App) -> Self {
        // Rows of so many days are there whatever the retention is, and was.
        let days = u64::from(Retention::MIN_DAYS);
        let retention = Retention::of_days(days).unwrap_or(Retention::DEFAULT);
        Self {
            app,
            when: (app.clock.now(), retention),
            found: Verification::default(),
            differences: 0,
            unsettled: 0,
            links: 0,
        }
    }

    async fn all(&mut self) -> Result<End, VerifyError> {
        let (workspaces, all_of_them) = self.workspaces().await?;
        let mut large = VecDeque::new();
        for workspace in workspaces {
            if self.is_enough() {
                return Ok(End::Enough);
            }
            let done = match self.as_a_whole(workspace).await {
                // One by one it is found out whose row that is.
                Err(VerifyError::Ledger(ReadError::BadRow(_))) => false,
                done => done?,
            };
            if !done {
                large.push_back(self.enter(workspace).await?);
            }
        }
        while let Some(mut next) = large.pop_front() {
            if self.is_enough() {
                return Ok(End::Enough);
            }
            if self.turn(&mut next).await? {
                large.push_back(next);
            }
        }
        Ok(if all_of_them { End::Everything } else { End::Enough })
    }

    fn is_enough(&self) -> bool {
        self.rows_left() == 0 || LINKS <= self.links
    }

    fn rows_left(&self) -> u64 {
        ROWS.saturating_sub(self.found.rows)
    }

    /// Workspaces from a place that is chosen by chance, and whether they are all there are.
    async fn workspaces(&self) -> Result<(Vec<WorkspaceId>, bool), VerifyError> {
        let accounts = &self.app.accounts;
        let start = accounts.workspace_somewhere(self.app.random.u128()).await?;
        let mut ids = Vec::new();
        for mut part in around(start) {
            loop {
                let room = WORKSPACES - ids.len();
                if room == 0 {
                    return Ok((ids, false));
                }
                let (page, more) = accounts.workspace_ids(part, room).await?;
                part.after = page.last().copied().or(part.after);
                ids.extend(page);
                if !more {
                    break;
                }
            }
        }
        Ok((ids, true))
    }

    /// Verifies a workspace with all of its links; or says that it is too large for that.
    async fn as_a_whole(&mut self, workspace: WorkspaceId) -> Result<bool, VerifyError> {
        let (ledger, (now, retention)) = (&self.app.ledger, self.when);
        let Some(mut ids) = self.few_links(workspace).await? else { return Ok(false) };
        let subject = Subject::Workspace(workspace);
        if self.rows_left() < ledger.clicks_kept(subject, now, retention).await? {
            return Ok(false);
        }
        for _ in 0..TRIES {
            let found = ledger.verify_workspace(workspace, &ids, now, retention).await?;
            if found.differences.is_empty() {
                self.links += ids.len();
                self.add(found);
                return Ok(true);
            }
            // Were these all links, and all partitions of their clicks?
            let Some(again) = self.few_links(workspace).await? else { return Ok(false) };
            if again == ids {
                self.links += ids.len();
                self.add(found);
                return Ok(true);
            }
            self.found.rows += found.rows;
            ids = again;
        }
        self.unsettled += 1;
        Ok(true)
    }

    /// All links of a small workspace.
    async fn few_links(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Option<Vec<(LinkId, u16)>>, VerifyError> {
        let mut ids = Vec::new();
        for which in Existence::ALL {
            let page = self.app.links.ids((workspace, which), Part::ALL, SMALL + 1).await?;
            ids.extend(page.0);
            if page.1 || SMALL < ids.len() {
                return Ok(None);
            }
        }
        Ok(Some(ids))
    }

    /// Begins with a large workspace, at a link that is chosen by chance.
    async fn enter(&mut self, workspace: WorkspaceId) -> Result<Large, VerifyError> {
        let subject = Subject::Workspace(workspace);
        match self.app.ledger.verify_sum(subject).await {
            Ok(found) => self.add(found),
            Err(ReadError::BadRow(error)) => self.unreadable(subject, &error),
            Err(error) => return Err(error.into()),
        }
        let random = self.app.random.u128();
        // The lowest bit chooses which links come first, the others the place among them.
        let mut first = if random & 1 == 0 { Existence::Live } else { Existence::Deleted };
        let mut start = self.app.links.somewhere((workspace, first), random >> 1).await?;
        if start.is_none() {
            first = first.other();
            start = self.app.links.somewhere((workspace, first), random >> 1).await?;
        }
        let mut ring: VecDeque<_> = around(start).map(|part| (first, part)).collect();
        ring.insert(1, (first.other(), Part::ALL));
        Ok(Large { workspace, ring })
    }

    /// Verifies the next links of a large workspace; says whether it has more.
    async fn turn(&mut self, large: &mut Large) -> Result<bool, VerifyError> {
        let Some((which, mut part)) = large.ring.pop_front() else { return Ok(false) };
        let place = (large.workspace, which);
        let (ids, more) = self.app.links.ids(place, part, TURN).await?;
        part.after = ids.last().map(|(id, _)| *id).or(part.after);
        if more {
            large.ring.push_front((which, part));
        }
        for link in ids {
            if self.is_enough() {
                return Ok(true);
            }
            match self.link(large.workspace, link).await {
                Err(VerifyError::Ledger(ReadError::BadRow(error))) => {
                    self.unreadable(Subject::Link(link.0), &error);
                }
                done => done?,
            }
        }
        Ok(!large.ring.is_empty())
    }

    async fn link(
        &mut self,
        workspace: WorkspaceId,
        (link, mut shards): (LinkId, u16),
    ) -> Result<(), VerifyError> {
        self.links += 1;
        for _ in 0..TRIES {
            let random = self.app.random.u128();
            let found = self
                .app
                .ledger
                .verify_some_days((link, shards), self.rows_left(), random, self.when)
                .await?;
            if found.differences.is_empty() {
                self.add(found);
                return Ok(());
            }
            // Were these all partitions of its clicks?
            let again = self.shards(workspace, link).await?;
            if again == Some(shards) {
                self.add(found);
                return Ok(());
            }
            self.found.rows += found.rows;
            shards = again.unwrap_or(shards);
        }
        self.unsettled += 1;
        Ok(())
    }

    /// How many partitions a link's clicks are in, whether it is there or was.
    async fn shards(
        &self,
        workspace: WorkspaceId,
        link: LinkId,
    ) -> Result<Option<u16>, VerifyError> {
        for which in Existence::ALL {
            if let Some(shards) = self.app.links.click_shards((workspace, which), link).await? {
                return Ok(Some(shards));
            }
        }
        Ok(None)
    }

    /// What cannot be read is no proof of anything.
    fn unreadable(&mut self, subject: Subject, error: &dyn std::error::Error) {
        self.found.subjects += 1;
        self.differences += 1;
        tracing::error!(%subject, error = %error, "the ledger differs: `{subject}` cannot be read");
    }

    /// Takes in what was found, and logs each difference.
    fn add(&mut self, mut found: Verification) {
        for difference in found.differences.drain(..) {
            self.differences += 1;
            if SHOWN < self.differences {
                continue;
            }
            let (expected, is) = (difference.expected.counts, difference.found.counts);
            tracing::error!(
                subject = %difference.subject,
                period = %difference.period,
                expected.human = expected.human,
                expected.bot = expected.bot,
                found.human = is.human,
                found.bot = is.bot,
                "the ledger differs: {difference}"
            );
        }
        self.unsettled += u64::try_from(found.unsettled.len()).unwrap_or(u64::MAX);
        found.unsettled.clear();
        self.found.add(found);
    }
}
