//! From a key to an answer: the authorizer's context is what the functions decide by.

use domain::{ApiKey, KeyId, KeyRecord, Scope, WorkspaceId};
use jiff::SignedDuration;
use lambda::Kind;
use serde_json::{Value, json};
use testkit::{Answer, Event, OTHER_WORKSPACE, WORKSPACE, event, now};

use crate::service::Service;

/// Makes a key, and the workspace that it is for.
async fn key(service: &Service, number: u128, workspace: &str, scopes: &[Scope]) -> String {
    let workspace = WorkspaceId::parse(workspace).unwrap();
    let accounts = service.world.accounts();
    accounts.put_workspace(workspace, "Example Shop").await.unwrap();
    let key = ApiKey::new(KeyId::new(now(), number), [number, number + 1]);
    let record = KeyRecord {
        id: key.id(),
        hash: key.hash(),
        workspace,
        name: "test".to_owned(),
        scopes: scopes.to_vec(),
        expires_at: now().checked_add(SignedDuration::from_hours(1)).ok(),
        created_by: None,
        writes_per_minute: None,
        last_used_at: None,
    };
    accounts.put_key(&record).await.unwrap();
    key.reveal()
}

/// What API Gateway does: it asks the authorizer, and passes on what that says.
async fn ask(service: &Service, function: &str, event: Event, key: &str) -> Answer {
    let mut event = event.json().clone();
    let credentials = json!(format!("Bearer {key}"));
    event["headers"]["authorization"] = credentials.clone();
    let mut question = testkit::event("authorize/minimal").json().clone();
    question["routeKey"] = event["routeKey"].clone();
    question["identitySource"] = json!([credentials]);
    let decision = Event::of(question).invoke(service.function("authorize")).await;
    assert_eq!(decision["isAuthorized"], true, "the gateway would answer a bare 403");
    let context: &Value = &decision["context"];
    event["requestContext"]["authorizer"] = json!({ "lambda": context });
    service.send(function, Event::of(event)).await
}

#[tokio::test]
async fn a_key_may_what_its_scopes_say_in_its_workspace() {
    let service = Service::start().await;
    let writer = key(&service, 1, WORKSPACE, &[Scope::LinksRead, Scope::LinksWrite]).await;
    let reader = key(&service, 2, WORKSPACE, &[Scope::LinksRead]).await;
    let stranger = key(&service, 3, OTHER_WORKSPACE, &[Scope::Admin]).await;

    let create = || event("create-link/slug");
    ask(&service, "create-link", create(), &reader).await.assert_problem(Kind::Forbidden);
    let created = ask(&service, "create-link", create(), &writer).await;
    assert_eq!(created.status, 201);
    let id = created.json()["id"].as_str().unwrap().to_owned();

    let get = || event("get-link/minimal").path("id", &id);
    assert_eq!(ask(&service, "get-link", get(), &reader).await.status, 200);
    ask(&service, "get-link", get(), &stranger).await.assert_problem(Kind::NotFound);
    let stats = || event("link-stats/minimal").path("id", &id);
    ask(&service, "link-stats", stats(), &writer).await.assert_problem(Kind::Forbidden);
    ask(&service, "link-stats", stats(), &stranger).await.assert_problem(Kind::NotFound);
    let list = || event("list-links/minimal");
    let seen =
        async |key: &str| ask(&service, "list-links", list(), key).await.json()["items"].clone();
    assert_eq!(seen(&reader).await[0]["id"], id.as_str());
    assert_eq!(seen(&stranger).await, json!([]));
    let delete = || event("delete-link/minimal").path("id", &id);
    ask(&service, "delete-link", delete(), &stranger).await.assert_problem(Kind::NotFound);
    ask(&service, "delete-link", delete(), &reader).await.assert_problem(Kind::Forbidden);
    assert_eq!(ask(&service, "delete-link", delete(), &writer).await.status, 204);
}

#[tokio::test]
async fn a_bad_or_late_key_is_a_401_with_a_challenge() {
    let service = Service::start().await;
    let good = key(&service, 1, WORKSPACE, &[Scope::LinksRead]).await;
    let list = || event("list-links/minimal");
    assert_eq!(ask(&service, "list-links", list(), &good).await.status, 200);
    let other_secret = ApiKey::new(KeyId::new(now(), 1), [7, 7]).reveal();
    let mistyped = format!("{}x", &good[..good.len() - 1]);
    for bad in ["", "x", mistyped.as_str(), other_secret.as_str()] {
        let answer = ask(&service, "list-links", list(), bad).await;
        answer.assert_problem(Kind::Unauthorized);
        assert!(answer.header("www-authenticate").starts_with("Bearer "), "{answer:?}");
    }
    service.world.clock.advance(SignedDuration::from_hours(1));
    ask(&service, "list-links", list(), &good).await.assert_problem(Kind::Unauthorized);
}
