//! What the log says of people and of secrets: nothing. And what is kept of their addresses: nothing.
//!
//! The real program runs with all that can be logged, everything is done in it that deals with
//! passwords, tokens, keys, e-mail addresses and network addresses, in good ways and in bad ones, and
//! then its whole output is searched: for each of the very values, and for whatever looks like one.
//! Network addresses are looked for in all that it has stored and queued, too.

#![expect(clippy::panic, clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

/// What comes without this is refused; what comes with it is believed about the viewer's address.
const ORIGIN_SECRET: &str = "the-secret-between-the-edge-and-the-origin";

/// Where viewers are.
const VIEWERS: [&str; 4] = ["203.0.113.77", "198.51.100.23", "2001:db8:77::1", "2001:db8:99::7"];

/// The first user's e-mail address.
const OWNER: &str = "owner@example.com";

/// The program, and what it says.
struct Running {
    child: Child,
    address: String,
    key: String,
    output: Vec<JoinHandle<String>>,
}

impl Running {
    /// Starts it, to log this much, or as much as it does by itself.
    fn start(dir: &Path, level: Option<&str>) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_local"))
            .args(["--json", "--port", "0", "--data-dir"])
            .arg(dir)
            .env_remove("RUST_LOG")
            .envs(level.map(|level| ("RUST_LOG", level)))
            .env("SIGNUP", "open")
            .env("ORIGIN_SECRET", ORIGIN_SECRET)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            errors.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        // Its first line is what was asked for, and no log.
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let rest = std::thread::spawn(move || {
            let mut text = Vec::new();
            output.read_to_end(&mut text).unwrap();
            String::from_utf8_lossy(&text).into_owned()
        });
        let ready: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let address = text("url").trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { child, address, key: text("api_key"), output: vec![errors, rest] }
    }

    fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
        head.push_str(&format!("X-Origin-Secret: {ORIGIN_SECRET}\r\n"));
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        let request = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        socket.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// Asks with a bearer token and a JSON body.
    fn api(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        let bearer = format!("Bearer {token}");
        let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.ask(method, &format!("/api/v1/{path}"), &headers, &body)
    }

    /// Asks an endpoint of OAuth with a form.
    fn form(&self, path: &str, headers: &[(&str, &str)], fields: &[(&str, &str)]) -> Answer {
        let mut all = vec![("Content-Type", "application/x-www-form-urlencoded")];
        all.extend(headers);
        let encoded = |text: &str| text.replace('@', "%40").replace(' ', "+");
        let fields = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value)));
        self.ask("POST", path, &all, &fields.collect::<Vec<_>>().join("&"))
    }

    fn sign_in(&self, email: &str, password: &str) -> Answer {
        let fields = [
            ("grant_type", "password"),
            ("client_id", "signpost"),
            ("username", email),
            ("password", password),
        ];
        self.form("/oauth/token", &[], &fields)
    }

    fn refresh(&self, token: &str) -> Answer {
        let fields = [("grant_type", "refresh_token"), ("refresh_token", token)];
        self.form("/oauth/token", &[], &fields)
    }

    /// Ends it as a person would, and answers with all that it has said.
    fn stop(mut self) -> String {
        let id = self.child.id().to_string();
        let told = Command::new("kill").args(["-INT", &id]).status().unwrap();
        assert!(told.success());
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "it does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
        let texts = std::mem::take(&mut self.output).into_iter().map(|text| text.join().unwrap());
        texts.collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    #[track_caller]
    fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        if self.body.is_empty() { Value::Null } else { serde_json::from_str(&self.body).unwrap() }
    }
}

/// What must not be said, and how often something was asked.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    /// Remembers a value, and gives it back.
    fn keep(&mut self, value: impl Into<String>) -> String {
        let value = value.into();
        self.0.push(value.clone());
        value
    }

    /// Remembers the secret in a field of an answer.
    fn field(&mut self, answer: &Value, name: &str) -> String {
        self.keep(answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")))
    }
}

