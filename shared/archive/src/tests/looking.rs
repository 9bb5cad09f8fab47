//! Looking through, removing and counting, over the embedded S3.

use std::time::Instant;

use domain::rollup::Counts;
use domain::{Day, RecordedClick};
use testkit::probe::{Fault, On};

use super::{Place, click, link, now, soon, workspace};
use crate::Of;

/// Clicks of three links and two days, of which some are in files, and some wait.
async fn place() -> Place {
    let place = Place::new().await;
    let mine = |link: u128, numbers: std::ops::Range<u128>, minutes: i64| {
        numbers.map(|number| click(link, number, minutes)).collect::<Vec<RecordedClick>>()
    };
    place.batch(&[mine(1, 0..10, 0), mine(2, 10..30, 0), mine(3, 30..35, 0)].concat(), 0).await;
    place.batch(&[mine(1, 40..44, 1_440), mine(2, 44..48, 1_440)].concat(), 1).await;
    place.compact().await;
    // A copy of something that is in a file, and something new.
    place.batch(&[mine(1, 9..12, 0), mine(3, 50..51, 1_440)].concat(), 2).await;
    let aside = format!("{{\"v\":1,\"link\":\"{}\"}}\n{{\"v\":1}}\n", link(1));
    place.put("raw/bad/dt=2026-11-22/hr=09/1.jsonl", aside).await;
    place
}

fn of(number: u128) -> Of {
    Of::Link(workspace(1), link(number))
}

#[tokio::test]
async fn each_click_is_counted_once_wherever_it_is() {
    let place = place().await;
    let waiting = place.archive.waiting().await.unwrap();
    assert_eq!(waiting.unreadable, 0);
    let (today, yesterday) = (Day::of(now()), Day::of(now()).plus(-1));
    assert_eq!(place.archive.days(&waiting).await.unwrap(), [yesterday, today]);
    let of_link =
        |number: u128, human: u64, bot: u64| ((workspace(1), link(number)), Counts { human, bot });
    let expected = |before: bool| {
        let today = [of_link(1, 6, 6), of_link(2, 10, 10), of_link(3, 3, 2)];
        let yesterday = [of_link(1, 2, 2), of_link(2, 2, 2), of_link(3, 1, 0)];
        if before { yesterday } else { today }
    };
    for (day, before) in [(today, false), (yesterday, true)] {
        let counts = place.archive.counts(day, &waiting).await.unwrap();
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected(before));
    }
    // What is compacted between the two looks is there once all the same.
    place.compact().await;
    for waiting in [waiting, place.archive.waiting().await.unwrap()] {
        let counts = place.archive.counts(today, &waiting).await.unwrap();
        assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected(false));
    }
    let before = place.archive.counts(yesterday.plus(-1), &Default::default()).await.unwrap();
    assert!(before.is_empty());
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_neither_empty_nor_counted() {
    let place = place().await;
    place.put("clicks/dt=2026-11-22/hr=09/clicks.parquet", "damaged").await;
    let waiting = place.archive.waiting().await.unwrap();
    assert!(place.archive.counts(Day::of(now()), &waiting).await.is_err());
    assert!(place.archive.find(of(1), None, soon()).await.is_err());
}

#[tokio::test]
async fn a_link_is_found_and_removed_and_the_others_stay() {
    let place = place().await;
    let before = place.files().await.into_values().flatten().collect::<Vec<_>>();
    // 14 in files, 3 that wait, and a line that names it.
    let found = place.archive.find(of(1), None, soon()).await.unwrap();
    assert_eq!((found.clicks, found.objects, found.next), (18, 4, None));
    let removed = place.archive.purge(of(1), None, soon()).await.unwrap();
    assert_eq!((removed.clicks, removed.next), (18, None));
    assert_eq!(place.archive.find(of(1), None, soon()).await.unwrap().clicks, 0);
    let rest: Vec<_> = before.into_iter().filter(|it| it.click.link != link(1)).collect();
    assert_eq!(place.files().await.into_values().flatten().collect::<Vec<_>>(), rest);
    assert_eq!(place.get("raw/bad/dt=2026-11-22/hr=09/1.jsonl").await, b"{\"v\":1}\n"[..]);
    let merged = place.compact().await;
    assert_eq!((merged.clicks, merged.errors.len()), (1, 0));
}

