//! Revocation from its events, against the embedded accounts table.

use domain::{KeyId, Principal, Scope, TokenId, UserId, WorkspaceId};
use jiff::SignedDuration;
use lambda::Function;
use store::{Claimed, Journal};
use testkit::people::{self, ADA, KEY, SESSION};
use testkit::{Answer, WORKSPACE, World, event, now};
use tokens::AccessToken;

use super::*;

struct Endpoint {
    world: World,
    function: Function,
    tokens: Tokens,
}

impl Endpoint {
    async fn new() -> Self {
        let world = World::with_people().await;
        let boot = world.boot("revoke-token");
        let tokens = Tokens::load(&boot).unwrap();
        let function = Function::http(boot, load, handle).await.unwrap();
        world.probe.take_calls();
        Self { world, function, tokens }
    }

    async fn sample(&self, name: &str) -> Answer {
        event(&format!("revoke-token/{name}")).send(&self.function).await
    }

    async fn give_back(&self, token: &str) -> Answer {
        let form = format!("token={token}");
        event("revoke-token/minimal").text_body(&form).send(&self.function).await
    }

    /// Whether Ada's session goes on.
    async fn is_alive(&self) -> bool {
        let id = SessionId::parse(SESSION).unwrap();
        let session = self.world.accounts().find_session(id).await.unwrap().unwrap();
        session.is_alive(self.world.clock.now())
    }

    async fn is_revoked(&self, token: &AccessToken) -> bool {
        let (principal, workspace) = (token.principal, token.workspace);
        let claimed = Claimed { token: token.id, principal, workspace, session: token.session };
        self.world.accounts().standing(&claimed).await.unwrap().is_revoked
    }
}

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status, answer.text.as_str()), (200, ""));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.header("ratelimit").starts_with("\"sign-ins\";r="));
}

fn token(number: u128, principal: Principal) -> AccessToken {
    let session = principal.user().map(|_| SessionId::parse(SESSION).unwrap());
    let workspace = Some(WorkspaceId::parse(WORKSPACE).unwrap());
    let id = TokenId::new(now(), number);
    AccessToken::new(id, principal, workspace, vec![Scope::LinksRead], session, now())
}

#[tokio::test]
async fn a_refresh_token_ends_its_session_once() {
    for name in ["minimal", "full"] {
        let endpoint = Endpoint::new().await;
        assert!(endpoint.is_alive().await);
        assert_done(&endpoint.sample(name).await);
        assert!(!endpoint.is_alive().await);
        assert_done(&endpoint.sample(name).await);
        let log = endpoint.world.audit_log(WORKSPACE).await;
        assert_eq!(log, [format!("session.revoked {ADA} {SESSION}")], "told once");
    }
}

#[tokio::test]
async fn an_access_token_ends_alone() {
    let endpoint = Endpoint::new().await;
    let ada = Principal::User(UserId::parse(ADA).unwrap());
    let key = Principal::Key(KeyId::parse(KEY).unwrap());
    for (number, principal) in [(1, ada), (2, key)] {
        let token = token(number, principal);
        let text = endpoint.tokens.sign(&token).await.unwrap();
        assert!(!endpoint.is_revoked(&token).await);
        assert_done(&endpoint.give_back(&text).await);
        assert!(endpoint.is_revoked(&token).await);
        assert_done(&endpoint.give_back(&text).await);
        let log = endpoint.world.audit_log(WORKSPACE).await;
        let told = format!("token.revoked {principal} {}", token.id);
        assert_eq!(log.iter().filter(|line| **line == told).count(), 1, "{log:?}");
    }
    assert!(endpoint.is_alive().await, "its session goes on");
    assert!(!endpoint.is_revoked(&token(3, ada)).await, "and so do others");
}

#[tokio::test]
async fn what_is_worth_nothing_anyway_is_fine() {
    let endpoint = Endpoint::new().await;
    let old = token(1, people::ada().id.into());
    let text = endpoint.tokens.sign(&old).await.unwrap();
    endpoint.world.clock.advance(SignedDuration::from_secs(960));
    assert_done(&endpoint.give_back(&text).await);
    for name in ["garbage", "unknown-token", "access-token"] {
        assert_done(&endpoint.sample(name).await);
    }
    assert!(endpoint.world.audit_log(WORKSPACE).await.is_empty());
    assert_eq!(endpoint.world.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn a_session_that_is_over_for_its_person_can_still_be_ended() {
    // Who finds a token of somebody whose account is gone may do what is right.
    let endpoint = Endpoint::new().await;
    let accounts = endpoint.world.accounts();
    let id = SessionId::parse(SESSION).unwrap();
    accounts.revoke_session(id, now(), &Journal::none()).await.unwrap();
    assert_done(&endpoint.sample("minimal").await);
    assert!(endpoint.world.audit_log(WORKSPACE).await.is_empty());
}

#[tokio::test]
async fn a_request_without_a_token_is_refused() {
    let endpoint = Endpoint::new().await;
    for name in ["missing-token", "repeated-parameter", "json"] {
        let answer = endpoint.sample(name).await;
        assert_eq!(
            (answer.status, answer.json()["error"].as_str()),
            (400, Some("invalid_request"))
        );
    }
    assert!(endpoint.is_alive().await);
}

#[tokio::test]
async fn without_dynamodb_the_token_is_as_good_as_before() {
    let endpoint = Endpoint::new().await;
    let operations = ["GetItem", "TransactWriteItems"];
    let boot = endpoint.world.boot_with("revoke-token", &[("SIGN_IN_PER_MINUTE", "0")]);
    let function = Function::http(boot, load, handle).await.unwrap();
    let minimal = event("revoke-token/minimal");
    endpoint.world.assert_unavailable_without(&operations, &minimal, &function).await;
    assert!(endpoint.is_alive().await);
    assert_done(&endpoint.sample("minimal").await);
}

#[tokio::test]
async fn without_kms_nobody_can_say_what_an_access_token_is() {
    let endpoint = Endpoint::new().await;
    let token = token(1, people::ada().id.into());
    let text = endpoint.tokens.sign(&token).await.unwrap();
    // There is no KMS behind the embedded stores.
    let boot = endpoint.world.boot_with("revoke-token", &[("TOKEN_KEYS", "kms:alpha")]);
    let function = Function::http(boot, load, handle).await.unwrap();
    let event = event("revoke-token/minimal").text_body(&format!("token={text}"));
    event.send(&function).await.assert_problem(Kind::Unavailable);
}
