//! A function without the Lambda runtime: event in, answer out.
//!
//! The local platform and the tests invoke functions this way, with the same JSON that AWS sends,
//! through the same conversions.

use std::convert::Infallible;
use std::fmt;
use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryFutureExt};
use lambda_http::aws_lambda_events::apigw;
use lambda_http::request::LambdaRequest;
use lambda_http::{
    Adapter, Body, Context, IntoResponse, Request, RequestExt, Response, Service, service_fn,
};
use lambda_runtime::LambdaEvent;
use lambda_runtime::tower::util::ServiceFn;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::after::{After, Outbox, Work, budget, deadline_ms};
use crate::batch::{self, Failed, Message};
use crate::boot::Boot;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::door::FrontDoor;
use crate::http::{answer, defuse};
use crate::problem::{Kind, Problem};
use crate::request;
use crate::schedule::{self, Scheduled};

/// An HTTP event: API Gateway's payload format 2.0. It is large, and handed through one future after
/// the other.
pub type HttpEvent = Box<apigw::ApiGatewayV2httpRequest>;

/// An invocation that did not work: what the Lambda service would report as a function error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvocationError(String);

/// One invocation, as the Lambda service makes it.
#[derive(Debug, Clone)]
pub struct Invocation<E = Vec<u8>> {
    /// The event: its JSON, or what that is read into.
    pub event: E,
    /// Its id.
    pub request_id: String,
    /// How long it may take.
    pub timeout: Duration,
}

impl<E> Invocation<E> {
    /// An invocation of 30 seconds at the most, API Gateway's own limit.
    pub fn new(event: E, request_id: impl Into<String>) -> Self {
        Self { event, request_id: request_id.into(), timeout: Duration::from_secs(30) }
    }

    fn open(self, clock: &Clock) -> (E, Context) {
        let mut context = Context::default();
        context.request_id = self.request_id;
        context.deadline = deadline_ms(clock.now(), self.timeout);
        (self.event, context)
    }
}

