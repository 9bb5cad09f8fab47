//! Calls that fail, lost answers, and workers that are killed.

use testkit::probe::{Fault, On};

use super::super::RecordError;
use super::*;

/// Delivers the batch once with a fault at call number `k`, and then again without, for every
/// `k`; says at how many calls the fault happened.
async fn at_every_call(fault: Fault, killed: bool) -> usize {
    let clicks = clicks(230, 3, 2);
    let mut k = 0;
    loop {
        let fixture = Fixture::new().await;
        // Something is there already, so that versions are not all new.
        fixture.recorded(&clicks[..20]).await;
        fixture.probe.inject(On::any().after(k).once(), fault.clone());
        if killed {
            tokio::select! {
                _ = fixture.record(&clicks) => {}
                () = fixture.probe.stopped() => {}
            }
        } else {
            assert_eq!(fixture.record(&clicks).await.len(), clicks.len());
        }
        let fired = fixture.probe.fired();
        fixture.probe.heal();
        fixture.recorded(&clicks).await;
        fixture.assert_exact(&clicks).await;
        if fired == 0 {
            return k;
        }
        k += 1;
    }
}

#[tokio::test]
async fn a_worker_killed_before_any_of_its_calls_leaves_the_ledger_exact() {
    assert!(4 <= at_every_call(Fault::StopBefore, true).await);
}

#[tokio::test]
async fn a_worker_killed_after_any_of_its_calls_leaves_the_ledger_exact() {
    assert!(4 <= at_every_call(Fault::StopAfter, true).await);
}

#[tokio::test]
async fn lost_answers_do_not_count_twice() {
    assert!(4 <= at_every_call(Fault::LostAnswer, false).await);
}

#[tokio::test]
async fn torn_answers_do_not_count_twice() {
    assert!(4 <= at_every_call(Fault::TornAnswer, false).await);
}

#[tokio::test]
async fn throttles_and_faults_of_dynamodb_are_waited_out() {
    for fault in [
        Fault::THROTTLED,
        Fault::Error { status: 500, code: "InternalServerError" },
        Fault::Error { status: 400, code: "ProvisionedThroughputExceededException" },
        Fault::Error { status: 400, code: "TransactionInProgressException" },
        Fault::Unreachable,
    ] {
        let fixture = Fixture::new().await;
        let clicks = clicks(150, 2, 1);
        // More than the SDK's own three attempts, at reads and at writes.
        fixture.probe.inject(On::operation("BatchGetItem").times(4), fault.clone());
        fixture.probe.inject(On::operation("TransactWriteItems").times(7), fault.clone());
        assert_eq!(fixture.recorded(&clicks).await, 150, "{fault:?}");
        assert_eq!(fixture.probe.fired(), 11, "{fault:?}");
        fixture.assert_exact(&clicks).await;
    }
}

#[tokio::test]
async fn the_sdk_sends_a_transaction_again_under_the_same_token() {
    let fixture = Fixture::new().await;
    let clicks = clicks(10, 1, 1);
    fixture.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    // Not `Duplicate`: for DynamoDB the second sending is the first one.
    assert_eq!(tally(&fixture.record(&clicks).await), (10, 0));
    let tokens: Vec<_> = fixture
        .probe
        .take_calls()
        .into_iter()
        .filter(|call| call.operation == "TransactWriteItems")
        .map(|call| call.body["ClientRequestToken"].to_string())
        .collect();
    assert_eq!(tokens.len(), 2);
    assert_eq!(tokens[0], tokens[1]);
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn answers_that_stay_lost_end_as_duplicates() {
    let fixture = Fixture::new().await;
    let clicks = clicks(10, 1, 1);
    // All that the SDK sends for one call; the next call has another token, and finds the rows.
    fixture.probe.inject(On::operation("TransactWriteItems").times(3), Fault::LostAnswer);
    assert_eq!(tally(&fixture.record(&clicks).await), (0, 10));
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn when_time_is_up_the_rest_fails_and_can_be_delivered_again() {
    let fixture = Fixture::new().await;
    let clicks = clicks(300, 3, 1);
    fixture.probe.inject(On::operation("TransactWriteItems").after(1), Fault::THROTTLED);
    let how = Recording { within: Duration::from_millis(300), ..fixture.how() };
    let outcomes = fixture.ledger.record(&clicks, how).await;
    let (recorded, duplicates, failed) = tally_all(&outcomes);
    assert!(0 < recorded && duplicates == 0 && 0 < failed, "{recorded} {failed}");
    let error = outcomes.iter().find_map(|outcome| match outcome {
        Outcome::Failed(error) => Some(error),
        Outcome::Recorded | Outcome::Duplicate | Outcome::Purged => None,
    });
    let error = error.unwrap();
    assert!(matches!(**error, RecordError::OutOfTime { source: Some(_), .. }));
    assert_eq!(error.to_string(), "clicks were not recorded within 300ms");

    fixture.probe.heal();
    assert_eq!(tally(&fixture.record(&clicks).await), (failed, recorded));
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn a_missing_permission_fails_at_once() {
    for operation in ["BatchGetItem", "TransactWriteItems"] {
        let fixture = Fixture::new().await;
        let denied = Fault::Error { status: 400, code: "AccessDeniedException" };
        fixture.probe.inject(On::operation(operation), denied);
        let outcomes = fixture.record(&clicks(10, 1, 1)).await;
        assert_eq!(tally_all(&outcomes), (0, 0, 10));
        assert_eq!(fixture.probe.count(operation), 1);
    }
}
