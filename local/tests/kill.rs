//! `kill -9` in the middle of a load, twice: nothing that was answered is lost or counted twice.
//!
//! The real program runs as a process of its own, because only that can be killed. Every request
//! carries a user agent of its own, so each answered redirect can be looked for by name.

#![expect(clippy::unwrap_used, reason = "the whole file is a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Connections at the same time, half of which create links and half of which follow them.
const CONNECTIONS: u32 = 8;

/// How much is answered before each kill.
const BEFORE_KILL: usize = 300;

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(60);

struct Running {
    child: Child,
    address: String,
    key: String,
}

impl Running {
    fn start(dir: &Path) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_local"))
            .args(["--json", "--port", "0", "--data-dir"])
            .arg(dir)
            .env("RUST_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| ready[name].as_str().unwrap().to_owned();
        let address = text("url").trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { child, address, key: text("api_key") }
    }

    fn connect(&self) -> Connection {
        Connection(BufReader::new(TcpStream::connect(&self.address).unwrap()))
    }

    fn api(&self, path: &str) -> Value {
        let head = format!("Authorization: Bearer {}\r\n", self.key);
        let (status, body) = self.connect().send("GET", path, &head, "").unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGKILL, which is the point.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A plain HTTP/1.1 connection.
struct Connection(BufReader<TcpStream>);

impl Connection {
    /// Sends a request; `None` if the other end died before its answer was whole.
    fn send(&mut self, method: &str, path: &str, head: &str, body: &str) -> Option<(u16, String)> {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\n{head}Content-Length: {length}\r\n\r\n{body}"
        );
        self.0.get_mut().write_all(request.as_bytes()).ok()?;
        let mut status = String::new();
        self.0.read_line(&mut status).ok()?;
        let status = status.split(' ').nth(1)?.parse().ok()?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some((status, String::from_utf8(body).ok()?))
    }
}

/// What a load was told.
#[derive(Default)]
struct Answered {
    /// Ids of links that were answered with 201.
    created: BTreeSet<String>,
    /// User agents of redirects that were answered with 302, by link.
    followed: BTreeMap<String, BTreeSet<String>>,
}

/// Creates and follows links until enough is answered, then kills the process in the middle of it.
fn load_and_kill(running: Running, links: &[(String, String)], round: u32, all: &mut Answered) {
    let answers = AtomicU32::new(0);
    let over = AtomicBool::new(false);
    let told: Vec<Answered> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|worker| {
                let (running, answers, over) = (&running, &answers, &over);
                let mut connection = running.connect();
                scope.spawn(move || {
                    let mut told = Answered::default();
                    for number in 0.. {
                        if over.load(Ordering::Relaxed) {
                            break;
                        }
                        let name = format!("load-{round}-{worker}-{number}");
                        let done = if worker % 2 == 0 {
                            create(&mut connection, &running.key, &name, &mut told)
                        } else {
                            let link = &links[number % links.len()];
                            follow(&mut connection, link, &name, &mut told)
                        };
                        if done.is_none() {
                            break;
                        }
                        answers.fetch_add(1, Ordering::Relaxed);
                    }
                    told
                })
            })
            .collect();
        let begin = Instant::now();
        while (answers.load(Ordering::Relaxed) as usize) < BEFORE_KILL {
            assert!(begin.elapsed() < PATIENCE, "the load does not get on");
            std::thread::yield_now();
        }
        let pid = running.child.id().to_string();
        assert!(Command::new("kill").args(["-9", &pid]).status().unwrap().success());
        over.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().unwrap()).collect()
    });
    for one in told {
        all.created.extend(one.created);
        for (link, names) in one.followed {
            all.followed.entry(link).or_default().extend(names);
        }
    }
}

fn create(connection: &mut Connection, key: &str, name: &str, told: &mut Answered) -> Option<()> {
    let head = format!("Authorization: Bearer {key}\r\nContent-Type: application/json\r\n");
    let body = json!({"url": "https://example.com", "slug": name}).to_string();
    let (status, body) = connection.send("POST", "/api/v1/links", &head, &body)?;
    assert_eq!(status, 201, "{body}");
    let link: Value = serde_json::from_str(&body).ok()?;
    told.created.insert(link["id"].as_str()?.to_owned());
    Some(())
}

fn follow(
    connection: &mut Connection,
    (id, slug): &(String, String),
    name: &str,
    told: &mut Answered,
) -> Option<()> {
    let head = format!("User-Agent: {name}\r\n");
    let (status, body) = connection.send("GET", &format!("/{slug}"), &head, "")?;
    assert_eq!(status, 302, "{body}");
    told.followed.entry(id.clone()).or_default().insert(name.to_owned());
    Some(())
}

/// The user agents of all recorded clicks of a link, with how often each was recorded.
fn recorded(running: &Running, link: &str) -> BTreeMap<String, usize> {
    let mut names = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let page = running.api(&format!("/api/v1/links/{link}/clicks?limit=100{cursor}"));
        for click in page["items"].as_array().unwrap() {
            *names.entry(click["user_agent"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return names,
        }
    }
}

#[test]
fn what_was_answered_before_a_kill_is_there_and_counted_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut answered = Answered::default();
    let running = Running::start(dir.path());
    let mut links = Vec::new();
    for number in 0..5 {
        let mut told = Answered::default();
        let slug = format!("hot-{number}");
        create(&mut running.connect(), &running.key, &slug, &mut told).unwrap();
        links.push((told.created.pop_first().unwrap(), slug));
    }
    load_and_kill(running, &links, 1, &mut answered);
    load_and_kill(Running::start(dir.path()), &links, 2, &mut answered);

    let running = Running::start(dir.path());
    for id in &answered.created {
        assert_eq!(running.api(&format!("/api/v1/links/{id}"))["id"], *id.as_str());
    }
    let followed: usize = answered.followed.values().map(BTreeSet::len).sum();
    assert!(!answered.created.is_empty() && 0 < followed);
    for (link, names) in &answered.followed {
        let begin = Instant::now();
        // Counting catches up; the queue is not empty at once.
        let found = loop {
            let found = recorded(&running, link);
            if names.iter().all(|name| found.contains_key(name)) {
                break found;
            }
            assert!(begin.elapsed() < PATIENCE, "clicks of {link} are missing");
            std::thread::yield_now();
        };
        // A redirect whose answer was cut off may be counted, but nothing is counted twice.
        assert!(found.values().all(|times| *times == 1), "{link}: counted twice");
        let lost_answers = found.len() - names.len();
        assert!(lost_answers <= 2 * CONNECTIONS as usize, "{lost_answers} clicks of nobody");
        let total = running.api(&format!("/api/v1/links/{link}"))["clicks"]["total"].clone();
        assert!(total.as_u64().unwrap() >= found.len() as u64);
    }
}
