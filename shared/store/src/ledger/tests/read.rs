//! Reading, over shards and pages.

use std::collections::BTreeMap;

use domain::rollup::Rollup;
use domain::{Day, Dimension};

use super::super::ClickCursor;
use super::*;
use crate::CursorError;

/// Clicks of one link in four click partitions, and counts in so many shards.
async fn spread(shards: u8) -> (Fixture, Vec<RecordedClick>) {
    let fixture = Fixture::new().await;
    let mut clicks = clicks(330, 1, 3);
    for new in &mut clicks {
        new.click.shard = Click::shard_of(new.click.id, 4);
    }
    for subject in [Subject::Link(link(0)), Subject::Workspace(workspace())] {
        fixture.ledger.grow_rollup_shards(subject, shards).await.unwrap();
    }
    for batch in clicks.chunks(30) {
        fixture.recorded(batch).await;
    }
    (fixture, clicks)
}

#[tokio::test]
async fn totals_and_days_are_summed_over_shards() {
    for shards in [1, 2, 8, 64] {
        let (fixture, clicks) = spread(shards).await;
        fixture.assert_exact(&clicks).await;

        let totals = fixture.ledger.totals_of(&[link(0), link(9), link(0)]).await.unwrap();
        assert_eq!(totals[&link(0)], counts(clicks.iter()));
        assert_eq!(totals[&link(9)], Counts::default());

        let mut expected = BTreeMap::<Day, Rollup>::new();
        for click in &clicks {
            let day = expected.entry(Day::of(click.click.id.at())).or_default();
            day.merge(&Rollup::of_day(click, Dimension::OF_LINKS));
        }
        let (first, last) = (*expected.keys().next().unwrap(), *expected.keys().last().unwrap());
        fixture.probe.take_calls();
        let days = fixture.ledger.days(Subject::Link(link(0)), first..=last).await.unwrap();
        assert_eq!(fixture.probe.take_calls().len(), 1);
        assert_eq!(days, expected);
        let numbers =
            fixture.ledger.days_without_values(Subject::Link(link(0)), first..=last).await.unwrap();
        let mut without = expected.clone();
        without.values_mut().for_each(|day| day.values.clear());
        assert_eq!(numbers, without);
        expected.pop_first();
        let days = fixture.ledger.days(Subject::Link(link(0)), first.next()..=last).await.unwrap();
        assert_eq!(days, expected);
    }
}

#[tokio::test]
async fn pages_walk_all_clicks_newest_first_over_all_partitions() {
    let (fixture, clicks) = spread(1).await;
    let mut ids: Vec<_> = clicks.iter().map(|new| new.click.id).collect();
    ids.sort();
    ids.reverse();
    for limit in [1, 7, 100, 330, 331] {
        let mut found = Vec::new();
        let mut cursor = None;
        loop {
            let page =
                fixture.ledger.page_of_clicks(link(0), 4, cursor.as_ref(), limit).await.unwrap();
            assert!(page.clicks.len() <= limit);
            found.extend(page.clicks.into_iter().map(|found| found.click.id));
            match page.next {
                // As clients do: by its text.
                Some(next) => cursor = ClickCursor::parse(&next.to_text(), link(0)).ok(),
                None => break,
            }
        }
        assert_eq!(found, ids, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_cursor_belongs_to_its_link() {
    let (fixture, _) = spread(1).await;
    let page = fixture.ledger.page_of_clicks(link(0), 4, None, 10).await.unwrap();
    let text = page.next.unwrap().to_text();
    assert!(ClickCursor::parse(&text, link(0)).is_ok());
    assert_eq!(ClickCursor::parse(&text, link(1)), Err(CursorError));
    for text in ["", "a", &text[1..], &format!("{text}x"), "e30", "bnVsbA"] {
        assert_eq!(ClickCursor::parse(text, link(0)), Err(CursorError), "{text}");
    }
}

#[tokio::test]
async fn a_click_reads_back_as_it_was() {
    let fixture = Fixture::new().await;
    let plain = testkit::by_somebody(testkit::click(ClickId::new(now(), 1)));
    let full = testkit::full_click(ClickId::new(now(), 2));
    fixture.recorded(&[plain.clone(), full.clone()]).await;
    let link = plain.click.link;
    let page = fixture.ledger.page_of_clicks(link, 4, None, 10).await.unwrap();
    assert_eq!(page.next, None);
    assert_eq!(page.clicks, [full, plain]);
}

#[tokio::test]
async fn a_row_of_before_reads_back_as_what_was_known_then() {
    let fixture = Fixture::new().await;
    let click = Click {
        link: link(0),
        workspace: workspace(),
        referrer: Some("news.example.org".to_owned()),
        user_agent: Some("curl/8".to_owned()),
        ..testkit::click(ClickId::new(now(), 1))
    };
    let s = |text: &str| AttributeValue::S(text.to_owned());
    let n = |number: &str| AttributeValue::N(number.to_owned());
    let row = [
        ("pk", s(&format!("C#{}#0", link(0)))),
        ("sk", s(&click.id.ulid())),
        ("n", n("1")),
        ("workspace", s(&workspace().to_string())),
        ("domain", s("go.example.com")),
        ("slug", s("spring")),
        ("status", n("302")),
        ("referrer", s("news.example.org")),
        ("user_agent", s("curl/8")),
        ("bot", s("curl")),
        ("recorded", n("1795348800")),
        ("expires", n("1803124800")),
    ];
    fixture.put(CLICKS, row).await;
    let page = fixture.ledger.page_of_clicks(link(0), 1, None, 10).await.unwrap();
    assert_eq!(page.clicks, [testkit::by_bot(click, "curl")]);
}

#[tokio::test]
async fn a_link_without_clicks_has_zeros_everywhere() {
    let fixture = Fixture::new().await;
    let subject = Subject::Link(link(0));
    assert_eq!(fixture.ledger.totals(subject).await.unwrap(), Counts::default());
    let days = Day::of(now())..=Day::of(now());
    assert!(fixture.ledger.days(subject, days).await.unwrap().is_empty());
    let page = fixture.ledger.page_of_clicks(link(0), 1, None, 10).await.unwrap();
    assert!(page.clicks.is_empty() && page.next.is_none());
    assert!(fixture.ledger.totals_of(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_that_dynamodb_answers_in_parts_is_asked_for_again() {
    use testkit::probe::{Fault, On};

    // The embedded DynamoDB answers 16 MB at once, as the real one does; what is left over of a
    // smaller answer is the same code, so an answer without its items must do.
    let fixture = Fixture::new().await;
    fixture.probe.inject(On::operation("BatchGetItem").once(), Fault::TornAnswer);
    let error = fixture.ledger.totals_of(&[link(0)]).await.unwrap_err();
    assert!(!error.is_final());
    assert_eq!(error.to_string(), "reading 1 counts");
}
