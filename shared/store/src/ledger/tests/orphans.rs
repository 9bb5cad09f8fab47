//! Requests for what is not there.

use domain::rollup::Rollup;
use domain::{Day, Dimension, Orphan};
use testkit::probe::{Fault, On};

use super::*;

const DOMAIN: &str = "go.example.com";

fn orphan(number: u64) -> Orphan {
    let age = SignedDuration::from_hours(i64::try_from(number % 40).unwrap());
    Orphan {
        id: ClickId::new(now() - age, u128::from(number)),
        domain: if number.is_multiple_of(7) { "other.example.com" } else { DOMAIN }.to_owned(),
        slug: format!("s{}", number % 9),
        count: 1 + number % 3,
    }
}

async fn assert_counted(fixture: &Fixture, orphans: &[Orphan]) {
    fixture.probe.heal();
    for domain in [DOMAIN, "other.example.com"] {
        let mut expected = std::collections::BTreeMap::<Day, Rollup>::new();
        for orphan in orphans.iter().filter(|orphan| orphan.domain == domain) {
            let day = expected.entry(Day::of(orphan.id.at())).or_default();
            day.merge(&Rollup::of_orphans(orphan));
        }
        let days = Day::of(now()).plus(-30)..=Day::of(now());
        let found = fixture.ledger.orphan_days(domain, days).await.unwrap();
        assert_eq!(found, expected);
        assert_eq!(fixture.ledger.recount_orphans(domain).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn orphans_are_counted_once_however_often_they_are_delivered() {
    let fixture = Fixture::new().await;
    let orphans: Vec<_> = (0..250).map(orphan).collect();
    let mut twice = orphans.clone();
    twice.extend(orphans.iter().take(60).cloned());
    let outcomes = fixture.ledger.record_orphans(&twice, fixture.how()).await;
    assert_eq!(tally_all(&outcomes), (250, 60, 0));
    let outcomes = fixture.ledger.record_orphans(&orphans[100..], fixture.how()).await;
    assert_eq!(tally_all(&outcomes), (0, 150, 0));
    assert_counted(&fixture, &orphans).await;
    let day = fixture.ledger.orphan_days(DOMAIN, Day::of(now())..=Day::of(now())).await.unwrap();
    assert!(day[&Day::of(now())].values[&Dimension::Slug].named.len() == 9);
}

#[tokio::test]
async fn orphans_are_counted_once_whatever_fails() {
    let orphans: Vec<_> = (0..60).map(orphan).collect();
    for fault in [Fault::StopBefore, Fault::StopAfter, Fault::LostAnswer, Fault::TornAnswer] {
        for call in 0..12 {
            let fixture = Fixture::new().await;
            fixture.probe.inject(On::any().after(call).once(), fault.clone());
            tokio::select! {
                _ = fixture.ledger.record_orphans(&orphans, fixture.how()) => {}
                () = fixture.probe.stopped() => {}
            }
            fixture.probe.heal();
            let outcomes = fixture.ledger.record_orphans(&orphans, fixture.how()).await;
            assert_eq!(tally_all(&outcomes).2, 0, "{fault:?} at {call}");
            assert_counted(&fixture, &orphans).await;
        }
    }
}

#[tokio::test]
async fn two_batches_at_once_count_each_orphan_once() {
    let fixture = Fixture::new().await;
    let orphans: Vec<_> = (0..200).map(orphan).collect();
    let (one, two) = (fixture.how(), fixture.how());
    let (one, two) = tokio::join!(
        fixture.ledger.record_orphans(&orphans, one),
        fixture.ledger.record_orphans(&orphans, two),
    );
    assert_eq!(tally_all(&one).0 + tally_all(&two).0, 200);
    assert_counted(&fixture, &orphans).await;
}

#[tokio::test]
async fn orphans_that_are_too_old_are_refused() {
    let fixture = Fixture::new().await;
    let old =
        Orphan { id: ClickId::new(now() - SignedDuration::from_hours(24 * 91), 1), ..orphan(1) };
    let outcomes = fixture.ledger.record_orphans(&[old, orphan(2)], fixture.how()).await;
    assert_eq!(tally_all(&outcomes), (1, 0, 1));
}
