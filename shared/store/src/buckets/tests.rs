//! Buckets against the embedded DynamoDB: the real conditions run.

use domain::Bucket;
use jiff::SignedDuration;
use proptest::prelude::*;
use testkit::{World, now};

use super::*;

fn limit(per_minute: u32) -> RateLimit {
    RateLimit::of_per_minute(per_minute).unwrap()
}

fn at(millis: i64) -> Timestamp {
    now() + SignedDuration::from_millis(millis)
}

async fn start() -> (World, BucketStore) {
    let world = World::new().await;
    let store = BucketStore::new(&world.boot("test").aws, "accounts");
    (world, store)
}

#[tokio::test]
async fn a_token_is_one_write_or_two_and_a_refusal_changes_nothing() {
    let (world, store) = start().await;
    let two = limit(2);
    let first = store.take("a", two, at(0), None).await.unwrap();
    assert_eq!(first, Taken::Granted(two.first_taken(at(0))));
    assert_eq!(world.probe.take_calls().len(), 1);
    // Unknown, and in use: the second write is the right one.
    let second = store.take("a", two, at(0), None).await.unwrap();
    assert_eq!(world.probe.take_calls().len(), 2);
    let Taken::Granted(bucket) = second else { panic!("there was one: {second:?}") };
    // Nothing is left: whoever does not know it learns it by one write, and whoever knows less, too.
    for known in [None, Some(two.first_taken(at(0)))] {
        let third = store.take("a", two, at(0), known).await.unwrap();
        assert_eq!(third, Taken::Refused(bucket));
        assert_eq!(world.probe.take_calls().len(), 1);
    }
    // Buckets are different ones.
    let other = store.take("b", two, at(0), None).await.unwrap();
    assert!(matches!(other, Taken::Granted(_)));
}

#[tokio::test]
async fn a_bucket_that_was_deleted_is_a_full_one() {
    let (_, store) = start().await;
    let known = Some(Bucket::full_at_micros(at(500).as_microsecond()));
    let taken = store.take("a", limit(100), at(0), known).await.unwrap();
    assert!(matches!(taken, Taken::Granted(_)));
}

#[tokio::test]
async fn another_limit_for_the_same_bucket_counts_what_was_taken() {
    let (_, store) = start().await;
    for _ in 0..10 {
        store.take("a", limit(10), at(0), None).await.unwrap();
    }
    let taken = store.take("a", limit(10), at(0), None).await.unwrap();
    assert!(matches!(taken, Taken::Refused(_)));
    // The limit was raised a moment ago.
    let taken = store.take("a", limit(60_000), at(0), None).await.unwrap();
    assert!(matches!(taken, Taken::Refused(_)), "the minute is used up");
    let taken = store.take("a", limit(60_000), at(1), None).await.unwrap();
    assert!(matches!(taken, Taken::Granted(_)));
}

#[tokio::test]
async fn a_row_says_when_it_may_be_deleted() {
    let (world, store) = start().await;
    store.take("a", limit(1), at(0), None).await.unwrap();
    let calls = world.probe.take_calls();
    let expires = calls[0].body["ExpressionAttributeValues"][":expires"]["N"].as_str().unwrap();
    let left = expires.parse::<i64>().unwrap() - now().as_second();
    assert!((120..=122).contains(&left), "{left}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn the_table_lets_through_what_the_rule_does_whatever_is_remembered(
        per_minute in 1_u32..40,
        steps in prop::collection::vec((0_i64..8_000, any::<bool>()), 1..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (_world, store) = start().await;
            let limit = limit(per_minute);
            let (mut clock, mut rule, mut known) = (0, Bucket::full_at_micros(0), None);
            for (pause, forgets) in steps {
                clock += pause;
                if forgets {
                    known = None;
                }
                let taken = store.take("a", limit, at(clock), known).await.unwrap();
                match (limit.take(rule, at(clock)), taken) {
                    (Some(bucket), Taken::Granted(stored)) => {
                        prop_assert_eq!(bucket, stored);
                        rule = bucket;
                        known = Some(stored);
                    }
                    (None, Taken::Refused(stored)) => prop_assert_eq!(rule, stored),
                    (expected, taken) => prop_assert!(false, "{expected:?} but {taken:?}"),
                }
            }
            Ok(())
        })?;
    }
}
