//! The Lambda service, as one process of a function sees it.
//!
//! A [`Lambda`] starts a function's real binary, speaks the Runtime API and the Extensions API with
//! it, and answers its AWS calls from a [`World`], whose probe makes them go wrong on request. All
//! of it is on one loopback port, and everything that happens is in one journal, in order.
//!
//! It freezes as Lambda does: an invocation is over when its answer was posted *and* the runtime
//! and every registered extension have asked for their next event. Then the process is stopped
//! (`SIGSTOP`), until there is another event for it. Work that nobody keeps the process awake for
//! does not happen here either.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use embedded::Embedded;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use jiff::{SignedDuration, Timestamp};
use lambda::Clock;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::answer::Answer;
use crate::event::Event;
use crate::probe::{Probe, describe};
use crate::world::World;

/// The longest that a test waits for anything.
const LIMIT: Duration = Duration::from_secs(15);

/// How long an event is held back that shall come last.
const HELD_BACK: Duration = Duration::from_millis(50);

/// The extension's id.
const EXTENSION_ID: &str = "00000000-0000-0000-0000-000000000001";

/// How the service behaves.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Whether there is an Extensions API.
    pub extensions: bool,
    /// The function's timeout. It only makes the deadline: nobody is killed at it.
    pub timeout: Duration,
    /// Who learns of an invocation last.
    pub last: Option<Party>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { extensions: true, timeout: Duration::from_secs(5), last: None }
    }
}

/// Who asks for events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Party {
    /// The function's runtime.
    Runtime,
    /// Its internal extension. Where it comes last, that is after the answer.
    Extension,
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Entry {
    /// When: by the clock that the process has too.
    pub at: Timestamp,
    /// What, in words:
    ///
    /// - `register`, `runtime asks`, `extension asks`: calls of the process,
    /// - `runtime has 1`, `extension has 1`: the event of the first invocation was handed out; the
    ///   body is the function's deadline,
    /// - `answer 1`, `error 1`: the invocation's outcome was posted,
    /// - `over 1`: both have asked again, and the process may be frozen,
    /// - `SendMessage begins`, `SendMessage ends`, `SendMessage is cut`: a call to AWS, and whether
    ///   the caller waited for its answer,
    /// - `log …`: a line of JSON on stdout, by its message; it can come later than what the process
    ///   did afterwards, so its own `timestamp` counts; `text`: any other line, or one on stderr,
    /// - `ended`: the process.
    pub what: String,
    /// The body of the call, the line, or the exit code.
    pub body: Value,
}

/// A Lambda service with one function in one process.
#[derive(Debug)]
pub struct Lambda {
    service: Arc<Service>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Service {
    settings: Settings,
    probe: Probe,
    stores: Embedded,
    state: Mutex<State>,
    /// Told of each change of the state.
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    journal: Vec<Entry>,
    process: Option<Arc<Mutex<Child>>>,
    pid: u32,
    is_stopped: bool,
    submitted: usize,
    waiting: Vec<(usize, Vec<u8>)>,
    current: Option<Current>,
    runtime: Option<oneshot::Sender<Handed>>,
    /// `None`: not registered.
    extension: Option<Ask>,
    refused: Vec<Party>,
}

/// What the extension does.
#[derive(Debug)]
enum Ask {
    /// It works, or has not asked for its first event yet.
    Busy,
    /// It waits for its next event.
    Waiting(oneshot::Sender<Handed>),
    /// It was refused an event. (The real service would wait until the function's timeout.)
    Gone,
}

/// An invocation that is not over.
#[derive(Debug)]
struct Current {
    number: usize,
    deadline: Timestamp,
    event: Vec<u8>,
    answered: bool,
    runtime_has_it: bool,
    extension_has_it: bool,
}

/// What an asker gets.
#[derive(Debug)]
struct Handed {
    number: usize,
    deadline: Timestamp,
    event: Vec<u8>,
}

fn request_id(number: usize) -> String {
    format!("request-{number}")
}

impl Lambda {
    /// Starts `program` as a function in this world, with these settings besides or instead of the
    /// world's.
    pub async fn start(
        world: &World,
        settings: Settings,
        program: impl AsRef<OsStr>,
        env: &[(&str, &str)],
    ) -> Self {
        Self::start_with(world, settings, &mut Command::new(program), env).await
    }

