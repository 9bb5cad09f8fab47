//! Every redirect that was answered is counted once, whatever happens on the way.

use std::collections::BTreeMap;
use std::sync::Arc;

use lambda::Random;
use serde_json::{Value, json};
use testkit::probe::{Fault, On};

use crate::repository::text;
use crate::service::Service;

/// Brings the messages into another order.
fn shuffle(messages: &mut [Value], seed: u64) {
    let random = Random::seeded(seed);
    for at in (1..messages.len()).rev() {
        let other = usize::try_from(random.u128() % (at as u128 + 1)).unwrap();
        messages.swap(at, other);
    }
}

async fn total(service: &Service, id: &str) -> u64 {
    service.get(id).await.json()["clicks"]["total"].as_u64().unwrap()
}

#[tokio::test]
async fn clicks_that_are_delivered_twice_count_once() {
    let service = Service::start().await;
    let link = service.create(json!({ "url": "https://example.com/", "slug": "a" })).await;
    let id = text(&link["id"]);
    for _ in 0..20 {
        assert_eq!(service.follow("a").await.status, 302);
    }
    let mut clicks = service.world.take_clicks().await;
    assert_eq!(clicks.len(), 20);
    // Twice in one batch, in batches of their own, and all once more in another order.
    let mut twice = [&clicks[..5], &clicks[..5]].concat();
    shuffle(&mut twice, 1);
    assert!(service.deliver(&twice).await.is_empty());
    assert_eq!(total(&service, id).await, 5);
    for batch in clicks.chunks(3) {
        assert!(service.deliver(batch).await.is_empty());
    }
    assert_eq!(total(&service, id).await, 20);
    shuffle(&mut clicks, 2);
    assert!(service.deliver(&clicks).await.is_empty());
    assert_eq!(total(&service, id).await, 20);
    assert!(service.verify().await.is_clean());
}

#[tokio::test]
async fn a_message_that_is_no_click_comes_back_and_the_others_are_counted() {
    let service = Service::start().await;
    let link = service.create(json!({ "url": "https://example.com/", "slug": "a" })).await;
    service.follow("a").await;
    let mut messages = service.world.take_clicks().await;
    messages.push(json!({ "v": 99 }));
    assert_eq!(service.deliver(&messages).await, [json!({ "v": 99 })]);
    assert_eq!(total(&service, text(&link["id"])).await, 1);
}

#[tokio::test]
async fn a_click_on_a_link_that_is_deleted_meanwhile_is_recorded() {
    let service = Service::start().await;
    let link = service.create(json!({ "url": "https://example.com/", "slug": "a" })).await;
    service.follow("a").await;
    assert_eq!(service.delete(text(&link["id"])).await.status, 204);
    assert_eq!(service.record().await, 1);
    let verification = service.verify().await;
    assert!(verification.is_clean(), "{verification:?}");
    assert_eq!(verification.clicks, 1);
}

#[tokio::test]
async fn a_click_that_was_sent_twice_because_an_answer_was_lost_counts_once() {
    let service = Service::start().await;
    let link = service.create(json!({ "url": "https://example.com/", "slug": "a" })).await;
    let lost = On::operation("SendMessage").once();
    service.world.probe.inject(lost, Fault::LostAnswer);
    assert_eq!(service.follow("a").await.status, 302);
    assert_eq!(service.record().await, 2, "the SDK has sent it again");
    assert_eq!(total(&service, text(&link["id"])).await, 1);
}

/// How many links there are, and how many people follow them how often.
const LINKS: usize = 50;
const PEOPLE: usize = 16;
const TIMES: usize = 125;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_redirects_are_exact_with_every_message_twice_and_workers_killed() {
    let service = Arc::new(Service::start().await);
    let mut ids = BTreeMap::new();
    for number in 0..LINKS {
        let slug = format!("s{number}");
        let link = json!({ "url": format!("https://example.com/{number}"), "slug": slug });
        ids.insert(slug, text(&service.create(link).await["id"]).to_owned());
    }
    let people: Vec<_> = (0..PEOPLE)
        .map(|person| {
            let service = Arc::clone(&service);
            tokio::spawn(async move {
                let mut followed = Vec::new();
                for time in 0..TIMES {
                    // Some links are hot: half of all follow the first five.
                    let many = if time % 2 == 0 { 5 } else { LINKS };
                    let slug = format!("s{}", (person * TIMES + time * 7) % many);
                    if service.follow(&slug).await.status == 302 {
                        followed.push(slug);
                    }
                }
                followed
            })
        })
        .collect();
    let mut followed = BTreeMap::<String, u64>::new();
    for person in people {
        for slug in person.await.unwrap() {
            *followed.entry(slug).or_default() += 1;
        }
    }
    assert_eq!(followed.values().sum::<u64>(), 2000);

    let clicks = service.world.take_clicks().await;
    assert_eq!(clicks.len(), 2000);
    let mut messages = [clicks.clone(), clicks].concat();
    shuffle(&mut messages, 3);
    let mut batches: Vec<_> = messages.chunks(400).map(<[Value]>::to_vec).collect();
    // Three workers are killed, each at another place: before its object, in the middle of its
    // transactions, after the last one. What they had comes back later.
    let kills = [
        (1, On::any().once(), Fault::StopBefore),
        (4, On::operation("TransactWriteItems").after(2).once(), Fault::StopAfter),
        (7, On::operation("TransactWriteItems").after(4).once(), Fault::StopBefore),
    ];
    for (batch, on, fault) in kills {
        service.world.probe.inject(on, fault);
        let cut_off = batches[batch].clone();
        tokio::select! {
            _ = service.deliver(&cut_off) => panic!("the worker was not killed"),
            () = service.world.probe.stopped() => {}
        }
        service.world.probe.heal();
        batches.push(cut_off);
    }
    // The rest is worked off by several at once, which meet at the same counts.
    let workers: Vec<_> = batches
        .into_iter()
        .map(|batch| {
            let service = Arc::clone(&service);
            tokio::spawn(async move {
                let mut left = batch;
                while !left.is_empty() {
                    left = service.deliver(&left).await;
                }
            })
        })
        .collect();
    for worker in workers {
        worker.await.unwrap();
    }

    for (slug, id) in &ids {
        let expected = followed.get(slug).copied().unwrap_or_default();
        assert_eq!(total(&service, id).await, expected, "{slug}");
        let stats = service.stats(id, "").await.json();
        assert_eq!(stats["totals"]["clicks"], expected, "{slug}");
    }
    let verification = service.verify().await;
    assert!(verification.is_clean(), "{verification:?}");
    assert_eq!(verification.clicks, 2000);
}
