//! Who did what: the audit log tells all of it, once, and nothing that was not done.

use jiff::SignedDuration;
use lambda::Kind;
use serde_json::{Value, json};
use testkit::people::{ADA, KEY};
use testkit::probe::{Fault, On};
use testkit::{OTHER_WORKSPACE, World, event};

use crate::repository::{list, text};
use crate::service::Service;

/// What the log says, oldest first: who, what and to what.
async fn log(service: &Service) -> Vec<[String; 3]> {
    let page = service.send("list-audit-events", event("list-audit-events/minimal")).await.json();
    let entry =
        |entry: &Value| ["actor", "action", "subject"].map(|name| text(&entry[name]).to_owned());
    list(&page["items"]).iter().rev().map(entry).collect()
}

fn entry(actor: &str, action: &str, subject: &str) -> [String; 3] {
    [actor, action, subject].map(str::to_owned)
}

#[tokio::test]
async fn the_log_tells_the_life_of_a_link_and_of_a_key() {
    let service = Service::over(World::with_people().await).await;
    let step = || service.world.clock.advance(SignedDuration::from_millis(1));
    let link = service.create(json!({ "url": "https://example.com/", "slug": "a" })).await;
    let link = text(&link["id"]);
    step();
    assert_eq!(service.edit(link, json!({ "title": "New" })).await.status, 200);
    step();
    let key = service.send("create-key", event("create-key/minimal")).await;
    let key = text(&key.json()["id"]).to_owned();
    step();
    let delete = event("delete-key/minimal").path("id", &key);
    assert_eq!(service.send("delete-key", delete.clone()).await.status, 204);
    step();
    assert_eq!(service.delete(link).await.status, 204);
    // Nothing of this is done.
    assert_eq!(service.delete(link).await.status, 404);
    service.send("delete-key", delete).await.assert_problem(Kind::NotFound);
    service.edit(link, json!({ "title": "Late" })).await.assert_problem(Kind::NotFound);
    let expected = [
        entry(KEY, "link.created", link),
        entry(KEY, "link.updated", link),
        entry(ADA, "key.created", &key),
        entry(ADA, "key.deleted", &key),
        entry(KEY, "link.deleted", link),
    ];
    assert_eq!(log(&service).await, expected);
    // Another workspace's log is another one.
    let other = event("list-audit-events/minimal").of_workspace(OTHER_WORKSPACE);
    assert_eq!(service.send("list-audit-events", other).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_request_that_is_sent_again_is_in_the_log_once() {
    let service = Service::over(World::with_people().await).await;
    let create = event("create-link/slug").header("idempotency-key", "8e03978e-40d5");
    service.world.probe.inject(On::operation("TransactWriteItems").times(9), Fault::LostAnswer);
    let mut answer = service.send("create-link", create.clone()).await;
    answer.assert_problem(Kind::Unavailable);
    service.world.probe.heal();
    for _ in 0..3 {
        answer = service.send("create-link", create.clone()).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, "true"));
    }
    let link = answer.json();
    assert_eq!(log(&service).await, [entry(KEY, "link.created", text(&link["id"]))]);
}
