//! What is recorded, and what is not.

use std::sync::Arc;

use super::super::RecordError;
use super::*;

#[tokio::test]
async fn each_click_is_counted_for_its_link_and_its_workspace() {
    let fixture = Fixture::new().await;
    let clicks = clicks(250, 7, 3);
    assert_eq!(fixture.recorded(&clicks).await, 250);
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn an_empty_batch_reads_and_writes_nothing() {
    let fixture = Fixture::new().await;
    assert!(fixture.record(&[]).await.is_empty());
    assert!(fixture.probe.take_calls().is_empty());
}

#[tokio::test]
async fn copies_within_a_batch_count_once() {
    let fixture = Fixture::new().await;
    let clicks = clicks(40, 3, 2);
    let mut batch = clicks.clone();
    batch.extend(clicks.clone());
    batch.push(clicks[0].clone());
    assert_eq!(tally(&fixture.record(&batch).await), (40, 41));
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn copies_across_batches_count_once_whatever_the_company_and_order() {
    let fixture = Fixture::new().await;
    let clicks = clicks(300, 4, 2);
    assert_eq!(fixture.recorded(&clicks[..180]).await, 180);
    let mut again: Vec<_> = clicks[90..].to_vec();
    again.reverse();
    assert_eq!(tally(&fixture.record(&again).await), (120, 90));
    assert_eq!(tally(&fixture.record(&clicks).await), (0, 300));
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn outcomes_stand_in_the_order_of_the_clicks() {
    let fixture = Fixture::new().await;
    let clicks = clicks(9, 3, 1);
    fixture.recorded(&[clicks[4].clone(), clicks[7].clone()]).await;
    let outcomes = fixture.record(&clicks).await;
    let duplicates: Vec<_> =
        (0..9).filter(|&place| matches!(outcomes[place], Outcome::Duplicate)).collect();
    assert_eq!(duplicates, [4, 7]);
}

#[tokio::test]
async fn clicks_whose_rows_may_have_expired_are_refused_by_name() {
    let fixture = Fixture::new().await;
    let mut old = click(1, 1, 1);
    old.click.id = ClickId::new("2026-08-23T12:00:00Z".parse().unwrap(), 1);
    let mut kept = click(2, 1, 1);
    kept.click.id = ClickId::new("2026-08-25T12:00:00Z".parse().unwrap(), 2);
    let outcomes = fixture.record(&[old, kept.clone()]).await;
    let Outcome::Failed(error) = &outcomes[0] else { panic!("{outcomes:?}") };
    assert!(matches!(**error, RecordError::TooOld { .. }));
    assert_eq!(
        error.to_string(),
        "the click is of 2026-08-23T12:00:00Z, and clicks are kept for 90 days: \
         whether it was counted can no longer be told"
    );
    assert!(matches!(outcomes[1], Outcome::Recorded));
    fixture.assert_exact(&[kept]).await;
}

#[tokio::test]
async fn a_row_says_when_it_expires_and_all_of_the_click() {
    let fixture = Fixture::new().await;
    let click = click(5, 1, 1);
    fixture.recorded(std::slice::from_ref(&click)).await;
    let row = fixture
        .aside
        .get_item()
        .table_name(CLICKS)
        .key("pk", AttributeValue::S(format!("C#{}#0", click.click.link)))
        .key("sk", AttributeValue::S(click.click.id.ulid()))
        .send()
        .await
        .unwrap()
        .item
        .unwrap();
    let end: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
    let expires = end.as_second() + 90 * 86_400;
    assert_eq!(row["expires"], AttributeValue::N(expires.to_string()));
    assert_eq!(row["bot"], AttributeValue::S("curl".to_owned()));
    assert_eq!(row["workspace"], AttributeValue::S(workspace().to_string()));
}

#[tokio::test]
async fn clicks_of_several_workspaces_and_shards_share_a_batch() {
    let fixture = Fixture::new().await;
    let other = WorkspaceId::new(Timestamp::UNIX_EPOCH, 2);
    let mut clicks = clicks(120, 4, 1);
    for new in &mut clicks {
        new.click.shard = Click::shard_of(new.click.id, 4);
        if new.click.link == link(3) {
            new.click.workspace = other;
        }
    }
    assert_eq!(fixture.recorded(&clicks).await, 120);
    let (theirs, ours): (Vec<_>, Vec<_>) =
        clicks.into_iter().partition(|new| new.click.workspace == other);
    fixture.assert_exact(&ours).await;
    let found = fixture.ledger.totals(Subject::Workspace(other)).await.unwrap();
    assert_eq!(found, counts(theirs.iter()));
}

#[tokio::test]
async fn a_click_that_dynamodb_does_not_take_fails_alone() {
    let fixture = Fixture::new().await;
    let clicks = clicks(60, 2, 1);
    let bad = clicks[33].click.id;
    let on = testkit::probe::On::operation("TransactWriteItems").holding(bad.ulid());
    let refused = testkit::probe::Fault::Error { status: 400, code: "ValidationException" };
    fixture.probe.inject(on, refused);
    let outcomes = fixture.record(&clicks).await;
    assert_eq!(tally_all(&outcomes), (59, 0, 1));
    let Outcome::Failed(error) = &outcomes[33] else { panic!("{:?}", outcomes[33]) };
    assert!(matches!(**error, RecordError::Refused { clicks: 1, .. }));
    let rest: Vec<_> = clicks.into_iter().filter(|new| new.click.id != bad).collect();
    fixture.assert_exact(&rest).await;
}

#[tokio::test]
async fn a_reason_that_names_one_click_or_one_count_fails_what_touches_it() {
    use testkit::probe::{Fault, On};

    let fixture = Fixture::new().await;
    let clicks = clicks(60, 3, 1);
    let bad_click = clicks[0].click.id.ulid();
    let bad_link = format!("R#{}", link(1));
    fixture.probe.inject(
        On::operation("TransactWriteItems").once(),
        Fault::cancel("ValidationError", move |item| item.sk == bad_click || item.pk == bad_link),
    );
    let outcomes = fixture.record(&clicks).await;
    assert_eq!(tally_all(&outcomes), (39, 0, 21));
    let Outcome::Failed(error) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
    assert_eq!(error.to_string(), "DynamoDB does not take a row: ValidationError: injected");
    let shares = |place: usize| match &outcomes[place] {
        Outcome::Failed(error) => Arc::as_ptr(error),
        Outcome::Recorded | Outcome::Duplicate | Outcome::Purged => std::ptr::null(),
    };
    assert_eq!(shares(1), shares(4), "one reason for all clicks of the link");
}

#[tokio::test]
async fn a_count_that_makes_no_sense_fails_the_clicks_of_its_link_only() {
    let fixture = Fixture::new().await;
    let clicks = clicks(90, 3, 1);
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let pk = format!("R#{}", link(1));
    fixture.put(CLICKS, [("pk", text(&pk)), ("sk", text("T#00")), ("human", text("many"))]).await;
    let outcomes = fixture.record(&clicks).await;
    assert_eq!(tally_all(&outcomes), (60, 0, 30));
    let Outcome::Failed(error) = &outcomes[1] else { panic!("{:?}", outcomes[1]) };
    assert!(matches!(**error, RecordError::Unreadable(_)));
}
