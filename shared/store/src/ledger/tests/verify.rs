//! That a ledger which does not add up is found out, and one which changes is not suspected.

use super::super::{Difference, Period};
use super::*;
use aws_sdk_dynamodb::primitives::Blob;
use domain::rollup::Rollup;
use domain::visitors::Visitors;
use domain::{Day, Dimension, Visitor};
use testkit::probe::{Fault, On};

async fn verified(fixture: &Fixture, links: u128) -> super::super::Verification {
    let links: Vec<_> = (0..links).map(|number| (link(number), 1)).collect();
    fixture.ledger.verify_workspace(workspace(), &links, now(), retention()).await.unwrap()
}

async fn delete(fixture: &Fixture, pk: String, sk: String) {
    let key = |text: String| AttributeValue::S(text);
    let delete = fixture.aside.delete_item().table_name(CLICKS);
    delete.key("pk", key(pk)).key("sk", key(sk)).send().await.unwrap();
}

/// Adds to the human clicks that a rollup row says.
async fn add_human(fixture: &Fixture, pk: String, sk: String) {
    let key = |text: String| AttributeValue::S(text);
    fixture
        .aside
        .update_item()
        .table_name(CLICKS)
        .key("pk", key(pk))
        .key("sk", key(sk))
        .update_expression("ADD human :one")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();
}

fn places(differences: &[Difference]) -> Vec<(Subject, Period)> {
    differences.iter().map(|difference| (difference.subject, difference.period)).collect()
}

#[tokio::test]
async fn a_ledger_that_adds_up_is_clean_and_read_once() {
    let fixture = Fixture::new().await;
    fixture.recorded(&clicks(200, 4, 3)).await;
    fixture.probe.take_calls();
    let found = verified(&fixture, 4).await;
    assert!(found.is_clean(), "{found:#?}");
    assert_eq!((found.subjects, found.clicks), (5, 200));
    // For each of five subjects its counts before and after, for each link its clicks.
    assert_eq!(fixture.probe.count("Query"), 14);
}

#[tokio::test]
async fn a_missing_click_row_differs_for_link_and_workspace() {
    let fixture = Fixture::new().await;
    let clicks = clicks(50, 2, 1);
    fixture.recorded(&clicks).await;
    let lost = &clicks[1].click;
    delete(&fixture, format!("C#{}#0", lost.link), lost.id.ulid()).await;
    let found = verified(&fixture, 2).await;
    let today = Period::Day(Day::of(now()));
    assert_eq!(
        places(&found.differences),
        [(Subject::Link(lost.link), today), (Subject::Workspace(workspace()), today)]
    );
    let missing =
        found.differences[0].found.counts.total() - found.differences[0].expected.counts.total();
    assert_eq!(missing, 1);
    assert!(found.unsettled.is_empty());
}

#[tokio::test]
async fn a_changed_count_differs_from_its_clicks_and_from_the_total() {
    let fixture = Fixture::new().await;
    fixture.recorded(&clicks(50, 2, 1)).await;
    let (pk, day) = (format!("R#{}", link(0)), Day::of(now()));
    add_human(&fixture, pk, format!("D#{day}#00")).await;
    let found = verified(&fixture, 2).await;
    let subject = Subject::Link(link(0));
    assert_eq!(
        places(&found.differences),
        [(subject, Period::AllTime), (subject, Period::Day(day))]
    );
}

#[tokio::test]
async fn quarters_are_compared_and_not_only_sums() {
    let fixture = Fixture::new().await;
    fixture.recorded(&clicks(5, 1, 1)).await;
    let day = Day::of(now());
    fixture
        .aside
        .update_item()
        .table_name(CLICKS)
        .key("pk", AttributeValue::S(format!("R#{}", link(0))))
        .key("sk", AttributeValue::S(format!("D#{day}#00")))
        .update_expression("SET quarters = :quarters")
        .expression_attribute_values(":quarters", AttributeValue::S("3:4+1".to_owned()))
        .send()
        .await
        .unwrap();
    let found = verified(&fixture, 1).await;
    assert_eq!(places(&found.differences), [(Subject::Link(link(0)), Period::Day(day))]);
}