    /// The same for a program with arguments.
    pub async fn start_with(
        world: &World,
        settings: Settings,
        program: &mut Command,
        env: &[(&str, &str)],
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("the port has a number").to_string();
        let service = Arc::new(Service {
            settings,
            probe: world.probe.clone(),
            stores: world.stores(),
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let server = tokio::spawn(serve(Arc::clone(&service), listener));
        let url = format!("http://{address}");
        program
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", &address)
            .env("AWS_LAMBDA_FUNCTION_NAME", "function")
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
            .env("AWS_REGION", embedded::REGION)
            .env("AWS_ACCESS_KEY_ID", embedded::ACCESS_KEY_ID)
            .env("AWS_SECRET_ACCESS_KEY", embedded::SECRET_ACCESS_KEY)
            .env("AWS_ENDPOINT_URL", &url)
            .envs(world.settings())
            .envs(env.iter().copied());
        service.spawn(program);
        Self { service, server }
    }

    /// Hands the function an event, and waits until that is over.
    pub async fn invoke(&self, event: &Value) -> Result<Value, Value> {
        let number = self.submit(event);
        self.until(&format!("over {number}")).await;
        let journal = self.journal();
        let find = |what: &str| {
            let what = format!("{what} {number}");
            journal.iter().find(|entry| entry.what == what).map(|entry| entry.body.clone())
        };
        find("answer").ok_or_else(|| find("error").unwrap_or_default())
    }

    /// The same for an HTTP function; the answer is checked for its manners.
    pub async fn send(&self, event: &Event) -> Answer {
        let answer = self.invoke(event.json()).await.expect("the invocation succeeds");
        Answer::read(answer.to_string().as_bytes())
    }

    /// Hands the function an event as soon as it may have one. Returns its number, from 1.
    pub fn submit(&self, event: &Value) -> usize {
        self.service.change(|state| {
            state.submitted += 1;
            state.waiting.push((state.submitted, event.to_string().into_bytes()));
            state.submitted
        })
    }

    /// Answers the next events that are asked for by the runtime or the extension with a 500.
    pub fn refuse(&self, party: Party) {
        self.service.state().refused.push(party);
    }

    /// Waits until something is in the journal.
    pub async fn until(&self, what: &str) {
        self.wait(what, |journal| journal.iter().any(|entry| entry.what == what)).await;
    }

    /// Waits until so many things of a kind are in the journal. A kind is the beginning of
    /// [`Entry::what`].
    pub async fn until_times(&self, kind: &str, times: usize) {
        let is_one = |entry: &&Entry| entry.what.starts_with(kind);
        self.wait(kind, |journal| times <= journal.iter().filter(is_one).count()).await;
    }

    async fn wait(&self, what: &str, is_there: impl Fn(&[Entry]) -> bool) {
        let mut changed = self.service.changed.subscribe();
        let found = async {
            loop {
                let journal = self.journal();
                if is_there(&journal) {
                    return true;
                }
                if journal.iter().any(|entry| entry.what == "ended") {
                    return false;
                }
                changed.changed().await.expect("the service lives");
            }
        };
        let found = tokio::time::timeout(LIMIT, found).await.unwrap_or(false);
        assert!(found, "there is no `{what}`:\n{}", self.story());
    }

    /// All that happened.
    pub fn journal(&self) -> Vec<Entry> {
        self.service.state().journal.clone()
    }

    /// All that happened of these kinds, in order. A kind is the beginning of [`Entry::what`].
    pub fn order(&self, kinds: &[&str]) -> Vec<String> {
        let is_one = |entry: &Entry| kinds.iter().any(|kind| entry.what.starts_with(kind));
        self.journal().into_iter().filter(is_one).map(|entry| entry.what).collect()
    }

    /// The log lines.
    pub fn log(&self) -> Vec<Value> {
        let lines = self.journal().into_iter().filter(|entry| entry.what.starts_with("log "));
        lines.map(|entry| entry.body).collect()
    }

    /// The first entry of this kind.
    pub fn first(&self, what: &str) -> Entry {
        let found = self.journal().into_iter().find(|entry| entry.what == what);
        found.unwrap_or_else(|| panic!("there is no `{what}`:\n{}", self.story()))
    }

    /// The journal as text, for messages.
    pub fn story(&self) -> String {
        let journal = self.journal();
        let begin = journal.first().map(|entry| entry.at).unwrap_or_default();
        journal.iter().fold(String::new(), |mut text, Entry { at, what, body }| {
            let after = at.duration_since(begin).as_millis();
            let _ = writeln!(text, "{after:>6} ms  {what}  {body}");
            text
        })
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        self.server.abort();
        let process = self.service.state().process.take();
        if let Some(process) = process {
            let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Service {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, does what follows from that, and tells those who wait.
    fn change<R>(self: &Arc<Self>, change: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state);
        self.go_on(&mut state);
        drop(state);
        self.changed.send_replace(());
        result
    }

    fn note(state: &mut State, what: impl Into<String>, body: Value) {
        state.journal.push(Entry { at: Clock::system().now(), what: what.into(), body });
    }

    /// Ends the current invocation if it is over, and begins the next if there is one.
    fn go_on(self: &Arc<Self>, state: &mut State) {
        if state.runtime.is_none() || matches!(state.extension, Some(Ask::Busy)) {
            return;
        }
        if let Some(current) = &state.current {
            if !(current.answered && current.runtime_has_it && current.extension_has_it) {
                return;
            }
            let number = current.number;
            state.current = None;
            Self::note(state, format!("over {number}"), Value::Null);
        }
        if state.waiting.is_empty() {
            // Without its last extension, the real service would wait for the function's timeout.
            state.freeze(!matches!(state.extension, Some(Ask::Gone)));
            return;
        }
        state.freeze(false);
        let (number, event) = state.waiting.remove(0);
        let timeout = SignedDuration::try_from(self.settings.timeout).unwrap_or_default();
        state.current = Some(Current {
            number,
            event,
            deadline: Clock::system().now() + timeout,
            answered: false,
            runtime_has_it: false,
            extension_has_it: !matches!(state.extension, Some(Ask::Waiting(_))),
        });
        match self.settings.last {
            None => {
                Self::hand_to_extension(state);
                Self::hand_to_runtime(state);
            }
            Some(Party::Extension) => Self::hand_to_runtime(state),
            Some(Party::Runtime) => {
                Self::hand_to_extension(state);
                self.hold_back(Self::hand_to_runtime);
            }
        }
    }

    fn hold_back(self: &Arc<Self>, hand: fn(&mut State)) {
        let service = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(HELD_BACK).await;
            service.change(hand);
        });
    }

    fn hand_to_runtime(state: &mut State) {
        let Some(current) = &mut state.current else { return };
        current.runtime_has_it = true;
        let (handed, number) = (current.handed(), current.number);
        Self::note(state, format!("runtime has {number}"), json!(handed.deadline.to_string()));
        if let Some(asker) = state.runtime.take() {
            let _ = asker.send(handed);
        }
    }

    fn hand_to_extension(state: &mut State) {
        let Some(current) = &mut state.current else { return };
        if std::mem::replace(&mut current.extension_has_it, true) {
            return;
        }
        let (handed, number) = (current.handed(), current.number);
        Self::note(state, format!("extension has {number}"), json!(handed.deadline.to_string()));
        if let Some(Ask::Waiting(asker)) = state.extension.replace(Ask::Busy) {
            let _ = asker.send(handed);
        }
    }

    fn spawn(self: &Arc<Self>, program: &mut Command) {
        program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = program.spawn().expect("the program starts");
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        let mut state = self.state();
        state.pid = process.id();
        let process = Arc::new(Mutex::new(process));
        state.process = Some(Arc::clone(&process));
        let service = Arc::clone(self);
        std::thread::spawn(move || {
            service.read(stderr, |line| ("text".to_owned(), Value::String(line)))
        });
        let service = Arc::clone(self);
        std::thread::spawn(move || {
            service.read(stdout, |line| match serde_json::from_str::<Value>(&line) {
                Ok(line) => (format!("log {}", line["message"].as_str().unwrap_or_default()), line),
                Err(_) => ("text".to_owned(), Value::String(line)),
            });
            let ended = process.lock().unwrap_or_else(PoisonError::into_inner).wait();
            let code = ended.ok().and_then(|status| status.code());
            service.change(|state| Service::note(state, "ended", json!(code)));
        });
    }

    /// Notes all lines of a stream.
    fn read(self: &Arc<Self>, stream: Option<impl Read>, note: impl Fn(String) -> (String, Value)) {
        let lines = stream.into_iter().flat_map(|stream| BufReader::new(stream).lines());
        for line in lines.map_while(Result::ok) {
            let (what, body) = note(line);
            self.change(|state| Self::note(state, what, body));
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, ConnectorError> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(|e| ConnectorError::io(e.into()))?.to_bytes();
        let path = parts.uri.path().to_owned();
        let Some(path) = path.strip_prefix("/2018-06-01/runtime/") else {
            return match path.strip_prefix("/2020-01-01/extension/") {
                Some(path) => Ok(self.answer_extension(path, &body).await),
                None => self.answer_aws(Request::from_parts(parts, body)).await,
            };
        };
        Ok(self.answer_runtime(&parts.method, path, &body).await)
    }

    async fn answer_runtime(
        self: &Arc<Self>,
        method: &Method,
        path: &str,
        body: &Bytes,
    ) -> Response<Full<Bytes>> {
        if (method, path) == (&Method::GET, "invocation/next") {
            let (asker, handed) = oneshot::channel();
            self.change(|state| {
                Self::note(state, "runtime asks", Value::Null);
                let refused = state.refused.contains(&Party::Runtime);
                state.runtime = (!refused).then_some(asker);
            });
            let Ok(handed) = handed.await else {
                return status(StatusCode::INTERNAL_SERVER_ERROR);
            };
            let mut response = Response::new(Full::new(Bytes::from(handed.event)));
            let headers = response.headers_mut();
            for (name, value) in [
                ("lambda-runtime-aws-request-id", request_id(handed.number)),
                ("lambda-runtime-deadline-ms", handed.deadline.as_millisecond().to_string()),
                ("lambda-runtime-invoked-function-arn", ARN.to_owned()),
                ("lambda-runtime-trace-id", "Root=1-6b00532f-395c712d83ac83bdee68131f".to_owned()),
            ] {
                headers.insert(name, value.parse().expect("this is a header"));
            }
            return response;
        }
        let body = serde_json::from_slice(body).unwrap_or_default();
        self.change(|state| {
            let posted = path.strip_prefix("invocation/").and_then(|path| path.split_once('/'));
            let what = match (posted, &mut state.current) {
                (Some((id, kind @ ("response" | "error"))), Some(current))
                    if id == request_id(current.number) && !current.answered =>
                {
                    current.answered = true;
                    if self.settings.last == Some(Party::Extension) {
                        self.hold_back(Self::hand_to_extension);
                    }
                    let kind = if kind == "response" { "answer" } else { "error" };
                    format!("{kind} {}", current.number)
                }
                (_, _) if path == "init/error" => "init error".to_owned(),
                (_, _) => return status(StatusCode::FORBIDDEN),
            };
            Self::note(state, what, body);
            status(StatusCode::ACCEPTED)
        })
    }

    async fn answer_extension(self: &Arc<Self>, path: &str, body: &Bytes) -> Response<Full<Bytes>> {
        if !self.settings.extensions {
            if path == "register" {
                self.change(|state| Self::note(state, "register", Value::Null));
            }
            return status(StatusCode::NOT_FOUND);
        }
        match path {
            "register" => {
                let body: Value = serde_json::from_slice(body).unwrap_or_default();
                // Internal extensions must not ask for more than this.
                let is_sound = body["events"] == json!(["INVOKE"]);
                self.change(|state| {
                    Self::note(state, "register", body);
                    if !is_sound || state.extension.is_some() || state.runtime.is_some() {
                        return status(StatusCode::FORBIDDEN);
                    }
                    state.extension = Some(Ask::Busy);
                    let facts = json!({
                        "functionName": "function", "functionVersion": "1", "handler": "bootstrap"
                    });
                    let mut response = Response::new(Full::new(Bytes::from(facts.to_string())));
                    let id = EXTENSION_ID.parse().expect("this is a header");
                    response.headers_mut().insert("lambda-extension-identifier", id);
                    response
                })
            }
            "event/next" => {
                let (asker, handed) = oneshot::channel();
                self.change(|state| {
                    Self::note(state, "extension asks", Value::Null);
                    state.extension = Some(match state.refused.contains(&Party::Extension) {
                        true => Ask::Gone,
                        false => Ask::Waiting(asker),
                    });
                });
                let Ok(handed) = handed.await else {
                    return status(StatusCode::INTERNAL_SERVER_ERROR);
                };
                let event = json!({
                    "eventType": "INVOKE",
                    "deadlineMs": handed.deadline.as_millisecond(),
                    "requestId": request_id(handed.number),
                    "invokedFunctionArn": ARN,
                    "tracing": {"type": "X-Amzn-Trace-Id", "value": "Root=1-6b00532f"},
                });
                Response::new(Full::new(Bytes::from(event.to_string())))
            }
            other => {
                let what = format!("extension {other}");
                self.change(|state| Self::note(state, what, Value::Null));
                status(StatusCode::ACCEPTED)
            }
        }
    }

    async fn answer_aws(
        self: &Arc<Self>,
        request: Request<Bytes>,
    ) -> Result<Response<Full<Bytes>>, ConnectorError> {
        let request = HttpRequest::try_from(request.map(SdkBody::from));
        let request = request.map_err(|e| ConnectorError::user(e.into()))?;
        let call = describe(&request);
        let operation = call.operation;
        self.change(|state| Self::note(state, format!("{operation} begins"), call.body));
        let mut end = CallEnd { service: self, operation: &operation, how: "is cut" };
        let answered = self.probe.pass(request, |request| self.ask_stores(request)).await;
        end.how = "ends";
        drop(end);
        let answered = answered?.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
        Ok(answered.map(|body| Full::new(Bytes::copy_from_slice(body.bytes().unwrap_or_default()))))
    }

    async fn ask_stores(&self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
        let body = |body: SdkBody| Bytes::copy_from_slice(body.bytes().unwrap_or_default());
        let answered = self.stores.call(request.map(body)).await;
        HttpResponse::try_from(answered.map(SdkBody::from))
            .map_err(|e| ConnectorError::user(e.into()))
    }
}

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:function";

/// Notes how a call to AWS ended, also when the caller goes away.
struct CallEnd<'a> {
    service: &'a Arc<Service>,
    operation: &'a str,
    how: &'static str,
}

impl Drop for CallEnd<'_> {
    fn drop(&mut self) {
        let what = format!("{} {}", self.operation, self.how);
        self.service.change(|state| Service::note(state, what, Value::Null));
    }
}

impl State {
    /// Stops the process, or lets it go on.
    fn freeze(&mut self, stop: bool) {
        if self.is_stopped != stop {
            self.is_stopped = stop;
            // Only a shell is everywhere: sending a signal oneself takes unsafe code.
            let kill = format!("kill -{} {}", if stop { "STOP" } else { "CONT" }, self.pid);
            let sent = Command::new("sh").args(["-c", &kill]).status();
            assert!(sent.is_ok_and(|status| status.success()), "{kill}");
        }
    }
}

impl Current {
    fn handed(&self) -> Handed {
        let Self { number, deadline, .. } = *self;
        Handed { number, deadline, event: self.event.clone() }
    }
}

fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

async fn serve(service: Arc<Service>, listener: TcpListener) {
    while let Ok((socket, _)) = listener.accept().await {
        // Answers are small: without this, the kernel holds them back for an acknowledgement.
        let _ = socket.set_nodelay(true);
        let service = Arc::clone(&service);
        let answer = service_fn(move |request| Arc::clone(&service).answer(request));
        tokio::spawn(async move {
            // A caller that hangs up is its own business.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(socket), answer).await;
        });
    }
}
