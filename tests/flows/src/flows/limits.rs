//! A link with a click limit is followed so often and not once more.

use std::sync::Arc;

use lambda::Kind;
use serde_json::{Value, json};
use testkit::event;

use crate::repository::text;
use crate::service::{PREVIEW, Service};

const LIMIT: usize = 100;

/// So many connections at once, and each follows so often.
const PEOPLE: usize = 64;
const TIMES: usize = 4;

const DESTINATION: &str = "https://example.com/offer";

/// What people got.
#[derive(Debug, Default, PartialEq, Eq)]
struct Got {
    destination: usize,
    fallback: usize,
    gone: usize,
}

/// Many people follow a limited link by its slug and its aliases, with previews and HEAD between.
async fn rush(service: &Arc<Service>) -> Got {
    let people: Vec<_> = (0..PEOPLE)
        .map(|person| {
            let service = Arc::clone(service);
            tokio::spawn(async move {
                let mut got = Got::default();
                for time in 0..TIMES {
                    let slug = ["offer", "angebot", "offre"][(person + time) % 3];
                    let preview = service.follow_as(slug, PREVIEW).await;
                    assert_eq!(preview.status, 200);
                    assert!(!preview.text.contains("example.com"), "{}", preview.text);
                    let head = event("redirect/head").path("slug", slug);
                    let head = service.send("redirect", head).await;
                    assert_eq!((head.status, head.header("location")), (200, ""));

                    let answer = service.follow(slug).await;
                    match (answer.status, answer.header("location")) {
                        (302, DESTINATION) => got.destination += 1,
                        (302, _) => got.fallback += 1,
                        (410, _) => got.gone += 1,
                        other => panic!("{other:?}"),
                    }
                }
                got
            })
        })
        .collect();
    let mut sum = Got::default();
    for person in people {
        let got = person.await.unwrap();
        sum.destination += got.destination;
        sum.fallback += got.fallback;
        sum.gone += got.gone;
    }
    sum
}

async fn offer(service: &Service, fallback: Value) -> String {
    let link = service
        .create(json!({
            "url": DESTINATION,
            "slug": "offer",
            "aliases": ["angebot", "offre"],
            "max_clicks": LIMIT,
            "fallback_url": fallback,
        }))
        .await;
    text(&link["id"]).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hundred_of_many_reach_the_destination_and_the_others_the_fallback() {
    let service = Arc::new(Service::start().await);
    let id = offer(&service, json!("https://example.com/over")).await;
    let expected = Got { destination: LIMIT, fallback: PEOPLE * TIMES - LIMIT, ..Got::default() };
    assert_eq!(rush(&service).await, expected);
    // A hundred clicks were sent, and a hundred are counted, although each comes twice.
    let clicks = service.world.take_clicks().await;
    assert_eq!(clicks.len(), LIMIT);
    assert!(service.deliver(&clicks).await.is_empty());
    assert!(service.deliver(&clicks).await.is_empty());
    let counts = json!({ "total": LIMIT, "human": LIMIT, "bot": 0 });
    assert_eq!(service.get(&id).await.json()["clicks"], counts);
    assert!(service.verify().await.is_clean());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn without_a_fallback_the_others_are_told_that_it_is_over() {
    let service = Arc::new(Service::start().await);
    let id = offer(&service, Value::Null).await;
    let expected = Got { destination: LIMIT, gone: PEOPLE * TIMES - LIMIT, ..Got::default() };
    assert_eq!(rush(&service).await, expected);
    assert_eq!(service.record().await, LIMIT);

    // A higher limit counts on from there.
    assert_eq!(service.edit(&id, json!({ "max_clicks": LIMIT + 1 })).await.status, 200);
    assert_eq!(service.follow("offre").await.header("location"), DESTINATION);
    service.follow("angebot").await.assert_problem(Kind::Gone);
    assert_eq!(service.record().await, 1);
}
