//! The authorizer from its events, against the embedded accounts table.

use domain::{
    KeyId, Member, PasswordHash, TokenId, UserChange, UserId, WorkspaceChange, WorkspaceId,
};
use jiff::{SignedDuration, Timestamp};
use lambda::{Function, Invocation};
use serde_json::json;
use store::Journal;
use testkit::people::{self, API_KEY, GRACE, SESSION};
use testkit::probe::{Fault, On, Service};
use testkit::{Event, OTHER_WORKSPACE, WORKSPACE, World, event, now};

use super::*;

struct Door {
    world: World,
    function: Function,
    tokens: Tokens,
}

/// The key of the events.
fn key() -> ApiKey {
    ApiKey::parse(API_KEY).unwrap()
}

fn record() -> KeyRecord {
    people::key()
}

fn after(seconds: i64) -> Timestamp {
    now().checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

fn workspace(text: &str) -> WorkspaceId {
    WorkspaceId::parse(text).unwrap()
}

/// A token of Ada's session, for all that she may do.
fn token() -> AccessToken {
    let id = TokenId::new(now(), 7);
    let session = Some(SessionId::parse(SESSION).unwrap());
    let shop = Some(workspace(WORKSPACE));
    AccessToken::new(id, people::ada().id.into(), shop, Scope::ALL.to_vec(), session, now())
}

/// A token that was made with the key of the events.
fn token_of_key() -> AccessToken {
    let principal = Principal::Key(key().id());
    let scopes = vec![Scope::LinksRead, Scope::Admin];
    AccessToken { principal, session: None, scopes, ..token() }
}

impl Door {
    /// A world in which the events' key and people are known.
    async fn new() -> Self {
        Self::with(record()).await
    }

    async fn with(record: KeyRecord) -> Self {
        let world = World::with_people().await;
        world.accounts().put_key(&record).await.unwrap();
        let boot = world.boot("authorize");
        let tokens = Tokens::load(&boot).unwrap();
        let function = Function::authorizer(boot, load, handle).await.unwrap();
        world.probe.take_calls();
        Self { world, function, tokens }
    }

    async fn ask_with_token(&self, token: &AccessToken) -> Value {
        self.ask_with(&format!("Bearer {}", self.tokens.sign(token).await.unwrap())).await
    }

    /// What went to DynamoDB since the last look.
    fn calls(&self) -> Vec<String> {
        self.world.probe.take_calls().into_iter().map(|call| call.operation).collect()
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
    assert_eq!(reads, ["GetItem", "GetItem", "UpdateItem"], "the key, its workspace, its use");
    assert_eq!(calls[0].body["ConsistentRead"], true, "a revoked key must not be found");
}

#[tokio::test]
async fn the_use_of_a_key_is_noted_once_an_hour_and_nobody_waits_for_it() {
    let door = Door::new().await;
    let last_used = async || door.world.accounts().find_key(key().id()).await.unwrap().unwrap();
    door.ask(&event("authorize/minimal")).await;
    assert_eq!(last_used().await.last_used_at, Some(now()));
    door.calls();
    // It is 14:03:27: the hour is over at 15:00:00.
    door.world.clock.advance(SignedDuration::from_secs(3392));
    door.ask(&event("authorize/minimal")).await;
    door.ask_with_token(&token_of_key()).await;
    assert_eq!(door.world.probe.count("UpdateItem"), 0);
    door.world.clock.advance(SignedDuration::from_secs(208));
    door.world.probe.inject(On::operation("UpdateItem"), Fault::Unreachable);
    assert_eq!(door.ask(&event("authorize/minimal")).await, admitted());
    door.world.probe.heal();
    assert_eq!(last_used().await.last_used_at, Some(now()));
    door.ask(&event("authorize/minimal")).await;
    assert_eq!(last_used().await.last_used_at, Some(after(3600)));
}

#[tokio::test]
async fn the_limit_of_a_key_counts_and_else_that_of_its_workspace() {
    let door = Door::new().await;
    let (shop, accounts) = (people::workspace(), door.world.accounts());
    let change = WorkspaceChange { writes_per_minute: Some(Some(600)), ..Default::default() };
    accounts.update_workspace(&shop, &shop.edited(change), &Journal::none()).await.unwrap();
    let limit = async |token: Option<&AccessToken>| {
        let answer = match token {
            Some(token) => door.ask_with_token(token).await,
            None => door.ask(&event("authorize/minimal")).await,
        };
        answer["context"]["writes_per_minute"].clone()
    };
    assert_eq!(limit(None).await, "600");
    assert_eq!(limit(Some(&token())).await, "600");
    assert_eq!(limit(Some(&token_of_key())).await, "600");
    let own = KeyRecord { writes_per_minute: Some(5), last_used_at: Some(now()), ..record() };
    accounts.put_key(&own).await.unwrap();
    door.calls();
    assert_eq!(limit(None).await, "5");
    assert_eq!(door.calls(), ["GetItem", "GetItem"], "is the workspace there?");
    assert_eq!(limit(Some(&token_of_key())).await, "5");
}

#[tokio::test]
async fn a_good_token_says_who_it_is_and_what_they_may_by_one_read() {
    let door = Door::new().await;
    let expected = json!({
        "isAuthorized": true,
        "context": {
            "auth": "ok",
            "workspace": WORKSPACE,
            "principal": people::ADA,
            "role": "owner",
            "session": SESSION,
            "scopes": "links:read links:write stats:read admin account",
        },
    });
    assert_eq!(door.ask_with_token(&token()).await, expected);
    let calls = door.world.probe.take_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!(calls[0].operation, "BatchGetItem");
    assert_eq!(calls[0].body["RequestItems"]["accounts"]["ConsistentRead"], true);
    let sample = event("get-user/minimal");
    let context = &sample.json()["requestContext"]["authorizer"]["lambda"];
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&expected["context"]), names(context), "events/get-user shows another one");
}

