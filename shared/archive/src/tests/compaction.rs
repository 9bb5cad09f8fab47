//! Compaction, over the embedded S3.

use std::time::Instant;

use domain::RecordedClick;
use testkit::probe::{Fault, On, Service};

use super::{Place, click, compact, link, nobody, soon, workspace};
use crate::{Archive, ArchiveError, Of};

/// The clicks of the tests: in four hours, in two batches, some of them twice.
fn clicks() -> [Vec<RecordedClick>; 2] {
    let all = |range: std::ops::Range<u128>| {
        let minutes = |number: u128| i64::try_from(number).unwrap() * 7 % 150;
        range.map(|number| click(number % 5, number, minutes(number))).collect()
    };
    [all(0..40), all(30..60)]
}

async fn place() -> Place {
    let place = Place::new().await;
    for (number, batch) in (0_u128..).zip(clicks()) {
        place.batch(&batch, number).await;
    }
    place
}

/// Every click is in the file of its hour, once and in order, and no batch is left.
async fn assert_compacted(place: &Place) {
    let mut all = Vec::new();
    for (key, clicks) in place.files().await {
        assert!(clicks.iter().all(|it| super::super::hour_of(it).key() == key), "{key}");
        assert!(clicks.is_sorted_by_key(|it| (it.click.workspace, it.click.link, it.click.id)));
        all.extend(clicks);
    }
    all.sort_by_key(|it| it.click.id);
    let mut expected = clicks().concat();
    expected.sort_by_key(|it| it.click.id);
    expected.dedup();
    assert_eq!(all, expected);
    assert_eq!(place.keys("raw/").await, [""; 0]);
}

#[tokio::test]
async fn batches_become_files_of_the_hours_of_their_clicks() {
    let place = place().await;
    let merged = place.compact().await;
    assert!(merged.errors.is_empty(), "{:?}", merged.errors);
    assert_eq!((merged.clicks, merged.duplicates), (60, 10));
    assert_eq!((merged.files, merged.deleted), (4, 2));
    let keys: Vec<_> = place.files().await.into_keys().collect();
    let key = |hour: u8| format!("clicks/dt=2026-11-22/hr={hour:02}/clicks.parquet");
    assert_eq!(keys, [6, 7, 8, 9].map(key));
    assert_compacted(&place).await;
    // And nothing is left to do.
    place.probe.take_calls();
    assert_eq!(place.compact().await.files, 0);
    assert_eq!(place.probe.take_operations(), ["GET"]);
}

#[tokio::test]
async fn what_comes_late_and_again_ends_up_once() {
    let place = place().await;
    place.compact().await;
    let before = place.files().await;
    // Copies alone change nothing.
    place.batch(&clicks()[0], 10).await;
    let merged = place.compact().await;
    assert_eq!((merged.clicks, merged.duplicates, merged.files), (0, 40, 0));
    assert_compacted(&place).await;
    // Four days late, and into an hour that has a file.
    let late = [click(1, 1_000, 4 * 24 * 60), click(1, 1_001, 7), click(1, 1_001, 7)];
    place.batch(&late, 11).await;
    let merged = place.compact().await;
    assert_eq!((merged.clicks, merged.duplicates, merged.files), (2, 1, 2));
    let after = place.files().await;
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(after["clicks/dt=2026-11-18/hr=09/clicks.parquet"], late[..1]);
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_call_leaves_every_click_once_in_the_end() {
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        for k in 0.. {
            let place = place().await;
            place.probe.inject(On::any().after(k).once(), fault.clone());
            tokio::select! {
                _ = place.compact() => {}
                () = place.probe.stopped() => {}
            }
            let fired = place.probe.fired();
            place.probe.heal();
            let merged = place.compact().await;
            assert!(merged.errors.is_empty(), "{:?}", merged.errors);
            assert_compacted(&place).await;
            if fired == 0 {
                assert!(8 < k, "{k}");
                break;
            }
        }
    }
}

