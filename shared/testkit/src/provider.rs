//! An OIDC provider that lies on request.
//!
//! That Signpost gets on with a real one, `scripts/sign-in` shows. A real one makes no wrong
//! tokens, though, and does not hang: this one does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use domain::{CodeChallenge, CodeVerifier};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use lambda::Clock;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// What the provider calls Signpost.
pub const CLIENT_ID: &str = "signpost-at-the-provider";

/// What Signpost proves that with.
pub const CLIENT_SECRET: &str = "a secret + of the provider's";

/// The provider's only person.
pub const SUBJECT: &str = "subject-1";

/// An access token of the provider's.
const ACCESS_TOKEN: &str = "access-to-the-person";

/// An OIDC provider on a loopback port, with one person, `ada@example.com`.
#[derive(Debug)]
pub struct IdentityProvider {
    issuer: String,
    service: Arc<Service>,
    server: JoinHandle<()>,
}

/// What it does otherwise than it should.
#[derive(Debug, Clone, Default)]
pub struct Lies {
    /// Claims of the ID token that are added, replaced, or, as `null`, left out.
    pub claims: Value,
    /// The same for the ID token's header.
    pub header: Value,
    /// The same for what it says of itself.
    pub metadata: Value,
    /// What it says of the person when it is asked.
    pub person: Value,
    /// How it signs.
    pub signature: Signature,
    /// What it does instead of answering at a path.
    pub failures: HashMap<&'static str, Failure>,
}

/// How an ID token is signed.
#[derive(Debug, Clone, Copy, Default)]
pub enum Signature {
    /// As it should be.
    #[default]
    Right,
    /// With a key that is published nowhere.
    OtherKey,
    /// Not at all: `none`.
    Nothing,
    /// With the client's secret: `HS256`.
    ClientSecret,
}

/// What happens instead of an answer.
#[derive(Debug, Clone)]
pub enum Failure {
    /// This status, with `{"error": …}`.
    Status(u16, &'static str),
    /// This text, as JSON.
    Text(String),
    /// Nothing, for ever.
    Hang,
    /// A redirect there.
    Redirect(String),
}

#[derive(Debug)]
struct Service {
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    keys: Vec<Key>,
    codes: HashMap<String, Asked>,
    lies: Lies,
    calls: Vec<String>,
}

#[derive(Debug)]
struct Key {
    id: String,
    pair: EcdsaKeyPair,
}

/// What a sign-in asked for.
#[derive(Debug, Clone)]
struct Asked {
    nonce: String,
    challenge: CodeChallenge,
    redirect_uri: String,
}

impl IdentityProvider {
    /// A provider whose tokens are of this clock's time.
    pub async fn start(clock: Clock) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a port");
        let issuer = format!("http://{}", listener.local_addr().expect("it is bound"));
        let state = State {
            keys: vec![Key::new("key-1")],
            codes: HashMap::new(),
            lies: Lies::default(),
            calls: Vec::new(),
        };
        let service = Arc::new(Service { clock, state: Mutex::new(state) });
        let server = tokio::spawn(serve(listener, issuer.clone(), service.clone()));
        Self { issuer, service, server }
    }

    /// Its name for itself.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What a function must be told of it.
    pub fn settings(&self) -> [(&'static str, &str); 3] {
        [
            ("OIDC_ISSUER", &self.issuer),
            ("OIDC_CLIENT_ID", CLIENT_ID),
            ("OIDC_CLIENT_SECRET", CLIENT_SECRET),
        ]
    }

    /// Changes what it does wrong.
    pub fn lie(&self, change: impl FnOnce(&mut Lies)) {
        change(&mut self.service.state().lies);
    }

    /// Signs with another key from now on, and publishes that one alone.
    pub fn rotate(&self) {
        let mut state = self.service.state();
        let number = state.keys.len() + 1;
        state.keys.push(Key::new(&format!("key-{number}")));
    }

    /// Takes the calls that it got, by their paths.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.service.state().calls)
    }

    /// Does what it does when a browser comes with this address and its person agrees: the code and
    /// the state that the browser goes back with.
    pub fn approve(&self, location: &str) -> (String, String) {
        let url = Url::parse(location).expect("the browser is sent to a URL");
        assert_eq!(url.path(), "/authorize", "{location}");
        let query: HashMap<_, _> = url.query_pairs().into_owned().collect();
        let get = |name: &str| query.get(name).unwrap_or_else(|| panic!("no {name}: {location}"));
        assert_eq!(get("response_type"), "code");
        assert_eq!(get("client_id"), CLIENT_ID);
        assert_eq!(get("code_challenge_method"), "S256");
        assert_eq!(get("scope"), "openid email profile");
        let asked = Asked {
            nonce: get("nonce").clone(),
            challenge: CodeChallenge::parse(get("code_challenge")).expect("a challenge"),
            redirect_uri: get("redirect_uri").clone(),
        };
        let mut state = self.service.state();
        let code = format!("code+{}", state.codes.len());
        state.codes.insert(code.clone(), asked);
        (code, get("state").clone())
    }
}

impl Drop for IdentityProvider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Key {
    fn new(id: &str) -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).expect("a key");
        Self { id: id.to_owned(), pair }
    }

    fn public(&self) -> Value {
        // 4, and then both coordinates.
        let point = self.pair.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.id,
            "x": base64(&point[1..33]), "y": base64(&point[33..65]),
        })
    }

    fn sign(&self, text: &str) -> String {
        let signature = self.pair.sign(&SystemRandom::new(), text.as_bytes());
        base64(signature.expect("it signs").as_ref())
    }
}

