//! Least privilege: a function may do what it does, and nothing else.
//!
//! That it does nothing else than it may is proved by every flow: each function there has the
//! permissions of its `function.yaml` ([`crate::policy`]). Here everything is sent to all of them that
//! makes them do what they may.

use std::collections::{BTreeMap, BTreeSet};

use lambda::Invocation;
use serde_json::json;
use testkit::people::{ADA_EMAIL, LINUS_EMAIL};
use testkit::probe::{Fault, On};
use testkit::provider::IdentityProvider;
use testkit::{Event, SPRING, WORKSPACE, World, event};

use super::{events, worlds};
use crate::functions;
use crate::given::{Given, Resource};
use crate::policy::Action;
use crate::repository::{assert_none, text};
use crate::service::Service;
use crate::workers::Workers;

/// What each function did.
type Used = BTreeMap<&'static str, BTreeSet<Action>>;

fn note(used: &mut Used, service: &Service) {
    for (function, actions) in service.used() {
        used.entry(function).or_default().extend(actions);
    }
}

/// Sends every event of a function to it, each in a world of its own.
async fn send_all_events(used: &mut Used) {
    for (function, _, event) in events::all() {
        let world = worlds::of(&function).await;
        let service = Service::only_with(&function, world, &[("TOKEN_KEYS", "kms:a-key")]).await;
        let invocation = Invocation::new(event.to_string().into_bytes(), "test-request");
        // Whether it succeeds is other tests' matter.
        let _ = service.function(&function).invoke(invocation).await;
        note(used, &service);
    }
}

/// Somebody signs in with a password, and is believed by the token that they got.
async fn sign_in_by_password(used: &mut Used) {
    let settings = [("TOKEN_KEYS", "kms:a-key")];
    let world = World::with_people().await;
    let service = Service::over_with(world, &settings).await;
    let answer = service.send("issue-token", event("issue-token/minimal")).await;
    let token = format!("Bearer {}", text(&answer.json()["access_token"]));
    let mut question = event("authorize/token").json().clone();
    question["identitySource"] = json!([token]);
    question["headers"]["authorization"] = json!(token);
    let decision = Event::of(question).invoke(service.function("authorize")).await;
    assert_eq!(decision["context"]["auth"], "ok", "{decision}");
    note(used, &service);
}

/// Somebody whom nobody knows yet signs in at the company's identity provider, and a second time;
/// then somebody who had a password so far.
async fn sign_in_at_the_provider(used: &mut Used) {
    let world = World::with_people().await;
    let provider = IdentityProvider::start(world.clock.clone()).await;
    let members = format!("example.com={WORKSPACE}:member");
    let settings: Vec<_> =
        provider.settings().into_iter().chain([("OIDC_MEMBERS", members.as_str())]).collect();
    let service = Service::over_with(world, &settings).await;
    for (subject, email) in [("linus", LINUS_EMAIL), ("linus", LINUS_EMAIL), ("ada", ADA_EMAIL)] {
        provider.lie(|lies| lies.claims = json!({ "sub": subject, "email": email, "name": "A" }));
        let begun = service.send("start-sign-in", event("start-sign-in/minimal")).await;
        let (code, state) = provider.approve(begun.header("location"));
        let mut back = event("finish-sign-in/minimal").json().clone();
        let cookie = begun.cookies[0].split(';').next().unwrap_or_default();
        back["cookies"] = json!([cookie]);
        let (code, issuer) = (code.replace('+', "%2B"), provider.issuer());
        let back = Event::of(back).query(&format!("code={code}&state={state}&iss={issuer}"));
        let answer = service.send("finish-sign-in", back).await;
        assert!(answer.header("location").contains("code="), "{answer:?}");
    }
    note(used, &service);
}

/// A link gets all that a link can have, and loses it.
async fn edit_a_link(used: &mut Used) {
    let service = Service::start().await;
    let new = json!({
        "url": "https://example.com/",
        "slug": "first",
        "aliases": ["second"],
        "tags": ["mail"],
        "max_clicks": 5,
    });
    // A retry, which gets the first answer.
    for _ in 0..2 {
        let retried = event("create-link/minimal").header("idempotency-key", "the-same");
        assert_eq!(service.send("create-link", retried.body(&new)).await.status, 201);
    }
    let list = service.list("").await.json();
    let id = text(&list["items"][0]["id"]);
    assert_eq!(service.follow("first").await.status, 302);
    for patch in
        [json!({ "max_clicks": 7 }), json!({ "aliases": [], "tags": [], "max_clicks": null })]
    {
        assert_eq!(service.edit(id, patch).await.status, 200);
    }
    note(used, &service);
}

/// Somebody asks for what only the clicks of a workspace's links can tell, one by one.
async fn filter_a_workspace(used: &mut Used) {
    let service = Service::start().await;
    service.create(json!({ "url": "https://example.com/", "slug": "spring" })).await;
    service.follow("spring").await;
    service.record().await;
    let rows = event("workspace-stats/minimal").query("filter=slug:spring,browser:Firefox");
    let answer = service.send("workspace-stats", rows).await;
    assert_eq!(answer.json()["totals"]["clicks"], 1, "{answer:?}");
    note(used, &service);
}

