//! What is purged is gone, what is not still adds up, and what comes late stays away.

use domain::WorkspaceId;
use serde_json::json;
use testkit::{SPRING, WORKSPACE, World, event};

use crate::repository::text;
use crate::service::Service;

/// A service with the events' link and another one, and clicks on both: compacted, and waiting.
async fn busy() -> (Service, String) {
    let world = World::with_spring().await;
    world.add_people().await;
    let service = Service::over(world).await;
    let other = service.create(json!({ "url": "https://example.com/", "slug": "other" })).await;
    for compacted in [true, false] {
        for slug in ["spring", "spring", "other"] {
            service.follow(slug).await;
        }
        assert_eq!(service.record().await, 3);
        if compacted {
            event("compact-clicks/minimal").invoke(service.function("compact-clicks")).await;
        }
    }
    (service, text(&other["id"]).to_owned())
}

/// How many clicks an answer counts.
async fn clicks(service: &Service, id: &str) -> serde_json::Value {
    service.stats(id, "").await.json()["totals"]["clicks"].clone()
}

#[tokio::test]
async fn a_purge_takes_one_link_and_leaves_everything_exact() {
    let (service, other) = busy().await;
    // Somebody clicks, and the click is on its way while the link is purged.
    service.follow("spring").await;
    let late = service.world.take_clicks().await;
    let answer = service.send("delete-link", event("delete-link/purge")).await;
    assert_eq!((answer.status, &answer.json()["purged_at"]), (202, &json!(null)));
    assert!(service.verify().await.is_clean(), "between order and worker");
    service.purge(SPRING).await;

    let found = service.verify().await;
    assert!(found.is_clean(), "{found:#?}");
    assert_eq!(found.clicks, 2, "those of the other link");
    let answer = service.send("delete-link", event("delete-link/purge")).await;
    assert_eq!(answer.json()["purged_at"], "2026-11-20T14:03:27.412Z");
    // It is acknowledged, and counted nowhere.
    assert!(service.deliver(&late).await.is_empty());
    event("compact-clicks/minimal").invoke(service.function("compact-clicks")).await;
    let found = service.verify().await;
    assert!(found.is_clean() && found.clicks == 2, "{found:#?}");
    assert_eq!(clicks(&service, &other).await, 2);
    // Processes that remember a link do so for 30 seconds.
    service.world.clock.advance(jiff::SignedDuration::from_secs(31));
    assert_eq!(service.follow("spring").await.status, 410);

    // What lives goes on.
    service.follow("other").await;
    assert_eq!(service.record().await, 1);
    assert!(service.verify().await.is_clean());
    assert_eq!(clicks(&service, &other).await, 3);
    let id = WorkspaceId::parse(WORKSPACE).unwrap();
    let subject = store::ledger::Subject::Workspace(id);
    let total = service.world.ledger().totals(subject).await.unwrap();
    assert_eq!(total.total(), 7, "four of the purged link, and three");
}

#[tokio::test]
async fn a_deleted_workspace_answers_nobody_and_its_links_are_gone() {
    let (service, _) = busy().await;
    service.follow("spring").await;
    let late = service.world.take_clicks().await;
    let answer = service.send("delete-workspace", event("delete-workspace/minimal")).await;
    assert_eq!(answer.status, 202);
    // Its key opens nothing from now on, although the worker has not begun.
    let decision = event("authorize/minimal").invoke(service.function("authorize")).await;
    assert_eq!(decision["context"]["auth"], "invalid");
    assert_eq!(service.follow("other").await.status, 302, "links go after it");
    service.world.take_clicks().await;

    service.purge(WORKSPACE).await;
    for slug in ["spring", "fruehling"] {
        // Processes that remember a link do so for 30 seconds.
        service.world.clock.advance(jiff::SignedDuration::from_secs(31));
        assert_eq!(service.follow(slug).await.status, 410, "{slug}");
    }
    assert!(service.deliver(&late).await.is_empty());
    let found = service.verify().await;
    assert!(found.is_clean() && found.clicks == 0, "{found:#?}");
    let spring = domain::LinkId::parse(SPRING).unwrap();
    let target = store::ledger::Target::Link(spring);
    let remains = service.world.ledger().remains(target, 64).await.unwrap();
    assert_eq!(remains, store::ledger::Remains::default());
}