#[tokio::test]
async fn of_a_workspace_everything_goes() {
    let place = place().await;
    let mut other = click(7, 70, 0);
    other.click.workspace = workspace(2);
    place.batch(&[other.clone()], 8).await;
    let all = Of::Workspace(workspace(1));
    assert_eq!(place.archive.purge(all, None, soon()).await.unwrap().clicks, 47);
    assert_eq!(place.archive.find(all, None, soon()).await.unwrap().clicks, 0);
    // Files that have become empty can be written to again.
    place.compact().await;
    place.batch(&[click(5, 80, 1_440)], 9).await;
    assert!(place.compact().await.errors.is_empty());
    let files = place.files().await;
    assert_eq!(files["clicks/dt=2026-11-22/hr=09/clicks.parquet"], [other]);
    assert_eq!(files["clicks/dt=2026-11-21/hr=09/clicks.parquet"], [click(5, 80, 1_440)]);
}

#[tokio::test]
async fn what_a_link_is_not_in_is_not_read_as_a_whole() {
    let place = place().await;
    place.compact().await;
    place.probe.take_calls();
    let found = place.archive.find(of(9), None, soon()).await.unwrap();
    assert_eq!((found.clicks, found.objects), (0, 3));
    // Two lists, the lines put aside, and the ends of two files.
    assert_eq!(place.probe.take_calls().len(), 5);
}

#[tokio::test]
async fn it_goes_on_where_its_time_was_over() {
    let place = place().await;
    let (mut from, mut clicks, mut rounds) = (None, 0, 0);
    loop {
        // Time for one object, about.
        let until = Instant::now() + std::time::Duration::from_micros(1);
        let until = if rounds % 2 == 0 { soon() } else { until };
        let looked = place.archive.purge(of(2), from.clone(), until).await.unwrap();
        clicks += looked.clicks;
        rounds += 1;
        match looked.next {
            Some(next) => from = Some(crate::Place::new(next.to_string())),
            None => break,
        }
    }
    assert_eq!(clicks, 24);
    let over = place.archive.find(of(1), None, Instant::now()).await.unwrap();
    assert_eq!(over.objects, 0);
    let rest = place.archive.find(of(1), over.next, soon()).await.unwrap();
    assert_eq!((rest.clicks, rest.next), (18, None));
}

#[tokio::test]
async fn a_purge_that_is_killed_anywhere_is_done_by_the_next() {
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        for k in 0.. {
            let place = place().await;
            place.probe.take_calls();
            place.probe.inject(On::any().after(k).once(), fault.clone());
            tokio::select! {
                _ = place.archive.purge(of(2), None, soon()) => {}
                () = place.probe.stopped() => {}
            }
            let fired = place.probe.fired();
            place.probe.heal();
            place.archive.purge(of(2), None, soon()).await.unwrap();
            assert_eq!(place.archive.find(of(2), None, soon()).await.unwrap().clicks, 0);
            assert_eq!(place.archive.find(of(1), None, soon()).await.unwrap().clicks, 18);
            if fired == 0 {
                break;
            }
        }
    }
}

#[tokio::test]
async fn a_purge_and_a_compaction_at_once_lose_nobody_else() {
    let place = place().await;
    let (purged, compacted) =
        tokio::join!(place.archive.purge(of(1), None, soon()), place.compact());
    assert!(purged.is_ok() && compacted.errors.is_empty());
    place.archive.purge(of(1), None, soon()).await.unwrap();
    assert_eq!(place.archive.find(of(1), None, soon()).await.unwrap().clicks, 0);
    let waiting = place.archive.waiting().await.unwrap();
    let counts = place.archive.counts(Day::of(now()), &waiting).await.unwrap();
    assert_eq!(counts[&(workspace(1), link(2))], Counts { human: 10, bot: 10 });
    assert_eq!(counts[&(workspace(1), link(3))], Counts { human: 3, bot: 2 });
}