/// So many clicks at once that the counts of a link are split up.
async fn follow_a_hot_link(used: &mut Used) {
    let service = Service::start().await;
    service.create(json!({ "url": "https://example.com/", "slug": "hot" })).await;
    service.follow("hot").await;
    let conflict = Fault::cancel("TransactionConflict", |item| item.pk.starts_with("R#"));
    // Twice for each doubling; from the second on the clicks themselves are split up too.
    service
        .world
        .probe
        .inject(On::operation("TransactWriteItems").table("clicks").times(4), conflict);
    assert_eq!(service.record().await, 1);
    note(used, &service);
}

/// Clicks are compacted, and a line that is none is put aside.
async fn compact_clicks(used: &mut Used) {
    let service = Service::start().await;
    service.create(json!({ "url": "https://example.com/", "slug": "lake" })).await;
    service.follow("lake").await;
    assert_eq!(service.record().await, 1);
    let client = aws_sdk_s3::Client::new(&service.world.aside());
    let bad = client.put_object().bucket("raw-clicks").key("raw/dt=2026-11-20/hr=14/0.jsonl");
    bad.body(b"no click\n".to_vec().into()).send().await.expect("the object is put");
    event("compact-clicks/minimal").invoke(service.function("compact-clicks")).await;
    note(used, &service);
}

/// A link is deleted and then purged, another one at once, and then the whole workspace goes.
async fn purge_everything(used: &mut Used) {
    let service = Service::over(worlds::of("purge-clicks").await).await;
    let other = service.create(json!({ "url": "https://example.com/", "slug": "other" })).await;
    // A file and a batch of both links, and a batch of one of them.
    for (slugs, compacted) in [(["spring", "other"], true), (["spring", "other"], false)] {
        for slug in slugs {
            service.follow(slug).await;
        }
        assert_eq!(service.record().await, 2);
        if compacted {
            event("compact-clicks/minimal").invoke(service.function("compact-clicks")).await;
        }
    }
    service.follow("spring").await;
    assert_eq!(service.record().await, 1);
    assert_eq!(service.delete(SPRING).await.status, 204);
    service.send("delete-link", event("delete-link/purge")).await;
    service.purge(SPRING).await;
    let purge = event("delete-link/purge").path("id", text(&other["id"]));
    assert_eq!(service.send("delete-link", purge).await.status, 202);
    service.purge(text(&other["id"])).await;
    service.create(json!({ "url": "https://example.com/", "slug": "third" })).await;
    let answer = service.send("delete-workspace", event("delete-workspace/minimal")).await;
    assert_eq!(answer.status, 202);
    service.purge(WORKSPACE).await;
    note(used, &service);
}

/// What the event source does with a worker's role.
fn of_event_source(function: &str) -> BTreeSet<Action> {
    let workers = Workers::get().workers;
    let Some(queue) = workers.get(function).and_then(|worker| worker.queue.as_ref()) else {
        return BTreeSet::new();
    };
    let named = |resource: &Resource| resource.as_str() == format!("{queue}-queue");
    let resource = Resource::ALL.into_iter().find(named);
    let resource = resource.unwrap_or_else(|| panic!("no permission can name the queue `{queue}`"));
    let actions = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"];
    actions.into_iter().map(|action| (resource, action.to_owned())).collect()
}

#[test]
fn who_asks_for_objects_may_list_them() {
    // Else S3 answers 403 to who asks for what is not there, so that nobody learns what is.
    let mut faults = Vec::new();
    for function in functions::NAMES {
        let given = Given::to(function);
        let all: BTreeSet<_> = given.actions().map(|(_, action)| action.to_owned()).collect();
        if all.contains("s3:GetObject") && !all.contains("s3:ListBucket") {
            let place = Given::place(function);
            faults.push(format!("{place}: it needs `s3:ListBucket` on `lake-bucket`"));
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn a_function_does_all_that_it_may() {
    let mut used = Used::new();
    send_all_events(&mut used).await;
    sign_in_by_password(&mut used).await;
    sign_in_at_the_provider(&mut used).await;
    edit_a_link(&mut used).await;
    filter_a_workspace(&mut used).await;
    follow_a_hot_link(&mut used).await;
    compact_clicks(&mut used).await;
    purge_everything(&mut used).await;
    let mut faults = Vec::new();
    for function in functions::NAMES {
        let mut needed = of_event_source(function);
        needed.extend(used.remove(function).unwrap_or_default());
        let (given, place) = (Given::to(function), Given::place(function));
        let allowed = given.actions().map(|(resource, action)| (resource, action.to_owned()));
        let allowed: BTreeSet<Action> = allowed.collect();
        for (resource, action) in allowed.difference(&needed) {
            faults.push(format!("{place}: nothing needs `{action}` on `{resource}`"));
        }
        for (resource, action) in needed.difference(&allowed) {
            faults.push(format!("{place}: it needs `{action}` on `{resource}`"));
        }
    }
    assert_none(&faults);
}