type Invoke =
    Arc<dyn Fn(Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvocationError>> + Send + Sync>;

type Respond =
    Arc<dyn Fn(Invocation<HttpEvent>) -> BoxFuture<'static, Response<Body>> + Send + Sync>;

/// A function that has been loaded and can be invoked.
#[derive(Clone)]
pub struct Function {
    name: &'static str,
    invoke: Invoke,
    /// `None`: it is for other events.
    respond: Option<Respond>,
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

impl Function {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Invokes it.
    pub async fn invoke(&self, invocation: Invocation) -> Result<Vec<u8>, InvocationError> {
        (self.invoke)(invocation).await
    }

    /// Invokes it with an HTTP event that need not become JSON and be read again, since whoever makes
    /// it is in the same process. To the function it is the same.
    pub async fn respond(
        &self,
        invocation: Invocation<HttpEvent>,
    ) -> Result<Response<Body>, InvocationError> {
        let not_http = || InvocationError(format!("`{}` is not for HTTP events", self.name));
        Ok((self.respond.as_ref().ok_or_else(not_http)?)(invocation).await)
    }

    /// A function that answers HTTP events as they are: for tests of who makes them.
    pub fn of_http_events(
        name: &'static str,
        respond: impl Fn(HttpEvent) -> Response<Body> + Send + Sync + 'static,
    ) -> Self {
        let invoke = |_| ready(Err(InvocationError("it takes no JSON".to_owned()))).boxed();
        let respond: Respond = Arc::new(move |it| ready(respond(it.event)).boxed());
        Self { name, invoke: Arc::new(invoke), respond: Some(respond) }
    }

    /// A function for HTTP events; see [`crate::serve_http`].
    pub async fn http<A, L, Loading, H, Handling, E>(
        boot: Boot,
        load: L,
        handle: H,
    ) -> Result<Self, E>
    where
        A: Clone + Send + Sync + 'static,
        L: FnOnce(Boot) -> Loading,
        Loading: Future<Output = Result<A, E>>,
        H: Fn(A, Request) -> Handling + Clone + Send + Sync + 'static,
        Handling: Future<Output = Result<Response<Body>, Problem>> + Send + 'static,
    {
        let (name, clock, door) = (boot.name, boot.clock.clone(), FrontDoor::load(&boot.env));
        let service = http_service(load(boot).await?, door, clock.clone(), handle);
        Ok(Self::of_http(name, clock, service))
    }

    /// A function for HTTP events with work after the answer, which is done before it here;
    /// see [`crate::serve_http_then`].
    pub async fn http_then<A, T, L, Loading, H, Handling, W, Working, E>(
        boot: Boot,
        load: L,
        handle: H,
        then: W,
    ) -> Result<Self, E>
    where
        A: Clone + Send + Sync + 'static,
        T: Send + 'static,
        L: FnOnce(Boot) -> Loading,
        Loading: Future<Output = Result<A, E>>,
        H: Fn(A, Request) -> Handling + Clone + Send + Sync + 'static,
        Handling: Future<Output = Result<After<T>, Problem>> + Send + 'static,
        W: Fn(A, T, Duration) -> Working + Send + Sync + 'static,
        Working: Future<Output = ()> + Send + 'static,
    {
        let (name, clock, door) = (boot.name, boot.clock.clone(), FrontDoor::load(&boot.env));
        let app = load(boot).await?;
        let outbox = Outbox::before(work(app.clone(), then), clock.clone());
        let service = http_then_service(app, door, clock.clone(), handle, outbox);
        Ok(Self::of_http(name, clock, service))
    }

    /// A worker of an SQS queue; see [`crate::serve_sqs`].
    pub async fn sqs<A, T, L, Loading, H, Handling, E>(
        boot: Boot,
        load: L,
        handle: H,
    ) -> Result<Self, E>
    where
        A: Clone + Send + Sync + 'static,
        T: DeserializeOwned + Send + 'static,
        L: FnOnce(Boot) -> Loading,
        Loading: Future<Output = Result<A, E>>,
        H: Fn(A, Vec<Message<T>>, Duration) -> Handling + Clone + Send + Sync + 'static,
        Handling: Future<Output = Vec<Failed>> + Send + 'static,
    {
        let (name, clock) = (boot.name, boot.clock.clone());
        let app = load(boot).await?;
        Ok(Self::of(name, clock, move |event, context, clock| {
            let (app, handle) = (app.clone(), handle.clone());
            async move {
                let budget = budget(context.deadline, &clock);
                let work = |messages, budget| handle(app, messages, budget);
                batch::handle_batch(event, budget, work).await.map_err(failed)
            }
        }))
    }

    /// A worker of a schedule; see [`crate::serve_schedule`].
    pub async fn schedule<A, L, Loading, H, Handling, E, F>(
        boot: Boot,
        load: L,
        handle: H,
    ) -> Result<Self, E>
    where
        A: Clone + Send + Sync + 'static,
        L: FnOnce(Boot) -> Loading,
        Loading: Future<Output = Result<A, E>>,
        H: Fn(A, Scheduled, Duration) -> Handling + Clone + Send + Sync + 'static,
        Handling: Future<Output = Result<(), F>> + Send + 'static,
        F: std::error::Error + 'static,
    {
        let (name, clock) = (boot.name, boot.clock.clone());
        let app = load(boot).await?;
        Ok(Self::of(name, clock, move |event, context, clock| {
            let budget = budget(context.deadline, &clock);
            let working = handle(app.clone(), event, budget);
            async move { schedule::work_at(working).await.map_err(failed) }
        }))
    }

    /// A Lambda authorizer; see [`crate::serve_authorizer`].
    pub async fn authorizer<A, L, Loading, H, Handling, E>(
        boot: Boot,
        load: L,
        handle: H,
    ) -> Result<Self, E>
    where
        A: Clone + Send + Sync + 'static,
        L: FnOnce(Boot) -> Loading,
        Loading: Future<Output = Result<A, E>>,
        H: Fn(A, Value) -> Handling + Clone + Send + Sync + 'static,
        Handling: Future<Output = Result<Value, Problem>> + Send + 'static,
    {
        let (name, clock) = (boot.name, boot.clock.clone());
        let app = load(boot).await?;
        Ok(Self::of(name, clock, move |event: Value, _, _| {
            let answering = handle(app.clone(), event);
            async move { authorize(answering).await.map_err(failed) }
        }))
    }

    fn of_http<S>(name: &'static str, clock: Clock, service: S) -> Self
    where
        S: Fn(Request) -> BoxFuture<'static, Answered> + Clone + Send + Sync + 'static,
    {
        let events = events(service.clone());
        let of_json = Self::of(name, clock.clone(), move |payload, context, _| {
            let answering = events.clone().call(LambdaEvent { payload, context });
            async move { answering.await.map_err(failed) }
        });
        let respond = move |invocation: Invocation<HttpEvent>| {
            let (event, context) = invocation.open(&clock);
            // As `lambda_http`'s adapter does it, which then makes JSON of the answer.
            let answering = service(request::of(event).with_lambda_context(context));
            answering.map(|Ok(response)| response).boxed()
        };
        Self { respond: Some(Arc::new(respond)), ..of_json }
    }

    fn of<V, R, H, Handling>(name: &'static str, clock: Clock, handle: H) -> Self
    where
        V: DeserializeOwned,
        R: Serialize,
        H: Fn(V, Context, Clock) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<R, InvocationError>> + Send + 'static,
    {
        let invoke = move |invocation: Invocation| {
            let (event, context) = invocation.open(&clock);
            let answering = serde_json::from_slice(&event)
                .map(|event| handle(event, context, clock.clone()))
                .map_err(failed);
            async move { serde_json::to_vec(&answering?.await?).map_err(failed) }.boxed()
        };
        Self { name, invoke: Arc::new(invoke), respond: None }
    }
}

fn failed(error: impl std::error::Error + 'static) -> InvocationError {
    InvocationError(Chain(&error).to_string())
}

/// The requests of a function without work after the answer.
pub(crate) fn http_service<A, H, Handling>(
    app: A,
    door: FrontDoor,
    clock: Clock,
    handle: H,
) -> impl Fn(Request) -> BoxFuture<'static, Answered> + Clone + Send + Sync + 'static
where
    A: Clone + Send + Sync + 'static,
    H: Fn(A, Request) -> Handling + Clone + Send + Sync + 'static,
    Handling: Future<Output = Result<Response<Body>, Problem>> + Send + 'static,
{
    move |request| {
        let (app, clock, handle) = (app.clone(), clock.clone(), handle.clone());
        let door = door.clone();
        let handling = move |request: Request| async move {
            door.admit(&request)?;
            let deadline = deadline(&request);
            in_time(deadline, &clock, handle(app, request).boxed()).await
        };
        async move { Ok(answer(request, handling).await) }.boxed()
    }
}

/// Gives up in time to say so. At its deadline the process would be killed, and the caller would
/// get the gateway's bare 503.
///
/// Handlers come boxed: theirs are by far the largest futures, and each one around them that is not
/// begun yet would have room for one of its own.
async fn in_time<T>(
    deadline_ms: u64,
    clock: &Clock,
    handling: BoxFuture<'static, Result<T, Problem>>,
) -> Result<T, Problem> {
    let answered = tokio::time::timeout(budget(deadline_ms, clock), handling).await;
    answered.unwrap_or_else(|late| Err(Problem::server(Kind::Unavailable, late)))
}

/// When the invocation must be over, in milliseconds since 1970.
fn deadline(request: &Request) -> u64 {
    request.lambda_context_ref().map_or(0, |context| context.deadline)
}

/// What an HTTP function's service gives: always a response.
type Answered = Result<Response<Body>, Infallible>;

/// The requests of a function with work after the answer.
pub(crate) fn http_then_service<A, T, H, Handling>(
    app: A,
    door: FrontDoor,
    clock: Clock,
    handle: H,
    outbox: Outbox<T>,
) -> impl Fn(Request) -> BoxFuture<'static, Answered> + Clone + Send + Sync + 'static
where
    A: Clone + Send + Sync + 'static,
    T: Send + 'static,
    H: Fn(A, Request) -> Handling + Clone + Send + Sync + 'static,
    Handling: Future<Output = Result<After<T>, Problem>> + Send + 'static,
{
    move |request| {
        let (app, clock) = (app.clone(), clock.clone());
        let (handle, outbox, door) = (handle.clone(), outbox.clone(), door.clone());
        let handling = move |request: Request| async move {
            door.admit(&request)?;
            let deadline = deadline(&request);
            let handling = handle(app, request).boxed();
            let After { response, then } = in_time(deadline, &clock, handling).await?;
            if let Some(item) = then {
                outbox.put(item, deadline).await;
            }
            response
        };
        async move { Ok(answer(request, handling).await) }.boxed()
    }
}

/// The work of a function, bound to its app.
pub(crate) fn work<A, T, W, Working>(app: A, then: W) -> Work<T>
where
    A: Clone + Send + Sync + 'static,
    W: Fn(A, T, Duration) -> Working + Send + Sync + 'static,
    Working: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |item, budget| {
        // The panic hook has logged it, and nobody shall miss their answer for it.
        AssertUnwindSafe(then(app.clone(), item, budget)).catch_unwind().map(drop).boxed()
    })
}

/// An answer as it stands. `lambda_http` would first collect its body anew and decode it from
/// whatever character set its type names: our texts are UTF-8, and the tables of all others a
/// twentieth of the redirect.
pub(crate) struct AsItStands(Response<Body>);

impl IntoResponse for AsItStands {
    fn into_response(self) -> Pin<Box<dyn Future<Output = Response<Body>> + Send>> {
        Box::pin(ready(self.0))
    }
}

/// `lambda_http`'s answer type, which it does not name: what its adapter answers for any service.
type LambdaAnswer = <Adapter<
    'static,
    AsItStands,
    ServiceFn<fn(Request) -> BoxFuture<'static, Result<AsItStands, Infallible>>>,
> as Service<LambdaEvent<LambdaRequest>>>::Response;

/// Turns a service of requests into one of events: `lambda_http`'s own conversions, made safe.
pub(crate) fn events<S>(
    service: S,
) -> impl Service<
    LambdaEvent<LambdaRequest>,
    Response = LambdaAnswer,
    Error = Infallible,
    Future = impl Future<Output = Result<LambdaAnswer, Infallible>> + Send + 'static,
> + Clone
+ Send
+ Sync
+ 'static
where
    S: Fn(Request) -> BoxFuture<'static, Answered> + Clone + Send + Sync + 'static,
{
    let answering = move |request| service(request).map_ok(AsItStands);
    let mut adapter = Adapter::from(service_fn(answering));
    service_fn(move |mut event: LambdaEvent<LambdaRequest>| {
        defuse(&mut event.payload);
        adapter.call(event)
    })
}

/// An authorizer that fails must not open the door: its error is the gateway's 500.
pub(crate) async fn authorize(
    answering: impl Future<Output = Result<Value, Problem>>,
) -> Result<Value, AuthorizerFailed> {
    answering.await.map_err(|problem| {
        // Logs the cause.
        drop(problem.into_response(""));
        AuthorizerFailed
    })
}

/// The authorizer could not decide.
#[derive(Debug, thiserror::Error)]
#[error("the authorizer could not decide")]
pub(crate) struct AuthorizerFailed;

impl From<AuthorizerFailed> for lambda_runtime::Diagnostic {
    fn from(error: AuthorizerFailed) -> Self {
        Self { error_type: "AuthorizerFailed".to_owned(), error_message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use super::*;
    use crate::{Env, Metrics, Random};

    const EVENT: &str = r#"{
        "version": "2.0", "routeKey": "POST /a/{slug}", "rawPath": "/a/b c", "rawQueryString": "x=1&x=%202",
        "cookies": ["a=1", "b=2"],
        "headers": {"host": "go.example.com", "x-one": "1, 2", "content-type": "text/plain"},
        "queryStringParameters": {"x": "1, 2"}, "pathParameters": {"slug": "b c"},
        "requestContext": {
            "accountId": "1", "apiId": "a", "domainName": "go.example.com", "domainPrefix": "go",
            "authorizer": {"lambda": {"auth": "ok"}}, "requestId": "r", "stage": "$default",
            "routeKey": "POST /a/{slug}", "time": "20/Nov/2026:14:03:27 +0000", "timeEpoch": 5,
            "http": {"method": "POST", "path": "/a/b c", "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1", "userAgent": "curl"}
        },
        "body": "aGVsbG8=", "isBase64Encoded": true
    }"#;

    fn boot() -> Boot {
        Boot {
            name: "a",
            env: Env::fixed([]),
            aws: aws_types::SdkConfig::builder().build(),
            clock: Clock::fixed("2026-11-20T14:03:27Z".parse().unwrap()),
            random: Random::seeded(1),
            metrics: Metrics::in_memory(),
        }
    }

    /// A map's order is another each time, only that of a name's values is not.
    fn sorted<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_key(|(name, _)| *name);
        pairs
    }

    fn told(request: &Request) -> String {
        format!(
            "{request:?} {} {:?} {:?} {:?} {:?}",
            request.raw_http_path(),
            request.path_parameters_ref().map(|it| sorted(it.iter())),
            request.query_string_parameters_ref().map(|it| sorted(it.iter())),
            request.request_context_ref(),
            request.lambda_context_ref(),
        )
    }

    #[tokio::test]
    async fn an_event_that_is_handed_over_is_the_one_that_is_read_and_so_is_the_answer() {
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let load = {
            let seen = Arc::clone(&seen);
            |_| async { Ok::<_, Infallible>(seen) }
        };
        let handle = |seen: Arc<Mutex<Vec<String>>>, request: Request| async move {
            seen.lock().unwrap_or_else(PoisonError::into_inner).push(told(&request));
            let answer = Response::builder().status(201).header("set-cookie", "c=3");
            Ok(answer.body(request.into_body()).unwrap())
        };
        let function = Function::http(boot(), load, handle).await.unwrap();

        // As redirects come, and a little different.
        let plain = serde_json::json!({
            "version": "2.0", "routeKey": "GET /{slug}", "rawPath": "/Spring-26_a~b.c", "rawQueryString": "",
            "headers": {"host": "go.example.com", "x-forwarded-proto": "http", "user-agent": "curl"},
            "pathParameters": {"slug": "Spring-26_a~b.c"}, "requestContext": {
                "stage": "$default", "routeKey": "GET /{slug}", "http": {"method": "HEAD", "path": "/a"}
            }
        });
        let hosts = [
            "go.example.com",
            "go.example.com:8080",
            "127.0.0.1:8080",
            "localhost",
            "a",
            "1.a",
            "0x7f.1",
            "127.1",
            "1.2.3.4.5",
            "127.0.0.01",
            "go.example.com.",
            "GO.example.com",
            "go.example.com:80",
            "go.example.com:443",
            "go.example.com:08080",
            "go.example.com:99999",
            "a..b",
            ".",
            "",
            "[::1]:80",
            "xn--mnchen-3ya.de",
            "xn--a",
            "-a-.b",
            "a_b",
            "a:1000:1",
            "a:",
            "a.0x1",
            "é.de",
            "a b",
            "a@b",
        ];
        let paths = [
            "/",
            "",
            "a",
            "//",
            "//a",
            "/a/./b",
            "/a/../b",
            "/.",
            "/..",
            "/.a",
            "/a.",
            "/%2e/a",
            "/a b",
            "/é",
            "/a?b",
            "/a#b",
            "/a;b=1",
            "/a:b@c",
            "/{a}|\\^`\"<>",
            "/a\tb",
        ];
        let queries = [
            "a=1",
            "a=1&b=%20&a=+2",
            "a=b/c?d",
            "a=é",
            "a=b c",
            "?",
            "&&",
            "=",
            "a=[1]",
            "#",
            "a='1'",
            "%zz",
        ];
        let at = |pointer: &str, text: &str| {
            let mut event = plain.clone();
            *event.pointer_mut(pointer).unwrap() = text.into();
            event
        };
        let events = (hosts.iter().map(|text| at("/headers/host", text)))
            .chain(paths.iter().map(|text| at("/rawPath", text)))
            .chain(queries.iter().map(|text| at("/rawQueryString", text)))
            .chain(["https", "ftp"].iter().map(|text| at("/headers/x-forwarded-proto", text)))
            .chain([at("/requestContext/stage", "prod")]);
        for event in events {
            let handed_over = serde_json::from_value::<HttpEvent>(event.clone()).unwrap();
            function.invoke(Invocation::new(event.to_string().into_bytes(), "i")).await.unwrap();
            function.respond(Invocation::new(handed_over, "i")).await.unwrap();
            let mut seen = seen.lock().unwrap();
            assert_eq!(seen[0], seen[1], "{event}");
            seen.clear();
        }

        let json = EVENT.as_bytes().to_vec();
        let answer = function.invoke(Invocation::new(json, "i")).await.unwrap();
        let event = serde_json::from_str::<HttpEvent>(EVENT).unwrap();
        let response = function.respond(Invocation::new(event, "i")).await.unwrap();

        let seen = seen.lock().unwrap();
        assert_eq!(seen[0], seen[1]);
        assert!(seen[0].contains("cookie") && seen[0].contains("slug"), "{seen:?}");
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        assert_eq!(answer["statusCode"], response.status().as_u16());
        assert_eq!(answer["cookies"][0], response.headers()["set-cookie"].to_str().unwrap());
        assert_eq!(answer["headers"]["x-request-id"], "i");
        assert_eq!(response.headers()["x-request-id"], "i");
        assert_eq!(response.body().as_ref(), b"hello");
    }

    #[tokio::test]
    async fn who_is_for_other_events_says_so() {
        let load = |_| async { Ok::<_, Infallible>(()) };
        let handle = |(), event: Value| async move { Ok(event) };
        let function = Function::authorizer(boot(), load, handle).await.unwrap();
        let refused = function.respond(Invocation::new(HttpEvent::default(), "i")).await;
        assert_eq!(refused.unwrap_err().to_string(), "`a` is not for HTTP events");
    }
}
