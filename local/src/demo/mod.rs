//! `demo`: sample links, and clicks on them, so that a newcomer sees something.
//!
//! Everything follows from a seed and from one day, that of the first run: a second run meets the
//! same ids, and adds only what is missing. The day is known from the links' own ids.

pub(crate) mod clicks;
pub(crate) mod links;

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_types::SdkConfig;
use domain::{
    Day, Definition, Destination, Domain, Link, LinkId, Origins, RedirectStatus, Retention, Slug,
    Tag, Title, WorkspaceId,
};
use jiff::Timestamp;
use lake::RawClicks;
use lambda::{Chain, Random};
use store::ledger::{Outcome, RecordError, Recording};
use store::{AccountStore, CreateError, Journal, LedgerStore, LinkStore};

use self::links::SAMPLES;
use crate::settings::{RAW_BUCKET, TABLES};

/// How many clicks there are.
const CLICKS: usize = 20_000;

/// Over how many days they are spread, before the day of the first run.
const DAYS: i32 = 80;

/// What chance starts from.
const SEED: u64 = 0x5167_6e70_6f73_7400;

/// Every sample link has it.
const TAG: &str = "demo";

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Loaded {
    /// Links that were not there.
    pub(crate) links: usize,
    /// Clicks that were not there.
    pub(crate) clicks: usize,
}

/// Loads the sample data into the first workspace; `domain` is where its links live.
pub(crate) async fn load(
    aws: &SdkConfig,
    origins: &Origins,
    now: Timestamp,
    retention: Retention,
) -> anyhow::Result<Loaded> {
    let store = LinkStore::new(aws, TABLES.links);
    let ledger = LedgerStore::new(aws, TABLES.clicks, TABLES.links);
    let workspaces = AccountStore::new(aws, TABLES.accounts).workspaces().await?;
    let workspace = *workspaces.first().context("there is no workspace")?;

    let known: BTreeSet<LinkId> =
        store.every_id(workspace).await?.into_iter().map(|(id, _)| id).collect();
    let first_day = known.iter().find_map(|id| first_day_of(*id));
    let first_day = first_day.unwrap_or_else(|| Day::of(now).plus(-DAYS));
    let mut loaded = Loaded::default();
    let mut missing = Vec::new();
    let links: Vec<LinkId> = (0..SAMPLES.len()).map(|at| id(at, first_day)).collect();
    let totals = ledger.totals_of(&links).await?;
    for (at, &id) in links.iter().enumerate() {
        // A link that somebody has deleted is known, too, and stays deleted.
        if !known.contains(&id) {
            create(&store, sample(at, id, workspace, origins.default_domain())?).await?;
            loaded.links += 1;
        }
        let counted = totals.get(&id).map_or(0, |counts| counts.total());
        if usize::try_from(counted).unwrap_or(usize::MAX) < clicks::share(at) {
            let slug = SAMPLES[at].slug;
            let new = clicks::of_link(at, id, first_day, workspace, origins.default_domain(), slug);
            missing.extend(new.filter(|new| retention.keeps(Day::of(new.click.id.at()), now)));
        }
    }
    let (random, raw) = (Random::system(), RawClicks::new(aws, RAW_BUCKET));
    for batch in missing.chunks(1000) {
        let within = Duration::from_secs(60);
        // As the worker does: what is counted is in the lake before.
        raw.put(batch, now, random.u128()).await?;
        let how = Recording { now, retention, within, random: random.u128() };
        loaded.clicks += count(ledger.record(batch, how).await)?;
    }
    Ok(loaded)
}

/// How many clicks were recorded and not there before.
fn count(outcomes: Vec<Outcome>) -> anyhow::Result<usize> {
    let mut recorded = 0;
    for outcome in outcomes {
        match outcome {
            Outcome::Recorded => recorded += 1,
            // Of a link that somebody has purged nothing comes back.
            Outcome::Duplicate | Outcome::Purged => {}
            Outcome::Failed(error) => match &*error {
                // It was recorded in its time, or will not be missed.
                RecordError::TooOld { .. } => {}
                other @ (RecordError::BadRow { .. }
                | RecordError::Unreadable(_)
                | RecordError::Refused { .. }
                | RecordError::OutOfTime { .. }) => {
                    bail!("recording the sample clicks: {}", Chain(other))
                }
            },
        }
    }
    Ok(recorded)
}

/// The random part of a sample link's id, by which it is known again.
fn bits(at: usize) -> u128 {
    let at = u64::try_from(at).unwrap_or(0);
    Random::seeded(SEED ^ at).u128()
}

/// The id of a sample link. They were made one after the other, but not in the order of their
/// popularity.
fn id(at: usize, first_day: Day) -> LinkId {
    LinkId::new(first_day.plus(clicks::first_day(at)).start(), bits(at))
}

/// The first day of the sample data, if this is the id of one of its links.
fn first_day_of(id: LinkId) -> Option<Day> {
    let random = |id: LinkId| id.ulid().split_off(10);
    let at = (0..SAMPLES.len())
        .find(|at| random(LinkId::new(Timestamp::UNIX_EPOCH, bits(*at))) == random(id))?;
    Some(Day::of(id.at()).plus(-clicks::first_day(at)))
}

fn sample(at: usize, id: LinkId, workspace: WorkspaceId, domain: &Domain) -> anyhow::Result<Link> {
    let sample = &SAMPLES[at];
    let tags = sample.tags.iter().chain([&TAG]).map(|tag| Tag::parse(tag));
    Ok(Link {
        id,
        workspace,
        domain: domain.clone(),
        slug: Slug::parse(sample.slug)?,
        aliases: Vec::new(),
        definition: Definition {
            url: Destination::stored(sample.url),
            redirect_status: RedirectStatus::Found,
            title: Some(Title::parse(sample.title)?),
            tags: tags.collect::<Result<_, _>>()?,
            starts_at: None,
            expires_at: None,
            fallback_url: None,
            max_clicks: None,
            forward_query: false,
        },
        updated_at: id.at(),
        revision: 1,
        click_shards: 1,
    })
}

/// Creates a link; where its slug is taken, with a number behind it.
async fn create(store: &LinkStore, mut link: Link) -> anyhow::Result<()> {
    let wanted = link.slug.clone();
    for number in 2..100 {
        match store.create(&link, &Journal::none()).await {
            Ok(()) => return Ok(()),
            Err(CreateError::SlugTaken(_)) => {
                link.slug = Slug::parse(&format!("{wanted}-{number}"))?;
            }
            Err(error @ (CreateError::Answered | CreateError::Unavailable(_))) => {
                return Err(error.into());
            }
        }
    }
    bail!("every slug like `{wanted}` is taken")
}