#[tokio::test]
async fn values_and_visitors_are_compared() {
    let day = Day::of(now());
    let mut clicks = clicks(50, 1, 1);
    for (number, new) in (0..).zip(&mut clicks) {
        new.click.visitor = Some(Visitor::new(number));
    }
    let mut others = clicks.clone();
    others[7].click.referrer = Some("elsewhere.example.org".to_owned());
    let counted = |clicks: &[RecordedClick]| {
        clicks.iter().fold(Rollup::default(), |sum, new| {
            sum.merged(&Rollup::of_day(new, Dimension::OF_LINKS))
        })
    };
    let mut one_less = Visitors::default();
    for new in clicks.iter().filter(|new| new.bot.is_none()).skip(1) {
        one_less.merge(&Visitors::one(new.click.visitor.unwrap()));
    }
    for (name, bytes, what) in [
        ("named", counted(&clicks).encode_values(), None),
        ("named", counted(&others).encode_values(), Some("the values are")),
        ("visitors", one_less.to_bytes(), Some("the visitors are")),
    ] {
        let fixture = Fixture::new().await;
        fixture.recorded(&clicks).await;
        let update = fixture.aside.update_item().table_name(CLICKS);
        update
            .key("pk", AttributeValue::S(format!("R#{}", link(0))))
            .key("sk", AttributeValue::S(format!("D#{day}#00")))
            .update_expression(format!("SET {name} = :bytes"))
            .expression_attribute_values(":bytes", AttributeValue::B(Blob::new(bytes)))
            .send()
            .await
            .unwrap();
        let found = verified(&fixture, 1).await;
        let texts: Vec<_> = found.differences.iter().map(ToString::to_string).collect();
        let subject = Subject::Link(link(0));
        let expected = what.map(|what| {
            format!("`{subject}` {}: {what} not those of the clicks", Period::Day(day))
        });
        assert_eq!(texts, Vec::from_iter(expected));
    }
}

#[tokio::test]
async fn a_version_that_knows_no_values_may_count_in_between() {
    let fixture = Fixture::new().await;
    let clicks = clicks(3, 1, 1);
    fixture.recorded(&clicks[..1]).await;
    // As it wrote clicks and counts.
    let old = &clicks[1].click;
    let (pk, day) = (format!("C#{}#0", old.link), Day::of(now()));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let id = old.id.ulid();
    let row = [
        ("pk", text(&pk)),
        ("sk", text(&id)),
        ("workspace", text(&workspace().to_string())),
        ("domain", text(&old.domain)),
        ("slug", text(&old.slug)),
        ("status", AttributeValue::N("302".to_owned())),
    ];
    fixture.put(CLICKS, row).await;
    let quarter = domain::rollup::Quarter::of(old.id.at()).index();
    let first = domain::rollup::Quarter::of(clicks[0].click.id.at()).index();
    assert_ne!(quarter, first);
    for subject in [link(0).to_string(), workspace().to_string()] {
        for (sk, quarters) in [
            ("T#00".to_owned(), String::new()),
            (format!("D#{day}#00"), format!("{quarter}:1+0 {first}:0+1")),
        ] {
            fixture
                .aside
                .update_item()
                .table_name(CLICKS)
                .key("pk", text(&format!("R#{subject}")))
                .key("sk", text(&sk))
                .update_expression("SET quarters = :quarters ADD human :one, v :one")
                .expression_attribute_values(":quarters", text(&quarters))
                .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
                .send()
                .await
                .unwrap();
        }
    }
    fixture.recorded(&clicks[2..]).await;
    fixture.assert_exact(&clicks).await;
    let days = fixture.ledger.days(Subject::Link(link(0)), day..=day).await.unwrap();
    for values in days[&day].values.values() {
        assert_eq!((values.sum().total(), values.missed), (2, 1));
    }
}

#[tokio::test]
async fn days_whose_rows_expire_count_only_for_the_total() {
    let fixture = Fixture::new().await;
    let clicks = clicks(50, 1, 2);
    fixture.recorded(&clicks).await;
    let later = now() + SignedDuration::from_hours(90 * 24);
    // The older day has begun to expire.
    for new in clicks.iter().filter(|new| Day::of(new.click.id.at()) < Day::of(now())) {
        delete(&fixture, format!("C#{}#0", link(0)), new.click.id.ulid()).await;
    }
    let found =
        fixture.ledger.verify_workspace(workspace(), &[(link(0), 1)], later, retention()).await;
    assert!(found.unwrap().is_clean());
    assert!(!verified(&fixture, 1).await.is_clean(), "at its own time it was not clean");

    add_human(&fixture, format!("R#{}", link(0)), "T#00".to_owned()).await;
    let found =
        fixture.ledger.verify_workspace(workspace(), &[(link(0), 1)], later, retention()).await;
    assert_eq!(places(&found.unwrap().differences), [(Subject::Link(link(0)), Period::AllTime)]);
}

