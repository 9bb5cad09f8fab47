//! Workers in each other's way.

use std::collections::BTreeSet;

use testkit::probe::{Fault, On};

use super::*;

/// Another worker on the same tables.
fn another(fixture: &Fixture) -> LedgerStore {
    fixture.ledger.clone()
}

#[tokio::test]
async fn two_workers_on_one_link_lose_and_double_nothing() {
    let fixture = Fixture::new().await;
    let clicks = clicks(600, 1, 2);
    let other = another(&fixture);
    let (one, two) =
        tokio::join!(fixture.record(&clicks[..300]), other.record(&clicks[300..], fixture.how()),);
    assert_eq!((tally(&one), tally(&two)), ((300, 0), (300, 0)));
    fixture.assert_exact(&clicks).await;
    println!("2 workers, 300 clicks each on one link:\n{}", fixture.probe.summary());
}

#[tokio::test]
async fn workers_with_the_same_clicks_record_each_once() {
    let fixture = Fixture::new().await;
    let clicks = clicks(400, 5, 2);
    let mut backwards = clicks.clone();
    backwards.reverse();
    let other = another(&fixture);
    let (one, two, three) = tokio::join!(
        fixture.record(&clicks),
        other.record(&backwards, fixture.how()),
        other.record(&clicks[100..], fixture.how()),
    );
    let recorded = [one, two, three].iter().map(|outcomes| tally(outcomes).0).sum::<usize>();
    assert_eq!(recorded, 400);
    fixture.assert_exact(&clicks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_workers_on_four_threads_stay_exact_and_split_what_is_hot() {
    let fixture = Fixture::new().await;
    let all = clicks(3_200, 4, 2);
    let mut workers = Vec::new();
    for part in all.chunks(400) {
        // Each batch is delivered to two workers.
        for _ in 0..2 {
            let (ledger, part, how) = (another(&fixture), part.to_vec(), fixture.how());
            workers.push(tokio::spawn(async move { ledger.record(&part, how).await }));
        }
    }
    let mut recorded = 0;
    for worker in workers {
        recorded += tally(&worker.await.unwrap()).0;
    }
    assert_eq!(recorded, all.len());
    println!("16 workers, 400 clicks each, all twice:\n{}", fixture.probe.summary());
    fixture.assert_exact(&all).await;
}

/// The shards to which counts of a subject were written.
fn shards_written(fixture: &Fixture, subject: Subject) -> BTreeSet<String> {
    let of_subject = format!("R#{subject}");
    fixture
        .probe
        .take_calls()
        .iter()
        .filter(|call| call.operation == "TransactWriteItems" && !call.faulty)
        .flat_map(|call| call.body["TransactItems"].as_array().unwrap().clone())
        .filter(|item| item["Update"]["Key"]["pk"]["S"] == of_subject.as_str())
        .map(|item| item["Update"]["Key"]["sk"]["S"].as_str().unwrap().to_owned())
        .filter(|sk| sk.starts_with("T#"))
        .collect()
}

#[tokio::test]
async fn shards_grow_under_conflicts_while_all_is_delivered_twice() {
    let fixture = Fixture::new().await;
    let clicks = clicks(1_200, 2, 2);
    let subject = Subject::Link(link(0));
    for batch in clicks.chunks(100) {
        // Twice in every batch another transaction is at the counts of the link.
        let of_link = format!("R#{subject}");
        fixture.probe.inject(
            On::operation("TransactWriteItems").holding(of_link.clone()).times(2),
            Fault::cancel("TransactionConflict", move |item| item.pk == of_link),
        );
        assert_eq!(fixture.recorded(batch).await, 100);
        // The second delivery, across the growth.
        assert_eq!(tally(&fixture.record(batch).await), (0, 100));
    }
    assert_eq!(fixture.probe.fired(), 24);
    let shards = fixture.ledger.grow_rollup_shards(subject, 1).await.unwrap();
    assert_eq!(shards, 64, "twelve batches double it until there are 64");
    let written = shards_written(&fixture, subject);
    assert!(5 < written.len(), "{written:?}");
    fixture.assert_exact(&clicks).await;

    // Nobody was in the way of the other link.
    assert_eq!(fixture.ledger.grow_rollup_shards(Subject::Link(link(1)), 1).await.unwrap(), 1);
}

#[tokio::test]
async fn one_conflict_is_chance_and_splits_nothing() {
    let fixture = Fixture::new().await;
    let clicks = clicks(100, 1, 1);
    fixture.probe.inject(
        On::operation("TransactWriteItems").once(),
        Fault::cancel("TransactionConflict", |item| item.action == "Update"),
    );
    fixture.recorded(&clicks).await;
    assert_eq!(fixture.probe.count("UpdateItem"), 0);
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn a_batch_goes_on_when_the_growth_itself_fails() {
    let fixture = Fixture::new().await;
    let clicks = clicks(100, 1, 1);
    fixture.probe.inject(
        On::operation("TransactWriteItems").times(4),
        Fault::cancel("TransactionConflict", |item| item.action == "Update"),
    );
    let conflict = Fault::Error { status: 400, code: "TransactionConflictException" };
    fixture.probe.inject(On::operation("UpdateItem"), conflict);
    assert_eq!(fixture.recorded(&clicks).await, 100);
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn a_conflict_at_a_click_is_waited_out_and_ends_as_a_duplicate() {
    let fixture = Fixture::new().await;
    let clicks = clicks(50, 1, 1);
    fixture.recorded(&clicks).await;
    fixture.probe.inject(
        On::operation("TransactWriteItems").once(),
        Fault::cancel("TransactionConflict", |item| item.action == "Put"),
    );
    assert_eq!(tally(&fixture.record(&clicks).await), (0, 50));
    assert_eq!(fixture.probe.count("UpdateItem"), 0, "nothing is hot");
    fixture.assert_exact(&clicks).await;
}