/// Does everything that deals with secrets, people and addresses.
fn live(running: &Running, dir: &Path) -> Secrets {
    let mut secrets = Secrets::default();
    let key = secrets.keep(&running.key);
    let owner = secrets.keep(OWNER);
    let password = fs::read_to_string(dir.join("owner-password")).unwrap();
    let password = secrets.keep(password.trim());
    secrets.keep(ORIGIN_SECRET);

    // Signing in, and not.
    let tokens = running.sign_in(&owner, &password).expect(200);
    let token = secrets.field(&tokens, "access_token");
    let refresh = secrets.field(&tokens, "refresh_token");
    let wrong = secrets.keep("a wrong password of words");
    running.sign_in(&owner, &wrong).expect(400);
    let nobody = secrets.keep("nobody.at.all@example.com");
    running.sign_in(&nobody, &wrong).expect(400);

    // People: by themselves, by invitation, and by mistake.
    let ada = secrets.keep("ada.example@example.com");
    let ada_password = secrets.keep("an example of four words");
    let new = json!({ "email": ada, "name": "Ada", "password": ada_password, "workspace": "Own" });
    running.api("POST", "users", "none", &new).expect(201);
    running.api("POST", "users", "none", &new).expect(409);
    let broken = format!("{{\"email\": \"{ada}\", \"password\": \"{ada_password}\"");
    let json = [("Content-Type", "application/json")];
    assert_eq!(running.ask("POST", "/api/v1/users", &json, &broken).status, 400);
    let short = json!({ "email": format!("{ada} x"), ada.as_str(): 1, "password": ada });
    running.api("POST", "users", "none", &short).expect(400);
    let grace = secrets.keep("grace.example@example.com");
    let invite = json!({ "email": grace, "role": "viewer" });
    let invited = running.api("POST", "invitations", &token, &invite).expect(201);
    let invitation = secrets.field(&invited, "token");
    let accept = json!({ "token": invitation });
    let tokens = running.sign_in(&ada, &ada_password).expect(200);
    let ada_token = secrets.field(&tokens, "access_token");
    let ada_refresh = secrets.field(&tokens, "refresh_token");
    running.api("POST", "invitations/accept", &ada_token, &accept).expect(404);
    let new = json!({
        "email": grace, "name": "Grace", "password": ada_password, "invitation": invitation
    });
    running.api("POST", "users", "none", &new).expect(201);
    running.api("GET", "users/me", &ada_token, &Value::Null).expect(200);
    let members = running.api("GET", "workspaces", &token, &Value::Null).expect(200);
    let workspace = members["items"][0]["id"].as_str().unwrap().to_owned();
    let members = format!("workspaces/{workspace}/members");
    running.api("GET", &members, &token, &Value::Null).expect(200);

    // Sessions: the next tokens, the same ones again, and a copy.
    let tokens = running.refresh(&refresh).expect(200);
    let second = secrets.field(&tokens, "refresh_token");
    secrets.field(&tokens, "access_token");
    let tokens = running.refresh(&second).expect(200);
    secrets.field(&tokens, "refresh_token");
    let third_token = secrets.field(&tokens, "access_token");
    running.refresh(&refresh).expect(400);
    running.refresh(&second).expect(400);
    running.form("/oauth/revoke", &[], &[("token", &third_token)]).expect(200);
    running.form("/oauth/revoke", &[], &[("token", &ada_refresh)]).expect(200);
    running.form("/oauth/revoke", &[], &[("token", "x")]).expect(200);

    // Keys: made, used in each way, and revoked.
    let new = json!({ "name": "reports", "scopes": ["links:read", "links:write"] });
    let retried = secrets.keep("an-idempotency-key-that-opens-an-answer");
    let bearer = format!("Bearer {key}");
    let headers = [
        ("Authorization", bearer.as_str()),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", retried.as_str()),
    ];
    for _ in 0..2 {
        let made = running.ask("POST", "/api/v1/keys", &headers, &new.to_string()).expect(201);
        secrets.field(&made, "key");
    }
    let made = running.api("POST", "keys", &key, &new).expect(201);
    let made_key = secrets.field(&made, "key");
    let id = made["id"].as_str().unwrap();
    let basic = secrets.keep(BASE64.encode(format!("{id}:{made_key}")));
    let grant = [("grant_type", "client_credentials")];
    let basic = format!("Basic {basic}");
    let tokens = running.form("/oauth/token", &[("Authorization", &basic)], &grant).expect(200);
    let key_token = secrets.field(&tokens, "access_token");
    running.api("GET", "links", &key_token, &Value::Null).expect(200);
    running.form("/oauth/token", &[("Authorization", "Basic bm8=")], &grant).expect(401);
    running.api("GET", "links", &made_key, &Value::Null).expect(200);
    running.api("DELETE", &format!("keys/{id}"), &key, &Value::Null).expect(204);
    let mistyped = secrets.keep(format!("{}x", &key[..key.len() - 1]));
    running.api("GET", "links", &mistyped, &Value::Null).expect(401);
    let forged =
        secrets.keep("eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfMDFLOVowMDAwMDAwMDAwMDAwMDAwMDBVQSJ9.");
    running.api("GET", "links", &forged, &Value::Null).expect(401);

    // Addresses: of the viewer, as the edge tells them, and as somebody pretends.
    let slug = json!({ "url": "https://example.com/", "slug": "spring" });
    running.api("POST", "links", &key, &slug).expect(201);
    for viewer in VIEWERS {
        secrets.keep(viewer);
        let headers = [
            ("X-Local-Address", viewer),
            ("X-Local-Place", "DE/BE/Berlin"),
            ("CloudFront-Viewer-Address", viewer),
            ("X-Forwarded-For", viewer),
        ];
        assert_eq!(running.ask("GET", "/spring", &headers, "").status, 302);
        assert_eq!(running.ask("GET", "/sprong", &headers, "").status, 404);
        assert_eq!(running.ask("GET", &format!("/{viewer}"), &headers, "").status, 404);
        let fields = [
            ("grant_type", "password"),
            ("client_id", "signpost"),
            ("username", &ada),
            ("password", &wrong),
        ];
        running.form("/oauth/token", &headers, &fields).expect(400);
    }
    assert_eq!(running.ask("GET", &format!("/{ada}?email={ada}"), &[], "").status, 404);
    running.api("GET", &format!("links?colour={ada}"), &key, &Value::Null).expect(400);

    // Another password, after which nothing of before is worth anything.
    let tokens = running.sign_in(&grace, &ada_password).expect(200);
    let grace_token = secrets.field(&tokens, "access_token");
    secrets.field(&tokens, "refresh_token");
    let next_password = secrets.keep("another example of five words");
    let change = json!({ "password": next_password, "current_password": wrong });
    running.api("PATCH", "users/me", &grace_token, &change).expect(400);
    let change = json!({ "password": next_password, "current_password": ada_password });
    running.api("PATCH", "users/me", &grace_token, &change).expect(200);
    running.sign_in(&grace, &ada_password).expect(400);
    running.api("GET", "audit", &key, &Value::Null).expect(200);
    secrets
}

