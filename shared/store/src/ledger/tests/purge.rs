//! Purging links and workspaces, and being killed while doing so.

use std::sync::Arc;

use domain::rollup::Rollup;
use domain::{Dimension, KeyId, Principal};
use testkit::probe::{Fault, On};
use tokio::sync::Barrier;

use super::super::{PurgeOrder, Removed, Target};
use super::*;
use crate::Journal;
use crate::keys::RollupKey;
use crate::ledger::read::Range;

/// Of the 64 that there can be; the clicks here are in the first one.
const PARTITIONS: u16 = 3;

fn order(target: Target) -> PurgeOrder {
    let by = Principal::Key(KeyId::new(now(), 1));
    PurgeOrder::new(target, workspace(), by, now(), retention())
}

/// All that there is to do about a link.
async fn purge(fixture: &Fixture, link: LinkId) -> Removed {
    let ledger = &fixture.ledger;
    ledger.fence(&order(Target::Link(link))).await.unwrap();
    let clicks = ledger.purge_clicks(link, PARTITIONS).await.unwrap();
    let counts = ledger.purge_counts(link, workspace()).await.unwrap();
    Removed { clicks, counts, lake: 0 }
}

/// What a subject counts, by kind of row.
async fn sums(fixture: &Fixture, subject: Subject) -> [Rollup; 3] {
    let mut sums = [Rollup::default(), Rollup::default(), Rollup::default()];
    let rows = fixture.ledger.query_rollups(subject, Range::All).await.unwrap();
    for (key, row) in rows {
        let kind = match key {
            RollupKey::Day(..) => 0,
            RollupKey::Purged(..) => 1,
            RollupKey::Total(_) => 2,
        };
        sums[kind].merge(&row.rollup);
    }
    sums
}

/// Asserts that what the links' days count and what was kept of purged ones is what the
/// workspace's days count.
async fn assert_adds_up(fixture: &Fixture, links: u128, total: u64) {
    let [mut days, mut expected, _] = sums(fixture, Subject::Workspace(workspace())).await;
    // The counts of a link do not say whose they are, and neither does what is kept of them.
    days.values.remove(&Dimension::Link);
    assert_eq!(days.counts.total(), total);
    for number in 0..links {
        expected.merge(&sums(fixture, Subject::Link(link(number))).await[0]);
    }
    assert_eq!(expected, days);
}

#[tokio::test]
async fn nothing_of_a_purged_link_is_left_and_everything_still_adds_up() {
    let fixture = Fixture::new().await;
    let clicks = clicks(300, 3, 4);
    fixture.recorded(&clicks).await;
    let purged = link(1);
    let of_it = clicks.iter().filter(|click| click.click.link == purged).count();
    let target = Target::Link(purged);
    assert!(!fixture.ledger.is_fenced(target).await.unwrap());
    let before = fixture.ledger.remains(target, PARTITIONS).await.unwrap();
    assert_eq!(before.clicks, u64::try_from(of_it).unwrap());

    let removed = purge(&fixture, purged).await;
    assert_eq!(removed.clicks, u64::try_from(of_it).unwrap());
    assert_eq!(removed.counts, before.counts, "four days and a total");

    assert!(fixture.ledger.is_fenced(target).await.unwrap());
    assert_eq!(fixture.ledger.remains(target, PARTITIONS).await.unwrap(), Default::default());
    let page = fixture.ledger.page_of_clicks(purged, 64, None, 10).await.unwrap();
    assert!(page.clicks.is_empty());
    assert_adds_up(&fixture, 3, 300).await;
    // What others have is as it was.
    let rest: Vec<_> = clicks.iter().filter(|click| click.click.link != purged).collect();
    for number in [0, 2] {
        let found = fixture.ledger.totals(Subject::Link(link(number))).await.unwrap();
        let own = rest.iter().copied().filter(|click| click.click.link == link(number));
        assert_eq!(found, counts(own));
    }
    // Doing it again finds nothing to do.
    assert!(purge(&fixture, purged).await.is_nothing());
    assert_adds_up(&fixture, 3, 300).await;
}

/// Purges a link with a fault at one of the calls that `on` picks, and then again without, for each
/// of them; says how many there were.
async fn at_every_call(on: impl Fn() -> On, fault: Fault) -> usize {
    let killed = matches!(fault, Fault::StopBefore | Fault::StopAfter);
    let clicks = clicks(60, 2, 3);
    let mut k = 0;
    loop {
        let fixture = Fixture::new().await;
        fixture.recorded(&clicks).await;
        fixture.probe.inject(on().after(k).once(), fault.clone());
        let ledger = &fixture.ledger;
        let work = async {
            ledger.fence(&order(Target::Link(link(1)))).await?;
            ledger.purge_clicks(link(1), PARTITIONS).await?;
            ledger.purge_counts(link(1), workspace()).await
        };
        if killed {
            tokio::select! {
                _ = work => {}
                () = fixture.probe.stopped() => {}
            }
        } else {
            // The SDK does not try a torn answer again.
            let _ = work.await;
        }
        let fired = fixture.probe.fired();
        fixture.probe.heal();
        assert_adds_up(&fixture, 2, 60).await;
        purge(&fixture, link(1)).await;
        let remains = ledger.remains(Target::Link(link(1)), PARTITIONS).await.unwrap();
        assert_eq!(remains, Default::default(), "{fault:?} at {k}");
        assert_adds_up(&fixture, 2, 60).await;
        if fired == 0 {
            return k;
        }
        k += 1;
    }
}

