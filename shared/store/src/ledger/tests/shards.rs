//! How the numbers of shards grow.

use super::super::{ClickShards, GrowError};
use super::*;
use testkit::probe::{Fault, On};

fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

fn n(number: u16) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// The rows of a link with two aliases, as far as they matter here.
async fn put_link(fixture: &Fixture, shards: Option<u16>) {
    let count = |row: Vec<(&'static str, AttributeValue)>| {
        row.into_iter().chain(shards.map(|shards| ("click_shards", n(shards))))
    };
    let row = vec![
        ("pk", s(format!("W#{}", workspace()))),
        ("sk", s(format!("L#{}", link(0)))),
        ("domain", s("go.example.com")),
        ("slug", s("spring")),
        ("aliases", AttributeValue::L(vec![s("fruehling"), s("printemps")])),
        ("rev", n(3)),
    ];
    fixture.put(LINKS, count(row)).await;
    for slug in ["spring", "fruehling", "printemps"] {
        let row = vec![("pk", s(format!("S#go.example.com#{slug}"))), ("sk", s("S"))];
        fixture.put(LINKS, count(row)).await;
    }
}

async fn click_shards(fixture: &Fixture) -> Vec<String> {
    let keys = [
        (format!("W#{}", workspace()), format!("L#{}", link(0))),
        ("S#go.example.com#spring".to_owned(), "S".to_owned()),
        ("S#go.example.com#fruehling".to_owned(), "S".to_owned()),
        ("S#go.example.com#printemps".to_owned(), "S".to_owned()),
    ];
    let mut found = Vec::new();
    for (pk, sk) in keys {
        let get = fixture.aside.get_item().table_name(LINKS).key("pk", s(pk)).key("sk", s(sk));
        let row = get.send().await.unwrap().item.unwrap();
        found.push(row.get("click_shards").map_or("-".to_owned(), |v| v.as_n().unwrap().clone()));
    }
    found
}

#[tokio::test]
async fn the_shards_of_counts_grow_and_never_shrink() {
    let fixture = Fixture::new().await;
    let subject = Subject::Link(link(0));
    let to = async |count| fixture.ledger.grow_rollup_shards(subject, count).await.unwrap();
    assert_eq!(to(4).await, 4);
    assert_eq!(to(2).await, 4);
    assert_eq!(to(8).await, 8);
    assert_eq!(to(255).await, 64);
    // The row says nothing but that: no clicks yet.
    assert_eq!(fixture.ledger.totals(subject).await.unwrap(), Counts::default());
    let clicks = clicks(30, 1, 1);
    fixture.recorded(&clicks).await;
    assert_eq!(to(1).await, 64, "recording keeps the number");
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn the_partitions_of_clicks_grow_in_the_link_and_all_its_slugs_at_once() {
    for before in [None, Some(1)] {
        let fixture = Fixture::new().await;
        put_link(&fixture, before).await;
        let to = async |count| {
            fixture.ledger.grow_click_shards(workspace(), link(0), count).await.unwrap()
        };
        assert_eq!(to(4).await, ClickShards::Are(4));
        assert_eq!(click_shards(&fixture).await, ["4"; 4]);
        assert_eq!(to(2).await, ClickShards::Are(4));
        assert_eq!(click_shards(&fixture).await, ["4"; 4]);
        assert_eq!(to(500).await, ClickShards::Are(64));
    }
}

#[tokio::test]
async fn a_link_that_is_gone_gets_no_rows() {
    let fixture = Fixture::new().await;
    let gone = fixture.ledger.grow_click_shards(workspace(), link(0), 4).await.unwrap();
    assert_eq!(gone, ClickShards::Gone);
    assert_eq!(fixture.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn an_edit_in_between_is_read_again_and_never_overwritten() {
    let fixture = Fixture::new().await;
    put_link(&fixture, Some(1)).await;
    // The link that was read first has a slug that is not there any more.
    let row = [
        ("pk", s(format!("W#{}", workspace()))),
        ("sk", s(format!("L#{}", link(0)))),
        ("domain", s("go.example.com")),
        ("slug", s("gone")),
        ("rev", n(2)),
    ];
    fixture.put(LINKS, row).await;
    fixture.probe.inject(On::operation("TransactWriteItems").once(), Fault::StopBefore);
    let ledger = fixture.ledger.clone();
    tokio::select! {
        _ = ledger.grow_click_shards(workspace(), link(0), 2) => panic!("it is to be stopped"),
        () = fixture.probe.stopped() => {}
    }
    let error = fixture.ledger.grow_click_shards(workspace(), link(0), 2).await.unwrap_err();
    assert!(matches!(error, GrowError::Contended(_)), "{error:?}");
    assert_eq!(click_shards(&fixture).await, ["-", "1", "1", "1"], "all or none");

    put_link(&fixture, Some(1)).await;
    let conflict = Fault::cancel("TransactionConflict", |item| item.pk.starts_with("W#"));
    fixture.probe.inject(On::operation("TransactWriteItems").once(), conflict);
    let grown = fixture.ledger.grow_click_shards(workspace(), link(0), 2).await.unwrap();
    assert_eq!(grown, ClickShards::Are(2));
}

#[tokio::test]
async fn a_hot_link_gets_more_partitions_for_its_clicks_too() {
    let fixture = Fixture::new().await;
    put_link(&fixture, Some(1)).await;
    let of_link = format!("R#{}", link(0));
    fixture.probe.inject(
        On::operation("TransactWriteItems").table(CLICKS).times(4),
        Fault::cancel("TransactionConflict", move |item| item.pk == of_link),
    );
    let clicks = clicks(60, 1, 1);
    assert_eq!(fixture.recorded(&clicks).await, 60);
    assert_eq!(click_shards(&fixture).await, ["4"; 4]);
    fixture.assert_exact(&clicks).await;
}
