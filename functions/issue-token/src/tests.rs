//! The token endpoint from its events, against the embedded accounts table.

use domain::{
    ApiKey, CodeChallenge, CodeVerifier, KeyRecord, Principal, RedirectUri, RefreshToken, Role,
    Session, SessionId, SignInCode, SignInGrant, SignInRequest, User, UserId,
};
use futures_util::future::join_all;
use jiff::SignedDuration;
use lambda::Function;
use serde_json::Value;
use store::Journal;
use testkit::people::{
    self, ADA, API_KEY, GRACE, GRACE_EMAIL, KEY, PASSWORD, REFRESH_TOKEN, SESSION,
};
use testkit::probe::{Fault, On};
use testkit::{Answer, Event, OTHER_WORKSPACE, WORKSPACE, World, event, now};

use super::*;

const ALL: &str = "links:read links:write stats:read admin account";

struct Endpoint {
    world: World,
    function: Function,
    tokens: Tokens,
}

impl Endpoint {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(settings: &[(&'static str, &str)]) -> Self {
        let world = World::with_people().await;
        let boot = world.boot_with("issue-token", settings);
        let tokens = Tokens::load(&boot).unwrap();
        let function = Function::http(boot, load, handle).await.unwrap();
        world.probe.take_calls();
        Self { world, function, tokens }
    }

    async fn with_code_and(settings: &[(&'static str, &str)]) -> Self {
        let endpoint = Self::with(settings).await;
        let (code, grant) = code();
        endpoint.world.accounts().put_code(&code, &grant).await.unwrap();
        endpoint
    }

    /// Sends a sample event.
    async fn sample(&self, name: &str) -> Answer {
        event(&format!("issue-token/{name}")).send(&self.function).await
    }

    /// Sends a form.
    async fn ask(&self, form: &str) -> Answer {
        self.send(event("issue-token/minimal").text_body(form)).await
    }

    async fn send(&self, event: Event) -> Answer {
        event.send(&self.function).await
    }

    async fn refresh(&self, token: &str) -> Answer {
        self.ask(&format!("grant_type=refresh_token&refresh_token={token}")).await
    }

    async fn guess(&self, email: &str, password: &str) -> Answer {
        let form = format!(
            "grant_type=password&client_id=signpost&username={email}&password={}",
            password.replace(' ', "+")
        );
        self.ask(&form).await
    }

    /// The access token of an answer, which must be a good one.
    async fn token(&self, answer: &Answer) -> AccessToken {
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = answer.json()["access_token"].as_str().unwrap().to_owned();
        self.tokens.verify(&text, self.world.clock.now()).await.unwrap()
    }

    fn advance(&self, seconds: i64) {
        self.world.clock.advance(SignedDuration::from_secs(seconds));
    }

    async fn session(&self, id: SessionId) -> Session {
        self.world.accounts().find_session(id).await.unwrap().unwrap()
    }

    /// The audit log of the workspace: actions and subjects, newest first.
    async fn log(&self) -> Vec<String> {
        let log = self.world.audit_log(WORKSPACE).await;
        log.into_iter().filter(|line| line.starts_with("session.")).collect()
    }
}

fn refresh_token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["refresh_token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn assert_refused(answer: &Answer, status: u16, error: &str) {
    assert_eq!((answer.status, answer.json()["error"].clone()), (status, Value::from(error)));
}

fn ada_session() -> SessionId {
    SessionId::parse(SESSION).unwrap()
}

#[tokio::test]
async fn a_right_password_opens_a_session_and_is_told_in_the_log() {
    let endpoint = Endpoint::new().await;
    let answer = endpoint.sample("minimal").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("pragma"), "no-cache");
    assert!(answer.header("ratelimit").starts_with("\"sign-ins\";r=59"));
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["expires_in"], 900);
    assert_eq!(body["scope"], ALL);
    assert_eq!(body["workspace"], WORKSPACE);
    let token = endpoint.token(&answer).await;
    assert_eq!(token.principal, Principal::User(UserId::parse(ADA).unwrap()));
    assert_eq!(token.workspace.unwrap().to_string(), WORKSPACE);
    assert_eq!(token.issued_at.as_second(), now().as_second());
    let refresh = RefreshToken::parse(&refresh_token(&answer)).unwrap();
    let session = endpoint.session(SessionId::of(&refresh)).await;
    assert_eq!(Some(session.id), token.session);
    assert_eq!(session.current, refresh.hash());
    assert_eq!(session.scopes, Scope::ALL);
    assert_eq!(
        endpoint.log().await,
        [format!("session.opened {ADA} {} grant=password", session.id)]
    );
}

#[tokio::test]
async fn scope_and_workspace_can_be_asked_for_and_not_more_than_there_is() {
    let endpoint = Endpoint::new().await;
    let answer = endpoint.sample("full").await;
    assert_eq!(answer.json()["scope"], "links:read stats:read");
    let token = endpoint.token(&answer).await;
    assert_eq!(endpoint.session(token.session.unwrap()).await.scopes, token.scopes);
    assert_refused(&endpoint.sample("other-workspace").await, 400, "invalid_request");
    assert_refused(&endpoint.sample("unknown-scope").await, 400, "invalid_scope");
    assert_refused(&endpoint.sample("too-large-a-scope").await, 400, "invalid_scope");
    let by_grace = format!(
        "grant_type=password&client_id=signpost&username={GRACE_EMAIL}&password={}",
        PASSWORD.replace(' ', "+")
    );
    let few = endpoint.ask(&by_grace).await;
    assert_eq!(few.json()["scope"], "links:read links:write stats:read account");
    let more = endpoint.ask(&format!("{by_grace}&scope=links:read+admin")).await;
    assert_refused(&more, 400, "invalid_scope");
    let nonsense = endpoint.ask(&format!("{by_grace}&workspace=shop")).await;
    assert_refused(&nonsense, 400, "invalid_request");
    assert_eq!(endpoint.sample("unknown-parameter").await.status, 200, "RFC 6749, 3.2");
}

#[tokio::test]
async fn somebody_who_is_in_no_workspace_has_their_account() {
    let endpoint = Endpoint::new().await;
    let accounts = endpoint.world.accounts();
    let (shop, grace) = (WorkspaceId::parse(WORKSPACE).unwrap(), UserId::parse(GRACE).unwrap());
    let member = accounts.find_member(shop, grace).await.unwrap().unwrap();
    accounts.remove_member(&member, &Journal::none()).await.unwrap();
    let answer = endpoint.guess(GRACE_EMAIL, PASSWORD).await;
    assert_eq!(answer.json()["scope"], "account");
    assert!(answer.json().get("workspace").is_none());
    assert_eq!(endpoint.token(&answer).await.workspace, None);
    let next = endpoint.refresh(&refresh_token(&answer)).await;
    assert_eq!(endpoint.token(&next).await.workspace, None);
}

#[tokio::test]
async fn nobody_learns_who_has_an_account() {
    let endpoint = Endpoint::new().await;
    let mut seen = Vec::new();
    for name in ["wrong-password", "unknown-user"] {
        let answer = endpoint.sample(name).await;
        assert_refused(&answer, 400, "invalid_grant");
        seen.push((answer.text, endpoint.world.probe.take_operations()));
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].1, ["UpdateItem", "UpdateItem", "UpdateItem", "GetItem", "GetItem"]);
    // Somebody whom only the identity provider knows.
    let accounts = endpoint.world.accounts();
    let without = people::grace().verified(now());
    accounts.update_user(&people::grace(), &without, &Journal::none()).await.unwrap();
    let answer = endpoint.guess(GRACE_EMAIL, PASSWORD).await;
    assert_eq!((answer.text, endpoint.world.probe.take_operations()), seen[0].clone());
    // Once they have to wait, everybody has to.
    for name in ["wrong-password", "unknown-user"] {
        for _ in 1..5 {
            assert_refused(&endpoint.sample(name).await, 400, "invalid_grant");
        }
        let answer = endpoint.sample(name).await;
        answer.assert_problem(Kind::RateLimited);
        assert_eq!(answer.header("retry-after"), "1");
    }
}

#[tokio::test]
async fn what_is_no_address_is_nobodys() {
    let endpoint = Endpoint::new().await;
    let answer = endpoint.guess("nobody", PASSWORD).await;
    assert_refused(&answer, 400, "invalid_grant");
    assert_eq!(answer.text, endpoint.sample("wrong-password").await.text);
}

#[tokio::test]
async fn guesses_wait_longer_and_longer_and_the_right_password_waits_too() {
    let endpoint = Endpoint::new().await;
    for _ in 0..5 {
        assert_refused(&endpoint.sample("wrong-password").await, 400, "invalid_grant");
    }
    endpoint.sample("minimal").await.assert_problem(Kind::RateLimited);
    endpoint.advance(1);
    assert_refused(&endpoint.sample("wrong-password").await, 400, "invalid_grant");
    let answer = endpoint.sample("minimal").await;
    assert_eq!(answer.header("retry-after"), "2");
    // Others are not held up by it.
    assert_eq!(endpoint.guess(GRACE_EMAIL, PASSWORD).await.status, 200);
    endpoint.advance(2);
    assert_eq!(endpoint.sample("minimal").await.status, 200);
    assert_refused(&endpoint.sample("wrong-password").await, 400, "invalid_grant");
    assert_eq!(endpoint.sample("minimal").await.status, 200, "all was forgotten");
}

#[tokio::test]
async fn of_a_hundred_guesses_at_once_five_reach_the_password() {
    let endpoint = Endpoint::with(&[("SIGN_IN_PER_MINUTE", "0")]).await;
    let guesses = (0..100).map(|_| endpoint.sample("wrong-password"));
    let answers = join_all(guesses).await;
    let with = |status| answers.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(400), with(429)), (5, 95));
    // The person is looked for after the guess was counted, and before the password is hashed.
    assert_eq!(endpoint.world.probe.count("GetItem"), 2 * 5);
}

