//! A gateway whose functions answer as the test wants, and a client without manners.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lambda::{Body, Boot, Clock, Env, Function, Kind, Metrics, Problem, Random, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::contract::Contract;
use crate::gateway::{Gateway, Limits, serve, to_json};
use crate::registry::{AUTHORIZER, Registry};

/// No test waits longer for anything.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// What proves that a request came through the gateway.
pub(super) const SECRET: &str = "the-new-one, the-old-one";

/// What a stub does with an event.
pub(super) type Answer = Arc<dyn Fn(&Value) -> Result<Value, &'static str> + Send + Sync>;

/// A function that answers events as they are, whatever its kind.
pub(super) async fn stub(name: &'static str, answer: Answer) -> Function {
    let boot = Boot {
        name,
        env: Env::fixed([]),
        aws: aws_types::SdkConfig::builder().build(),
        clock: Clock::system(),
        random: Random::seeded(1),
        metrics: Metrics::in_memory(),
    };
    let load = |_| async { Ok::<_, Infallible>(answer) };
    // Of all kinds, an authorizer's events and answers are any JSON.
    let handle = |answer: Answer, event: Value| async move {
        answer(&event).map_err(|why| Problem::server(Kind::Internal, std::io::Error::other(why)))
    };
    Function::authorizer(boot, load, handle).await.unwrap()
}

/// A gateway with stubs for all functions of the contract.
pub(super) struct World {
    pub(super) address: SocketAddr,
    pub(super) clock: Clock,
    /// What came, in order: function and event.
    pub(super) events: Arc<Mutex<Vec<(&'static str, Value)>>>,
    answers: Arc<Mutex<Answers>>,
    stop: Option<oneshot::Sender<()>>,
    pub(super) serving: JoinHandle<()>,
}

/// What all functions answer to an event.
type Respond = Arc<dyn Fn(&Value) -> Response<Body> + Send + Sync>;

struct Answers {
    function: Respond,
    authorizer: Answer,
}

pub(super) fn now() -> Timestamp {
    "2026-11-20T14:03:27.412Z".parse().unwrap()
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(super) async fn with(limits: Limits) -> Self {
        let contract = Contract::read().unwrap();
        let events = Arc::<Mutex<Vec<_>>>::default();
        let answers = Answers {
            function: Arc::new(|_| Response::new(Body::Empty)),
            authorizer: Arc::new(|_| Ok(json!({"isAuthorized": true, "context": {"a": "b"}}))),
        };
        let answers = Arc::new(Mutex::new(answers));
        let mut functions = Vec::new();
        let names = contract.functions().map(|(name, _)| name).chain([AUTHORIZER]);
        for name in names.collect::<std::collections::BTreeSet<_>>() {
            let name: &'static str = String::leak(name.to_owned());
            let (events, answers) = (Arc::clone(&events), Arc::clone(&answers));
            let note = move |event: &Value| {
                events.lock().unwrap().push((name, event.clone()));
                let answers = answers.lock().unwrap();
                (Arc::clone(&answers.function), Arc::clone(&answers.authorizer))
            };
            functions.push(if name == AUTHORIZER {
                stub(name, Arc::new(move |event| note(event).1(event))).await
            } else {
                Function::of_http_events(name, move |event| {
                    let event = serde_json::from_slice(&to_json(&event)).unwrap();
                    note(&event).0(&event)
                })
            });
        }
        let registry = Registry::of(functions);
        let clock = Clock::fixed(now());
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let random = Random::seeded(2);
        let port = address.port();
        let gateway =
            Gateway::new(&contract, &registry, clock.clone(), &random, (port, SECRET), limits)
                .unwrap();
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(serve(Arc::new(gateway), listener, async {
            let _ = stopped.await;
        }));
        Self { address, clock, events, answers, stop: Some(stop), serving }
    }

    pub(super) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// What every function but the authorizer answers.
    pub(super) fn answer(&self, answer: impl Fn(&Value) -> Response<Body> + Send + Sync + 'static) {
        self.answers.lock().unwrap().function = Arc::new(answer);
    }

    pub(super) fn authorize(
        &self,
        answer: impl Fn(&Value) -> Result<Value, &'static str> + Send + Sync + 'static,
    ) {
        self.answers.lock().unwrap().authorizer = Arc::new(answer);
    }

    /// The names of the functions that were called since the last time.
    pub(super) fn called(&self) -> Vec<&'static str> {
        self.events.lock().unwrap().drain(..).map(|(name, _)| name).collect()
    }

    /// The only event since the last time that was not for the authorizer.
    pub(super) fn event(&self) -> Value {
        let mut events: Vec<_> = self.events.lock().unwrap().drain(..).collect();
        events.retain(|(name, _)| *name != AUTHORIZER);
        assert_eq!(events.len(), 1, "{events:?}");
        events.remove(0).1
    }

    /// Sends a request with this head, and the rest that a head needs.
    pub(super) async fn ask(&self, line_and_headers: &str) -> Reply {
        self.ask_with(line_and_headers, b"").await
    }

    pub(super) async fn ask_with(&self, line_and_headers: &str, body: &[u8]) -> Reply {
        let mut head = format!("{line_and_headers}\r\nconnection: close\r\n");
        if !line_and_headers.to_ascii_lowercase().contains("\nhost:") {
            head.push_str("host: go.example.com\r\n");
        }
        if !body.is_empty() && !line_and_headers.contains("transfer-encoding") {
            head.push_str(&format!("content-length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.send(&[head.as_bytes(), body].concat()).await
    }

    /// Sends these bytes, and reads until the other side closes.
    pub(super) async fn send(&self, bytes: &[u8]) -> Reply {
        let exchange = async {
            let mut socket = TcpStream::connect(self.address).await.unwrap();
            // Whoever is refused early closes early.
            let _ = socket.write_all(bytes).await;
            let mut answer = Vec::new();
            let _ = socket.read_to_end(&mut answer).await;
            Reply::parse(&answer)
        };
        tokio::time::timeout(LIMIT, exchange).await.expect("an answer in time")
    }
}

/// An answer, read in the simplest way.
#[derive(Debug)]
pub(super) struct Reply {
    /// 0: there was none.
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Reply {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(bytes.len());
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
        let headers = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = bytes.get(end + 4..).unwrap_or_default().to_vec();
        Self { status: status.unwrap_or(0), headers, body }
    }

    pub(super) fn all(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(own, _)| own == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Looks again and again, until it is so.
pub(super) async fn until<F: Future<Output = bool>>(what: &str, mut look: impl FnMut() -> F) {
    let begin = Instant::now();
    while !look().await {
        assert!(begin.elapsed() < LIMIT, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
