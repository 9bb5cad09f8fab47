//! The platform, with two workspaces that must not know of each other.

use std::path::Path;
use std::sync::{Arc, Mutex};

use lambda::{Clock, Env};
use local::{Data, Options, Platform};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::Answer;
use testkit::probe::{Call, Probe, Service};

use super::client::{Request, send};
use crate::openapi::{OpenApi, Operation};
use crate::repository::text;

/// The password of everybody who is made here.
const PASSWORD: &str = "an example of four words";

/// A workspace and what is in it.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) workspace: String,
    /// A member who is not the owner; where there is none, the owner.
    pub(super) member: String,
    pub(super) link: String,
    pub(super) slug: String,
    pub(super) invitation: String,
    pub(super) key: String,
    /// Its owner's access token.
    pub(super) token: String,
    /// What nobody outside may see of it: ids and names.
    pub(super) private: Vec<String>,
}

/// The platform while a test runs.
pub(super) struct House {
    platform: Platform,
    probe: Probe,
    address: String,
    pub(super) clock: Clock,
    dir: TempDir,
    /// The workspace that is asked for.
    pub(super) ours: Place,
    /// Another one.
    pub(super) theirs: Place,
    /// Tokens of members of ours, by role; all their scopes.
    pub(super) viewer: String,
    pub(super) member: String,
    /// A key of ours with `admin`, which no person has.
    pub(super) admin_key: String,
}

impl House {
    pub(super) async fn open() -> Self {
        let dir = tempfile::tempdir().expect("there is room for files");
        let data = dir.path().join("data");
        let probe = Arc::new(Mutex::new(None));
        let place = Arc::clone(&probe);
        // Real time, that only goes on when it is told to: tokens made here fit to it.
        let clock = Clock::fixed(Clock::system().now());
        let env = [("SIGNUP", "open"), ("WRITES_PER_MINUTE", "0"), ("SIGN_IN_PER_MINUTE", "0")];
        let platform = Platform::start(Options {
            env: Env::fixed(env.map(|(name, value)| (name, value.to_owned()))),
            clock: clock.clone(),
            poll: false,
            between: Some(Box::new(move |aws| {
                let (probe, through) = Probe::between(&aws);
                *place.lock().expect("nobody panicked") = Some(probe);
                through
            })),
            ..Options::new(Data::Directory(data.clone()))
        });
        let platform = platform.await.expect("the platform starts");
        let probe = probe.lock().expect("nobody panicked").take().expect("it was asked for");
        let address = platform.ready().url.trim_start_matches("http://").to_owned();
        let nothing = Place {
            workspace: String::new(),
            member: String::new(),
            link: String::new(),
            slug: String::new(),
            invitation: String::new(),
            key: String::new(),
            token: String::new(),
            private: Vec::new(),
        };
        let mut house = Self {
            platform,
            probe,
            address,
            clock,
            dir,
            ours: nothing.clone(),
            theirs: nothing,
            viewer: String::new(),
            member: String::new(),
            admin_key: String::new(),
        };
        house.furnish().await;
        house
    }

    async fn furnish(&mut self) {
        self.register("ours@example.com", "Olga Ours", json!({ "workspace": "Our place" })).await;
        self.register("theirs@example.com", "Theo Theirs", json!({ "workspace": "Their place" }))
            .await;
        self.ours = self.place("ours@example.com", "Olga Ours", "our-link").await;
        self.theirs = self.place("theirs@example.com", "Theo Theirs", "their-link").await;
        for (email, role) in [("viewer@example.com", "viewer"), ("member@example.com", "member")] {
            let token = self.ours.token.clone();
            let invited = self.invite(&token, email, role).await;
            self.register(email, role, json!({ "invitation": invited["token"] })).await;
        }
        self.viewer = self.sign_in("viewer@example.com").await;
        self.member = self.sign_in("member@example.com").await;
        let me = self.read("/api/v1/users/me", &self.member).await;
        self.ours.member = text(&me["id"]).to_owned();
        let key = json!({ "name": "for the walk", "scopes": ["admin"] });
        self.admin_key = text(&self.make("keys", &self.ours.token, &key).await["key"]).to_owned();
    }

    /// What a new owner has in their workspace.
    async fn place(&self, email: &str, name: &str, slug: &str) -> Place {
        let token = self.sign_in(email).await;
        let me = self.read("/api/v1/users/me", &token).await;
        let link = json!({ "url": "https://example.com/", "slug": slug });
        let link = self.make("links", &token, &link).await;
        let guest = format!("guest-of-{email}");
        let invitation = self.invite(&token, &guest, "member").await;
        let key = json!({ "name": format!("key of {name}"), "scopes": ["links:read"] });
        let key = self.make("keys", &token, &key).await;
        let workspace = text(&me["workspaces"][0]["id"]).to_owned();
        let (link, invitation) = (text(&link["id"]).to_owned(), text(&invitation["id"]).to_owned());
        let (key, member) = (text(&key["id"]).to_owned(), text(&me["id"]).to_owned());
        let private = [email, name, &guest, slug, &workspace, &link, &invitation, &key, &member];
        let private = private.map(str::to_owned).to_vec();
        let slug = slug.to_owned();
        Place { workspace, member, link, slug, invitation, key, token, private }
    }

