//! What recording and reading cost.

use super::*;

#[tokio::test]
async fn a_thousand_clicks_on_ten_links_take_one_read_and_eleven_transactions() {
    let fixture = Fixture::new().await;
    let clicks = clicks(1_000, 10, 1);
    assert_eq!(fixture.recorded(&clicks).await, 1_000);
    println!("1,000 clicks on 10 links, first time:\n{}", fixture.probe.summary());
    assert_eq!(fixture.probe.count("BatchGetItem"), 1);
    assert_eq!(fixture.probe.count("TransactWriteItems"), 11);
    assert_eq!(fixture.probe.take_calls().len(), 12);

    assert_eq!(tally(&fixture.record(&clicks).await), (0, 1_000));
    println!("the same again, all duplicates:\n{}", fixture.probe.summary());
    assert_eq!(fixture.probe.take_calls().len(), 12);
    fixture.assert_exact(&clicks).await;
}

#[tokio::test]
async fn a_click_alone_takes_one_read_and_one_transaction() {
    let fixture = Fixture::new().await;
    fixture.recorded(&clicks(1, 1, 1)).await;
    println!("1 click:\n{}", fixture.probe.summary());
    assert_eq!(fixture.probe.take_calls().len(), 2);
}

#[tokio::test]
async fn reads_cost_the_same_however_many_clicks_there_are() {
    let fixture = Fixture::new().await;
    let days = retention().first_kept(now())..=domain::Day::of(now());
    let mut costs = Vec::new();
    for batch in clicks(2_000, 10, 2).chunks(1_000) {
        fixture.recorded(batch).await;
        fixture.probe.take_calls();
        let links: Vec<_> = (0..100).map(link).collect();
        fixture.ledger.totals(Subject::Link(link(1))).await.unwrap();
        fixture.ledger.totals_of(&links).await.unwrap();
        fixture.ledger.days(Subject::Link(link(1)), days.clone()).await.unwrap();
        fixture.ledger.page_of_clicks(link(1), 1, None, 25).await.unwrap();
        println!("totals of 1 and of 100 links, 90 days, 25 clicks:\n{}", fixture.probe.summary());
        let calls = fixture.probe.take_calls();
        assert_eq!(calls.len(), 4);
        costs.push(calls.iter().map(|call| call.capacity).sum::<f64>());
    }
    assert_eq!(costs[0], costs[1]);
}
