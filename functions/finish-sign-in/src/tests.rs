//! The handler from its events, against the embedded stores and a provider that lies on request.

use std::collections::HashMap;

use domain::{
    BrowserSecret, ClientState, CodeChallenge, CodeVerifier, Email, OutsideIdentity, RedirectUri,
    Role, Scope, SignInRequest, User, WorkspaceId,
};
use jiff::SignedDuration;
use lambda::{Function, Kind};
use serde_json::json;
use testkit::people::{self as events, ADA_EMAIL, LINUS_EMAIL};
use testkit::probe::{Fault, On, Service};
use testkit::provider::{Failure, IdentityProvider, SUBJECT};
use testkit::{Answer, Event, WORKSPACE, World, event};
use url::Url;

use super::*;

/// A world in which everybody of `example.com` is a member, and a sign-in of the events' browser is
/// under way.
struct Test {
    world: World,
    outside: IdentityProvider,
    provider: Provider,
    function: Function,
}

impl Test {
    async fn new() -> Self {
        let members = format!("example.com={WORKSPACE}:member");
        Self::with(World::with_people().await, &[("OIDC_MEMBERS", &members)]).await
    }

    async fn with(world: World, more: &[(&'static str, &str)]) -> Self {
        let outside = IdentityProvider::start(world.clock.clone()).await;
        let settings: Vec<_> = more.iter().copied().chain(outside.settings()).collect();
        let boot = world.boot_with("finish-sign-in", &settings);
        let provider = Settings::load(&boot.env).unwrap().unwrap();
        let provider = Provider::new(provider, world.clock.clone());
        let function = Function::http(boot, load, handle).await.unwrap();
        let test = Self { world, outside, provider, function };
        test.begin().await;
        test
    }

    /// Begins the sign-in of the events.
    async fn begin(&self) {
        let request = SignInRequest {
            redirect_uri: RedirectUri::stored("http://127.0.0.1:49152/callback"),
            challenge: CodeChallenge::of(&verifier()),
            scopes: Some(vec![Scope::LinksRead]),
            workspace: None,
        };
        let client = ClientState::parse("cGxhY2Vob2xkZXI").unwrap();
        let now = self.world.clock.now();
        let sign_in = SignIn::begin(request, Some(client), &browser(), now);
        self.world.accounts().begin_sign_in(&state(), &sign_in).await.unwrap();
    }

    /// The event of a browser that comes back from the provider.
    async fn back(&self) -> Event {
        let location = self.provider.sign_in_url(&state(), &browser()).await.unwrap();
        let (code, state) = self.outside.approve(&location);
        let query = [("code", code), ("state", state), ("iss", self.outside.issuer().to_owned())];
        let query =
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        event("finish-sign-in/minimal").query(&query)
    }

    async fn send(&self, event: &Event) -> Answer {
        event.send(&self.function).await
    }

    async fn sign_in(&self) -> HashMap<String, String> {
        told(&self.send(&self.back().await).await)
    }

    /// The same once more, from the beginning.
    async fn sign_in_again(&self) -> HashMap<String, String> {
        self.begin().await;
        self.sign_in().await
    }

    /// Whom a code stands for.
    async fn user(&self, told: &HashMap<String, String>) -> User {
        let accounts = self.world.accounts();
        let code = told.get("code").unwrap_or_else(|| panic!("{told:?}"));
        let found = accounts.find_code(&SignInCode::parse(code).unwrap()).await.unwrap().unwrap();
        assert_eq!(found.grant.expires_at, self.world.clock.now() + SignInGrant::LASTS);
        assert!(found.grant.admits("http://127.0.0.1:49152/callback", &verifier()));
        assert_eq!(found.grant.request.scopes, Some(vec![Scope::LinksRead]));
        accounts.find_user(found.grant.user).await.unwrap().unwrap()
    }

    async fn role(&self, user: &User) -> Option<Role> {
        let member = self.world.accounts().find_member(workspace(), user.id).await.unwrap();
        member.map(|member| member.role)
    }

    /// What the log of the events' workspace says of somebody.
    async fn logged(&self, user: &User) -> Vec<String> {
        let page = self.world.accounts().audit(workspace(), None, 100).await.unwrap();
        let of_user = page.items.iter().filter(|event| event.subject == user.id.to_string());
        let mut lines: Vec<_> =
            of_user.map(|event| format!("{} {:?}", event.action, event.details)).collect();
        // What one transaction writes has one time, and no order.
        lines.sort();
        lines
    }

    fn lie(&self, claims: serde_json::Value) {
        self.outside.lie(|lies| lies.claims = claims);
    }

    /// Makes the provider's person the invited one, who has no account.
    fn is_linus(&self) {
        self.lie(json!({ "email": LINUS_EMAIL, "name": "Linus at Work" }));
    }
}

fn verifier() -> CodeVerifier {
    CodeVerifier::parse(&"v".repeat(43)).unwrap()
}

fn workspace() -> WorkspaceId {
    WorkspaceId::parse(WORKSPACE).unwrap()
}

/// The state of the events.
fn state() -> SignInState {
    let minimal = event("finish-sign-in/minimal");
    SignInState::parse(minimal.json()["queryStringParameters"]["state"].as_str().unwrap()).unwrap()
}

/// The browser of the events.
fn browser() -> BrowserSecret {
    let minimal = event("finish-sign-in/minimal");
    let cookie = minimal.json()["cookies"][0].as_str().unwrap().to_owned();
    BrowserSecret::parse(cookie.strip_prefix("__Host-signin=").unwrap()).unwrap()
}

/// What the client is told.
fn told(answer: &Answer) -> HashMap<String, String> {
    assert_eq!(answer.status, 302, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    let location = answer.header("location");
    assert!(location.starts_with("http://127.0.0.1:49152/callback?"), "{location}");
    let told: HashMap<_, _> = Url::parse(location).unwrap().query_pairs().into_owned().collect();
    assert_eq!(told["state"], "cGxhY2Vob2xkZXI");
    assert_eq!(told["iss"], "https://go.example.com");
    assert_ne!(told.contains_key("code"), told.contains_key("error"));
    told
}

#[track_caller]
fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!((answer.status, &answer.json()["error"]), (400, &"invalid_request".into()));
}

#[tokio::test]
async fn somebody_new_is_made_with_a_membership_and_known_the_next_time() {
    let test = Test::new().await;
    test.is_linus();
    let linus = test.user(&test.sign_in().await).await;
    assert_eq!((linus.email.as_str(), linus.name.as_str()), (LINUS_EMAIL, "Linus at Work"));
    assert!(linus.email_verified && linus.password.is_none());
    assert_eq!(test.role(&linus).await, Some(Role::Member));
    let added = r#"member.added {"role": "member"}"#;
    assert_eq!(test.logged(&linus).await, ["identity.linked {}", added, "user.registered {}"]);

    // The provider's name for them is what counts, whatever else it says now.
    test.lie(json!({ "email": "other@example.com", "email_verified": false, "name": "Other" }));
    let again = test.user(&test.sign_in_again().await).await;
    assert_eq!(again, linus);
    assert_eq!(test.logged(&linus).await.len(), 3);
}

#[tokio::test]
async fn whom_an_admin_removed_does_not_come_back_by_signing_in() {
    let test = Test::new().await;
    test.is_linus();
    let linus = test.user(&test.sign_in().await).await;
    let accounts = test.world.accounts();
    let member = accounts.find_member(workspace(), linus.id).await.unwrap().unwrap();
    accounts.remove_member(&member, &store::Journal::none()).await.unwrap();
    test.user(&test.sign_in_again().await).await;
    assert_eq!(test.role(&linus).await, None);
}

#[tokio::test]
async fn who_waits_in_an_account_with_somebody_elses_address_is_put_out_of_it() {
    let test = Test::new().await;
    assert!(!events::ada().email_verified && events::ada().password.is_some());
    test.world.clock.advance(SignedDuration::from_secs(1));
    let ada = test.user(&test.sign_in().await).await;
    assert_eq!((ada.id, ada.email.as_str()), (events::ada().id, ADA_EMAIL));
    assert!(ada.email_verified && ada.password.is_none());
    assert_eq!(ada.tokens_valid_from, test.world.clock.now());
    assert_eq!(ada.name, events::ada().name, "a name is the person's own business");
    assert_eq!(test.role(&ada).await, Some(Role::Owner), "a role is not changed by signing in");
    assert_eq!(test.logged(&ada).await, [r#"identity.linked {"password": "removed"}"#]);
}

#[tokio::test]
async fn who_waits_there_cannot_make_it_too_large_to_be_taken_over() {
    let test = Test::new().await;
    let accounts = test.world.accounts();
    for n in 0..120 {
        let id = WorkspaceId::new(test.world.clock.now(), n);
        let one = domain::Workspace::new(id, domain::Name::parse("Mine").unwrap());
        let nothing = store::Journal::none();
        accounts.create_workspace(&one, events::ada().id, &nothing).await.unwrap();
    }
    test.world.probe.take_calls();
    let ada = test.user(&test.sign_in().await).await;
    assert!(ada.email_verified && ada.password.is_none());
    assert_eq!((test.world.probe.count("Query"), test.world.probe.count("BatchGetItem")), (1, 1));
}

#[tokio::test]
async fn an_account_whose_address_was_verified_keeps_its_password() {
    let test = Test::new().await;
    let accounts = test.world.accounts();
    let verified = User { email_verified: true, revision: 2, ..events::ada() };
    accounts.update_user(&events::ada(), &verified, &store::Journal::none()).await.unwrap();
    assert_eq!(test.user(&test.sign_in().await).await, verified);
    // Also for another account at the provider, which it has verified to be of this address.
    test.lie(json!({ "sub": "subject-2" }));
    assert_eq!(test.user(&test.sign_in_again().await).await, verified);
    let identity = OutsideIdentity::new(test.outside.issuer(), SUBJECT);
    assert_eq!(accounts.find_user_by_identity(&identity).await.unwrap(), Some(verified));
}

#[tokio::test]
async fn an_address_that_nobody_has_verified_opens_and_makes_nothing() {
    let test = Test::new().await;
    for claims in [
        json!({ "email_verified": false }),
        json!({ "email_verified": null }),
        json!({ "email": null }),
        json!({ "email": LINUS_EMAIL, "email_verified": false }),
    ] {
        test.lie(claims.clone());
        let told = test.sign_in_again().await;
        assert_eq!(told["error"], "access_denied", "{claims}");
        assert!(told["error_description"].contains("e-mail"), "{told:?}");
    }
    let accounts = test.world.accounts();
    assert_eq!(accounts.find_user(events::ada().id).await.unwrap(), Some(events::ada()));
    let linus = Email::parse(LINUS_EMAIL).unwrap();
    assert_eq!(accounts.find_user_by_email(&linus).await.unwrap(), None);
    assert_eq!(test.world.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn who_may_come_without_a_rule_is_who_may_sign_up() {
    for (sign_up, comes) in [("open", true), ("invite", false), ("closed", false)] {
        let test = Test::with(World::with_people().await, &[("SIGNUP", sign_up)]).await;
        test.is_linus();
        let told = test.sign_in().await;
        if comes {
            let linus = test.user(&told).await;
            assert_eq!(test.role(&linus).await, None);
        } else {
            assert_eq!(told["error"], "access_denied", "{sign_up}");
        }
        // Who is here already may come in any case.
        test.lie(json!({ "sub": "subject-2" }));
        assert_eq!(test.user(&test.sign_in_again().await).await.id, events::ada().id);
    }
}

#[tokio::test]
async fn a_rule_that_names_no_workspace_is_the_operators_fault() {
    let nowhere = "example.com=wrk_01K9Z00000000000000000ZZZZ:member";
    let test = Test::with(World::with_people().await, &[("OIDC_MEMBERS", nowhere)]).await;
    test.is_linus();
    assert_eq!(test.sign_in().await["error"], "server_error");
    let linus = Email::parse(LINUS_EMAIL).unwrap();
    assert_eq!(test.world.accounts().find_user_by_email(&linus).await.unwrap(), None);
}

#[tokio::test]
async fn only_the_browser_that_began_finishes_and_only_once() {
    let test = Test::new().await;
    let back = test.back().await;
    let mut other = back.json().clone();
    let stranger = BrowserSecret::new([1, 2, 3]).reveal();
    other["cookies"] = json!([format!("__Host-signin={stranger}")]);
    is_refused(&test.send(&Event::of(other)).await);
    let mut bare = back.json().clone();
    bare["cookies"] = json!(["other=1"]);
    is_refused(&test.send(&Event::of(bare)).await);
    for name in ["no-cookie", "no-state", "unknown-state"] {
        is_refused(&test.send(&event(&format!("finish-sign-in/{name}"))).await);
    }
    assert!(!test.outside.take_calls().contains(&"/token".to_owned()));
    test.user(&told(&test.send(&back).await)).await;
    is_refused(&test.send(&back).await);
}

#[tokio::test]
async fn a_sign_in_that_took_too_long_is_over() {
    let test = Test::new().await;
    let back = test.back().await;
    test.world.clock.advance(SignIn::LASTS);
    is_refused(&test.send(&back).await);
}

#[tokio::test]
async fn a_parameter_that_comes_twice_is_refused() {
    let test = Test::new().await;
    let back = test.back().await;
    let query = back.json()["rawQueryString"].as_str().unwrap().to_owned();
    is_refused(&test.send(&back.clone().query(&format!("{query}&code=x"))).await);
    test.user(&told(&test.send(&back).await)).await;
}

#[tokio::test]
async fn what_the_provider_says_instead_of_a_code_is_told_in_our_words() {
    let test = Test::new().await;
    let denied = told(&test.send(&event("finish-sign-in/denied")).await);
    assert_eq!(denied["error"], "access_denied");
    let state = state().reveal();
    for (query, error) in [
        ("error=login_required", "access_denied"),
        ("error=temporarily_unavailable", "temporarily_unavailable"),
        ("error=invalid_scope", "server_error"),
        ("error=%3Cscript%3E&error_description=%3Cscript%3E", "server_error"),
        ("error=access_denied&code=x", "access_denied"),
        ("code=", "server_error"),
        ("x=y", "server_error"),
        ("code=x&iss=https%3A%2F%2Felsewhere.example.com", "server_error"),
        ("code=made-up", "access_denied"),
    ] {
        test.begin().await;
        let event = event("finish-sign-in/minimal").query(&format!("{query}&state={state}"));
        let answer = test.send(&event).await;
        assert_eq!(told(&answer)["error"], error, "{query} {answer:?}");
        assert!(!answer.header("location").contains("%3C"), "{query}");
    }
}

#[tokio::test]
async fn what_the_provider_cannot_do_is_told_to_the_client() {
    let test = Test::new().await;
    for (failure, error) in [
        (Failure::Status(503, "busy"), "temporarily_unavailable"),
        (Failure::Status(401, "invalid_client"), "server_error"),
        (Failure::Text("{}".to_owned()), "server_error"),
    ] {
        test.outside.lie(|lies| lies.failures = [("/token", failure.clone())].into());
        assert_eq!(test.sign_in_again().await["error"], error, "{failure:?}");
    }
    test.outside.lie(|lies| lies.failures.clear());
    test.lie(json!({ "nonce": "another" }));
    assert_eq!(test.sign_in_again().await["error"], "server_error");
}

#[tokio::test]
async fn without_a_provider_there_is_nothing_here() {
    let world = World::new().await;
    let boot = world.boot("finish-sign-in");
    let function = Function::http(boot, load, handle).await.unwrap();
    event("finish-sign-in/minimal").send(&function).await.assert_problem(Kind::NotFound);
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn without_dynamodb_nobody_comes_in_and_nothing_is_used_up() {
    let test = Test::new().await;
    let back = test.back().await;
    test.world.probe.inject(On::service(Service::DynamoDb), Fault::Unreachable);
    test.send(&back).await.assert_problem(Kind::Unavailable);
    test.world.probe.heal();
    test.user(&told(&test.send(&back).await)).await;
}

#[tokio::test]
async fn where_dynamodb_fails_in_the_middle_the_client_is_told() {
    for operation in ["GetItem", "PutItem", "TransactWriteItems"] {
        let test = Test::new().await;
        let back = test.back().await;
        test.world.probe.inject(On::operation(operation), Fault::Unreachable);
        assert_eq!(
            told(&test.send(&back).await)["error"],
            "temporarily_unavailable",
            "{operation}"
        );
    }
}

#[tokio::test]
async fn of_two_first_sign_ins_at_once_one_makes_the_person() {
    let test = Test::new().await;
    test.is_linus();
    let (state, browser) = (state(), browser());
    let location = test.provider.sign_in_url(&state, &browser).await.unwrap();
    let (code, _) = test.outside.approve(&location);
    let identity = test.provider.identify(&code, &state, &browser).await.unwrap();
    let members = format!("example.com={WORKSPACE}:member");
    let settings = test.outside.settings();
    let settings: Vec<_> =
        settings.into_iter().chain([("OIDC_MEMBERS", members.as_str())]).collect();
    let app = load(test.world.boot_with("finish-sign-in", &settings)).await.unwrap();
    let settings = app.provider.as_ref().unwrap().settings();
    let (a, b, c) = tokio::join!(
        people::user_of(&app, settings, &identity),
        people::user_of(&app, settings, &identity),
        people::user_of(&app, settings, &identity),
    );
    let users = [a.unwrap(), b.unwrap(), c.unwrap()];
    assert!(users.iter().all(|user| *user == users[0]), "{users:?}");
}