/// Whatever in a log looks like something that must not be there.
fn suspicious(log: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in log.lines() {
        let is_part = |c: char| c.is_alphanumeric() || "_@.:+%-".contains(c);
        let words = line.split(|c: char| !is_part(c)).map(|word| word.trim_matches(['.', ':']));
        for word in words.filter(|word| !word.is_empty()) {
            // Not in the middle of a word: `usr_` ends like a refresh token begins.
            let parts = word.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let is_secret = parts.into_iter().any(|part| {
                let prefix =
                    ["sp_", "sr_", "si_", "sc_"].iter().find_map(|it| part.strip_prefix(it));
                prefix.is_some_and(|rest| 20 < rest.len())
            });
            let email = word
                .split_once('@')
                .is_some_and(|(name, domain)| !name.is_empty() && domain.contains('.'));
            let address = word.parse::<IpAddr>().ok();
            let address = address.or(word.parse::<SocketAddr>().ok().map(|it| it.ip()));
            let is_address = address.is_some_and(|it| !it.is_loopback() && !it.is_unspecified());
            if is_secret || email || is_address || word.contains("eyJ") {
                found.push(format!("`{word}` in: {line}"));
            }
        }
    }
    found
}

#[test]
fn no_secret_and_no_person_is_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), Some("trace"));
    let secrets = live(&running, dir.path());
    let log = running.stop();

    // A log without lines holds no secrets either.
    for said in ["answered 201", "answered 401", "DEBUG", "link.id=", "principal="] {
        assert!(log.contains(said), "the log does not say `{said}`:\n{log}");
    }
    let mut found = suspicious(&log);
    for secret in &secrets.0 {
        let lines = log.lines().filter(|line| line.contains(secret.as_str()));
        found.extend(lines.map(|line| format!("`{secret}` in: {line}")));
    }
    assert!(found.is_empty(), "\n{}\n", found.join("\n"));
}