#[tokio::test]
async fn a_token_of_a_key_may_what_it_says_and_the_key_may() {
    let door = Door::with(KeyRecord { scopes: vec![Scope::Admin], ..record() }).await;
    let scopes = async |token| door.ask_with_token(&token).await["context"]["scopes"].clone();
    assert_eq!(scopes(token_of_key()).await, "links:read admin");
    let few = AccessToken { scopes: vec![Scope::LinksRead], ..token_of_key() };
    assert_eq!(scopes(few.clone()).await, "links:read", "the key includes it");
    door.world.accounts().put_key(&record()).await.unwrap();
    assert_eq!(scopes(token_of_key()).await, "links:read", "the key is no admin any more");
    let stolen = AccessToken { workspace: Some(workspace(OTHER_WORKSPACE)), ..token_of_key() };
    assert_eq!(door.ask_with_token(&stolen).await, refused());
    let ends = Some(after(10));
    door.world.accounts().put_key(&KeyRecord { expires_at: ends, ..record() }).await.unwrap();
    assert_eq!(door.ask_with_token(&few).await["context"]["auth"], "ok");
    door.world.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(door.ask_with_token(&few).await, refused());
}

#[tokio::test]
async fn a_token_of_a_key_that_was_revoked_opens_nothing() {
    let door = Door::new().await;
    assert_eq!(door.ask_with_token(&token_of_key()).await["context"]["auth"], "ok");
    let accounts = door.world.accounts();
    accounts.delete_key(record().workspace, key().id(), &Journal::none()).await.unwrap();
    assert_eq!(door.ask_with_token(&token_of_key()).await, refused());
    assert_eq!(door.ask(&event("authorize/minimal")).await, refused());
}

#[tokio::test]
async fn a_token_that_was_revoked_opens_nothing_and_its_session_goes_on() {
    let door = Door::new().await;
    let accounts = door.world.accounts();
    let (id, until) = (token().id, token().expires_at);
    accounts.revoke_token(id, until, &Journal::none()).await.unwrap();
    assert_eq!(door.ask_with_token(&token()).await, refused());
    let another = AccessToken { id: TokenId::new(now(), 8), ..token() };
    assert_eq!(door.ask_with_token(&another).await["context"]["auth"], "ok");
}

#[tokio::test]
async fn a_session_takes_all_its_tokens_along() {
    let door = Door::new().await;
    let session = SessionId::parse(SESSION).unwrap();
    let nobodys = SessionId::of(&domain::RefreshToken::new([9, 9, 9]));
    let of_nobody = AccessToken { session: Some(nobodys), ..token() };
    assert_eq!(door.ask_with_token(&of_nobody).await, refused());
    let without = AccessToken { session: None, ..token() };
    assert_eq!(door.ask_with_token(&without).await, refused(), "people have sessions");
    let of_another = AccessToken { principal: UserId::parse(GRACE).unwrap().into(), ..token() };
    assert_eq!(door.ask_with_token(&of_another).await, refused());
    door.world.accounts().revoke_session(session, now(), &Journal::none()).await.unwrap();
    assert_eq!(door.ask_with_token(&token()).await, refused());
}

#[tokio::test]
async fn a_new_password_ends_what_was_signed_in_with_the_old_one_and_beside_it() {
    // The session is of this moment. A password of before, by the clock, may be written after it.
    for decided in [-1, 0, 1] {
        let door = Door::new().await;
        let decided = now().checked_add(SignedDuration::from_millis(decided)).unwrap();
        let ada = people::ada();
        let password = Some(PasswordHash::stored("$argon2id$x"));
        let edited = ada.edited(UserChange { password, ..Default::default() }, decided);
        assert_eq!(door.ask_with_token(&token()).await["context"]["auth"], "ok");
        door.world.accounts().update_user(&ada, &edited, &Journal::none()).await.unwrap();
        assert_eq!(door.ask_with_token(&token()).await, refused());
    }
}