#[tokio::test]
async fn a_purge_killed_at_any_of_its_calls_goes_on_from_there() {
    for fault in [Fault::StopBefore, Fault::StopAfter, Fault::LostAnswer, Fault::TornAnswer] {
        // Fence and counts; and the deletion of clicks, which are in one partition of 64.
        assert!(8 <= at_every_call(|| On::any().holding("R#"), fault.clone()).await);
        assert!(2 <= at_every_call(|| On::operation("BatchWriteItem"), fault).await);
    }
}

#[tokio::test]
async fn two_purges_of_one_workspace_at_once_lose_no_count() {
    let fixture = Fixture::new().await;
    fixture.recorded(&clicks(400, 4, 2)).await;
    tokio::join!(purge(&fixture, link(0)), purge(&fixture, link(1)), purge(&fixture, link(2)));
    assert_adds_up(&fixture, 4, 400).await;
}

#[tokio::test]
async fn nothing_of_a_purged_workspace_is_left() {
    let fixture = Fixture::new().await;
    fixture.recorded(&clicks(120, 3, 2)).await;
    // One that was purged before is no exception.
    purge(&fixture, link(2)).await;
    let (ledger, target) = (&fixture.ledger, Target::Workspace(workspace()));
    ledger.fence(&order(target)).await.unwrap();
    for number in 0..3 {
        ledger.purge_clicks(link(number), PARTITIONS).await.unwrap();
        ledger.purge_all_counts(Target::Link(link(number))).await.unwrap();
        let remains = ledger.remains(Target::Link(link(number)), PARTITIONS).await.unwrap();
        assert_eq!(remains, Default::default());
    }
    assert!(0 < ledger.purge_all_counts(target).await.unwrap());
    assert_eq!(ledger.remains(target, PARTITIONS).await.unwrap(), Default::default());
    assert!(ledger.is_fenced(target).await.unwrap());
    assert_eq!(ledger.purge_all_counts(target).await.unwrap(), 0);
}

#[tokio::test]
async fn an_order_is_read_back_with_its_proof() {
    let fixture = Fixture::new().await;
    let ledger = &fixture.ledger;
    assert!(ledger.purges().await.unwrap().is_empty());
    let (one, all) = (order(Target::Link(link(1))), order(Target::Workspace(workspace())));
    for order in [&one, &all] {
        assert_eq!(ledger.order_purge(order, &Journal::none()).await.unwrap(), *order);
    }
    // Whoever asks again is told of the first time.
    let again = PurgeOrder { ordered_at: now() + SignedDuration::from_secs(9), ..one.clone() };
    assert_eq!(ledger.order_purge(&again, &Journal::none()).await.unwrap(), one);
    assert_eq!(ledger.purge_order(one.target).await.unwrap(), Some(one.clone()));
    let purges = ledger.purges().await.unwrap();
    let elsewhere = WorkspaceId::new(now(), 2);
    assert!(purges.covers(link(1), elsewhere) && purges.covers(link(2), workspace()));
    assert!(!purges.covers(link(2), elsewhere));

    let removed = Removed { clicks: 3, counts: 2, lake: 1 };
    ledger.prove_purge(&one, removed, now(), &Journal::none()).await.unwrap();
    let proved = ledger.purge_order(one.target).await.unwrap().unwrap();
    assert_eq!(proved.proof.unwrap().removed, removed);
    let later = now() + SignedDuration::from_mins(15);
    ledger.prove_purge(&proved, Removed::default(), later, &Journal::none()).await.unwrap();
    let proof = ledger.purge_order(one.target).await.unwrap().unwrap().proof.unwrap();
    assert_eq!((proof.first_at, proof.last_at, proof.removed), (now(), later, removed));
    // 30 days more than the retention.
    assert_eq!(one.expires - now().as_second(), 120 * 24 * 60 * 60);
}

#[tokio::test]
async fn a_batch_that_has_read_before_the_fence_records_nothing() {
    for shards in [1, 8] {
        for target in [Target::Link(link(0)), Target::Workspace(workspace())] {
            let fixture = Fixture::new().await;
            let all = clicks(40, 1, 2);
            fixture.recorded(&all[..20]).await;
            for subject in [Subject::Link(link(0)), Subject::Workspace(workspace())] {
                fixture.ledger.grow_rollup_shards(subject, shards).await.unwrap();
            }
            fixture.probe.take_calls();
            let barrier = Arc::new(Barrier::new(2));
            let write = On::operation("TransactWriteItems").once();
            fixture.probe.inject(write, Fault::Meet(Arc::clone(&barrier)));
            let fence = async {
                // It has read all that it needs, and is about to write.
                while fixture.probe.count("TransactWriteItems") == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                fixture.ledger.fence(&order(target)).await.unwrap();
                barrier.wait().await;
            };
            let (outcomes, ()) = tokio::join!(fixture.record(&all[20..]), fence);
            let purged = outcomes.iter().filter(|it| matches!(it, Outcome::Purged)).count();
            assert_eq!(purged, 20, "{target} with {shards} shards: {outcomes:?}");
            // Whoever comes later finds the fence at once.
            let again = fixture.record(&all[20..]).await;
            assert!(again.iter().all(|it| matches!(it, Outcome::Purged)), "{again:?}");
            let rows =
                fixture.ledger.remains(Target::Link(link(0)), PARTITIONS).await.unwrap().clicks;
            assert_eq!(rows, 20);
        }
    }
}