impl Service {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, issuer: &str, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let failure = {
            let mut state = self.state();
            state.calls.push(path.clone());
            state.lies.failures.get(path.as_str()).cloned()
        };
        match failure {
            None => {}
            Some(Failure::Hang) => std::future::pending().await,
            Some(Failure::Status(status, error)) => {
                return json_answer(status, &json!({ "error": error }).to_string());
            }
            Some(Failure::Text(text)) => return json_answer(200, &text),
            Some(Failure::Redirect(location)) => {
                let mut response = json_answer(302, "{}");
                let location = location.parse().expect("a header");
                response.headers_mut().insert(header::LOCATION, location);
                return response;
            }
        }
        let authorization = request.headers().get(header::AUTHORIZATION).cloned();
        let authorization = authorization.as_ref().and_then(|it| it.to_str().ok()).unwrap_or("");
        let authorization = authorization.to_owned();
        let body = request.into_body().collect().await.expect("a body").to_bytes();
        match path.as_str() {
            "/.well-known/openid-configuration" => json_answer(200, &self.metadata(issuer)),
            "/jwks" => json_answer(200, &self.jwks()),
            "/token" => self.token(issuer, &authorization, &body),
            "/me" if authorization == format!("Bearer {ACCESS_TOKEN}") => {
                let person = json!({ "sub": SUBJECT });
                json_answer(200, &merged(person, &self.state().lies.person).to_string())
            }
            _ => json_answer(404, r#"{"error": "there is nothing here"}"#),
        }
    }

    fn metadata(&self, issuer: &str) -> String {
        let metadata = json!({
            "issuer": issuer,
            "authorization_endpoint": format!("{issuer}/authorize"),
            "token_endpoint": format!("{issuer}/token"),
            "userinfo_endpoint": format!("{issuer}/me"),
            "jwks_uri": format!("{issuer}/jwks"),
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["ES256", "HS256", "none"],
        });
        merged(metadata, &self.state().lies.metadata).to_string()
    }

    fn jwks(&self) -> String {
        json!({ "keys": [self.state().keys.last().expect("there is one").public()] }).to_string()
    }

    fn token(&self, issuer: &str, authorization: &str, body: &[u8]) -> Response<Full<Bytes>> {
        let form: HashMap<_, _> = url::form_urlencoded::parse(body).into_owned().collect();
        let get = |name: &str| form.get(name).map_or("", String::as_str);
        if !is_signpost(authorization) {
            return json_answer(401, r#"{"error": "invalid_client"}"#);
        }
        let mut state = self.state();
        // A code works once.
        let asked = state.codes.remove(get("code"));
        let verifier = CodeVerifier::parse(get("code_verifier")).ok();
        let asked = asked.filter(|asked| {
            get("grant_type") == "authorization_code"
                && asked.redirect_uri == get("redirect_uri")
                && verifier.is_some_and(|verifier| asked.challenge.admits(&verifier))
        });
        let Some(asked) = asked else {
            return json_answer(400, r#"{"error": "invalid_grant"}"#);
        };
        let now = self.clock.now().as_second();
        let claims = json!({
            "iss": issuer, "aud": CLIENT_ID, "sub": SUBJECT, "nonce": asked.nonce,
            "iat": now, "exp": now + 300,
            "email": "ada@example.com", "email_verified": true, "name": "Ada Lovelace",
        });
        let claims = merged(claims, &state.lies.claims);
        json_answer(200, &json!({
            "access_token": ACCESS_TOKEN, "token_type": "Bearer", "id_token": state.signed(&claims),
        }).to_string())
    }
}

impl State {
    fn signed(&self, claims: &Value) -> String {
        let key = self.keys.last().expect("there is one");
        let algorithm = match self.lies.signature {
            Signature::Right | Signature::OtherKey => "ES256",
            Signature::Nothing => "none",
            Signature::ClientSecret => "HS256",
        };
        let header = json!({ "alg": algorithm, "kid": key.id, "typ": "JWT" });
        let header = merged(header, &self.lies.header);
        let text =
            [header.to_string(), claims.to_string()].map(|part| base64(part.as_bytes())).join(".");
        let signature = match self.lies.signature {
            Signature::Right => key.sign(&text),
            Signature::OtherKey => Key::new("other").sign(&text),
            Signature::Nothing => String::new(),
            Signature::ClientSecret => {
                let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, CLIENT_SECRET.as_bytes());
                base64(ring::hmac::sign(&key, text.as_bytes()).as_ref())
            }
        };
        format!("{text}.{signature}")
    }
}

async fn serve(listener: TcpListener, issuer: String, service: Arc<Service>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { return };
        let (issuer, service) = (issuer.clone(), service.clone());
        let answer = service_fn(move |request| {
            let (issuer, service) = (issuer.clone(), service.clone());
            async move { Ok::<_, std::convert::Infallible>(service.answer(&issuer, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

/// Whether it is Signpost, by HTTP Basic as OAuth writes it (RFC 6749, 2.3.1).
fn is_signpost(authorization: &str) -> bool {
    let encoded: String = url::form_urlencoded::byte_serialize(CLIENT_SECRET.as_bytes()).collect();
    authorization == format!("Basic {}", BASE64_STANDARD.encode(format!("{CLIENT_ID}:{encoded}")))
}

/// The object with these fields instead; `null` takes one away.
fn merged(mut object: Value, changes: &Value) -> Value {
    let fields = object.as_object_mut().expect("this is an object");
    for (name, value) in changes.as_object().into_iter().flatten() {
        match value.is_null() {
            true => fields.remove(name),
            false => fields.insert(name.clone(), value.clone()),
        };
    }
    object
}

fn json_answer(status: u16, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text.to_owned())));
    *response.status_mut() = StatusCode::from_u16(status).expect("this is a status");
    let json = header::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

fn base64(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}
