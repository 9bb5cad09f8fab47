//! The life of a link: made, followed, counted, edited, deleted.

use jiff::SignedDuration;
use lambda::Kind;
use serde_json::{Value, json};
use testkit::now;

use crate::repository::{list, text};
use crate::service::{BROWSER, PREVIEW, Service};

#[tokio::test]
async fn a_link_is_made_followed_counted_edited_and_deleted() {
    let service = Service::start().await;
    let link = service
        .create(json!({
            "url": "https://shop.example.com/spring",
            "slug": "spring",
            "aliases": ["fruehling"],
            "tags": ["mail"],
        }))
        .await;
    let id = text(&link["id"]);
    let none = json!({ "total": 0, "human": 0, "bot": 0 });
    assert_eq!(link["clicks"], none);

    // People and a program follow it; nobody waits for the counting.
    for slug in ["spring", "fruehling", "spring"] {
        let answer = service.follow(slug).await;
        assert_eq!(answer.status, 302);
        assert_eq!(answer.header("location"), "https://shop.example.com/spring");
    }
    assert_eq!(service.follow_as("spring", PREVIEW).await.status, 302);
    assert_eq!(service.get(id).await.json()["clicks"], none);

    // The worker counts them, and every reader sees the same.
    assert_eq!(service.record().await, 4);
    let counts = json!({ "total": 4, "human": 3, "bot": 1 });
    assert_eq!(service.get(id).await.json()["clicks"], counts);
    for query in ["", "tag=mail", "q=spr", "tag=mail&q=spr"] {
        let page = service.list(query).await.json();
        assert_eq!(page["items"][0]["id"], id, "{query}");
        assert_eq!(page["items"][0]["clicks"], counts, "{query}");
    }
    let clicked = json!({ "clicks": 4, "human": 3, "bot": 1 });
    for interval in ["hour", "day"] {
        let stats = service.stats(id, &format!("interval={interval}")).await.json();
        let totals = &stats["totals"];
        assert_eq!(
            json!({ "clicks": totals["clicks"], "human": totals["human"], "bot": totals["bot"] }),
            clicked,
            "{interval}"
        );
        let points = list(&stats["series"]).iter();
        let sum: u64 = points.map(|point| point["clicks"].as_u64().unwrap()).sum();
        assert_eq!(sum, 4, "{interval}");
    }
    let clicks = service.clicks(id, "").await.json();
    assert_eq!(clicks["next"], Value::Null);
    let clicks = list(&clicks["items"]);
    assert_eq!(clicks.len(), 4);
    let of = |slug: &str| clicks.iter().filter(|click| click["slug"] == slug).count();
    assert_eq!((of("spring"), of("fruehling")), (3, 1));
    let bots: Vec<_> = clicks.iter().filter(|click| !click["bot"].is_null()).collect();
    assert_eq!((bots.len(), &bots[0]["bot"]), (1, &json!("Slack")));
    assert_eq!(bots[0]["user_agent"], PREVIEW);
    assert!(clicks.iter().any(|click| click["user_agent"] == BROWSER));

    // An edit reaches the redirects within the age of their cache.
    let patch = json!({ "url": "https://shop.example.com/summer", "slug": "summer" });
    let edited = service.edit(id, patch).await;
    assert_eq!((edited.status, &edited.json()["clicks"]), (200, &counts));
    service.world.clock.advance(SignedDuration::from_secs(30));
    for slug in ["summer", "spring", "fruehling"] {
        let answer = service.follow(slug).await;
        assert_eq!(answer.header("location"), "https://shop.example.com/summer", "{slug}");
    }
    assert_eq!(service.record().await, 3);
    assert_eq!(service.get(id).await.json()["clicks"]["total"], 7);

    // An alias that is left out is gone, the others stay.
    assert_eq!(service.edit(id, json!({ "aliases": ["fruehling"] })).await.status, 200);
    service.world.clock.advance(SignedDuration::from_secs(30));
    service.follow("spring").await.assert_problem(Kind::Gone);
    assert_eq!(service.follow("fruehling").await.status, 302);

    // Deleted: gone everywhere, and what was counted stays in the workspace's counts.
    assert_eq!(service.delete(id).await.status, 204);
    service.world.clock.advance(SignedDuration::from_secs(30));
    for slug in ["summer", "spring", "fruehling"] {
        service.follow(slug).await.assert_problem(Kind::Gone);
    }
    service.get(id).await.assert_problem(Kind::NotFound);
    service.stats(id, "").await.assert_problem(Kind::NotFound);
    service.clicks(id, "").await.assert_problem(Kind::NotFound);
    assert_eq!(service.list("").await.json()["items"], json!([]));
    // The last click was on its way when the link went: it is recorded all the same.
    assert_eq!(service.record().await, 1);
    let verification = service.verify().await;
    assert!(verification.is_clean(), "{verification:?}");
    assert_eq!(verification.clicks, 8);
}

