//! Against a provider that can also lie.

use std::time::{Duration, Instant};

use domain::{BrowserSecret, SignInState};
use jiff::SignedDuration;
use lambda::{Clock, Env, OAuthError};
use serde_json::{Value, json};
use testkit::now;
use testkit::provider::{Failure, IdentityProvider, Lies, SUBJECT, Signature};

use super::*;

struct Test {
    outside: IdentityProvider,
    provider: Provider,
    clock: Clock,
}

impl Test {
    async fn new() -> Self {
        Self::with(&[]).await
    }

    async fn with(more: &[(&'static str, &str)]) -> Self {
        let clock = Clock::fixed(now());
        let outside = IdentityProvider::start(clock.clone()).await;
        let settings = outside.settings();
        let origins = [("ORIGINS", "https://go.example.com")];
        // The first of a name counts.
        let env = more.iter().chain(&settings).chain(&origins);
        let env = Env::fixed(env.map(|(name, value)| (*name, (*value).to_owned())));
        let settings = Settings::load(&env).unwrap().unwrap();
        Self { outside, provider: Provider::new(settings, clock.clone()), clock }
    }

    /// A provider that lies from the beginning.
    async fn lying(lies: Lies) -> Self {
        let test = Self::new().await;
        test.outside.lie(|all| *all = lies);
        test
    }

    async fn sign_in(&self) -> Result<Identity, SsoError> {
        let location = self.provider.sign_in_url(&state(), &browser()).await?;
        let (code, returned) = self.outside.approve(&location);
        assert_eq!(returned, state().reveal());
        self.provider.identify(&code, &state(), &browser()).await
    }

    async fn fault(&self) -> TokenFault {
        match self.sign_in().await {
            Err(SsoError::BadToken(fault)) => fault,
            other => panic!("{other:?}"),
        }
    }
}

fn state() -> SignInState {
    SignInState::new([1, 2, 3])
}

fn browser() -> BrowserSecret {
    BrowserSecret::new([4, 5, 6])
}

fn claims(claims: Value) -> Lies {
    Lies { claims, ..Lies::default() }
}

fn failing(path: &'static str, failure: Failure) -> Lies {
    Lies { failures: [(path, failure)].into(), ..Lies::default() }
}

const METADATA: &str = "/.well-known/openid-configuration";

#[tokio::test]
async fn a_person_is_who_the_provider_says() {
    let test = Test::new().await;
    let location = test.provider.sign_in_url(&state(), &browser()).await.unwrap();
    assert!(location.contains("redirect_uri=https%3A%2F%2Fgo.example.com%2Foauth%2Fcallback"));
    assert!(!location.contains(&browser().reveal()), "the browser's secret stays with it");
    let identity = test.sign_in().await.unwrap();
    assert_eq!(identity.id, domain::OutsideIdentity::new(test.outside.issuer(), SUBJECT));
    assert_eq!(identity.verified_email.unwrap().as_str(), "ada@example.com");
    assert_eq!(identity.name.unwrap().as_str(), "Ada Lovelace");
    assert_eq!(test.outside.take_calls(), [METADATA, "/jwks", "/token"]);
}

#[tokio::test]
async fn what_the_provider_says_of_itself_is_kept_for_an_hour() {
    let test = Test::new().await;
    for _ in 0..3 {
        test.sign_in().await.unwrap();
    }
    assert_eq!(test.outside.take_calls(), [METADATA, "/jwks", "/token", "/token", "/token"]);
    test.clock.advance(SignedDuration::from_hours(1));
    test.sign_in().await.unwrap();
    assert_eq!(test.outside.take_calls(), [METADATA, "/jwks", "/token"]);
}

#[tokio::test]
async fn a_code_of_another_browser_or_sign_in_is_worth_nothing() {
    let test = Test::new().await;
    let location = test.provider.sign_in_url(&state(), &browser()).await.unwrap();
    for (state, browser) in
        [(state(), BrowserSecret::new([4, 5, 7])), (SignInState::new([1, 2, 4]), browser())]
    {
        let (code, _) = test.outside.approve(&location);
        let refused = test.provider.identify(&code, &state, &browser).await;
        assert!(matches!(refused, Err(SsoError::Refused)), "{refused:?}");
    }
    let refused = test.provider.identify("made up", &state(), &browser()).await;
    assert!(matches!(refused, Err(SsoError::Refused)), "{refused:?}");
}

#[tokio::test]
async fn a_token_that_is_not_for_us_now_is_refused() {
    let second = |seconds: i64| json!(now().as_second() + seconds);
    for (lie, fault) in [
        (json!({ "iss": "https://elsewhere.example.com" }), TokenFault::Issuer),
        (json!({ "aud": "somebody-else" }), TokenFault::Audience),
        (json!({ "aud": [testkit::provider::CLIENT_ID, "somebody-else"] }), TokenFault::Audience),
        (json!({ "azp": "somebody-else" }), TokenFault::Audience),
        (json!({ "exp": second(-61) }), TokenFault::Time),
        (json!({ "iat": second(120) }), TokenFault::Time),
        (json!({ "nonce": "another" }), TokenFault::Nonce),
        (json!({ "nonce": null }), TokenFault::Nonce),
        (json!({ "at_hash": "77QmUPtjPfzWtF2AnpK9RQ" }), TokenFault::AccessToken),
    ] {
        let test = Test::lying(claims(lie.clone())).await;
        assert_eq!(test.fault().await, fault, "{lie}");
    }
    // Clocks differ a little.
    for lie in [json!({ "exp": second(-59) }), json!({ "iat": second(59) })] {
        assert!(Test::lying(claims(lie.clone())).await.sign_in().await.is_ok(), "{lie}");
    }
}

#[tokio::test]
async fn a_token_that_the_provider_has_not_signed_is_refused() {
    for signature in [Signature::OtherKey, Signature::Nothing, Signature::ClientSecret] {
        let test = Test::lying(Lies { signature, ..Lies::default() }).await;
        let refused = test.sign_in().await;
        assert!(
            matches!(
                refused,
                Err(SsoError::BadToken(TokenFault::Signature) | SsoError::Malformed(_))
            ),
            "{signature:?}: {refused:?}"
        );
    }
    for header in [json!({ "alg": "RS256" }), json!({ "crit": ["x"] }), json!({ "typ": "at+jwt" })]
    {
        let lies = Lies { header: header.clone(), ..Lies::default() };
        assert!(Test::lying(lies).await.sign_in().await.is_err(), "{header}");
    }
}

#[tokio::test]
async fn new_keys_are_found_and_unknown_ones_do_not_make_us_ask_all_the_time() {
    let test = Test::new().await;
    test.sign_in().await.unwrap();
    test.outside.rotate();
    // Within a minute, ours are new enough.
    assert_eq!(test.fault().await, TokenFault::Signature);
    test.clock.advance(SignedDuration::from_secs(60));
    test.outside.take_calls();
    test.sign_in().await.unwrap();
    assert_eq!(test.outside.take_calls(), ["/token", METADATA, "/jwks"]);
    test.outside.lie(|lies| lies.signature = Signature::OtherKey);
    assert_eq!(test.fault().await, TokenFault::Signature);
    assert_eq!(test.outside.take_calls(), ["/token"]);
}

#[tokio::test]
async fn an_address_counts_if_it_was_verified() {
    for (verified, counts) in [
        (json!(true), true),
        (json!("true"), true),
        (json!(false), false),
        (json!("false"), false),
        (json!(null), false),
    ] {
        let test = Test::lying(claims(json!({ "email_verified": verified }))).await;
        let identity = test.sign_in().await.unwrap();
        assert_eq!(identity.verified_email.is_some(), counts, "{verified}");
    }
    for no_address in [json!(null), json!("ada"), json!("a b@example.com")] {
        let test = Test::lying(claims(json!({ "email": no_address }))).await;
        assert_eq!(test.sign_in().await.unwrap().verified_email, None, "{no_address}");
    }
}

#[tokio::test]
async fn a_trusted_provider_need_not_say_that_it_verified_an_address() {
    for (verified, counts) in [(json!(true), true), (json!(null), true), (json!(false), false)] {
        let test = Test::with(&[("OIDC_TRUST_EMAIL", "true")]).await;
        test.outside.lie(|all| *all = claims(json!({ "email_verified": verified })));
        let identity = test.sign_in().await.unwrap();
        assert_eq!(identity.verified_email.is_some(), counts, "{verified}");
    }
}

#[tokio::test]
async fn a_provider_that_keeps_what_it_knows_is_asked_for_it() {
    let silent = json!({ "email": null, "email_verified": null, "name": null });
    let person = json!({ "email": "Ada@Example.com", "email_verified": true, "name": " Ada " });
    let lies = Lies { claims: silent.clone(), person, ..Lies::default() };
    let identity = Test::lying(lies).await.sign_in().await.unwrap();
    assert_eq!(identity.verified_email.unwrap().as_str(), "ada@example.com");
    assert_eq!(identity.name.unwrap().as_str(), "Ada");

    // Of somebody else it tells us nothing.
    let person = json!({ "sub": "subject-2", "email": "eve@example.com", "email_verified": true });
    let lies = Lies { claims: silent.clone(), person, ..Lies::default() };
    let refused = Test::lying(lies).await.sign_in().await;
    assert!(matches!(refused, Err(SsoError::Malformed(_))), "{refused:?}");

    // An address of the one and a mark of the other are not taken together.
    let claims = json!({ "email": "ada@example.com", "email_verified": null });
    let person = json!({ "email_verified": true });
    let lies = Lies { claims, person, ..Lies::default() };
    assert_eq!(Test::lying(lies).await.sign_in().await.unwrap().verified_email, None);

    // Whoever cannot be asked knows nothing more.
    let metadata = json!({ "userinfo_endpoint": null });
    let lies = Lies { claims: silent, metadata, ..Lies::default() };
    let identity = Test::lying(lies).await.sign_in().await.unwrap();
    assert_eq!((identity.verified_email, identity.name), (None, None));

    // A name is worth asking for, but not worth failing for.
    let lies =
        Lies { claims: json!({ "name": null }), ..failing("/me", Failure::Status(500, "x")) };
    let identity = Test::lying(lies).await.sign_in().await.unwrap();
    assert!(identity.verified_email.is_some() && identity.name.is_none());
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_from_one_that_is_wrong() {
    for path in [METADATA, "/jwks", "/token"] {
        for status in [500, 503, 429] {
            let test = Test::lying(failing(path, Failure::Status(status, "busy"))).await;
            let error = test.sign_in().await.unwrap_err();
            assert_eq!(error.told().0, OAuthError::TemporarilyUnavailable, "{path} {status}");
        }
        let elsewhere = "http://127.0.0.1:1/".to_owned();
        for failure in [
            Failure::Status(404, "nothing"),
            Failure::Text(String::new()),
            Failure::Text("<html>".to_owned()),
            Failure::Text("[]".to_owned()),
            Failure::Text(" ".repeat(2_000_000)),
            Failure::Redirect(elsewhere),
        ] {
            let test = Test::lying(failing(path, failure.clone())).await;
            let error = test.sign_in().await.unwrap_err();
            assert_eq!(error.told().0, OAuthError::ServerError, "{path} {failure:.40?} {error:?}");
        }
    }
    let test = Test::with(&[("OIDC_ISSUER", "http://127.0.0.1:1")]).await;
    let error = test.sign_in().await.unwrap_err();
    assert!(matches!(error, SsoError::Away(HttpError::Send(_))), "{error:?}");
}

#[tokio::test]
async fn a_wrong_secret_or_issuer_is_the_operators_fault() {
    let test = Test::with(&[("OIDC_CLIENT_SECRET", "wrong")]).await;
    let error = test.sign_in().await.unwrap_err();
    assert!(matches!(error, SsoError::Misconfigured("invalid_client")), "{error:?}");
    assert_eq!(error.told().0, OAuthError::ServerError);

    let metadata = json!({ "issuer": "https://elsewhere.example.com" });
    let error =
        Test::lying(Lies { metadata, ..Lies::default() }).await.sign_in().await.unwrap_err();
    assert!(matches!(error, SsoError::OtherIssuer), "{error:?}");
}

#[tokio::test]
async fn nothing_is_sent_in_clear_to_another_machine() {
    for endpoint in ["authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint"] {
        let mut metadata = json!({});
        metadata[endpoint] = json!("http://id.example.com/x");
        let lies = Lies { metadata, claims: json!({ "email": null }), ..Lies::default() };
        let error = Test::lying(lies).await.sign_in().await.unwrap_err();
        assert!(matches!(error, SsoError::Malformed(_)), "{endpoint}: {error:?}");
    }
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up_and_left_alone_for_a_moment() {
    let test = Test::lying(failing(METADATA, Failure::Hang)).await;
    let begin = Instant::now();
    // All who come at once wait for one call.
    let (state, browser) = (state(), browser());
    let asked = || test.provider.sign_in_url(&state, &browser);
    let (a, b, c) = tokio::join!(asked(), asked(), asked());
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    for error in [a, b, c].map(Result::unwrap_err) {
        assert_eq!(error.told().0, OAuthError::TemporarilyUnavailable);
    }
    assert_eq!(test.outside.take_calls(), [METADATA]);
    test.outside.lie(|lies| *lies = Lies::default());
    assert!(matches!(asked().await, Err(SsoError::Waiting)));
    test.clock.advance(SignedDuration::from_secs(2));
    assert!(asked().await.is_ok());
}

#[tokio::test]
async fn what_was_known_holds_for_a_day_where_the_provider_cannot_be_asked_again() {
    let test = Test::new().await;
    test.sign_in().await.unwrap();
    let away = Failure::Status(503, "busy");
    test.outside.lie(|lies| *lies = failing(METADATA, away));
    test.clock.advance(SignedDuration::from_hours(23));
    assert!(test.sign_in().await.is_ok());
    test.clock.advance(SignedDuration::from_hours(1));
    assert!(test.sign_in().await.is_err());
}

#[tokio::test]
async fn no_error_tells_of_a_person() {
    let lies = [
        claims(json!({ "iss": "ada@example.com" })),
        claims(json!({ "aud": "ada@example.com" })),
        claims(json!({ "nonce": "ada@example.com" })),
        claims(json!({ "exp": "ada@example.com" })),
        claims(json!({ "sub": 7, "email": ["ada@example.com"] })),
        failing("/token", Failure::Text(r#"{"access_token": ["ada@example.com"]}"#.to_owned())),
        failing("/token", Failure::Status(400, "ada@example.com")),
        failing("/me", Failure::Text(r#"{"sub": ["ada@example.com"]}"#.to_owned())),
    ];
    for mut lies in lies {
        if lies.failures.contains_key("/me") {
            lies.claims = json!({ "email": null });
        }
        let test = Test::lying(lies.clone()).await;
        let error = test.sign_in().await.unwrap_err();
        let shown = format!("{} {error:?}", lambda::Chain(&error));
        assert!(!shown.contains("ada@"), "{shown}");
    }
}