#[tokio::test]
async fn an_address_that_guesses_at_many_accounts_waits_as_well() {
    let endpoint = Endpoint::with(&[("SIGN_IN_PER_MINUTE", "0")]).await;
    for number in 0..20 {
        let answer = endpoint.guess(&format!("guess{number}@example.com"), PASSWORD).await;
        assert_refused(&answer, 400, "invalid_grant");
    }
    let answer = endpoint.sample("minimal").await;
    answer.assert_problem(Kind::RateLimited);
    let mut elsewhere = event("issue-token/minimal").json().clone();
    elsewhere["requestContext"]["http"]["sourceIp"] = "198.51.100.9".into();
    assert_eq!(endpoint.send(Event::of(elsewhere)).await.status, 200);
    endpoint.advance(1);
    assert_eq!(endpoint.sample("minimal").await.status, 200);
    // To have an account is no way to guess on.
    endpoint.advance(1);
    let answer = endpoint.guess("guess0@example.com", PASSWORD).await;
    assert_refused(&answer, 400, "invalid_grant");
    endpoint.sample("minimal").await.assert_problem(Kind::RateLimited);
    // However many there were, everybody else there waits for half a minute at most.
    for number in 1..10 {
        endpoint.advance(60);
        endpoint.guess(&format!("guess{number}@example.com"), PASSWORD).await;
    }
    assert_eq!(endpoint.sample("minimal").await.header("retry-after"), "30");
}