/// All files in a folder and in those below it.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn no_address_of_a_viewer_is_stored_or_queued() {
    let dir = tempfile::tempdir().unwrap();
    let running = Running::start(dir.path(), None);
    let link = json!({ "url": "https://example.com/", "slug": "spring" });
    let link = running.api("POST", "links", &running.key, &link).expect(201);
    let clicks = format!("links/{}/clicks", link["id"].as_str().unwrap());
    for viewer in VIEWERS {
        let headers = [("X-Local-Address", viewer), ("User-Agent", "Mozilla/5.0 Firefox/145.0")];
        for path in ["/spring", "/sprong"] {
            running.ask("GET", path, &headers, "");
        }
    }
    // Through the queue, into the ledger and the bucket.
    let begin = Instant::now();
    let recorded = loop {
        let page = running.api("GET", &clicks, &running.key, &Value::Null).expect(200);
        let items = page["items"].as_array().unwrap().clone();
        if items.len() == VIEWERS.len() {
            break items;
        }
        assert!(begin.elapsed() < PATIENCE, "{page}");
        std::thread::sleep(Duration::from_millis(50));
    };
    // They were told from each other, so the addresses were there.
    let visitors: BTreeSet<_> = recorded.iter().map(|click| click["visitor"].as_str()).collect();
    assert_eq!(visitors.len(), VIEWERS.len());
    assert!(!visitors.contains(&None), "{recorded:?}");
    let log = running.stop();

    let mut texts: Vec<(String, Vec<u8>)> = files(dir.path())
        .into_iter()
        .map(|path| (path.display().to_string(), fs::read(path).unwrap()))
        .collect();
    texts.push(("the log".to_owned(), log.into_bytes()));
    let has = |text: &[u8], part: &[u8]| text.windows(part.len()).any(|it| it == part);
    // What was searched is where clicks are: in the database, the queue and the bucket.
    let visitor = recorded[0]["visitor"].as_str().unwrap().as_bytes();
    let places: Vec<_> = texts.iter().filter(|(_, text)| has(text, visitor)).collect();
    for place in ["dynamodb.sqlite", "sqs.sqlite", "/s3/"] {
        assert!(places.iter().any(|(name, _)| name.contains(place)), "{place}");
    }
    for viewer in VIEWERS {
        let address: IpAddr = viewer.parse().unwrap();
        let mut forms = vec![viewer.as_bytes().to_vec()];
        if let IpAddr::V6(address) = address {
            // Four bytes may be there by chance, sixteen are not.
            forms.push(address.octets().to_vec());
        }
        for (name, text) in &texts {
            assert!(!forms.iter().any(|form| has(text, form)), "{viewer} is in {name}");
        }
    }
}

#[test]
fn a_line_names_its_request_however_much_is_logged() {
    for (level, said) in [(None, "created"), (Some("info"), "answered 201")] {
        let dir = tempfile::tempdir().unwrap();
        let running = Running::start(dir.path(), level);
        let link = json!({ "url": "https://example.com/" });
        let answer = running.api("POST", "links", &running.key, &link);
        let id = answer.head.lines().find_map(|line| line.strip_prefix("x-request-id: ")).unwrap();
        let log = running.stop();
        let named = log.lines().any(|line| line.contains(said) && line.contains(id));
        assert!(named, "`{said}` and `{id}` are in no line:\n{log}");
    }
}

#[test]
fn what_must_not_be_in_a_log_is_found_there() {
    let key = format!("sp_{}", "A1".repeat(37));
    let lines = [
        format!("key={key}"),
        format!("\"sr_{}\"", "b2".repeat(37)),
        "to=ada@example.com".to_owned(),
        "from 203.0.113.7, again".to_owned(),
        "peer=[2001:db8::1]:443".to_owned(),
        "viewer=2001:db8::1".to_owned(),
        "peer=198.51.100.2:80".to_owned(),
        "Bearer eyJhbGciOiJFUzI1NiJ9.e30.x".to_owned(),
    ];
    for line in lines {
        assert_eq!(suspicious(&line).len(), 1, "{line}");
    }
    let fine = "2026-11-20T14:03:27.412Z INFO lambda::boot: listening on 127.0.0.1:8000 [::1]:80 key_01 x@y";
    assert!(suspicious(fine).is_empty(), "{:?}", suspicious(fine));
}
