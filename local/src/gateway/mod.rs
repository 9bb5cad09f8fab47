//! What API Gateway is in the cloud: HTTP in, an event for a function, its answer out as HTTP.
//!
//! The events are those of an HTTP API with payload format 2.0, as the functions get them in the
//! cloud; `events/README.md` tells what is easily got wrong about them. This process is also the
//! single-box deployment, so the way of a redirect through here is kept short: an event is handed
//! over as what its JSON would be read into, and an answer is taken before it becomes JSON.

mod answer;
mod authorizer;
mod body;
mod edge;
mod end;
mod event;
mod ids;
mod routes;
mod server;
mod stall;

use std::borrow::Cow;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::HOST;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use lambda::{Clock, HttpEvent, Invocation, InvocationError, Random};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use self::authorizer::{Authorizer, Verdict};
use self::body::{Bodies, Whole};
use self::edge::Edge;
use self::end::{Panicked, ToItsEnd};
use self::event::Call;
use self::ids::Ids;
use self::routes::Routes;
use crate::contract::Contract;
use crate::logs;
use crate::registry::{AUTHORIZER, Registry};

#[cfg(test)]
pub(crate) use self::event::to_json;
pub(crate) use self::server::serve;

/// The longest that API Gateway waits for a function.
const INTEGRATION_TIMEOUT: Duration = Duration::from_secs(30);

/// How many invocations run at once: the default of an AWS account.
const MAX_INVOCATIONS: u32 = 1000;

/// What a slow or broken client may cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// How many connections there are at once; more wait in the kernel.
    pub(crate) connections: usize,
    /// How long a connection may take for the head of a request, which is also how long one stays
    /// open that nobody uses.
    pub(crate) head: Duration,
    /// How long the body may take.
    pub(crate) body: Duration,
    /// How long the client may take nothing of an answer.
    pub(crate) write: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // It keeps the process below the 1,024 files that it usually may open.
            connections: 900,
            // More than the 60 seconds that proxies keep an idle connection: it must not close
            // just when they use it again.
            head: Duration::from_secs(75),
            body: Duration::from_secs(20),
            write: Duration::from_secs(20),
        }
    }
}

/// The gateway of one platform.
#[derive(Debug)]
pub(crate) struct Gateway {
    routes: Routes,
    authorizer: Authorizer,
    bodies: Bodies,
    edge: Edge,
    ids: Ids,
    clock: Clock,
    port: u16,
    limits: Limits,
    /// A permit for each invocation that runs.
    invocations: Arc<Semaphore>,
    load: Load,
}

/// How much the gateway has to do.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    /// Those of the invocations.
    permits: Arc<Semaphore>,
    begin: Instant,
    /// When it was last high, in milliseconds after the beginning.
    last_high: Arc<AtomicU64>,
}

impl Load {
    /// So many requests at the same time want all there is of this machine.
    const HIGH: usize = 8;

    /// Each connection waits for its next request now and then, so a moment in which few run says
    /// nothing. In milliseconds.
    const RECENT: u64 = 100;

    fn new(permits: &Arc<Semaphore>) -> Self {
        Self { permits: Arc::clone(permits), begin: Instant::now(), last_high: Arc::default() }
    }

    /// So many requests, of no gateway.
    #[cfg(test)]
    pub(crate) fn of(requests: usize) -> Self {
        Self::new(&Arc::new(Semaphore::new(MAX_INVOCATIONS as usize - requests)))
    }

    /// Whether somebody would wait longer for other work that is done now.
    pub(crate) fn is_high(&self) -> bool {
        let last = self.last_high.load(Ordering::Relaxed);
        (last != 0 && self.now() < last + Self::RECENT) || self.is_high_now()
    }

    /// To be told of each invocation that begins.
    fn note(&self) {
        if self.is_high_now() {
            self.last_high.store(self.now().max(1), Ordering::Relaxed);
        }
    }