#[tokio::test]
async fn waiting_at_an_account_is_not_counted_against_the_address() {
    let endpoint = Endpoint::with(&[("SIGN_IN_PER_MINUTE", "0")]).await;
    for _ in 0..50 {
        endpoint.sample("wrong-password").await;
    }
    assert_eq!(endpoint.guess(GRACE_EMAIL, PASSWORD).await.status, 200);
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_the_next_ones() {
    let endpoint = Endpoint::new().await;
    endpoint.advance(600);
    let answer = endpoint.sample("refresh").await;
    let token = endpoint.token(&answer).await;
    assert_eq!(token.session, Some(ada_session()));
    assert_eq!(answer.json()["scope"], ALL);
    let second = refresh_token(&answer);
    assert_ne!(second, REFRESH_TOKEN);
    let session = endpoint.session(ada_session()).await;
    assert_eq!(session.current, RefreshToken::parse(&second).unwrap().hash());
    assert_eq!(session.rotated_at, endpoint.world.clock.now());
    endpoint.advance(600);
    let third = refresh_token(&endpoint.refresh(&second).await);
    assert_ne!(third, second);
    assert!(endpoint.log().await.is_empty(), "a session that goes on is no news");
}

#[tokio::test]
async fn a_lost_answer_is_given_again_for_ten_seconds() {
    let endpoint = Endpoint::new().await;
    let first = refresh_token(&endpoint.sample("refresh").await);
    endpoint.advance(9);
    let again = endpoint.sample("refresh").await;
    assert_eq!(refresh_token(&again), first, "the same successor");
    assert!(endpoint.token(&again).await.session == Some(ada_session()));
    assert_eq!(refresh_token(&endpoint.refresh(&first).await).len(), 78, "and it works");
}

#[tokio::test]
async fn a_used_token_ends_the_session_for_everybody_and_the_log_says_so() {
    let endpoint = Endpoint::new().await;
    let second = refresh_token(&endpoint.sample("refresh").await);
    endpoint.advance(10);
    assert_refused(&endpoint.sample("refresh").await, 400, "invalid_grant");
    assert_refused(&endpoint.refresh(&second).await, 400, "invalid_grant");
    assert!(endpoint.session(ada_session()).await.revoked_at.is_some());
    assert_eq!(endpoint.log().await, [format!("session.reused {ADA} {SESSION}")], "once");
}

#[tokio::test]
async fn a_token_before_the_last_ends_the_session_even_within_the_grace() {
    let endpoint = Endpoint::new().await;
    let second = refresh_token(&endpoint.sample("refresh").await);
    let third = refresh_token(&endpoint.refresh(&second).await);
    assert_refused(&endpoint.sample("refresh").await, 400, "invalid_grant");
    assert_refused(&endpoint.refresh(&third).await, 400, "invalid_grant");
    assert_eq!(endpoint.log().await.len(), 1);
}

#[tokio::test]
async fn twenty_refreshes_of_one_token_at_once_all_get_the_same_successor() {
    let endpoint = Endpoint::new().await;
    let answers = join_all((0..20).map(|_| endpoint.sample("refresh"))).await;
    let mut successors: Vec<_> = answers.iter().map(refresh_token).collect();
    successors.dedup();
    assert_eq!(successors.len(), 1);
    for answer in &answers {
        assert_eq!(endpoint.token(answer).await.session, Some(ada_session()));
    }
    assert_eq!(endpoint.refresh(&successors[0]).await.status, 200);
    assert!(endpoint.log().await.is_empty());
}

#[tokio::test]
async fn when_the_write_of_a_rotation_was_made_and_its_answer_lost_the_token_is_there() {
    let endpoint = Endpoint::new().await;
    endpoint.world.probe.inject(On::operation("PutItem").once(), Fault::LostAnswer);
    let answer = endpoint.sample("refresh").await;
    let next = refresh_token(&answer);
    endpoint.advance(60);
    assert_eq!(endpoint.refresh(&next).await.status, 200);
}

#[tokio::test]
async fn a_refresh_that_fails_leaves_the_token_good() {
    // A client that comes back in a minute, as it was told, still has its session.
    let endpoint = Endpoint::new().await;
    let before = endpoint.session(ada_session()).await;
    endpoint.world.probe.inject(On::operation("PutItem"), Fault::Unreachable);
    endpoint.sample("refresh").await.assert_problem(Kind::Unavailable);
    endpoint.world.probe.heal();
    assert_eq!(endpoint.session(ada_session()).await, before);
    endpoint.advance(60);
    assert_eq!(endpoint.sample("refresh").await.status, 200);
}

#[tokio::test]
async fn without_kms_there_is_no_token_and_nothing_is_written_that_a_token_is_needed_for() {
    // There is no KMS behind the embedded stores.
    let settings = [("TOKEN_KEYS", "kms:alpha"), ("SIGN_IN_PER_MINUTE", "0")];
    let endpoint = Endpoint::with_code_and(&settings).await;
    let before = endpoint.session(ada_session()).await;
    for name in ["minimal", "refresh", "client-basic", "code"] {
        endpoint.sample(name).await.assert_problem(Kind::Unavailable);
    }
    assert_eq!(endpoint.session(ada_session()).await, before);
    assert!(endpoint.log().await.is_empty());
    let found = endpoint.world.accounts().find_code(&code().0).await.unwrap().unwrap();
    assert_eq!(found.opened, None);
}

#[tokio::test]
async fn a_session_has_an_end() {
    let endpoint = Endpoint::new().await;
    let day = 24 * 60 * 60;
    let mut token = REFRESH_TOKEN.to_owned();
    for _ in 0..3 {
        endpoint.advance(29 * day);
        token = refresh_token(&endpoint.refresh(&token).await);
    }
    endpoint.advance(3 * day - 1);
    token = refresh_token(&endpoint.refresh(&token).await);
    endpoint.advance(1);
    assert_refused(&endpoint.refresh(&token).await, 400, "invalid_grant");
    let endpoint = Endpoint::new().await;
    endpoint.advance(30 * day);
    assert_refused(&endpoint.sample("refresh").await, 400, "invalid_grant");
}

#[tokio::test]
async fn what_is_no_token_of_a_session_is_worthless() {
    let endpoint = Endpoint::new().await;
    let unknown = endpoint.sample("unknown-refresh-token").await;
    assert_refused(&unknown, 400, "invalid_grant");
    for text in ["x", "sr_", API_KEY, &REFRESH_TOKEN.to_lowercase()] {
        assert_eq!(endpoint.refresh(text).await.text, unknown.text, "{text}");
    }
}

#[tokio::test]
async fn a_new_password_ends_all_sessions() {
    let endpoint = Endpoint::new().await;
    endpoint.advance(1);
    let ada = people::ada();
    let new = User { tokens_valid_from: endpoint.world.clock.now(), ..ada.clone() };
    endpoint.world.accounts().update_user(&ada, &new, &Journal::none()).await.unwrap();
    assert_refused(&endpoint.sample("refresh").await, 400, "invalid_grant");
    assert_eq!(endpoint.sample("minimal").await.status, 200, "in the same millisecond");
}

#[tokio::test]
async fn a_refresh_asks_for_fewer_scopes_and_not_for_more() {
    let endpoint = Endpoint::new().await;
    let first = endpoint.sample("full").await;
    let ask = async |token: &str, scope: &str| {
        let form = format!("grant_type=refresh_token&refresh_token={token}&scope={scope}");
        endpoint.ask(&form).await
    };
    let more = ask(&refresh_token(&first), "links:write").await;
    assert_refused(&more, 400, "invalid_scope");
    let fewer = ask(&refresh_token(&first), "links:read").await;
    assert_eq!(fewer.json()["scope"], "links:read");
    let again = endpoint.refresh(&refresh_token(&fewer)).await;
    assert_eq!(again.json()["scope"], "links:read stats:read", "as when it began");
}

#[tokio::test]
async fn a_role_that_changes_changes_the_next_token() {
    let endpoint = Endpoint::new().await;
    let accounts = endpoint.world.accounts();
    let (shop, grace) = (WorkspaceId::parse(WORKSPACE).unwrap(), UserId::parse(GRACE).unwrap());
    let first = endpoint.guess(GRACE_EMAIL, PASSWORD).await;
    let member = accounts.find_member(shop, grace).await.unwrap().unwrap();
    accounts.change_role(&member, Role::Admin, &Journal::none()).await.unwrap();
    let next = endpoint.refresh(&refresh_token(&first)).await;
    assert_eq!(next.json()["scope"], ALL, "all that there is was asked for");
}

#[tokio::test]
async fn a_session_moves_to_another_workspace_of_the_person_and_stays_there() {
    let endpoint = Endpoint::new().await;
    let accounts = endpoint.world.accounts();
    let to = |workspace: &str| format!("{}&workspace={workspace}", form_of(REFRESH_TOKEN));
    let refused = endpoint.ask(&to(OTHER_WORKSPACE)).await;
    assert_refused(&refused, 400, "invalid_request");
    let unknown = endpoint.ask(&to("wrk_01K9Z0000000000000000000ZZ")).await;
    let text = |answer: &Answer| answer.text.replace("000ZZ", "000BB");
    assert_eq!(text(&refused), text(&unknown), "what is not theirs is not there");
    // Ada is invited to the other one.
    let invitation = domain::Invitation {
        workspace: WorkspaceId::parse(OTHER_WORKSPACE).unwrap(),
        email: people::ada().email,
        role: Role::Viewer,
        ..people::invitation()
    };
    let invitation = domain::Invitation { id: domain::InvitationId::new(now(), 77), ..invitation };
    accounts.create_invitation(&invitation, &Journal::none()).await.unwrap();
    let member = invitation.accepted_by(people::ada().id, now());
    accounts.accept_invitation(&invitation, &member, &Journal::none()).await.unwrap();
    let moved = endpoint.ask(&to(OTHER_WORKSPACE)).await;
    assert_eq!(moved.json()["workspace"], OTHER_WORKSPACE);
    assert_eq!(moved.json()["scope"], "links:read stats:read account");
    let next = endpoint.refresh(&refresh_token(&moved)).await;
    assert_eq!(next.json()["workspace"], OTHER_WORKSPACE);
    // Whoever is removed there is nowhere, until they say where they want to be.
    accounts.remove_member(&member, &Journal::none()).await.unwrap();
    let last = refresh_token(&next);
    let gone = endpoint.refresh(&last).await;
    assert_refused(&gone, 400, "invalid_grant");
    assert_eq!(gone.text, endpoint.sample("unknown-refresh-token").await.text);
    let back = endpoint.ask(&format!("{}&workspace={WORKSPACE}", form_of(&last))).await;
    assert_eq!(back.json()["workspace"], WORKSPACE);
}

#[tokio::test]
async fn a_session_without_a_workspace_goes_on_in_the_first_one_that_there_is() {
    let endpoint = Endpoint::new().await;
    let accounts = endpoint.world.accounts();
    let (shop, grace) = (WorkspaceId::parse(WORKSPACE).unwrap(), UserId::parse(GRACE).unwrap());
    let member = accounts.find_member(shop, grace).await.unwrap().unwrap();
    accounts.remove_member(&member, &Journal::none()).await.unwrap();
    let nowhere = endpoint.guess(GRACE_EMAIL, PASSWORD).await;
    join(&endpoint, OTHER_WORKSPACE, 5).await;
    let next = endpoint.refresh(&refresh_token(&nowhere)).await;
    assert_eq!(next.json()["workspace"], OTHER_WORKSPACE);
    // And stays there, though she comes back to where she was.
    join(&endpoint, WORKSPACE, 6).await;
    let next = endpoint.refresh(&refresh_token(&next)).await;
    assert_eq!(next.json()["workspace"], OTHER_WORKSPACE);
}

#[tokio::test]
async fn a_sign_in_begins_where_the_person_has_been_for_longest() {
    let endpoint = Endpoint::new().await;
    let accounts = endpoint.world.accounts();
    let (shop, grace) = (WorkspaceId::parse(WORKSPACE).unwrap(), UserId::parse(GRACE).unwrap());
    let member = accounts.find_member(shop, grace).await.unwrap().unwrap();
    accounts.remove_member(&member, &Journal::none()).await.unwrap();
    // The older workspace is the newer membership.
    let mut both = [WORKSPACE, OTHER_WORKSPACE];
    both.sort_unstable();
    join(&endpoint, both[1], 5).await;
    join(&endpoint, both[0], 6).await;
    let answer = endpoint.guess(GRACE_EMAIL, PASSWORD).await;
    assert_eq!(answer.json()["workspace"], both[1]);
}

/// Grace is invited to a workspace, and accepts so many seconds from now.
async fn join(endpoint: &Endpoint, workspace: &str, seconds: i64) {
    let accounts = endpoint.world.accounts();
    let at = now() + SignedDuration::from_secs(seconds);
    let invitation = domain::Invitation {
        id: domain::InvitationId::new(at, 78),
        workspace: WorkspaceId::parse(workspace).unwrap(),
        email: people::grace().email,
        role: Role::Viewer,
        ..people::invitation()
    };
    accounts.create_invitation(&invitation, &Journal::none()).await.unwrap();
    let member = invitation.accepted_by(people::grace().id, at);
    accounts.accept_invitation(&invitation, &member, &Journal::none()).await.unwrap();
}

#[tokio::test]
async fn a_token_of_a_key_ends_with_the_key() {
    let endpoint = Endpoint::new().await;
    for (millis, seconds) in [(60_000, 60), (1, 1), (901_000, 900)] {
        let end = now() + SignedDuration::from_millis(millis);
        let key = KeyRecord { expires_at: Some(end), ..people::key() };
        endpoint.world.accounts().put_key(&key).await.unwrap();
        let answer = endpoint.sample("client-basic").await;
        assert_eq!(answer.json()["expires_in"], seconds, "{millis}");
        let token = endpoint.token(&answer).await;
        assert_eq!(token.seconds(), seconds);
    }
}

fn form_of(token: &str) -> String {
    format!("grant_type=refresh_token&refresh_token={token}")
}

#[tokio::test]
async fn a_key_gets_a_token_and_no_session() {
    let endpoint = Endpoint::new().await;
    for name in ["client-basic", "client-body"] {
        let answer = endpoint.sample(name).await;
        let token = endpoint.token(&answer).await;
        assert_eq!(token.principal.to_string(), KEY);
        assert_eq!(token.session, None);
        assert_eq!(answer.json()["workspace"], WORKSPACE);
        assert_eq!(answer.json()["scope"], "links:read links:write stats:read");
        assert!(answer.json().get("refresh_token").is_none());
    }
    let record = endpoint.world.accounts().find_key(people::key().id).await.unwrap().unwrap();
    assert_eq!(record.last_used_at, Some(now()));
    assert!(endpoint.log().await.is_empty());
    let few = format!("{}&scope=links:read", key_form(KEY, API_KEY));
    assert_eq!(endpoint.ask(&few).await.json()["scope"], "links:read");
    let other = format!("{}&workspace={OTHER_WORKSPACE}", key_form(KEY, API_KEY));
    assert_refused(&endpoint.ask(&other).await, 400, "invalid_request");
}

fn key_form(id: &str, secret: &str) -> String {
    format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
}

#[tokio::test]
async fn a_client_that_does_not_prove_who_it_is_is_challenged() {
    let endpoint = Endpoint::new().await;
    let wrong = endpoint.sample("wrong-client-secret").await;
    assert_refused(&wrong, 401, "invalid_client");
    assert!(wrong.header("www-authenticate").starts_with("Basic "));
    let unknown = endpoint.sample("unknown-client").await;
    assert_eq!(unknown.text, wrong.text);
    let unknown_key = ApiKey::new(domain::KeyId::new(now(), 9), [1, 2]);
    let expired = KeyRecord { expires_at: Some(now()), ..people::key() };
    let forms = [
        "grant_type=client_credentials".to_owned(),
        format!("grant_type=client_credentials&client_id={KEY}"),
        key_form(KEY, "x"),
        key_form(KEY, &unknown_key.reveal()),
        key_form("signpost", API_KEY),
        key_form(&unknown_key.id().to_string(), &unknown_key.reveal()),
    ];
    for form in forms {
        assert_eq!(endpoint.ask(&form).await.text, wrong.text, "{form}");
    }
    endpoint.world.accounts().put_key(&expired).await.unwrap();
    assert_eq!(endpoint.ask(&key_form(KEY, API_KEY)).await.text, wrong.text);
    for header in ["Basic", "Basic !", "Bearer x", "Basic eA==", "Basic /////w=="] {
        let event = event("issue-token/client-basic").header("authorization", header);
        assert_refused(&endpoint.send(event).await, 401, "invalid_client");
    }
    assert_refused(&endpoint.sample("client-twice").await, 400, "invalid_request");
    let secret = format!("grant_type=client_credentials&client_secret={API_KEY}");
    assert_refused(&endpoint.ask(&secret).await, 400, "invalid_request");
}

#[tokio::test]
async fn passwords_and_sessions_are_for_the_services_own_tools() {
    let endpoint = Endpoint::new().await;
    let person = "grant_type=password&username=ada@example.com&password=x";
    assert_refused(&endpoint.ask(person).await, 400, "invalid_request");
    let by_key = endpoint.ask(&format!("{person}&client_id={KEY}")).await;
    assert_refused(&by_key, 400, "unauthorized_client");
    let with_secret = endpoint.ask(&format!("{person}&client_id=signpost&client_secret=x")).await;
    assert_refused(&with_secret, 401, "invalid_client");
    let form = form_of(REFRESH_TOKEN);
    assert_refused(&endpoint.ask(&format!("{form}&client_id=other")).await, 401, "invalid_client");
    assert_eq!(endpoint.ask(&format!("{form}&client_id=signpost")).await.status, 200);
}

#[tokio::test]
async fn a_request_that_makes_no_sense_is_refused_before_anything_is_read() {
    let endpoint = Endpoint::with(&[("SIGN_IN_PER_MINUTE", "0")]).await;
    for name in ["no-body", "no-grant", "json", "repeated-parameter"] {
        assert_refused(&endpoint.sample(name).await, 400, "invalid_request");
    }
    assert_refused(&endpoint.sample("unknown-grant").await, 400, "unsupported_grant_type");
    for form in [
        "grant_type=password&client_id=signpost&username=ada@example.com",
        "grant_type=password&client_id=signpost&username=&password=x",
        "grant_type=refresh_token",
        "grant_type=authorization_code&client_id=signpost&code=x",
    ] {
        assert_refused(&endpoint.ask(form).await, 400, "invalid_request");
    }
    assert!(endpoint.world.probe.take_calls().is_empty());
}

/// The code of the event, and what it stands for.
fn code() -> (SignInCode, SignInGrant) {
    let verifier = CodeVerifier::parse("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk").unwrap();
    let request = SignInRequest {
        redirect_uri: RedirectUri::stored("http://127.0.0.1:49152/callback"),
        challenge: CodeChallenge::of(&verifier),
        scopes: None,
        workspace: None,
    };
    let text = "sc_f5QybwES4fIM8Zj8TP1wtzJFDzMbojvPHN3wqKRwP7XnMHLrj7NCn9o0d871pOSd6NA54ImPQvZ";
    (SignInCode::parse(text).unwrap(), SignInGrant::new(people::ada().id, request, now()))
}

async fn with_code(grant: SignInGrant) -> Endpoint {
    let endpoint = Endpoint::new().await;
    endpoint.world.accounts().put_code(&code().0, &grant).await.unwrap();
    endpoint
}

#[tokio::test]
async fn a_code_opens_a_session_once() {
    let endpoint = with_code(code().1).await;
    let answer = endpoint.sample("code").await;
    let token = endpoint.token(&answer).await;
    let session = token.session.unwrap();
    assert_eq!(answer.json()["scope"], ALL);
    assert_eq!(
        endpoint.log().await,
        [format!("session.opened {ADA} {session} grant=authorization_code")]
    );
    // Whoever shows it again has it from somewhere.
    endpoint.advance(1);
    assert_refused(&endpoint.sample("code").await, 400, "invalid_grant");
    assert!(endpoint.session(session).await.revoked_at.is_some());
    assert_eq!(endpoint.log().await[0], format!("session.reused {ADA} {session}"));
    let next = endpoint.refresh(&refresh_token(&answer)).await;
    assert_refused(&next, 400, "invalid_grant");
}

#[tokio::test]
async fn of_two_who_show_a_code_at_once_nobody_stays_in() {
    let endpoint = with_code(code().1).await;
    let answers = join_all((0..2).map(|_| endpoint.sample("code"))).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!(good.len(), 1);
    let session = endpoint.token(good[0]).await.session.unwrap();
    assert!(endpoint.session(session).await.revoked_at.is_some());
}

#[tokio::test]
async fn a_code_is_for_who_asked_for_it_and_for_a_minute() {
    let endpoint = with_code(code().1).await;
    let form = |verifier: &str, uri: &str| {
        let code = code().0.reveal();
        format!(
            "grant_type=authorization_code&client_id=signpost&code={code}\
             &redirect_uri={uri}&code_verifier={verifier}"
        )
    };
    let (verifier, uri) =
        ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "http://127.0.0.1:49152/callback");
    for form in [
        form(&"a".repeat(43), uri),
        form("short", uri),
        form(verifier, "http://127.0.0.1:49153/callback"),
        form(verifier, uri).replace("code=sc_f5", "code=sc_f6"),
    ] {
        assert_refused(&endpoint.ask(&form).await, 400, "invalid_grant");
    }
    endpoint.advance(60);
    assert_refused(&endpoint.ask(&form(verifier, uri)).await, 400, "invalid_grant");
    let endpoint = with_code(code().1).await;
    endpoint.advance(59);
    assert_eq!(endpoint.ask(&form(verifier, uri)).await.status, 200);
}