#[tokio::test]
async fn clicks_are_listed_newest_first_page_by_page() {
    let service = Service::start().await;
    let link = service.create(json!({ "url": "https://example.com/", "slug": "a" })).await;
    let id = text(&link["id"]);
    for _ in 0..7 {
        assert_eq!(service.follow("a").await.status, 302);
        service.world.clock.advance(SignedDuration::from_secs(1));
    }
    assert_eq!(service.record().await, 7);
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = service.clicks(id, &format!("limit=3{cursor}")).await.json();
        seen.extend(list(&page["items"]).iter().map(|click| text(&click["at"]).to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let expected: Vec<_> =
        (0..7).rev().map(|s| (now() + SignedDuration::from_secs(s)).to_string()).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn what_is_no_redirect_to_the_destination_is_no_click() {
    let service = Service::start().await;
    let create = async |slug: &str, more: Value| {
        let mut link = json!({ "url": "https://example.com/", "slug": slug });
        link.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        service.create(link).await
    };
    let later = (now() + SignedDuration::from_secs(60)).to_string();
    create("open", json!({})).await;
    create("early", json!({ "starts_at": later })).await;
    let else_where = "https://example.com/else";
    create("soft", json!({ "starts_at": later, "fallback_url": else_where })).await;
    create("brief", json!({ "expires_at": later })).await;
    create("limited", json!({ "max_clicks": 1 })).await;

    let head = testkit::event("redirect/head").path("slug", "open");
    assert_eq!(service.send("redirect", head).await.status, 302);
    service.follow("nowhere").await.assert_problem(Kind::NotFound);
    service.follow("early").await.assert_problem(Kind::NotFound);
    assert_eq!(service.follow("soft").await.header("location"), else_where);
    let preview = service.follow_as("limited", PREVIEW).await;
    assert_eq!((preview.status, preview.text.contains("example.com")), (200, false));
    for name in ["root", "robots", "favicon"] {
        let page = testkit::event(&format!("redirect/{name}"));
        assert!(service.send("redirect", page).await.status < 300, "{name}");
    }
    service.world.clock.advance(SignedDuration::from_secs(60));
    service.follow("brief").await.assert_problem(Kind::Gone);
    // That nothing is at `nowhere` is told, and is no click.
    let told = service.world.take_clicks().await;
    let kinds: Vec<_> = told.iter().map(|told| (&told["kind"], &told["slug"])).collect();
    assert_eq!(kinds, [(&json!("orphan"), &json!("nowhere"))]);
    assert!(service.deliver(&told).await.is_empty());
    assert_eq!(service.verify().await.clicks, 0);

    // What was closed is open now, and counts.
    assert_eq!(service.follow("early").await.status, 302);
    assert_eq!(service.follow("soft").await.header("location"), "https://example.com/");
    assert_eq!(service.follow("limited").await.status, 302);
    assert_eq!(service.record().await, 3);
}

#[tokio::test]
async fn the_slug_of_a_deleted_link_serves_its_workspace_again() {
    let service = Service::start().await;
    let first = service.create(json!({ "url": "https://example.com/1", "slug": "again" })).await;
    assert_eq!(service.follow("again").await.status, 302);
    assert_eq!(service.record().await, 1);
    assert_eq!(service.delete(text(&first["id"])).await.status, 204);
    let stranger = testkit::event("create-link/minimal")
        .body(&json!({ "url": "https://example.com/", "slug": "again" }))
        .of_workspace(testkit::OTHER_WORKSPACE);
    service.send("create-link", stranger).await.assert_problem(Kind::SlugTaken);

    service.world.clock.advance(SignedDuration::from_secs(30));
    let second = service.create(json!({ "url": "https://example.com/2", "slug": "again" })).await;
    assert_eq!(second["clicks"]["total"], 0);
    service.world.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(service.follow("again").await.header("location"), "https://example.com/2");
    assert_eq!(service.record().await, 1);
    assert_eq!(service.get(text(&second["id"])).await.json()["clicks"]["total"], 1);
    assert!(service.verify().await.is_clean());
}
