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

/// A number from 1 to so many, of which small ones are frequent, by chance from 0 to 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is between the two numbers"
)]
fn skewed(most: u32, chance: f64) -> u32 {
    f64::from(most).powf(chance) as u32
}

/// A click as they are in earnest: few values are frequent and many are rare, and nearly every
/// click is of another visitor.
fn real(number: u32, link_number: u32) -> RecordedClick {
    let mut dice = number.wrapping_mul(2_654_435_761);
    // Small results are frequent.
    let mut rank = |most: u32| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let evenly = f64::from(dice) / f64::from(u32::MAX);
        skewed(most, evenly) - 1
    };
    let mut new = click(number, 1, 1);
    let click = &mut new.click;
    click.id =
        ClickId::new(now() - SignedDuration::from_secs(i64::from(number / 20)), u128::from(number));
    click.link = link(u128::from(link_number));
    click.slug = format!("slug{link_number:04}");
    click.destination = Some(format!("https://www.example.com/pages/{link_number}"));
    click.place.country = Some(format!("C{}", rank(60)));
    click.place.region = Some(format!("R{}", rank(16)));
    click.place.city = Some(format!("City number {}", rank(400)));
    let referrer = format!("site{}.example.org", rank(80));
    click.referrer_url = Some(format!("https://{referrer}/"));
    click.referrer = Some(referrer);
    click.language =
        Some(["en-US", "de-DE", "fr-FR", "es-ES", "nl-NL", "pl-PL"][rank(6) as usize].to_owned());
    click.network = Some(3_320);
    if number.is_multiple_of(3) {
        click.utm.source = Some(["newsletter", "poster", "partner"][rank(3) as usize].to_owned());
        click.utm.medium = Some("email".to_owned());
        click.utm.campaign = Some(format!("campaign-{}", rank(4)));
    }
    click.visitor =
        Some(domain::Visitor::new(u64::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    new.agent.browser =
        Some(["Chrome", "Safari", "Firefox", "Edge", "Samsung"][rank(5) as usize].to_owned());
    new.agent.os =
        Some(["Windows", "iOS", "Android", "macOS", "Linux"][rank(5) as usize].to_owned());
    new.agent.device = Some(domain::Device::Mobile);
    new
}

/// The link of a click among 5,000 by Zipf's law.
fn zipf(number: u32) -> u32 {
    let evenly = f64::from(number.wrapping_mul(2_654_435_761)) / f64::from(u32::MAX);
    skewed(5_000, evenly)
}

#[tokio::test]
async fn what_a_click_costs_is_bounded_for_one_hot_link_for_many_cold_ones_and_for_both() {
    /// Its name, the link of each click, how many clicks of the day were counted before, and the
    /// most write units of a click.
    type Shape = (&'static str, fn(u32) -> u32, u32, f64);
    let shapes: [Shape; 3] = [
        ("one hot link", |_| 0, 5_000, 2.3),
        ("1,000 links of one click", |number| number, 1_000, 7.0),
        ("5,000 links by Zipf's law", zipf, 2_000, 6.0),
    ];
    for (name, link_of, before, most) in shapes {
        let fixture = Fixture::new().await;
        // A part of the day is over: its counts have most of their values.
        let clicks: Vec<_> =
            (0..before + 1_000).map(|number| real(number, link_of(number))).collect();
        for batch in clicks[..before as usize].chunks(1_000) {
            fixture.recorded(batch).await;
        }
        fixture.probe.take_calls();
        fixture.recorded(&clicks[before as usize..]).await;
        let calls = fixture.probe.take_calls();
        let units = |operation: &str| -> f64 {
            calls.iter().filter(|it| it.operation == operation).map(|it| it.capacity).sum()
        };
        let (reads, writes) = (units("BatchGetItem"), units("TransactWriteItems"));
        println!(
            "{name}: 1,000 clicks take {} calls, {reads} read units, {writes} write units",
            calls.len()
        );
        assert!(writes <= most * 1_000.0, "{name}: {writes} write units");
        let counted = fixture.ledger.totals(Subject::Workspace(workspace())).await.unwrap();
        assert_eq!(counted, counts(clicks.iter()));
        // One that has a batch for itself, at the end of such a day.
        fixture.recorded(&[real(before + 1_000, link_of(before + 1_000))]).await;
        let calls = fixture.probe.take_calls();
        let alone = calls.iter().find(|it| it.operation == "TransactWriteItems").unwrap();
        println!("{name}: one click more takes {} write units", alone.capacity);
    }
}
