//! The authorizer from its events, against the embedded accounts table.

use domain::{KeyId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use lambda::{Function, Invocation};
use testkit::probe::{Fault, On, Service};
use testkit::{Event, WORKSPACE, World, event, now};

use super::*;

struct Door {
    world: World,
    function: Function,
}

/// The key of the events.
fn key() -> ApiKey {
    let minimal = event("authorize/minimal");
    let header = minimal.json()["identitySource"][0].as_str().unwrap();
    ApiKey::parse(bearer(header).unwrap()).unwrap()
}

fn record() -> KeyRecord {
    KeyRecord {
        id: key().id(),
        hash: key().hash(),
        workspace: WorkspaceId::parse(WORKSPACE).unwrap(),
        name: "test".to_owned(),
        scopes: vec![Scope::LinksRead, Scope::LinksWrite, Scope::StatsRead],
        expires_at: None,
        created_by: None,
        writes_per_minute: None,
        last_used_at: None,
    }
}

impl Door {
    /// A world in which the events' key is known.
    async fn new() -> Self {
        Self::with(record()).await
    }

    async fn with(record: KeyRecord) -> Self {
        let world = World::new().await;
        world.accounts().put_key(&record).await.unwrap();
        let boot = world.boot("authorize");
        let function = Function::authorizer(boot, load, handle).await.unwrap();
        Self { world, function }
    }

    async fn ask(&self, event: &Event) -> Value {
        event.invoke(&self.function).await
    }

    async fn ask_with(&self, credentials: &str) -> Value {
        self.ask(&with(credentials)).await
    }
}

/// An event with other credentials.
fn with(credentials: &str) -> Event {
    let mut event = event("authorize/minimal").json().clone();
    event["identitySource"] = json!([credentials]);
    event["headers"]["authorization"] = json!(credentials);
    Event::of(event)
}

/// What is answered to bad credentials: never a denial, which would be API Gateway's bare 403.
fn refused() -> Value {
    json!({ "isAuthorized": true, "context": { "auth": "invalid" } })
}

fn admitted() -> Value {
    json!({
        "isAuthorized": true,
        "context": {
            "auth": "ok",
            "workspace": WORKSPACE,
            "principal": "key_01K9Z0000000000000000000KA",
            "scopes": "links:read links:write stats:read",
        },
    })
}

#[tokio::test]
async fn a_good_key_says_whose_it_is_and_what_it_may() {
    let door = Door::new().await;
    assert_eq!(door.ask(&event("authorize/minimal")).await, admitted());
    let calls = door.world.probe.take_calls();
    let reads: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(reads, ["GetItem"]);
    assert_eq!(calls[0].body["ConsistentRead"], true, "a revoked key must not be found");
}

#[tokio::test]
async fn the_context_that_it_gives_is_one_that_the_functions_take() {
    let door = Door::new().await;
    let answer = door.ask(&event("authorize/minimal")).await;
    let sample = event("get-link/full");
    let context = &sample.json()["requestContext"]["authorizer"]["lambda"];
    assert_eq!(&answer["context"], context, "events/get-link/full.json shows another context");
    assert!(answer["context"].as_object().unwrap().values().all(Value::is_string));
}

#[tokio::test]
async fn the_scheme_has_no_case() {
    let door = Door::new().await;
    assert_eq!(door.ask(&event("authorize/lower-case-scheme")).await, admitted());
    let key = key().reveal();
    for credentials in [format!("BEARER {key}"), format!("Bearer   {key} ")] {
        assert_eq!(door.ask_with(&credentials).await, admitted(), "{credentials}");
    }
}

#[tokio::test]
async fn the_route_plays_no_part() {
    let door = Door::new().await;
    let answer = door.ask(&event("authorize/other-route")).await;
    assert_eq!(answer, door.ask(&event("authorize/minimal")).await);
    // All that is left to decide by are the credentials: nothing else is even looked at.
    let bare = Event::of(json!({
        "identitySource": event("authorize/minimal").json()["identitySource"].clone()
    }));
    assert_eq!(door.ask(&bare).await, answer);
}

#[tokio::test]
async fn what_cannot_be_a_key_is_refused_without_a_read() {
    let door = Door::new().await;
    for name in ["mistyped", "empty", "no-scheme", "basic", "token"] {
        let answer = door.ask(&event(&format!("authorize/{name}"))).await;
        assert_eq!(answer, refused(), "{name}");
    }
    let key = key().reveal();
    let credentials = [
        String::new(),
        " ".to_owned(),
        "Bearer".to_owned(),
        format!("Bearer: {key}"),
        format!("Bearer\t{key}"),
        format!("Bearer {key}, Bearer {key}"),
        format!("Bearer {}", key.to_lowercase()),
        format!("Bearer {}", "sp_é".repeat(20)),
        format!("Bearer {}", "x".repeat(100_000)),
    ];
    for credentials in credentials {
        assert_eq!(door.ask_with(&credentials).await, refused(), "{credentials:.40}");
    }
    for event in
        [json!({}), json!(null), json!({"identitySource": []}), json!({"identitySource": [1]})]
    {
        assert_eq!(door.ask(&Event::of(event.clone())).await, refused(), "{event}");
    }
    assert!(door.world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn an_unknown_key_and_a_wrong_secret_are_refused_alike() {
    let door = Door::new().await;
    for name in ["unknown-key", "wrong-secret"] {
        let answer = door.ask(&event(&format!("authorize/{name}"))).await;
        assert_eq!(answer, refused(), "{name}");
    }
    assert_eq!(door.world.probe.count("GetItem"), 2);
}

#[tokio::test]
async fn a_key_opens_nothing_from_its_end_on() {
    let end = now().checked_add(SignedDuration::from_secs(1)).unwrap();
    let door = Door::with(KeyRecord { expires_at: Some(end), ..record() }).await;
    assert_eq!(door.ask(&event("authorize/minimal")).await, admitted());
    door.world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(door.ask(&event("authorize/minimal")).await, refused());
}

#[tokio::test]
async fn a_key_without_scopes_is_known_but_may_nothing() {
    let door = Door::with(KeyRecord { scopes: Vec::new(), ..record() }).await;
    let answer = door.ask(&event("authorize/minimal")).await;
    assert_eq!(answer["context"]["auth"], "ok");
    assert_eq!(answer["context"]["scopes"], "");
}

#[tokio::test]
async fn another_key_opens_its_own_workspace() {
    let door = Door::new().await;
    let (id, workspace) =
        (KeyId::new(Timestamp::UNIX_EPOCH, 7), WorkspaceId::new(Timestamp::UNIX_EPOCH, 8));
    let other = ApiKey::new(id, [3, 4]);
    let record =
        KeyRecord { id, hash: other.hash(), workspace, scopes: vec![Scope::Admin], ..record() };
    door.world.accounts().put_key(&record).await.unwrap();
    let answer = door.ask_with(&format!("Bearer {}", other.reveal())).await;
    assert_eq!(answer["context"]["workspace"], workspace.to_string());
    assert_eq!(answer["context"]["scopes"], "admin");
    // Its id with the first key's secret, or the other way round, is neither.
    let mixed = ApiKey::new(key().id(), [3, 4]);
    assert_eq!(door.ask_with(&format!("Bearer {}", mixed.reveal())).await, refused());
}

#[tokio::test]
async fn without_dynamodb_nobody_gets_in_and_nobody_is_told_why() {
    let door = Door::new().await;
    door.world.probe.inject(On::service(Service::DynamoDb), Fault::Unreachable);
    let payload = event("authorize/minimal").json().to_string().into_bytes();
    let error = door.function.invoke(Invocation::new(payload, "r")).await.unwrap_err();
    assert_eq!(error.to_string(), "the authorizer could not decide");
    // Who has no key at all is told so even then.
    assert_eq!(door.ask(&event("authorize/mistyped")).await, refused());
}
