//! The handler from its events, against the embedded stores and a provider that lies on request.

use std::collections::HashMap;

use lambda::Function;
use testkit::probe::{Fault, On, Service};
use testkit::provider::{Failure, IdentityProvider};
use testkit::{Answer, Event, World, event};
use url::Url;

use super::*;

struct Test {
    world: World,
    outside: IdentityProvider,
    function: Function,
}

impl Test {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(more: &[(&'static str, &str)]) -> Self {
        let world = World::new().await;
        let outside = IdentityProvider::start(world.clock.clone()).await;
        let settings: Vec<_> = more.iter().copied().chain(outside.settings()).collect();
        let boot = world.boot_with("start-sign-in", &settings);
        let function = Function::http(boot, load, handle).await.unwrap();
        Self { world, outside, function }
    }

    async fn send(&self, event: &Event) -> Answer {
        event.send(&self.function).await
    }

    /// The sign-in that the provider is asked for, as it is remembered.
    async fn begun(&self, answer: &Answer) -> SignIn {
        let (_, state) = self.outside.approve(answer.header("location"));
        let state = SignInState::parse(&state).unwrap();
        let (accounts, now) = (self.world.accounts(), self.world.clock.now());
        accounts.take_sign_in(&state, &browser(answer), 1, now).await.unwrap().unwrap()
    }
}

/// The secret that a browser has from an answer.
fn browser(answer: &Answer) -> BrowserSecret {
    let [cookie] = answer.cookies.as_slice() else { panic!("{answer:?}") };
    let value = cookie.strip_prefix("__Host-signin=").unwrap().split(';').next().unwrap();
    BrowserSecret::parse(value).unwrap()
}

/// The event with another value of a parameter, or without it.
fn with(name: &str, value: Option<&str>) -> Event {
    let minimal = event("start-sign-in/minimal");
    let query = minimal.json()["rawQueryString"].as_str().unwrap().to_owned();
    let mut query: HashMap<String, String> =
        url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    match value {
        Some(value) => query.insert(name.to_owned(), value.to_owned()),
        None => query.remove(name),
    };
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
    minimal.query(&query)
}

/// What the client is told.
fn told(answer: &Answer) -> HashMap<String, String> {
    assert_eq!(answer.status, 302, "{answer:?}");
    let location = answer.header("location");
    assert!(location.starts_with("http://127.0.0.1:49152/callback?"), "{location}");
    let told: HashMap<_, _> = Url::parse(location).unwrap().query_pairs().into_owned().collect();
    assert_eq!(told["state"], "cGxhY2Vob2xkZXI");
    assert_eq!(told["iss"], "https://go.example.com");
    told
}

fn is_refused(answer: &Answer, error: &str) {
    assert_eq!((answer.status, &answer.json()["error"]), (400, &error.into()), "{answer:?}");
    assert!(answer.cookies.is_empty());
}

#[tokio::test]
async fn a_browser_goes_to_the_provider_and_can_be_known_again() {
    let test = Test::new().await;
    let answer = test.send(&event("start-sign-in/full")).await;
    assert_eq!(answer.status, 302);
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_eq!(answer.header("referrer-policy"), "no-referrer");
    assert!(answer.header("location").starts_with(test.outside.issuer()));
    let cookie = &answer.cookies[0];
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=600; Secure"), "{cookie}");
    assert!(!answer.header("location").contains("cGxhY2Vob2xkZXI"), "the client's own business");

    let sign_in = test.begun(&answer).await;
    assert_eq!(sign_in.request.redirect_uri.as_str(), "http://127.0.0.1:49152/callback");
    assert_eq!(sign_in.state.unwrap().as_str(), "cGxhY2Vob2xkZXI");
    assert_eq!(sign_in.request.workspace.unwrap().to_string(), testkit::WORKSPACE);
    assert_eq!(sign_in.request.scopes, None);
    assert_eq!(sign_in.expires_at, test.world.clock.now() + SignIn::LASTS);
}

#[tokio::test]
async fn scopes_and_a_page_of_the_service_are_taken() {
    let test = Test::new().await;
    let answer = test.send(&with("scope", Some("links:read account"))).await;
    let scopes = test.begun(&answer).await.request.scopes;
    assert_eq!(scopes, Some(vec![Scope::LinksRead, Scope::Account]));
    let answer = test.send(&event("start-sign-in/own-page")).await;
    let redirect_uri = test.begun(&answer).await.request.redirect_uri;
    assert_eq!(redirect_uri.as_str(), "https://go.example.com/app/signed-in");
}

#[tokio::test]
async fn a_browser_keeps_its_secret_for_a_second_sign_in() {
    let test = Test::new().await;
    let first = test.send(&event("start-sign-in/minimal")).await;
    let mut event = event("start-sign-in/minimal").json().clone();
    let cookie = format!("__Host-signin={}", browser(&first).reveal());
    event["cookies"] = serde_json::json!(["other=1", cookie]);
    let second = test.send(&Event::of(event)).await;
    assert_eq!(browser(&second), browser(&first));
    assert_ne!(first.header("location"), second.header("location"));
    for answer in [first, second] {
        test.begun(&answer).await;
    }
}

#[tokio::test]
async fn before_it_is_known_where_to_a_browser_is_sent_nowhere() {
    let test = Test::new().await;
    for name in ["unknown-redirect-uri", "repeated-parameter"] {
        is_refused(&test.send(&event(&format!("start-sign-in/{name}"))).await, "invalid_request");
    }
    let unknown = test.send(&event("start-sign-in/unknown-client")).await;
    is_refused(&unknown, "unauthorized_client");
    for name in ["client_id", "redirect_uri", "state"] {
        for value in [None, Some("")] {
            is_refused(&test.send(&with(name, value)).await, "invalid_request");
        }
    }
    is_refused(&test.send(&with("state", Some("a b"))).await, "invalid_request");
    let no_query = event("start-sign-in/minimal").query("");
    is_refused(&test.send(&no_query).await, "invalid_request");
    assert_eq!(test.world.probe.count("PutItem"), 0);
    assert!(test.outside.take_calls().is_empty());
}

#[tokio::test]
async fn what_else_is_wrong_is_told_to_the_client() {
    let test = Test::new().await;
    for (event, error) in [
        (event("start-sign-in/other-response-type"), "unsupported_response_type"),
        (event("start-sign-in/no-challenge"), "invalid_request"),
        (event("start-sign-in/plain-challenge"), "invalid_request"),
        (with("response_type", None), "invalid_request"),
        (with("code_challenge", Some("short")), "invalid_request"),
        (with("code_challenge_method", None), "invalid_request"),
        (with("scope", Some("links:read everything")), "invalid_scope"),
        (with("workspace", Some("mine")), "invalid_request"),
    ] {
        let told = told(&test.send(&event).await);
        assert_eq!(told["error"], error, "{told:?}");
        assert!(!told["error_description"].is_empty() && !told.contains_key("code"));
    }
    assert_eq!(test.world.probe.count("PutItem"), 0);
}

#[tokio::test]
async fn parameters_that_nobody_knows_are_ignored() {
    let test = Test::new().await;
    let answer = test.send(&with("prompt", Some("login"))).await;
    test.begun(&answer).await;
}

#[tokio::test]
async fn a_sign_in_begins_where_it_will_end() {
    let test = Test::with(&[("ORIGINS", "https://go.example.com,https://l.example.org")]).await;
    let minimal = event("start-sign-in/minimal");
    let answer = test.send(&minimal.clone().header("host", "l.example.org")).await;
    let query = minimal.json()["rawQueryString"].as_str().unwrap();
    let there = format!("https://go.example.com/oauth/authorize?{query}");
    assert_eq!((answer.status, answer.header("location")), (302, there.as_str()));
    assert!(answer.cookies.is_empty());
    // Behind a gateway that hides the name there is nothing to compare.
    let answer = test.send(&minimal.header("host", "a1b2.execute-api.eu-west-1.aws")).await;
    test.begun(&answer).await;
}

#[tokio::test]
async fn without_a_provider_there_is_nothing_here() {
    let world = World::new().await;
    let boot = world.boot("start-sign-in");
    let function = Function::http(boot, load, handle).await.unwrap();
    let answer = event("start-sign-in/minimal").send(&function).await;
    answer.assert_problem(Kind::NotFound);
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn who_or_whatever_is_away_the_client_is_told() {
    let test = Test::new().await;
    let metadata = "/.well-known/openid-configuration";
    test.outside.lie(|lies| {
        lies.failures.insert(metadata, Failure::Status(503, "busy"));
    });
    let minimal = event("start-sign-in/minimal");
    assert_eq!(told(&test.send(&minimal).await)["error"], "temporarily_unavailable");
    test.outside.lie(|lies| {
        lies.failures.insert(metadata, Failure::Text("[]".to_owned()));
    });
    test.world.clock.advance(jiff::SignedDuration::from_secs(2));
    assert_eq!(told(&test.send(&minimal).await)["error"], "server_error");
    test.outside.lie(|lies| lies.failures.clear());
    test.world.clock.advance(jiff::SignedDuration::from_secs(2));
    test.world.probe.inject(On::service(Service::DynamoDb), Fault::Unreachable);
    assert_eq!(told(&test.send(&minimal).await)["error"], "temporarily_unavailable");
}

#[tokio::test]
async fn an_address_may_begin_so_many_a_minute() {
    let test = Test::with(&[("SIGN_IN_PER_MINUTE", "2")]).await;
    let minimal = event("start-sign-in/minimal");
    for left in ["1", "0"] {
        let answer = test.send(&minimal).await;
        assert_eq!(answer.status, 302);
        assert!(answer.header("ratelimit").contains(&format!("r={left};")), "{answer:?}");
    }
    test.send(&minimal).await.assert_problem(Kind::RateLimited);
}

#[tokio::test]
async fn a_setting_that_cannot_be_meant_stops_the_start() {
    let world = World::new().await;
    let settings =
        [("OIDC_ISSUER", "http://id.example.com"), ("OIDC_CLIENT_ID", "x")].map(|(n, v)| (n, v));
    let error = load(world.boot_with("start-sign-in", &settings)).await.unwrap_err().to_string();
    assert!(error.contains("`OIDC_ISSUER` is `http://id.example.com`"), "{error}");
}
