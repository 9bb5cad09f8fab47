//! Several domains: a slug belongs to one of them.

use lambda::Kind;
use serde_json::json;
use testkit::{Answer, event};

use crate::repository::{list, text};
use crate::service::{BROWSER, Service};

const ORIGINS: &str = "https://go.example.com,http://promo.example:8080";

async fn start() -> Service {
    Service::with(&[("ORIGINS", ORIGINS)]).await
}

/// A person follows a link of this host.
async fn follow_at(service: &Service, host: &str, slug: &str) -> Answer {
    let get = event("redirect/minimal").path("slug", slug).header("user-agent", BROWSER);
    service.send("redirect", get.header("host", host)).await
}

#[tokio::test]
async fn the_same_slug_is_another_link_on_another_domain() {
    let service = start().await;
    let here = service.create(json!({ "url": "https://example.com/1", "slug": "a" })).await;
    let body =
        json!({ "url": "https://example.com/2", "slug": "a", "domain": "promo.example:8080" });
    let there = service.create(body).await;
    assert_eq!(here["short_url"], "https://go.example.com/a");
    assert_eq!(there["short_url"], "http://promo.example:8080/a");
    for (host, location) in [
        ("go.example.com", "https://example.com/1"),
        ("promo.example:8080", "https://example.com/2"),
        ("PROMO.example:8080", "https://example.com/2"),
        // Whoever comes by an address that is nobody's domain is on the first one.
        ("abc.execute-api.eu-west-1.amazonaws.com", "https://example.com/1"),
    ] {
        assert_eq!(follow_at(&service, host, "a").await.header("location"), location, "{host}");
    }
    assert_eq!(service.record().await, 4);
    assert_eq!(service.get(text(&here["id"])).await.json()["clicks"]["total"], 2);
    let clicks = service.clicks(text(&there["id"]), "").await.json();
    let domains: Vec<_> =
        list(&clicks["items"]).iter().map(|click| text(&click["domain"])).collect();
    assert_eq!(domains, ["promo.example:8080", "promo.example:8080"]);

    // What is deleted here is still there.
    assert_eq!(service.delete(text(&here["id"])).await.status, 204);
    service.world.clock.advance(jiff::SignedDuration::from_secs(30));
    follow_at(&service, "go.example.com", "a").await.assert_problem(Kind::Gone);
    assert_eq!(follow_at(&service, "promo.example:8080", "a").await.status, 302);
}

#[tokio::test]
async fn a_list_by_prefix_shows_the_same_slug_of_every_domain_once() {
    let service = start().await;
    for slug in ["a", "ab", "b"] {
        for domain in ["go.example.com", "promo.example:8080"] {
            let body = json!({
                "url": "https://example.com/", "slug": slug, "domain": domain, "tags": ["t"]
            });
            service.create(body).await;
        }
    }
    for filter in ["q=a", "q=a&tag=t"] {
        for limit in 1..=5 {
            let mut seen = Vec::new();
            let mut cursor = String::new();
            loop {
                let page = service.list(&format!("{filter}&limit={limit}{cursor}")).await.json();
                seen.extend(
                    list(&page["items"]).iter().map(|link| text(&link["short_url"]).to_owned()),
                );
                match page["next"].as_str() {
                    Some(next) => cursor = format!("&cursor={next}"),
                    None => break,
                }
            }
            seen.sort();
            let expected = [
                "http://promo.example:8080/a",
                "http://promo.example:8080/ab",
                "https://go.example.com/a",
                "https://go.example.com/ab",
            ];
            assert_eq!(seen, expected, "{filter} by {limit}");
        }
    }
}

#[tokio::test]
async fn no_link_leads_to_a_domain_of_ours_and_none_is_made_on_a_strangers() {
    let service = start().await;
    let send =
        async |body| service.send("create-link", event("create-link/minimal").body(&body)).await;
    for (body, place) in [
        (json!({ "url": "https://go.example.com/x" }), "/url"),
        (json!({ "url": "http://promo.example:8080/x" }), "/url"),
        (json!({ "url": "https://example.com/", "domain": "example.com" }), "/domain"),
        (json!({ "url": "https://example.com/", "domain": "promo.example" }), "/domain"),
    ] {
        let answer = send(body.clone()).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), [place], "{body}");
    }
}