    async fn register(&self, email: &str, name: &str, more: Value) {
        let mut new = json!({ "email": email, "name": name, "password": PASSWORD });
        new.as_object_mut()
            .expect("this is an object")
            .extend(more.as_object().expect("this is an object").clone());
        self.make("users", "", &new).await;
    }

    async fn invite(&self, token: &str, email: &str, role: &str) -> Value {
        self.make("invitations", token, &json!({ "email": email, "role": role })).await
    }

    /// Makes something, and answers with it.
    pub(super) async fn make(&self, what: &str, token: &str, body: &Value) -> Value {
        let request = Request::new("POST", format!("/api/v1/{what}")).json(body);
        let answer = self.ask(&request, token).await;
        assert_eq!(answer.status, 201, "{what}: {}", answer.text);
        answer.json()
    }

    async fn read(&self, path: &str, token: &str) -> Value {
        let answer = self.ask(&Request::new("GET", path), token).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        answer.json()
    }

    /// An access token of a person.
    pub(super) async fn sign_in(&self, email: &str) -> String {
        text(&self.session(email).await["access_token"]).to_owned()
    }

    /// The tokens of a new session of a person.
    pub(super) async fn session(&self, email: &str) -> Value {
        let fields = [
            ("grant_type", "password"),
            ("client_id", "signpost"),
            ("username", email),
            ("password", PASSWORD),
        ];
        self.form("/oauth/token", &fields).await
    }

    /// Asks an endpoint of OAuth.
    pub(super) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Value {
        let answer = send(&self.address, &Request::new("POST", path).form(fields), None).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text);
        if answer.text.is_empty() { Value::Null } else { answer.json() }
    }

    /// Sends a request with a bearer token; without one if that is empty.
    pub(super) async fn ask(&self, request: &Request, token: &str) -> Answer {
        let bearer = (!token.is_empty()).then(|| format!("Bearer {token}"));
        self.ask_as(request, bearer.as_deref()).await
    }

    /// Sends a request with this `Authorization`.
    pub(super) async fn ask_as(&self, request: &Request, authorization: Option<&str>) -> Answer {
        send(&self.address, request, authorization).await
    }

    /// Sends a request, and tells the calls to DynamoDB that it took.
    pub(super) async fn watch(&self, request: &Request, token: &str) -> (Answer, Vec<String>) {
        self.probe.take_calls();
        let answer = self.ask(request, token).await;
        let calls = self.probe.take_calls().into_iter();
        let calls = calls.filter(|call| call.service == Service::DynamoDb);
        let told = |call: Call| format!("{} {:?}", call.operation, call.tables);
        (answer, calls.map(told).collect())
    }

    /// The data directory.
    pub(super) fn dir(&self) -> std::path::PathBuf {
        Path::new(self.dir.path()).join("data")
    }

    pub(super) async fn close(self) {
        self.platform.stop().await;
    }
}

/// A good request of an operation, for what is in this place.
pub(super) fn request(operation: &Operation, place: &Place) -> Request {
    let id = match operation.path.split('/').nth(3) {
        Some("links") => &place.link,
        Some("workspaces") => &place.workspace,
        Some("invitations") => &place.invitation,
        Some("keys") => &place.key,
        _ => &place.slug,
    };
    let path = operation.path.replace("{id}", id);
    let mut path = path.replace("{user_id}", &place.member).replace("{slug}", &place.slug);
    let query: Vec<_> = required_parameters(operation)
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    if !query.is_empty() {
        path = format!("{path}?{}", query.join("&"));
    }
    let request = Request::new(&operation.method, path);
    let Some((media_type, body)) = body(operation) else { return request };
    let fields = body.as_object().expect("a body is an object").iter();
    let fields: Vec<_> = fields.map(|(name, value)| (name.as_str(), text(value))).collect();
    match media_type.ends_with("json") {
        true => Request { media_type: Some(media_type), ..request.json(&body) },
        false => request.form(&fields),
    }
}

/// The parameters of the query that must be there, with their examples.
fn required_parameters(operation: &Operation) -> Vec<(String, String)> {
    let api = OpenApi::get();
    let parameters = operation.value["parameters"].as_array().into_iter().flatten();
    parameters
        .map(|parameter| api.resolved(parameter))
        .filter(|parameter| parameter["in"] == "query" && parameter["required"] == true)
        .map(|parameter| {
            let example = parameter["examples"].as_object().and_then(|all| all.values().next());
            let value = example.map(|example| text(&api.resolved(example)["value"]));
            (text(&parameter["name"]).to_owned(), value.unwrap_or_default().to_owned())
        })
        .collect()
}

/// The shortest example of a body, with its media type.
fn body(operation: &Operation) -> Option<(String, Value)> {
    let api = OpenApi::get();
    let content = operation.value["requestBody"]["content"].as_object()?;
    let (media_type, media) = content.iter().next()?;
    let examples = media["examples"].as_object()?;
    let example = examples.get("minimal").or_else(|| examples.values().next())?;
    Some((media_type.clone(), api.resolved(example)["value"].clone()))
}
