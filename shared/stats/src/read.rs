//! Reading what a question needs, and no more.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, PoisonError};

use domain::Dimension;
use domain::rollup::{Counts, Quarter, Rollup};
use domain::{Day, Link, LinkId, RecordedClick, Retention, WorkspaceId};
use futures_util::stream;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use jiff::{SignedDuration, Timestamp};
use lambda::{Kind, Problem};
use store::ledger::{Mark, ReadError, Subject};
use store::{Existence, LedgerStore, LinkStore, ReadIdsError};

use crate::memory::{Closed, Known, Memory, ReadAll};
use crate::tally::{Adding, Question, Source, Tally, is_complete};

/// The most click rows that are read for an answer: about 30 MB, and a second or two.
pub const MAX_ROWS: u64 = 50_000;

/// The most links of a workspace whose click rows are read for an answer.
pub const MAX_LINKS: usize = 100;

/// How many queries are under way at once.
const AT_ONCE: usize = 16;

/// So often is everything read again if rows and counts are not of the same moment.
const TRIES: u32 = 3;

/// So few days are read as fast as a memory of them is checked.
const WORTH_REMEMBERING: i32 = 7;

/// How long after its end a day counts as over. Clicks may come later than that: it only makes them
/// be noticed, and everything be read again.
const CLOSED_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Whose clicks are counted.
#[derive(Debug, Clone)]
pub enum Whose {
    /// A link's.
    Link(Box<Link>),
    /// Those of all links of a workspace, which are here.
    Workspace(WorkspaceId, LinkStore),
    /// Those that led nowhere, on a domain.
    Orphans(String),
}

/// Where answers come from.
#[derive(Debug, Clone)]
pub struct Reader {
    /// Counts and clicks.
    pub ledger: LedgerStore,
    /// How long clicks are kept.
    pub retention: Retention,
    /// What this process remembers of counts.
    pub memory: Memory,
}

/// The counts of the days of a window.
struct Days {
    /// Those that were read as they are.
    read: BTreeMap<Day, Rollup>,
    /// Those that are remembered, and of which days.
    remembered: Option<(Arc<Known>, RangeInclusive<Day>)>,
}

