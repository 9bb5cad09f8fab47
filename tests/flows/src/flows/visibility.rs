//! What is written is seen: at once where that is promised, and within the promised time elsewhere.

use jiff::SignedDuration;
use lambda::{Boot, Function, Kind, Random};
use serde_json::json;
use testkit::{Event, event};

use crate::functions;
use crate::repository::text;
use crate::service::Service;

fn get(slug: &str) -> Event {
    event("redirect/minimal").path("slug", slug)
}

/// Another process of the redirect, with a cache of its own.
async fn another_redirect(service: &Service) -> Function {
    let boot = Boot { random: Random::seeded(99), ..service.world.boot("redirect") };
    functions::load(boot).await.unwrap()
}

#[tokio::test]
async fn a_link_can_be_followed_right_after_it_was_created() {
    let service = Service::start().await;
    for number in 0..20 {
        let slug = format!("s{number}");
        service.create(json!({ "url": "https://example.com/", "slug": slug })).await;
        assert_eq!(service.follow(&slug).await.status, 302, "{slug}");
    }
    let random = service.create(json!({ "url": "https://example.com/" })).await;
    assert_eq!(service.follow(text(&random["slug"])).await.status, 302);
}

#[tokio::test]
async fn nothing_there_is_believed_only_after_a_consistent_read() {
    let service = Service::start().await;
    service.world.probe.take_calls();
    service.follow("nowhere").await.assert_problem(Kind::NotFound);
    let reads: Vec<_> = service
        .world
        .probe
        .take_calls()
        .iter()
        // Afterwards it is told that somebody asked.
        .filter(|call| call.operation != "SendMessage")
        .map(|call| (call.operation.clone(), call.body["ConsistentRead"] == true))
        .collect();
    let get_item = "GetItem".to_owned();
    assert_eq!(reads, [(get_item.clone(), false), (get_item, true)]);
    // And it is asked for anew each time: somebody may have made it meanwhile.
    service.follow("nowhere").await.assert_problem(Kind::NotFound);
    assert_eq!(service.world.probe.count("GetItem"), 2);
}

#[tokio::test]
async fn who_asked_too_early_need_not_wait() {
    let service = Service::start().await;
    service.follow("soon").await.assert_problem(Kind::NotFound);
    service.create(json!({ "url": "https://example.com/", "slug": "soon" })).await;
    assert_eq!(service.follow("soon").await.status, 302);
    // Neither need who asked for a deleted link, when its slug is used again.
    let old = service.create(json!({ "url": "https://example.com/", "slug": "old" })).await;
    assert_eq!(service.delete(text(&old["id"])).await.status, 204);
    service.follow("old").await.assert_problem(Kind::Gone);
    service.create(json!({ "url": "https://example.com/", "slug": "old" })).await;
    assert_eq!(service.follow("old").await.status, 302);
}

#[tokio::test]
async fn an_edit_reaches_every_process_within_the_age_of_its_cache() {
    let service = Service::start().await;
    let link = service.create(json!({ "url": "https://example.com/1", "slug": "a" })).await;
    let other = another_redirect(&service).await;
    let follow = async || {
        let (here, there) = (service.follow("a").await, get("a").send(&other).await);
        [here.header("location").to_owned(), there.header("location").to_owned()]
    };
    assert_eq!(follow().await, ["https://example.com/1", "https://example.com/1"]);
    let patch = json!({ "url": "https://example.com/2" });
    assert_eq!(service.edit(text(&link["id"]), patch).await.status, 200);
    // The API itself sees it at once.
    let read = service.get(text(&link["id"])).await.json();
    assert_eq!(read["url"], "https://example.com/2");
    service.world.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(follow().await, ["https://example.com/2", "https://example.com/2"]);
}

#[tokio::test]
async fn a_list_shows_a_link_right_after_it_was_created_and_not_after_it_was_deleted() {
    let service = Service::start().await;
    let link =
        service.create(json!({ "url": "https://example.com/", "slug": "a", "tags": ["t"] })).await;
    for query in ["", "tag=t", "q=a", "tag=t&q=a"] {
        assert_eq!(service.list(query).await.json()["items"][0]["id"], link["id"], "{query}");
    }
    assert_eq!(service.delete(text(&link["id"])).await.status, 204);
    for query in ["", "tag=t", "q=a", "tag=t&q=a"] {
        assert_eq!(service.list(query).await.json()["items"], json!([]), "{query}");
    }
}