#[tokio::test]
async fn a_code_gives_what_was_asked_for_when_the_sign_in_began() {
    let (_, grant) = code();
    let workspace = Some(WorkspaceId::parse(WORKSPACE).unwrap());
    let scopes = Some(vec![Scope::LinksRead]);
    let request = SignInRequest { scopes, workspace, ..grant.request };
    let endpoint = with_code(SignInGrant { request, ..grant }).await;
    assert_eq!(endpoint.sample("code").await.json()["scope"], "links:read");
}

#[tokio::test]
async fn without_dynamodb_everybody_is_asked_to_come_back() {
    let endpoint = with_code(code().1).await;
    let off = [("SIGN_IN_PER_MINUTE", "0")];
    let boot = endpoint.world.boot_with("issue-token", &off);
    let function = Function::http(boot, load, handle).await.unwrap();
    for (name, operations) in [
        (
            "minimal",
            ["UpdateItem", "GetItem", "DeleteItem", "Query", "TransactWriteItems"].as_slice(),
        ),
        ("refresh", &["GetItem", "BatchGetItem", "PutItem"]),
        ("client-basic", &["GetItem"]),
        ("code", &["GetItem", "Query", "TransactWriteItems"]),
    ] {
        let event = event(&format!("issue-token/{name}"));
        endpoint.world.assert_unavailable_without(operations, &event, &function).await;
    }
}

#[tokio::test]
async fn a_key_that_cannot_be_noted_as_used_gets_its_token_all_the_same() {
    let endpoint = Endpoint::with(&[("SIGN_IN_PER_MINUTE", "0")]).await;
    endpoint.world.probe.inject(On::operation("UpdateItem"), Fault::Unreachable);
    assert_eq!(endpoint.sample("client-basic").await.status, 200);
}
