//! The ledger against the embedded DynamoDB, through the real SDK client and a probe.

mod any;
mod calls;
mod contention;
mod faults;
mod orphans;
mod purge;
mod read;
mod record;
mod shards;
mod verify;

use std::collections::HashSet;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::rollup::Counts;
use domain::{Click, ClickId, LinkId, RecordedClick, Retention, WorkspaceId};
use embedded::Embedded;
use jiff::{SignedDuration, Timestamp};
use testkit::probe::Probe;

use super::{LedgerStore, Outcome, Recording, Subject};
use crate::{Tables, create_tables};

const CLICKS: &str = "clicks";
const LINKS: &str = "links";

/// A ledger in memory.
struct Fixture {
    ledger: LedgerStore,
    probe: Probe,
    /// A client that the probe does not see.
    aside: Client,
    /// Different for each batch, as in production.
    random: std::cell::Cell<u64>,
}

impl Fixture {
    async fn new() -> Self {
        let embedded = Embedded::in_memory().unwrap();
        let aws = embedded.sdk_config();
        let aside = Client::new(&aws);
        let tables = Tables { links: LINKS, clicks: CLICKS, accounts: "accounts", salts: "salts" };
        create_tables(&aws, tables).await.unwrap();
        let (probe, through) = Probe::between(&aws);
        let ledger = LedgerStore::new(&through, CLICKS, LINKS);
        Self { ledger, probe, aside, random: std::cell::Cell::new(1) }
    }

    fn how(&self) -> Recording {
        self.random.set(self.random.get() + 1);
        Recording {
            now: now(),
            retention: retention(),
            within: Duration::from_secs(20),
            random: u128::from(self.random.get()) << 64,
        }
    }

    async fn record(&self, clicks: &[RecordedClick]) -> Vec<Outcome> {
        self.ledger.record(clicks, self.how()).await
    }

    /// Records clicks, all of which must be in the ledger then; says how many are new.
    async fn recorded(&self, clicks: &[RecordedClick]) -> usize {
        tally(&self.record(clicks).await).0
    }

    /// Asserts that the ledger holds exactly these clicks, counted once, wherever one looks.
    async fn assert_exact(&self, clicks: &[RecordedClick]) {
        self.probe.heal();
        let links: HashSet<LinkId> = clicks.iter().map(|new| new.click.link).collect();
        for link in &links {
            let expected = counts(clicks.iter().filter(|new| new.click.link == *link));
            let found = self.ledger.totals(Subject::Link(*link)).await.unwrap();
            assert_eq!(found, expected, "{link}");
        }
        let found = self.ledger.totals(Subject::Workspace(workspace())).await.unwrap();
        assert_eq!(found, counts(clicks.iter()), "workspace");

        let links: Vec<_> = links.into_iter().map(|link| (link, 64)).collect();
        let verified =
            self.ledger.verify_workspace(workspace(), &links, now(), retention()).await.unwrap();
        assert!(verified.is_clean(), "{verified:#?}");
        assert_eq!(verified.clicks, counts(clicks.iter()).total());
    }

    async fn put(&self, table: &str, row: impl IntoIterator<Item = (&str, AttributeValue)>) {
        let row = row.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.aside.put_item().table_name(table).set_item(Some(row)).send().await.unwrap();
    }
}

fn now() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn retention() -> Retention {
    Retention::of_days(90).unwrap()
}

fn workspace() -> WorkspaceId {
    WorkspaceId::new(Timestamp::UNIX_EPOCH, 1)
}

fn link(number: u128) -> LinkId {
    LinkId::new(Timestamp::UNIX_EPOCH, number)
}

/// Click number `number`: on one of so many links, on one of so many days, every fifth by a bot.
fn click(number: u32, links: u32, days: u32) -> RecordedClick {
    let age =
        SignedDuration::from_mins(i64::from(number % days) * 24 * 60 + i64::from(number) % 700);
    let id = ClickId::new(now() - age, u128::from(number));
    let click = Click {
        link: link(u128::from(number % links)),
        workspace: workspace(),
        referrer: Some("news.example.org".to_owned()),
        user_agent: Some("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Firefox/145.0".to_owned()),
        ..testkit::click(id)
    };
    testkit::by(click, number.is_multiple_of(5).then_some("curl"))
}

fn clicks(count: u32, links: u32, days: u32) -> Vec<RecordedClick> {
    (0..count).map(|number| click(number, links, days)).collect()
}

fn counts<'a>(clicks: impl Iterator<Item = &'a RecordedClick>) -> Counts {
    clicks.fold(Counts::default(), |sum, new| sum.merge(Counts::one(new.bot.is_some())))
}

/// How many clicks were recorded, were duplicates, failed.
fn tally_all(outcomes: &[Outcome]) -> (usize, usize, usize) {
    let mut tally = (0, 0, 0);
    for outcome in outcomes {
        match outcome {
            Outcome::Recorded => tally.0 += 1,
            Outcome::Duplicate => tally.1 += 1,
            Outcome::Purged | Outcome::Failed(_) => tally.2 += 1,
        }
    }
    tally
}

/// How many clicks were recorded and were duplicates; none may have failed.
fn tally(outcomes: &[Outcome]) -> (usize, usize) {
    let failed = outcomes.iter().find(|outcome| matches!(outcome, Outcome::Failed(_)));
    assert!(failed.is_none(), "{failed:?}");
    let (recorded, duplicates, _) = tally_all(outcomes);
    (recorded, duplicates)
}
