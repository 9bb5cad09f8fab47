//! The counts of links by day, and what the lake has of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use archive::{Archive, Waiting};
use domain::rollup::Counts;
use domain::{Day, LinkId, WorkspaceId};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use store::LedgerStore;
use store::ledger::{PurgeOrder, Subject, Target};

use super::{Place, date};

/// So often is looked again at what differs: a click is in the lake a moment before it is counted.
const TRIES: u32 = 5;

/// How long to wait before looking again, times the number of looks.
const PAUSE: Duration = Duration::from_millis(300);

/// How many links are read at once.
const AT_ONCE: usize = 8;

/// How many differences are listed; all are counted.
const SHOWN: usize = 100;

/// What was found of the lake.
#[derive(Debug, Default)]
pub(crate) struct Lake {
    /// Clicks, each once.
    clicks: u64,
    /// How many of them are not compacted yet, or stand in a batch that is.
    waiting: u64,
    days: usize,
    /// Lines that are no clicks, or of a newer version.
    unreadable: u64,
    pub(crate) differences: Vec<Difference>,
    /// How many counts changed each time.
    pub(crate) unsettled: usize,
    /// Days of which it does not have everything any more.
    not_compared: usize,
}

/// A link and a day of which the lake has something else than the counts say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    pub(crate) link: LinkId,
    pub(crate) day: Day,
    pub(crate) counted: Counts,
    pub(crate) in_lake: Counts,
    /// Why there should be nothing at all.
    pub(crate) why: Option<&'static str>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |counts: Counts| format!("{} human and {} bot", counts.human, counts.bot);
        let (link, day) = (self.link, date(self.day));
        let (counted, in_lake) = (shown(self.counted), shown(self.in_lake));
        write!(f, "`{link}` on {day}: the count says {counted}, the lake has {in_lake}")?;
        self.why.map_or(Ok(()), |why| write!(f, ", although {why}"))
    }
}

impl fmt::Display for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { clicks, waiting, days, .. } = self;
        writeln!(f, "lake: {clicks} clicks of {days} days; {waiting} wait for compaction")?;
        if self.unreadable != 0 {
            writeln!(f, "lake: {} lines cannot be read, and are not counted", self.unreadable)?;
        }
        if self.not_compared != 0 {
            let days = self.not_compared;
            writeln!(f, "lake: {days} days are from before `--lake-since`, and not compared")?;
        }
        for difference in self.differences.iter().take(SHOWN) {
            writeln!(f, "difference: {difference}")?;
        }
        if SHOWN < self.differences.len() {
            writeln!(f, "difference: {} more", self.differences.len() - SHOWN)?;
        }
        match self.unsettled {
            0 => Ok(()),
            some => writeln!(f, "unsettled: {some} counts changed each time they were looked at"),
        }
    }
}

/// One link on one day.
type Key = (WorkspaceId, LinkId, Day);

/// What is counted of it, and what the lake has.
type Both = (Counts, Counts);

/// Compares.
pub(super) async fn compare(
    place: &Place<'_>,
    links: &[(WorkspaceId, LinkId)],
    now: Timestamp,
) -> anyhow::Result<Lake> {
    let (ledger, archive) = (place.ledger(), Archive::new(place.aws, place.bucket));
    let mut lake = Lake::default();
    // The lake first: what is counted is in the lake before.
    let waiting = archive.waiting().await?;
    let mut days: BTreeSet<Day> = archive.days(&waiting).await?.into_iter().collect();
    (lake.days, lake.unreadable) = (days.len(), waiting.unreadable);
    let mut table: BTreeMap<Key, Both> = BTreeMap::new();
    for &day in &days {
        for ((workspace, link), counts) in in_lake(&archive, day, &waiting).await? {
            lake.clicks += counts.total();
            table.entry((workspace, link, day)).or_default().1 = counts;
        }
    }
    lake.waiting = waiting.clicks();
    for (workspace, link, counted) in counted(&ledger, links).await? {
        for (day, counts) in counted {
            days.insert(day);
            table.entry((workspace, link, day)).or_default().0 = counts;
        }
    }
    if let Some(since) = place.lake_since {
        lake.not_compared = days.iter().filter(|day| **day < since).count();
        table.retain(|(_, _, day), _| since <= *day);
    }
    table.retain(|_, (counted, in_lake)| counted != in_lake);
    for tries in 1..=TRIES {
        if table.is_empty() {
            return Ok(lake);
        }
        tokio::time::sleep(PAUSE * tries).await;
        let again = look_again(&ledger, &archive, table.keys().copied().collect()).await?;
        let before = std::mem::take(&mut table);
        lake.unsettled = 0;
        for (key, both) in again.into_iter().filter(|(_, (counted, there))| counted != there) {
            // What has not moved between two looks differs for good.
            lake.unsettled += usize::from(before.get(&key) != Some(&both));
            table.insert(key, both);
        }
        if lake.unsettled == 0 {
            break;
        }
    }
    let orders = ledger.purge_orders().await?;
    for ((workspace, link, day), (counted, in_lake)) in table {
        match expected(&orders, (workspace, link), now) {
            // It goes this moment.
            Expected::Going => {}
            Expected::Same if lake.unsettled != 0 => {}
            Expected::Same => {
                let why = (!links.contains(&(workspace, link))).then_some("there is no such link");
                lake.differences.push(Difference { link, day, counted, in_lake, why });
            }
            Expected::Nothing => {
                let why = Some("it is purged");
                lake.differences.push(Difference { link, day, counted, in_lake, why });
            }
        }
    }
    Ok(lake)
}