#[tokio::test]
async fn whichever_calls_fail_every_click_is_there_once_in_the_end() {
    let faults = [
        Fault::Error { status: 503, code: "SlowDown" },
        Fault::Error { status: 403, code: "AccessDenied" },
        Fault::LostAnswer,
        Fault::TornAnswer,
        Fault::Unreachable,
    ];
    for fault in faults {
        for k in 0.. {
            let place = place().await;
            // As long as the SDK tries.
            place.probe.inject(On::any().after(k).times(3), fault.clone());
            if let Ok(Some(batch)) = place.archive.take(None).await {
                let merged = place.archive.merge(batch, &nobody, soon()).await;
                // What was not done was said.
                let left = place.keys("raw/").await;
                assert!(!merged.errors.is_empty() || left.is_empty(), "{fault:?} {k} {left:?}");
            }
            let fired = place.probe.fired();
            place.probe.heal();
            place.compact().await;
            assert_compacted(&place).await;
            if fired == 0 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn two_at_once_lose_nothing_and_count_nothing_twice() {
    for k in 0..12 {
        let place = place().await;
        // Both have read the same when they write, or what is one step apart.
        let other = Archive::new(&place.aws, super::BUCKET);
        let meet = Fault::meet(1);
        place.probe.inject(On::any().after(k).once(), meet);
        let first = async {
            let batch = place.archive.take(None).await.unwrap().unwrap();
            tokio::task::yield_now().await;
            place.archive.merge(batch, &nobody, soon()).await
        };
        let (one, two) = tokio::join!(first, compact(&other));
        assert!(one.errors.is_empty() && two.errors.is_empty(), "{one:?} {two:?}");
        assert_eq!(one.clicks + two.clicks, 60, "{k}");
        assert_compacted(&place).await;
    }
}

#[tokio::test]
async fn a_file_that_changes_after_it_was_read_is_read_again() {
    let place = place().await;
    let batch = place.archive.take(None).await.unwrap().unwrap();
    let other = Archive::new(&place.aws, super::BUCKET);
    let late = click(3, 5_000, 7);
    place.batch(std::slice::from_ref(&late), 20).await;
    // The file of the first hour is there before ours is written.
    let barrier = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    place.probe.inject(On::operation("PUT").once(), Fault::Meet(std::sync::Arc::clone(&barrier)));
    let second = async {
        place.probe.wait_for(1).await;
        let merged = compact(&other).await;
        barrier.wait().await;
        merged
    };
    let (one, two) = tokio::join!(place.archive.merge(batch, &nobody, soon()), second);
    assert!(one.errors.is_empty() && two.errors.is_empty(), "{one:?} {two:?}");
    assert_eq!(two.clicks, 61);
    assert_eq!((one.clicks, one.files), (0, 0));
    let all = place.files().await.into_values().flatten().collect::<Vec<_>>();
    assert_eq!(all.len(), 61);
    assert!(all.contains(&late));
}

#[tokio::test]
async fn lines_that_cannot_be_read_are_put_aside_and_the_others_are_compacted() {
    let place = place().await;
    let mut body = b"{\"v\":1,\"id\":\"no\"}\nno json\n".to_vec();
    body.extend(lake::lines(&[click(1, 900, 0)]));
    body.extend(b"\xff\xfe torn");
    place.put("raw/dt=2026-11-22/hr=09/01.jsonl", body).await;
    let merged = place.compact().await;
    assert!(merged.errors.is_empty(), "{:?}", merged.errors);
    assert_eq!((merged.unreadable, merged.clicks), (3, 61));
    assert_eq!(place.keys("raw/").await, ["raw/bad/dt=2026-11-22/hr=09/01.jsonl"]);
    let aside = place.get("raw/bad/dt=2026-11-22/hr=09/01.jsonl").await;
    assert_eq!(aside, b"{\"v\":1,\"id\":\"no\"}\nno json\n\xff\xfe torn\n"[..]);
    // They are left alone from then on.
    assert_eq!(place.compact().await.unreadable, 0);
}

#[tokio::test]
async fn lines_of_a_newer_version_stay() {
    let place = place().await;
    let key = "raw/dt=2026-11-22/hr=09/01.jsonl";
    let mut body = b"{\"v\":2,\"id\":\"new\"}\n".to_vec();
    body.extend(lake::lines(&[click(1, 900, 0)]));
    place.put(key, body).await;
    for clicks in [61, 0] {
        let merged = place.compact().await;
        assert!(matches!(merged.errors[..], [ArchiveError::Newer(_)]), "{:?}", merged.errors);
        assert_eq!(merged.clicks, clicks);
        assert_eq!(place.get(key).await, b"{\"v\":2,\"id\":\"new\"}\n"[..]);
    }
}

#[tokio::test]
async fn a_file_that_is_damaged_stops_its_own_hour_only_and_loses_nothing() {
    let place = place().await;
    let damaged = "clicks/dt=2026-11-22/hr=08/clicks.parquet";
    place.put(damaged, "PAR1 and no more").await;
    let merged = place.compact().await;
    assert!(
        matches!(&merged.errors[..], [ArchiveError::File { key, .. }] if key == damaged),
        "{:?}",
        merged.errors
    );
    // The batches hold what is of this hour, and that alone.
    let left = place.keys("raw/").await;
    assert_eq!(left.len(), 2);
    let lines = place.get(&left[0]).await;
    assert!(lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).all(|line| {
        let line = String::from_utf8_lossy(line).into_owned();
        line.contains("\"at\":\"2026-11-22T08:")
    }));
    // Without it all is well again.
    let client = &place.client;
    client.delete_object().bucket(super::BUCKET).key(damaged).send().await.unwrap();
    assert!(place.compact().await.errors.is_empty());
    assert_compacted(&place).await;
}

#[tokio::test]
async fn where_time_is_short_one_hour_is_done_and_the_rest_stays() {
    let place = place().await;
    let (mut rounds, mut done) = (0, 0);
    while let Some(batch) = place.archive.take(None).await.unwrap() {
        let merged = place.archive.merge(batch, &nobody, Instant::now()).await;
        assert!(merged.errors.is_empty(), "{:?}", merged.errors);
        assert_eq!(merged.files, 1);
        done += merged.clicks;
        rounds += 1;
    }
    assert_eq!(done, 60);
    assert_eq!(rounds, 4);
    assert_compacted(&place).await;
}

#[tokio::test]
async fn what_is_to_be_forgotten_is_left_out_and_taken_out() {
    let place = place().await;
    place.compact().await;
    place.batch(&[click(2, 900, 0), click(2, 901, 0), click(1, 902, 0)], 9).await;
    let batch = place.archive.take(None).await.unwrap().unwrap();
    let gone = |it, _| it == link(2);
    let merged = place.archive.merge(batch, &gone, soon()).await;
    let files = place.files().await;
    let of_hour = &files["clicks/dt=2026-11-22/hr=09/clicks.parquet"];
    assert!(of_hour.iter().all(|it| it.click.link != link(2)));
    assert_eq!(merged.clicks, 1);
    assert!(2 < merged.purged, "{}", merged.purged);
    // Hours that had nothing new are for a purge.
    let of = Of::Link(workspace(1), link(2));
    assert!(0 < place.archive.find(of, None, soon()).await.unwrap().clicks);
}

#[tokio::test]
async fn without_the_bucket_it_is_an_error() {
    let place = place().await;
    place.probe.inject(On::service(Service::S3), Fault::Unreachable);
    let error = place.archive.take(None).await.unwrap_err().to_string();
    assert!(error.starts_with("listing `raw/dt=` in the bucket `raw-clicks`"), "{error}");
}