#[tokio::test]
async fn clicks_that_are_recorded_meanwhile_are_no_difference() {
    let fixture = Fixture::new().await;
    let clicks = clicks(1_500, 3, 2);
    fixture.recorded(&clicks[..300]).await;
    // Slow reads, so that recording is faster than recounting.
    fixture.probe.inject(On::operation("Query"), Fault::Delay(Duration::from_millis(20)));
    let recording = async {
        for batch in clicks[300..].chunks(40) {
            fixture.recorded(batch).await;
        }
    };
    let (found, ()) = tokio::join!(verified(&fixture, 3), recording);
    assert!(found.differences.is_empty(), "{found:#?}");
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn what_never_comes_to_rest_is_unsettled() {
    let fixture = Fixture::new().await;
    let clicks = clicks(2_000, 1, 1);
    fixture.recorded(&clicks[..100]).await;
    // Slow reads, so that there is a recording between any two of them.
    fixture.probe.inject(On::operation("Query"), Fault::Delay(Duration::from_millis(100)));
    let verified = verified(&fixture, 1);
    tokio::pin!(verified);
    let mut batches = clicks[100..].chunks(10).cycle();
    let mut number = 5_000;
    let found = loop {
        let mut batch = batches.next().unwrap().to_vec();
        number += 1;
        batch.push(click(number, 1, 1));
        tokio::select! {
            found = &mut verified => break found,
            _ = fixture.record(&batch) => {}
        }
    };
    assert!(found.differences.is_empty(), "{found:#?}");
    let subject = Subject::Link(link(0));
    assert!(found.unsettled.contains(&(subject, Period::AllTime)), "{found:#?}");
    assert!(!found.is_clean());
}

#[tokio::test]
async fn clicks_in_partitions_that_the_link_does_not_know_are_found_missing() {
    let fixture = Fixture::new().await;
    let mut clicks = clicks(20, 1, 1);
    clicks[0].click.shard = 1;
    fixture.recorded(&clicks).await;
    let found = verified(&fixture, 1).await;
    assert_eq!(found.differences.len(), 2);
    let both = fixture.ledger.verify_link(link(0), 2, now(), retention()).await.unwrap();
    assert!(both.is_clean());
    assert_eq!(both.clicks, 20);
}

#[tokio::test]
async fn a_link_without_clicks_is_clean() {
    let fixture = Fixture::new().await;
    let found = fixture.ledger.verify_link(link(0), 1, now(), retention()).await.unwrap();
    assert!(found.is_clean());
}

#[tokio::test]
async fn of_a_link_with_many_clicks_some_days_are_recounted() {
    let fixture = Fixture::new().await;
    // Five days of 40 clicks each.
    fixture.recorded(&clicks(200, 1, 5)).await;
    let when = (now(), retention());
    let of =
        |most: u64, random: u128| fixture.ledger.verify_some_days((link(0), 1), most, random, when);
    for (most, random, clicks) in [
        (200, 3, 200),
        // From the first day on, as many as fit.
        (199, 0, 160),
        (100, 5, 80),
        (100, 2, 80),
        (100, 4, 40),
        // One day in any case.
        (10, 3, 40),
        (0, 3, 40),
    ] {
        let found = of(most, random).await.unwrap();
        assert!(found.is_clean(), "{found:#?}");
        assert_eq!(found.clicks, clicks, "{most} {random}");
        assert!(clicks < found.rows && found.rows < clicks + 30, "{}", found.rows);
    }
    let day = Day::of(now());
    add_human(&fixture, format!("R#{}", link(0)), format!("D#{day}#00")).await;
    // All time is always compared, a day only if it is its turn.
    let subject = Subject::Link(link(0));
    assert_eq!(places(&of(10, 0).await.unwrap().differences), [(subject, Period::AllTime)]);
    assert_eq!(
        places(&of(10, 4).await.unwrap().differences),
        [(subject, Period::AllTime), (subject, Period::Day(day))]
    );
}

#[tokio::test]
async fn a_sum_is_verified_without_its_clicks() {
    let fixture = Fixture::new().await;
    fixture.recorded(&clicks(50, 2, 1)).await;
    let subject = Subject::Workspace(workspace());
    fixture.probe.take_calls();
    let found = fixture.ledger.verify_sum(subject).await.unwrap();
    assert!(found.is_clean(), "{found:#?}");
    assert_eq!(fixture.probe.count("Query"), 2);
    assert_eq!(fixture.ledger.clicks_kept(subject, now(), retention()).await.unwrap(), 50);
    add_human(&fixture, format!("R#{}", workspace()), format!("D#{}#00", Day::of(now()))).await;
    let found = fixture.ledger.verify_sum(subject).await.unwrap();
    assert_eq!(places(&found.differences), [(subject, Period::AllTime)]);
    let text = found.differences[0].to_string();
    let expected = "of all time: the days add up to 41 human and 10 bot, \
                    the count says 40 human and 10 bot";
    assert!(text.contains(expected), "{text}");
}