/// Why there are no figures.
#[derive(Debug, thiserror::Error)]
pub enum TallyError {
    /// Counts or clicks could not be read.
    #[error(transparent)]
    Ledger(#[from] ReadError),
    /// Links could not be read.
    #[error(transparent)]
    Links(#[from] ReadIdsError),
    /// The answer would need more clicks than are read, or older ones than are kept.
    #[error("{0}")]
    TooWide(String),
    /// The answer would need clicks that are gone before their time.
    #[error("some of the clicks that this needs one by one are no longer there")]
    Gone,
}

impl From<TallyError> for Problem {
    fn from(error: TallyError) -> Self {
        match error {
            TallyError::Ledger(error) => api::unread(error),
            TallyError::Links(ReadIdsError::Unavailable(error)) => api::unavailable(error),
            TallyError::Links(ReadIdsError::BadRow(error)) => Self::server(Kind::Internal, error),
            TallyError::TooWide(_) | TallyError::Gone => {
                Self::client(Kind::FilterTooWide, error.to_string())
            }
        }
    }
}

/// The rows of a link's clicks in a stretch of time.
#[derive(Debug, Clone, Copy)]
struct Part {
    link: LinkId,
    shards: u16,
    from: Timestamp,
    to: Timestamp,
}

impl Reader {
    /// The figures that a question asks for: one `Query` of the days' rollups for each megabyte,
    /// and, where those cannot tell, queries of click rows, [`MAX_ROWS`] at most.
    pub async fn tally(
        &self,
        whose: &Whose,
        question: Question<'_>,
        now: Timestamp,
    ) -> Result<Tally, TallyError> {
        let mut tries = 1;
        loop {
            // Rows and counts may be of different moments; what is gone does not come back.
            match self.try_tally(whose, question, now, tries).await {
                Err(TallyError::Gone) if tries < TRIES => tries += 1,
                Ok(mut tally) => {
                    self.count_links(whose, question, &mut tally, now).await?;
                    if matches!(whose, Whose::Orphans(_)) {
                        tally.forget_what_is_not_told();
                    }
                    return Ok(tally);
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_tally(
        &self,
        whose: &Whose,
        question: Question<'_>,
        now: Timestamp,
        tries: u32,
    ) -> Result<Tally, TallyError> {
        let (first, last) = question.window.days();
        let Days { read: days, remembered } = self.days(whose, question, first..=last, now).await?;
        let mut sources = question.sources(&days);
        let mut rows: BTreeMap<Day, Counts> = BTreeMap::new();
        for (&day, &source) in &sources {
            if let Source::Rows(counts) = source {
                rows.insert(day, counts);
            }
        }
        let may_round = question.filter.is_by_bot_only();
        let parts = match self.parts(whose, question, &days, &rows, now, tries).await {
            Err(TallyError::TooWide(_)) if may_round => {
                // Whole days instead of a part of them, and the answer says so.
                for source in sources.values_mut() {
                    *source = Source::Rollup;
                }
                rows.clear();
                Vec::new()
            }
            parts => parts?,
        };
        let mut adding = Adding::new(question);
        if let Some((known, days)) = &remembered {
            adding.add_closed(&known.closed, days);
        }
        for (day, source) in &sources {
            adding.add_day(*day, &days[day], *source);
        }
        let seen: BTreeMap<Day, u64> = rows.keys().map(|&day| (day, 0)).collect();
        let state = Mutex::new((adding, seen));
        let each = |click: RecordedClick| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            let at = click.click.id.at();
            let is_inside = question.window.point_at(at).is_some();
            if let Some(seen) = state.1.get_mut(&Day::of(at)).filter(|_| is_inside) {
                *seen += 1;
                state.0.add_click(&click);
            }
        };
        let mut scans = Vec::new();
        for Part { link, shards, from, to } in parts {
            for shard in 0..shards {
                scans.push(self.ledger.clicks_between(link, shard, from..to, &each).boxed());
            }
        }
        stream::iter(scans).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
        let (adding, seen) = state.into_inner().unwrap_or_else(PoisonError::into_inner);
        // More than counted is what came meanwhile; less is what is gone.
        if rows.iter().any(|(day, counts)| seen[day] < counts.total()) {
            return Err(TallyError::Gone);
        }
        Ok(adding.finish())
    }

    /// The rollups of some days, as much of them as the question is about.
    async fn days(
        &self,
        whose: &Whose,
        question: Question<'_>,
        days: RangeInclusive<Day>,
        now: Timestamp,
    ) -> Result<Days, ReadError> {
        let subject = match whose {
            Whose::Link(link) => Subject::Link(link.id),
            Whose::Workspace(workspace, _) => Subject::Workspace(*workspace),
            Whose::Orphans(domain) => {
                let read = self.ledger.orphan_days(domain, days).await?;
                return Ok(Days { read, remembered: None });
            }
        };
        let with_values = !question.dimensions.is_empty() || !question.filter.is_by_bot_only();
        let closed = question.closed_days(&days, last_closed(now));
        self.days_of(subject, with_values, days, closed, now).await
    }

    /// The rollups of some days, of which these may be remembered.
    async fn days_of(
        &self,
        subject: Subject,
        with_values: bool,
        days: RangeInclusive<Day>,
        closed: Option<RangeInclusive<Day>>,
        now: Timestamp,
    ) -> Result<Days, ReadError> {
        if let Some(closed) = closed
            && closed.start().plus(WORTH_REMEMBERING) <= *closed.end()
            && let Some(known) = self.known(subject, with_values, &closed, now).await?
        {
            return self.around((subject, with_values), &days, known, closed).await;
        }
        let read = self.rollups(subject, with_values, days).await?;
        Ok(Days { read, remembered: None })
    }

    /// What is remembered of some days, and what is to be known of the days around them.
    async fn around(
        &self,
        (subject, with_values): (Subject, bool),
        days: &RangeInclusive<Day>,
        known: Arc<Known>,
        closed: RangeInclusive<Day>,
    ) -> Result<Days, ReadError> {
        let mut read: BTreeMap<Day, Rollup> = BTreeMap::new();
        // A day that the window cuts, at its beginning and at its end.
        let end = *known.closed.range.end();
        let before = *days.start()..=closed.start().plus(-1);
        let behind = closed.end().next()..=end.min(*days.end());
        for cut in [before, behind] {
            if !cut.is_empty() {
                read.extend(self.rollups(subject, with_values, cut).await?);
            }
        }
        let open = known.open.range(end.next()..).filter(|(day, _)| days.contains(day));
        read.extend(open.map(|(&day, rollup)| (day, rollup.clone())));
        // So that stretches of click rows end where nothing is to be read of them.
        read.entry(*closed.start()).or_default();
        Ok(Days { read, remembered: Some((known, closed)) })
    }

    async fn rollups(
        &self,
        subject: Subject,
        with_values: bool,
        days: RangeInclusive<Day>,
    ) -> Result<BTreeMap<Day, Rollup>, ReadError> {
        if with_values {
            self.ledger.days(subject, days).await
        } else {
            self.ledger.days_without_values(subject, days).await
        }
    }

    /// What is remembered of a subject, if it is proven to be what the ledger says. `None` where it
    /// must be read.
    async fn known(
        &self,
        subject: Subject,
        with_values: bool,
        closed: &RangeInclusive<Day>,
        now: Timestamp,
    ) -> Result<Option<Arc<Known>>, ReadError> {
        let known = match self.memory.ask(subject) {
            Err(ReadAll) => return Ok(None),
            Ok(known) => known,
        };
        let last = last_closed(now);
        if let Some(known) = &known
            && *known.closed.range.end() == last
            && known.closed.tells(closed, with_values)
        {
            let mark = self.ledger.mark(subject).await?;
            if mark == known.mark {
                return Ok(Some(Arc::clone(known)));
            }
            let look = self.look(subject, known.closed.with_values, last, mark).await?;
            let Some(look) = look else { return Ok(None) };
            if look.closed_counts == known.closed_counts {
                let known = Arc::new(look.with(Arc::clone(&known.closed)));
                self.memory.keep(subject, Arc::clone(&known));
                return Ok(Some(known));
            }
        }
        let before = known.as_ref().map(|known| &known.closed);
        let first = before.map_or(*closed.start(), |it| *closed.start().min(it.range.start()));
        let with_values = with_values || before.is_some_and(|it| it.with_values);
        self.remember(subject, with_values, first..=last).await
    }

    /// Reads closed days, to be remembered if none of them changed meanwhile. If a click was counted
    /// in one of them, what the totals say less what the open days say is not the same any more.
    async fn remember(
        &self,
        subject: Subject,
        with_values: bool,
        closed: RangeInclusive<Day>,
    ) -> Result<Option<Arc<Known>>, ReadError> {
        let last = *closed.end();
        let mark = self.ledger.mark(subject).await?;
        let before = self.look(subject, with_values, last, mark).await?;
        let Some(before) = before else { return Ok(None) };
        let days = self.rollups(subject, with_values, closed.clone()).await?;
        let mark = self.ledger.mark(subject).await?;
        let after = self.look(subject, with_values, last, mark).await?;
        let after = after.filter(|after| after.closed_counts == before.closed_counts);
        let Some(after) = after else { return Ok(None) };
        let Some(closed) = Closed::of(closed, with_values, days) else { return Ok(None) };
        let known = Arc::new(after.with(Arc::new(closed)));
        self.memory.keep(subject, Arc::clone(&known));
        Ok(Some(known))
    }

    /// Reads the open days, between two looks at the totals that see the same; the first of them is
    /// `mark`. `None` where clicks come too fast for that, or are being purged.
    async fn look(
        &self,
        subject: Subject,
        with_values: bool,
        last_closed: Day,
        mut mark: Mark,
    ) -> Result<Option<Look>, ReadError> {
        for _ in 0..TRIES {
            let days = last_closed.next()..=Day::of(Timestamp::MAX);
            let open = self.rollups(subject, with_values, days).await?;
            let again = self.ledger.mark(subject).await?;
            if again == mark {
                return Ok(Look::new(mark, open));
            }
            mark = again;
        }
        Ok(None)
    }

    /// Where the rows are that must be read, if they may be.
    async fn parts(
        &self,
        whose: &Whose,
        question: Question<'_>,
        days: &BTreeMap<Day, Rollup>,
        rows: &BTreeMap<Day, Counts>,
        now: Timestamp,
        tries: u32,
    ) -> Result<Vec<Part>, TallyError> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let too_wide = |detail: String| Err(TallyError::TooWide(detail));
        if question.filter.is_by_bot_only() && tries == TRIES {
            return too_wide("the rows are not what was counted".to_owned());
        }
        let clicks = rows.values().fold(0_u64, |sum, counts| sum.saturating_add(counts.total()));
        if MAX_ROWS < clicks {
            return too_wide(format!(
                "this needs {clicks} clicks one by one, and {MAX_ROWS} are read at most"
            ));
        }
        if rows.keys().any(|&day| !self.retention.keeps(day, now)) {
            let retention = self.retention;
            return too_wide(format!(
                "this needs clicks one by one, and those are kept for {retention}"
            ));
        }
        let links = match whose {
            Whose::Link(link) => {
                // A link may have got more partitions since it was read.
                let most = u16::from(domain::Click::MAX_SHARDS);
                vec![(link.id, if tries == 1 { link.click_shards.max(1) } else { most })]
            }
            Whose::Workspace(workspace, store) => {
                let links = named_links(days, rows)
                    .filter(|links| links.len() <= MAX_LINKS)
                    .ok_or_else(|| {
                        TallyError::TooWide(format!(
                            "this needs clicks one by one, of more than {MAX_LINKS} links"
                        ))
                    })?;
                shards(store, *workspace, links).await?
            }
            Whose::Orphans(_) => {
                return too_wide("of these only whole UTC days are known by slug".to_owned());
            }
        };
        let mut parts = Vec::new();
        for (from, to) in stretches(days, rows) {
            let (from, to) = (from.max(question.window.from()), to.min(question.window.to()));
            let part = |&(link, shards): &(LinkId, u16)| Part { link, shards, from, to };
            parts.extend(links.iter().map(part));
        }
        Ok(parts)
    }

    /// Makes the counts of a workspace's links exact: those that may be the biggest are known, and
    /// each has counts of its own.
    async fn count_links(
        &self,
        whose: &Whose,
        question: Question<'_>,
        tally: &mut Tally,
        now: Timestamp,
    ) -> Result<(), TallyError> {
        let (from, to) = (tally.found_from, tally.found_to);
        let Some(found) = tally.found.get_mut(&Dimension::Link) else { return Ok(()) };
        if !matches!(whose, Whose::Workspace(..)) || found.other().is_zero() {
            return Ok(());
        }
        let biggest = found.clone().biggest(Dimension::Link.limit());
        let mut exact = Vec::new();
        for (value, known) in biggest.values {
            let link = value.as_deref().and_then(|id| LinkId::parse(id).ok());
            let count = async move {
                let Some(link) = link else { return Ok::<_, ReadError>((value, known)) };
                let counts = self.counts_between(Subject::Link(link), (from, to), now).await?;
                let counts = question.filter.mask(counts);
                // What was purged is counted for the workspace only.
                let counts = if counts.total() < known.total() { known } else { counts };
                Ok((value, counts))
            };
            exact.push(count.boxed());
        }
        let exact = stream::iter(exact).buffer_unordered(AT_ONCE);
        found.named = exact.try_collect().await?;
        found.missed = biggest.missed;
        Ok(())
    }

    /// What was counted for a subject between two quarters of an hour.
    async fn counts_between(
        &self,
        subject: Subject,
        (from, to): (Timestamp, Timestamp),
        now: Timestamp,
    ) -> Result<Counts, ReadError> {
        let last = Timestamp::from_nanosecond(to.as_nanosecond() - 1).unwrap_or(to);
        let days = Day::of(from)..=Day::of(last);
        let closed = *days.start()..=last_closed(now).min(*days.end());
        let Days { read, remembered } =
            self.days_of(subject, false, days, Some(closed), now).await?;
        let read = read.iter().flat_map(|(&day, rollup)| {
            rollup.quarters.iter().map(move |(&quarter, &counts)| (day, quarter, counts))
        });
        let mut sum = counts_in(read, from, to);
        if let Some((known, days)) = &remembered {
            let closed = known.closed.between(days).iter().flat_map(|closed| {
                closed.quarters.iter().map(|&(quarter, counts)| (closed.day, quarter, counts))
            });
            sum = sum.merge(counts_in(closed, from, to));
        }
        Ok(sum)
    }
}

/// Open days and totals of the same moment.
struct Look {
    mark: Mark,
    open: BTreeMap<Day, Rollup>,
    /// What the totals say less what the open days say.
    closed_counts: Counts,
}

impl Look {
    /// `None` where this cannot be.
    fn new(mark: Mark, open: BTreeMap<Day, Rollup>) -> Option<Self> {
        let all = open.values().fold(Counts::default(), |sum, day| sum.merge(day.counts));
        let closed_counts = Counts {
            human: mark.counts.human.checked_sub(all.human)?,
            bot: mark.counts.bot.checked_sub(all.bot)?,
        };
        (!mark.is_purged).then_some(Self { mark, open, closed_counts })
    }

    fn with(self, closed: Arc<Closed>) -> Known {
        let Self { mark, open, closed_counts } = self;
        Known { closed, closed_counts, open: Arc::new(open), mark }
    }
}

/// The last day that is over.
fn last_closed(now: Timestamp) -> Day {
    Day::of(now.saturating_sub(CLOSED_AFTER).unwrap_or(now)).plus(-1)
}

/// How many partitions the clicks of these links have, of those that are there or were.
async fn shards(
    store: &LinkStore,
    workspace: WorkspaceId,
    links: BTreeSet<LinkId>,
) -> Result<Vec<(LinkId, u16)>, ReadIdsError> {
    let mut shards = Vec::new();
    for link in links {
        shards.push(shards_of(store, workspace, link).boxed());
    }
    stream::iter(shards).buffer_unordered(AT_ONCE).try_collect().await
}

async fn shards_of(
    store: &LinkStore,
    workspace: WorkspaceId,
    link: LinkId,
) -> Result<(LinkId, u16), ReadIdsError> {
    for which in Existence::ALL {
        if let Some(shards) = store.click_shards((workspace, which), link).await? {
            return Ok((link, shards.max(1)));
        }
    }
    Ok((link, 1))
}

/// All links that were clicked on these days, if their names are complete.
fn named_links(
    days: &BTreeMap<Day, Rollup>,
    rows: &BTreeMap<Day, Counts>,
) -> Option<BTreeSet<LinkId>> {
    let mut links = BTreeSet::new();
    for day in rows.keys() {
        let rollup = days.get(day)?;
        if !is_complete(rollup, Dimension::Link) {
            return None;
        }
        for value in rollup.values.get(&Dimension::Link)?.named.keys() {
            links.insert(LinkId::parse(value.as_deref()?).ok()?);
        }
    }
    Some(links)
}

/// The days of which rows are needed, as few stretches: days on which nobody clicked do not part
/// them.
fn stretches(
    days: &BTreeMap<Day, Rollup>,
    rows: &BTreeMap<Day, Counts>,
) -> Vec<(Timestamp, Timestamp)> {
    let mut stretches: Vec<(Timestamp, Timestamp)> = Vec::new();
    let mut is_open = false;
    for day in days.keys() {
        if !rows.contains_key(day) {
            is_open = false;
            continue;
        }
        match stretches.last_mut() {
            Some((_, to)) if is_open => *to = day.end(),
            Some(_) | None => stretches.push((day.start(), day.end())),
        }
        is_open = true;
    }
    stretches
}

/// What was counted in those quarters of an hour that lie between two moments.
fn counts_in(
    quarters: impl Iterator<Item = (Day, Quarter, Counts)>,
    from: Timestamp,
    to: Timestamp,
) -> Counts {
    let inside = |(day, quarter): (Day, Quarter)| {
        let start = day.start_second() + i64::from(quarter.index()) * Quarter::SECONDS;
        from.as_second() <= start && start < to.as_second()
    };
    quarters
        .filter(|&(day, quarter, _)| inside((day, quarter)))
        .fold(Counts::default(), |sum, (_, _, counts)| sum.merge(counts))
}