    fn is_high_now(&self) -> bool {
        self.permits.available_permits() + Self::HIGH <= MAX_INVOCATIONS as usize
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Why the gateway answers by itself, without a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not HTTP as it should be.
    BadRequest,
    /// A secured route without credentials.
    Unauthorized,
    /// The authorizer says no.
    Forbidden,
    /// The body did not come in time.
    Timeout,
    /// The body is above API Gateway's limit.
    TooLarge,
    /// A function failed.
    Internal,
    /// A function took too long, or too many run.
    Unavailable,
}

impl Refusal {
    fn response(self) -> Response<Full<Bytes>> {
        // The texts are API Gateway's own.
        let (status, body, keep) = match self {
            Self::BadRequest => (400, r#"{"message":"Bad Request"}"#, false),
            Self::Unauthorized => (401, r#"{"message":"Unauthorized"}"#, true),
            Self::Forbidden => (403, r#"{"message":"Forbidden"}"#, true),
            Self::Timeout => (408, r#"{"message":"Request Timeout"}"#, false),
            Self::TooLarge => (413, r#"{"message":"Request Entity Too Large"}"#, false),
            Self::Internal => (500, r#"{"message":"Internal Server Error"}"#, true),
            Self::Unavailable => (503, r#"{"message":"Service Unavailable"}"#, true),
        };
        let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
        *response.status_mut() =
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if !keep {
            // What follows on this connection may be the rest of the bad request.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

impl Gateway {
    pub(crate) fn new(
        contract: &Contract,
        functions: &Registry,
        clock: Clock,
        random: &Random,
        (port, origin_secret): (u16, &str),
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let invocations = Arc::new(Semaphore::new(MAX_INVOCATIONS as usize));
        Ok(Self {
            routes: Routes::new(contract, functions)?,
            authorizer: Authorizer::new(functions.get(AUTHORIZER)?.clone(), clock.clone()),
            bodies: Bodies::new(limits.body),
            edge: Edge::new(origin_secret)?,
            ids: Ids::new(random),
            clock,
            port,
            limits,
            load: Load::new(&invocations),
            invocations,
        })
    }

    /// How much it has to do, from now on.
    pub(crate) fn load(&self) -> Load {
        self.load.clone()
    }

    /// Answers one request.
    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        source: &str,
    ) -> Response<Full<Bytes>> {
        let id = self.ids.gateway();
        let answered = self.try_answer(request, source, &id).await;
        let mut response = answered.unwrap_or_else(Refusal::response);
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert("apigw-requestid", id);
        }
        response
    }

    async fn try_answer(
        &self,
        request: Request<Incoming>,
        source: &str,
        id: &str,
    ) -> Result<Response<Full<Bytes>>, Refusal> {
        let (mut parts, body) = request.into_parts();
        let host = host(&parts)?.into_owned();
        let headers = std::mem::take(&mut parts.headers);
        let raw_path = parts.uri.path();
        // `OPTIONS *` and `CONNECT host:1` have no path.
        if !raw_path.starts_with('/') {
            return Err(Refusal::BadRequest);
        }
        let routed = routes::routed(raw_path);
        let (route, params) = self.routes.find(&parts.method, &routed);
        let now = self.clock.now();
        let call = Call {
            route: &route.key,
            path: routes::decoded(raw_path),
            query: parts.uri.query().unwrap_or_default(),
            params,
            method: &parts.method,
            version: parts.version,
            edge: &self.edge,
            host: &host,
            source,
            port: self.port,
            id,
            trace_id: self.ids.trace(now),
            at: now,
        };
        let mut event = call.event(headers);
        if route.secured {
            let credentials = event.headers.get(header::AUTHORIZATION);
            let credentials = credentials.map(HeaderValue::as_bytes).filter(|it| !it.is_empty());
            let credentials = String::from_utf8_lossy(credentials.ok_or(Refusal::Unauthorized)?);
            let credentials = credentials.into_owned();
            match self.authorize(&event, &credentials).await? {
                Verdict::Allowed(context) => event::put_context(&mut event, &context),
                Verdict::Denied => return Err(Refusal::Forbidden),
            }
        }
        let Whole { bytes: body, turn: _turn } = self.bodies.read(body).await?;
        event::put_body(&mut event, &body);
        // Large ones are in the event a second time.
        drop(body);
        let function = route.function.clone();
        let respond = |it| async move { function.respond(it).await };
        self.invoke(route.function.name(), event, respond).await.map(answer::response)
    }

    async fn authorize(&self, event: &HttpEvent, credentials: &str) -> Result<Verdict, Refusal> {
        if let Some(known) = self.authorizer.cached(credentials) {
            return Ok(known);
        }
        let function = self.authorizer.function().clone();
        let event = event::for_authorizer(event, credentials);
        let ask = |it| async move { function.invoke(it).await };
        let answer = self.invoke(AUTHORIZER, event, ask).await?;
        self.authorizer.decide(credentials, &answer).map_err(|error| {
            tracing::error!(%error, "the authorizer answered what is no decision");
            Refusal::Internal
        })
    }

    /// Invokes a function. As in the cloud it runs to its end even if the caller hangs up or has
    /// waited too long, and a panic ends nothing else.
    async fn invoke<E, A, Running>(
        &self,
        name: &'static str,
        event: E,
        invoke: impl FnOnce(Invocation<E>) -> Running,
    ) -> Result<A, Refusal>
    where
        A: Send + 'static,
        Running: Future<Output = Result<A, InvocationError>> + Send + 'static,
    {
        let permit = Arc::clone(&self.invocations).try_acquire_owned();
        let permit = permit.map_err(|_| Refusal::Unavailable)?;
        self.load.note();
        let id = self.ids.invocation();
        let invocation = Invocation { event, request_id: id.clone(), timeout: INTEGRATION_TIMEOUT };
        let running = invoke(invocation);
        let running = logs::of_invocation(id.clone(), async move {
            let _permit = permit;
            running.await
        });
        let answered = timeout(INTEGRATION_TIMEOUT, ToItsEnd::of(running)).await;
        logs::within(id, || match answered {
            Ok(Ok(Ok(answer))) => Ok(answer),
            Ok(Ok(Err(error))) => {
                tracing::error!(function = name, %error, "`{name}` failed");
                Err(Refusal::Internal)
            }
            Ok(Err(Panicked)) => {
                tracing::error!(function = name, "`{name}` panicked");
                Err(Refusal::Internal)
            }
            Err(_) => {
                tracing::error!(function = name, "`{name}` took more than 30 s");
                Err(Refusal::Unavailable)
            }
        })
    }

    /// Done when no invocation runs any more, and none can begin.
    pub(crate) async fn idle(&self) {
        if let Ok(all) = self.invocations.acquire_many(MAX_INVOCATIONS).await {
            all.forget();
        }
    }
}

/// The host that was asked. It goes into events and from there into URIs, so it must be one.
fn host(parts: &Parts) -> Result<Cow<'_, str>, Refusal> {
    // A request to a proxy names it in the first line, which wins over the header.
    if let Some(authority) = parts.uri.authority() {
        return sound(authority.as_str()).ok_or(Refusal::BadRequest).map(Cow::Borrowed);
    }
    let mut all = parts.headers.get_all(HOST).iter();
    let (Some(host), None) = (all.next(), all.next()) else { return Err(Refusal::BadRequest) };
    host.to_str().ok().and_then(sound).ok_or(Refusal::BadRequest).map(Cow::Borrowed)
}

/// A host and port, without a user; names have at most 253 characters.
fn sound(host: &str) -> Option<&str> {
    let fits = !host.is_empty() && host.len() <= 260 && !host.contains('@');
    (fits && host.parse::<Authority>().is_ok()).then_some(host)
}

/// What is between two machines, and not between the caller and the function.
fn is_hop_by_hop(name: &header::HeaderName) -> bool {
    const ALL: [header::HeaderName; 6] = [
        header::CONNECTION,
        header::PROXY_AUTHENTICATE,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ];
    ALL.contains(name) || matches!(name.as_str(), "keep-alive" | "proxy-connection")
}

/// All values of a header as one, as API Gateway joins them.
fn joined<'a>(headers: &'a HeaderMap, name: &header::HeaderName, by: &str) -> Cow<'a, str> {
    let mut all = headers.get_all(name).iter().map(|it| String::from_utf8_lossy(it.as_bytes()));
    let first = all.next().unwrap_or_default();
    all.fold(first, |joined, next| Cow::Owned(format!("{joined}{by}{next}")))
}
