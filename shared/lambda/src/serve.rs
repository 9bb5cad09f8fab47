//! Starting a function under the Lambda runtime.
//!
//! `load` builds the function once per process; `handle` answers one request. They are plain
//! functions, so that the same two run here, in the local platform and in tests (see
//! [`crate::Function`]).

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use lambda_http::{Body, Request, Response, lambda_runtime};
use lambda_runtime::{LambdaEvent, LambdaInvocation, Runtime, Service};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::runtime::LocalOptions;

use crate::after::{After, ClickSend, HandOver, Outbox, Work, budget};
use crate::batch::{self, Failed, Message};
use crate::boot::{Boot, start_logs};
use crate::chain::Chain;
use crate::door::FrontDoor;
use crate::env::Env;
use crate::extension::Registering;
use crate::logs::Noted;
use crate::problem::Problem;
use crate::schedule::{self, Scheduled};
use crate::{SqsEvent, function};

/// What the Lambda runtime takes for an error.
pub type Error = lambda_runtime::Error;

/// Serves HTTP events.
///
/// A [`Problem`] becomes a response, so the invocation itself never fails.
pub fn serve_http<A, L, Loading, H, Handling, E>(
    name: &'static str,
    load: L,
    handle: H,
) -> Result<(), Error>
where
    A: Clone + Send + Sync + 'static,
    L: FnOnce(Boot) -> Loading,
    Loading: Future<Output = Result<A, E>>,
    H: Fn(A, Request) -> Handling + Clone + Send + Sync + 'static,
    Handling: Future<Output = Result<Response<Body>, Problem>> + Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    block_on(name, async {
        let (app, boot) = start(name, load).await?;
        let door = FrontDoor::load(&boot.env);
        let service = function::http_service(app, door, boot.clock, handle);
        run(Runtime::new(function::events(service))).await
    })
}

/// Serves HTTP events, with work to do after the answer where Lambda allows that.
///
/// `then` is given how long it may take, and must not fail: it says itself what it could not do.
pub fn serve_http_then<A, T, L, Loading, H, Handling, W, Working, E>(
    name: &'static str,
    load: L,
    handle: H,
    then: W,
) -> Result<(), Error>
where
    A: Clone + Send + Sync + 'static,
    T: Send + 'static,
    L: FnOnce(Boot) -> Loading,
    Loading: Future<Output = Result<A, E>>,
    H: Fn(A, Request) -> Handling + Clone + Send + Sync + 'static,
    Handling: Future<Output = Result<After<T>, Problem>> + Send + 'static,
    W: Fn(A, T, Duration) -> Working + Send + Sync + 'static,
    Working: Future<Output = ()> + Send + 'static,
    E: std::error::Error + Send + Sync + 'static,
{
    start_logs(name);
    let env = Env::process();
    let mode = env.parsed("CLICK_SEND", ClickSend::default()).inspect_err(cannot_start)?;
    // Before anything else: the Extensions API answers while all of this is built.
    let registering = match mode {
        ClickSend::After => Some(Registering::begin(&env, "after-answer")),
        ClickSend::Before => None,
    };
    run_to_end(async {
        let (app, boot) = start(name, load).await?;
        let work: Work<T> = function::work(app.clone(), then);
        let (door, clock) = (FrontDoor::load(&boot.env), boot.clock);
        // Lambda takes registrations until the runtime asks for its first event.
        let outbox = match registering.map(|begun| begun.and_then(Registering::done)) {
            Some(Ok(extension)) => Outbox::after(work, clock.clone(), extension),
            Some(Err(error)) => {
                let error = Chain(&error).to_string();
                tracing::warn!(error, "no Extensions API: clicks are sent before the answer");
                Outbox::before(work, clock.clone())
            }
            None => Outbox::before(work, clock.clone()),
        };
        let hand_over = HandOver::of(&outbox);
        let service = function::http_then_service(app, door, clock, handle, outbox.clone());
        let runtime = Runtime::new(function::events(service)).layer(hand_over);
        outbox.outlive(run(runtime)).await
    })
}

