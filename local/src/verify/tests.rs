//! What a report says, and comparing with the lake.

use std::time::{Duration, Instant};

use archive::Archive;
use aws_sdk_s3::primitives::ByteStream;
use domain::{Click, ClickId, Link, LinkId};
use embedded::Embedded;
use jiff::SignedDuration;
use lake::RawClicks;
use lambda::{Clock, Random};
use store::Journal;
use store::ledger::{Outcome, Period, Recording, Subject};

use super::*;
use crate::contract::Contract;
use crate::stores::{api_key, set_up};

#[test]
fn counts_that_kept_changing_are_neither_right_nor_wrong() {
    let workspace = WorkspaceId::new(Timestamp::UNIX_EPOCH, 1);
    let unsettled = vec![(Subject::Workspace(workspace), Period::AllTime)];
    let found = Verification { unsettled, ..Verification::default() };
    let report = Report { workspaces: vec![(workspace, 1, found)], ..Report::default() };
    assert_eq!(report.verdict(), Verdict::Unsettled);
    assert_eq!(report.verdict().exit_code(), 3);
    assert!(report.to_string().contains("it changed each time"), "{report}");
}

/// Stores with 30 clicks on two links over three days: counted, and in two batches, one of which is
/// compacted.
async fn stores(embedded: &Embedded, now: Timestamp) -> SdkConfig {
    let aws = embedded.sdk_config();
    set_up(&aws, &Contract::read().unwrap()).await.unwrap();
    let accounts = AccountStore::new(&aws, TABLES.accounts);
    api_key(&accounts, None, &Clock::system(), &Random::seeded(1)).await.unwrap();
    let workspace = accounts.workspaces().await.unwrap()[0];
    let links = LinkStore::new(&aws, TABLES.links);
    let ledger = LedgerStore::new(&aws, TABLES.clicks, TABLES.links);
    let (raw, archive) = (RawClicks::new(&aws, RAW_BUCKET), Archive::new(&aws, RAW_BUCKET));
    for (batch, slug) in ["one", "two"].into_iter().enumerate() {
        let id = LinkId::new(now, u128::try_from(batch).unwrap());
        let link = Link { id, workspace, ..testkit::link(slug) };
        links.create(&link, &Journal::none()).await.unwrap();
        let click = |number: u8| {
            let at = now - SignedDuration::from_hours(24 * i64::from(number % 3));
            let id = ClickId::new(at, u128::from(number));
            let click = Click { link: link.id, workspace, ..testkit::click(id) };
            testkit::by(click, number.is_multiple_of(5).then_some("curl"))
        };
        let clicks: Vec<_> = (0..15).map(click).collect();
        raw.put(&clicks, now, u128::try_from(batch).unwrap()).await.unwrap();
        let (retention, within) = (Retention::DEFAULT, Duration::from_secs(20));
        let how = Recording { now, retention, within, random: 1 };
        for outcome in ledger.record(&clicks, how).await {
            assert!(matches!(outcome, Outcome::Recorded), "{outcome:?}");
        }
        if batch == 0 {
            let (taken, until) = (archive.take(None).await.unwrap().unwrap(), Instant::now());
            let until = until + Duration::from_secs(60);
            assert!(archive.merge(taken, &|_, _| false, until).await.errors.is_empty());
        }
    }
    aws
}

#[tokio::test]
async fn what_the_lake_lacks_or_has_too_much_is_named() {
    let embedded = Embedded::in_memory().unwrap();
    let (now, retention) = ("2026-11-22T10:00:00Z".parse().unwrap(), Retention::DEFAULT);
    let aws = stores(&embedded, now).await;
    let report = verify(&aws, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Exact, "{report}");
    let line = "lake: 30 clicks of 3 days; 15 wait for compaction";
    assert!(report.to_string().contains(line), "{report}");

    // A click that nobody has counted.
    let raw = RawClicks::new(&aws, RAW_BUCKET);
    let stranger = testkit::by_somebody(testkit::click(ClickId::new(now, 1)));
    let key = raw.put(&[stranger], now, 9).await.unwrap();
    let report = verify(&aws, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Wrong);
    let text = report.to_string();
    let line = format!(
        "difference: `{}` on 2026-11-22: the count says 0 human and 0 bot, the lake has 1 human and \
         0 bot, although there is no such link",
        testkit::SPRING,
    );
    assert!(text.contains(&line), "{text}");

    // A batch is gone, and something is in the lake that is no click.
    let client = aws_sdk_s3::Client::new(&aws);
    let put = client.put_object().bucket(RAW_BUCKET).key(&key);
    put.body(ByteStream::from_static(b"not a click\n")).send().await.unwrap();
    let listed = client.list_objects_v2().bucket(RAW_BUCKET).prefix("raw/dt=").send().await;
    let listed = listed.unwrap();
    let batch = listed.contents().iter().find_map(|it| it.key().filter(|it| *it != key)).unwrap();
    client.delete_object().bucket(RAW_BUCKET).key(batch).send().await.unwrap();
    let report = verify(&aws, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Wrong);
    let text = report.to_string();
    let line = format!(
        "difference: `{}` on 2026-11-22: the count says 4 human and 1 bot, the lake has 0 human and \
         0 bot\n",
        LinkId::new(now, 1)
    );
    assert!(text.contains(&line), "{text}");
    assert_eq!(text.matches("difference: ").count(), 3, "{text}");
    assert!(text.contains("lake: 1 lines cannot be read"), "{text}");

    // Of before a day nothing is compared.
    let place = Place { lake_since: Some(Day::of(now).plus(1)), ..Place::here(&aws) };
    let report = verify_at(&place, None, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Exact, "{report}");
    assert!(report.to_string().contains("lake: 3 days are from before"), "{report}");

    // A day's redirects that are counted, and a day's that nobody has counted.
    let answered = r#"{"2026-11-22": 15, "2020-01-01": 500}"#;
    let answered = Answered::parse(answered, "1".parse().unwrap()).unwrap();
    let report = verify_at(&place, Some(answered), now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Wrong);
    let text = report.to_string();
    for line in [
        "difference: on 2020-01-01 500 were answered, 0 are counted, more than 1 % and 10 apart",
        "redirects: on 2026-11-22 15 were answered, 10 are counted",
    ] {
        assert!(text.contains(line), "{text}");
    }
}