#[tokio::test]
async fn a_role_that_was_taken_away_counts_at_once() {
    let door = Door::new().await;
    let accounts = door.world.accounts();
    // Somebody else must own the workspace first.
    let (shop, ada) = (workspace(WORKSPACE), people::ada());
    let member = async |user| accounts.find_member(shop, user).await.unwrap().unwrap();
    let grace: Member = member(UserId::parse(GRACE).unwrap()).await;
    accounts.change_role(&grace, Role::Owner, &Journal::none()).await.unwrap();
    let own = member(ada.id).await;
    accounts.change_role(&own, Role::Viewer, &Journal::none()).await.unwrap();
    let answer = door.ask_with_token(&token()).await;
    assert_eq!(answer["context"]["role"], "viewer");
    assert_eq!(answer["context"]["scopes"], "links:read stats:read account");
    accounts.remove_member(&member(ada.id).await, &Journal::none()).await.unwrap();
    assert_eq!(door.ask_with_token(&token()).await, refused());
    // What is not of the workspace is left to them.
    let nowhere = AccessToken { workspace: None, ..token() };
    let context = door.ask_with_token(&nowhere).await["context"].clone();
    assert_eq!(context["scopes"], "account");
    assert!(context.get("workspace").is_none() && context.get("role").is_none(), "{context}");
}

#[tokio::test]
async fn a_token_for_a_workspace_of_others_opens_nothing() {
    let door = Door::new().await;
    let other = AccessToken { workspace: Some(workspace(OTHER_WORKSPACE)), ..token() };
    assert_eq!(door.ask_with_token(&other).await, refused());
}

#[tokio::test]
async fn a_token_opens_nothing_from_its_end_on_and_nothing_is_read_for_it() {
    let door = Door::new().await;
    door.world.clock.advance(SignedDuration::from_secs(900));
    assert_eq!(door.ask_with_token(&token()).await["context"]["auth"], "ok", "clocks differ");
    door.world.clock.advance(SignedDuration::from_secs(60));
    door.calls();
    assert_eq!(door.ask_with_token(&token()).await, refused());
    assert!(door.calls().is_empty());
}

#[tokio::test]
async fn a_token_of_another_service_opens_nothing() {
    let door = Door::new().await;
    let boot = door.world.boot_with("x", &[("ORIGINS", "https://other.example.com")]);
    let text = Tokens::load(&boot).unwrap().sign(&token()).await.unwrap();
    assert_eq!(door.ask_with(&format!("Bearer {text}")).await, refused());
    let signed = door.tokens.sign(&token()).await.unwrap();
    let (content, signature) = signed.rsplit_once('.').unwrap();
    let tampered: String = format!("{content}.{}", signature.chars().rev().collect::<String>());
    assert_eq!(door.ask_with(&format!("Bearer {tampered}")).await, refused());
    let ours = door.ask_with(&format!("bearer {signed}")).await;
    assert_eq!(ours["context"]["auth"], "ok");
    assert_eq!(door.calls(), ["BatchGetItem"], "nothing is read for the others");
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
async fn nothing_opens_a_workspace_that_is_deleted_although_nothing_else_is_gone_yet() {
    let door = Door::new().await;
    let accounts = door.world.accounts();
    accounts.delete_workspace(&people::workspace(), &Journal::none()).await.unwrap();
    assert!(accounts.find_key(key().id()).await.unwrap().is_some());
    assert!(accounts.find_member(workspace(WORKSPACE), people::ada().id).await.unwrap().is_some());
    assert_eq!(door.ask(&event("authorize/minimal")).await, refused());
    for token in [token(), token_of_key()] {
        assert_eq!(door.ask_with_token(&token).await, refused());
    }
    // Her session goes on, outside of it.
    let outside = AccessToken { workspace: None, scopes: vec![Scope::Account], ..token() };
    assert_eq!(door.ask_with_token(&outside).await["context"]["auth"], "ok");
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
    door.world.accounts().put_workspace(workspace, "A Third Shop").await.unwrap();
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
    let token = format!("Bearer {}", door.tokens.sign(&token()).await.unwrap());
    let payload = with(&token).json().to_string().into_bytes();
    let error = door.function.invoke(Invocation::new(payload, "r")).await.unwrap_err();
    assert_eq!(error.to_string(), "the authorizer could not decide");
    // Who has no key at all is told so even then.
    assert_eq!(door.ask(&event("authorize/mistyped")).await, refused());
}