/// Serves an SQS queue, batch by batch; `handle` says which messages failed.
pub fn serve_sqs<A, T, L, Loading, H, Handling, E>(
    name: &'static str,
    load: L,
    handle: H,
) -> Result<(), Error>
where
    A: Clone + Send + Sync + 'static,
    T: DeserializeOwned + Send + 'static,
    L: FnOnce(Boot) -> Loading,
    Loading: Future<Output = Result<A, E>>,
    H: Fn(A, Vec<Message<T>>, Duration) -> Handling,
    Handling: Future<Output = Vec<Failed>>,
    E: std::error::Error + Send + Sync + 'static,
{
    block_on(name, async {
        let (app, boot) = start(name, load).await?;
        let (app, handle, clock) = (&app, &handle, &boot.clock);
        let on_event = |event: LambdaEvent<SqsEvent>| async move {
            let budget = budget(event.context.deadline, clock);
            let work = |messages, budget| handle(app.clone(), messages, budget);
            batch::handle_batch(event.payload, budget, work).await
        };
        run(Runtime::new(lambda_runtime::service_fn(on_event))).await
    })
}

/// Serves a schedule. An error fails the invocation, which Lambda then repeats.
pub fn serve_schedule<A, L, Loading, H, Handling, E, F>(
    name: &'static str,
    load: L,
    handle: H,
) -> Result<(), Error>
where
    A: Clone + Send + Sync + 'static,
    L: FnOnce(Boot) -> Loading,
    Loading: Future<Output = Result<A, E>>,
    H: Fn(A, Scheduled, Duration) -> Handling,
    Handling: Future<Output = Result<(), F>>,
    E: std::error::Error + Send + Sync + 'static,
    F: std::error::Error + 'static,
{
    block_on(name, async {
        let (app, boot) = start(name, load).await?;
        let (app, handle, clock) = (&app, &handle, &boot.clock);
        let on_event = |event: LambdaEvent<Scheduled>| async move {
            let budget = budget(event.context.deadline, clock);
            schedule::work_at(handle(app.clone(), event.payload, budget)).await
        };
        run(Runtime::new(lambda_runtime::service_fn(on_event))).await
    })
}

/// Serves API Gateway's Lambda authorizer, in the simple response format of payload 2.0.
pub fn serve_authorizer<A, L, Loading, H, Handling, E>(
    name: &'static str,
    load: L,
    handle: H,
) -> Result<(), Error>
where
    A: Clone + Send + Sync + 'static,
    L: FnOnce(Boot) -> Loading,
    Loading: Future<Output = Result<A, E>>,
    H: Fn(A, Value) -> Handling,
    Handling: Future<Output = Result<Value, Problem>>,
    E: std::error::Error + Send + Sync + 'static,
{
    block_on(name, async {
        let app = start(name, load).await?.0;
        let (app, handle) = (&app, &handle);
        let on_event = |event: LambdaEvent<Value>| async move {
            function::authorize(handle(app.clone(), event.payload)).await
        };
        run(Runtime::new(lambda_runtime::service_fn(on_event))).await
    })
}

/// Runs the runtime's loop. It has no end but a failure, and the process goes with it: Lambda starts
/// another.
///
/// Boxed, as it is large: whoever holds it would have it on the stack several times, and each page of
/// that is a start's to pay.
fn run<'a, S>(runtime: Runtime<S>) -> LocalBoxFuture<'a, Result<(), Error>>
where
    S: Service<LambdaInvocation, Response = (), Error = Error> + 'a,
{
    let running = async {
        runtime.layer(Noted).run().await.inspect_err(|error| {
            tracing::error!(error = %Chain(error.as_ref()), "the runtime ended");
        })
    };
    running.boxed_local()
}

async fn start<A, L, Loading, E>(name: &'static str, load: L) -> Result<(A, Boot), Error>
where
    L: FnOnce(Boot) -> Loading,
    Loading: Future<Output = Result<A, E>>,
    E: std::error::Error + Send + Sync + 'static,
{
    let boot = Boot::process(name).inspect_err(cannot_start)?;
    let app = load(boot.clone()).await.inspect_err(cannot_start)?;
    Ok((app, boot))
}

fn cannot_start<E: std::error::Error + 'static>(error: &E) {
    tracing::error!(error = %Chain(error), "the function cannot start");
}

fn block_on<T>(
    name: &'static str,
    work: impl Future<Output = Result<T, Error>>,
) -> Result<T, Error> {
    start_logs(name);
    run_to_end(work)
}

/// One request at a time needs one thread. A `LocalRuntime` has no other kind: what a `Runtime` of
/// threads would need ships with the latter.
fn run_to_end<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())?
        .block_on(work)
}
