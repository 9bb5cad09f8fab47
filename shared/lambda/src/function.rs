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
use crate::schedule::{self, Scheduled};

/// An invocation that did not work: what the Lambda service would report as a function error.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct InvocationError(String);

/// One invocation, as the Lambda service makes it.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The event's JSON.
    pub event: Vec<u8>,
    /// Its id.
    pub request_id: String,
    /// How long it may take.
    pub timeout: Duration,
}

impl Invocation {
    /// An invocation of 30 seconds at the most, API Gateway's own limit.
    pub fn new(event: Vec<u8>, request_id: impl Into<String>) -> Self {
        Self { event, request_id: request_id.into(), timeout: Duration::from_secs(30) }
    }
}

type Invoke =
    Arc<dyn Fn(Invocation) -> BoxFuture<'static, Result<Vec<u8>, InvocationError>> + Send + Sync>;

/// A function that has been loaded and can be invoked.
#[derive(Clone)]
pub struct Function {
    name: &'static str,
    invoke: Invoke,
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
        let events = events(service);
        Self::of(name, clock, move |payload, context, _| {
            let answering = events.clone().call(LambdaEvent { payload, context });
            async move { answering.await.map_err(failed) }
        })
    }

    fn of<V, R, H, Handling>(name: &'static str, clock: Clock, handle: H) -> Self
    where
        V: DeserializeOwned,
        R: Serialize,
        H: Fn(V, Context, Clock) -> Handling + Send + Sync + 'static,
        Handling: Future<Output = Result<R, InvocationError>> + Send + 'static,
    {
        let invoke = move |invocation: Invocation| {
            let mut context = Context::default();
            context.request_id = invocation.request_id;
            context.deadline = deadline_ms(clock.now(), invocation.timeout);
            let answering = serde_json::from_slice(&invocation.event)
                .map(|event| handle(event, context, clock.clone()))
                .map_err(failed);
            async move { serde_json::to_vec(&answering?.await?).map_err(failed) }.boxed()
        };
        Self { name, invoke: Arc::new(invoke) }
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
            let context = context(&request);
            in_time(&context, &clock, handle(app, request)).await
        };
        async move { Ok(answer(request, handling).await) }.boxed()
    }
}

/// Gives up in time to say so. At its deadline the process would be killed, and the caller would
/// get the gateway's bare 503.
async fn in_time<T>(
    context: &Context,
    clock: &Clock,
    handling: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let answered = tokio::time::timeout(budget(context.deadline, clock), handling).await;
    answered.unwrap_or_else(|late| Err(Problem::server(Kind::Unavailable, late)))
}

fn context(request: &Request) -> Context {
    request.lambda_context_ref().cloned().unwrap_or_default()
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
            let context = context(&request);
            let handling = handle(app, request);
            let After { response, then } = in_time(&context, &clock, handling).await?;
            if let Some(item) = then {
                outbox.put(item, &context).await;
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
