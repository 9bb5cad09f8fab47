//! What a report says, and comparing with the lake.

use aws_sdk_s3::primitives::ByteStream;
use domain::{ClickId, Origins};
use embedded::Embedded;
use lambda::{Clock, Random};
use store::ledger::{Period, Subject};

use super::*;
use crate::contract::Contract;
use crate::demo;
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

#[tokio::test]
async fn what_the_lake_lacks_or_has_too_much_is_named() {
    let embedded = Embedded::in_memory().unwrap();
    let (aws, retention) = (embedded.sdk_config(), Retention::DEFAULT);
    set_up(&aws, &Contract::read().unwrap()).await.unwrap();
    let accounts = AccountStore::new(&aws, TABLES.accounts);
    api_key(&accounts, None, &Clock::system(), &Random::seeded(1)).await.unwrap();
    let origins = Origins::parse("http://127.0.0.1:8000").unwrap();
    let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    demo::load(&aws, &origins, now, retention).await.unwrap();
    let report = verify(&aws, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Exact, "{report}");
    assert!(report.to_string().contains("lake: 20000 clicks"), "{report}");

    // A click that nobody has counted.
    let id = ClickId::new(now, 1);
    let raw = ::lake::RawClicks::new(&aws, RAW_BUCKET);
    let stranger = testkit::by_somebody(testkit::click(id));
    let key = raw.put(&[stranger], now, 9).await.unwrap();
    let report = verify(&aws, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Wrong);
    let text = report.to_string();
    let line = format!(
        "difference: `{}` on {}: the count says 0 human and 0 bot, the lake has 1 human and 0 bot, \
         although there is no such link",
        testkit::SPRING,
        date(Day::of(now)),
    );
    assert!(text.contains(&line), "{text}");

    // All raw objects but one are emptied.
    let client = aws_sdk_s3::Client::new(&aws);
    let put = client.put_object().bucket(RAW_BUCKET).key(key);
    put.body(ByteStream::from_static(b"not a click\n")).send().await.unwrap();
    let listed = client.list_objects_v2().bucket(RAW_BUCKET).prefix("raw/dt=").send().await;
    let object = listed.unwrap().contents()[0].key().unwrap().to_owned();
    client.delete_object().bucket(RAW_BUCKET).key(object).send().await.unwrap();
    let report = verify(&aws, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Wrong);
    let text = report.to_string();
    assert!(text.contains("lake: 1 lines cannot be read"), "{text}");
    assert!(!text.contains("there is no such link"), "{text}");

    // Of before a day nothing is compared.
    let place = Place { lake_since: Some(Day::of(now).plus(1)), ..Place::here(&aws) };
    let report = verify_at(&place, None, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Exact, "{report}");

    // The redirects of a day that nobody has counted.
    let answered = Answered::parse(r#"{"2020-01-01": 500}"#, "1".parse().unwrap()).unwrap();
    let report = verify_at(&place, Some(answered), now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Wrong);
    let text = report.to_string();
    let line = "difference: on 2020-01-01 500 were answered, 0 are counted, more than 1 % and 10";
    assert!(text.contains(line), "{text}");
}