/// What the lake should have of a link.
enum Expected {
    /// What is counted.
    Same,
    /// Less and less.
    Going,
    /// Nothing.
    Nothing,
}

fn expected(
    orders: &[PurgeOrder],
    (workspace, link): (WorkspaceId, LinkId),
    now: Timestamp,
) -> Expected {
    let covers = |order: &&PurgeOrder| match order.target {
        Target::Link(it) => it == link,
        Target::Workspace(it) => it == workspace,
    };
    match orders.iter().find(covers) {
        None => Expected::Same,
        // What arrives late is left out by the next compaction.
        Some(order) if order.proof.is_some_and(|proof| is_settled(proof.last_at, now)) => {
            Expected::Nothing
        }
        Some(_) => Expected::Going,
    }
}

/// Whether the next compaction after that moment has ended long ago.
fn is_settled(at: Timestamp, now: Timestamp) -> bool {
    3 * 60 * 60 < now.as_second() - at.as_second()
}

async fn in_lake(
    archive: &Archive,
    day: Day,
    waiting: &Waiting,
) -> anyhow::Result<BTreeMap<(WorkspaceId, LinkId), Counts>> {
    Ok(archive.counts(day, waiting).await?)
}

/// What the days of these links count.
async fn counted(
    ledger: &LedgerStore,
    links: &[(WorkspaceId, LinkId)],
) -> anyhow::Result<Vec<(WorkspaceId, LinkId, BTreeMap<Day, Counts>)>> {
    let all = Day::of(Timestamp::UNIX_EPOCH)..=Day::of(Timestamp::MAX);
    let of_link = |(workspace, link): (WorkspaceId, LinkId)| {
        let all = all.clone();
        async move {
            let days = ledger.days(Subject::Link(link), all).await?;
            let counts = days.into_iter().map(|(day, rollup)| (day, rollup.counts)).collect();
            anyhow::Ok((workspace, link, counts))
        }
    };
    stream::iter(links.iter().copied()).map(of_link).buffer_unordered(AT_ONCE).try_collect().await
}

/// The same of what differed, as it is by now.
async fn look_again(
    ledger: &LedgerStore,
    archive: &Archive,
    keys: BTreeSet<Key>,
) -> anyhow::Result<BTreeMap<Key, Both>> {
    let waiting = archive.waiting().await?;
    let days: BTreeSet<Day> = keys.iter().map(|(_, _, day)| *day).collect();
    let links: BTreeSet<_> = keys.iter().map(|(workspace, link, _)| (*workspace, *link)).collect();
    let mut again: BTreeMap<Key, Both> = keys.iter().map(|key| (*key, Both::default())).collect();
    for day in days {
        for ((workspace, link), counts) in in_lake(archive, day, &waiting).await? {
            if let Some(both) = again.get_mut(&(workspace, link, day)) {
                both.1 = counts;
            }
        }
    }
    let links: Vec<_> = links.into_iter().collect();
    for (workspace, link, counted) in counted(ledger, &links).await? {
        for (day, counts) in counted {
            if let Some(both) = again.get_mut(&(workspace, link, day)) {
                both.0 = counts;
            }
        }
    }
    Ok(again)
}
