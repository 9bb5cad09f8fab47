//! What really goes over the wire to AWS, and what a test makes go wrong there.
//!
//! A [`Probe`] stands between the SDK clients and whatever answers them (mostly the embedded
//! stores). Signing, retries and parsing are the SDK's own, so an injected fault is met by exactly
//! the code that meets it in production.
//!
//! - It writes down each call: operation, tables, consumed capacity.
//! - It ends the test at any `Scan`.
//! - By rule it answers with an error, loses an answer that was applied, cancels a transaction
//!   with reasons of the test's choice, delays, or stops a caller dead at a chosen call.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use serde_json::{Value, json};
use tokio::sync::{Barrier, Notify};

/// How long to wait for what must happen, before the test is ended instead of hanging.
const PATIENCE: Duration = Duration::from_secs(30);

/// Which AWS service a call is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Tables.
    DynamoDb,
    /// Queues.
    Sqs,
    /// Buckets.
    S3,
}

/// One call, as it was sent: an SDK's retries are calls of their own.
#[derive(Debug, Clone)]
pub struct Call {
    /// The service.
    pub service: Service,
    /// The operation, for S3 the HTTP method.
    pub operation: String,
    /// The tables that a DynamoDB call names, each once.
    pub tables: Vec<String>,
    /// The capacity units that DynamoDB says it took, 0 for other services and failed calls.
    pub capacity: f64,
    /// The request's body, for DynamoDB and SQS.
    pub body: Value,
    /// Whether it met a fault.
    pub faulty: bool,
}

/// What goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// Nothing is applied, and the service answers with this error code. Codes of 5xx need a
    /// status of that kind, or the SDK takes them for the caller's fault.
    Error {
        /// The HTTP status.
        status: u16,
        /// The error code.
        code: &'static str,
    },
    /// Nothing is applied: the connection breaks before the request is out.
    Unreachable,
    /// The request is applied, but the connection breaks before the answer.
    LostAnswer,
    /// The request is applied, but half of the answer is missing. SDKs do not try again then.
    TornAnswer,
    /// The request is applied this much later.
    Delay(Duration),
    /// The request is applied once the barrier is full: calls that must overlap wait there for each
    /// other, or for the test.
    Meet(Arc<Barrier>),
    /// Nothing is applied, and the caller waits for ever: it is to be killed there. See
    /// [`Probe::stopped`].
    StopBefore,
    /// The request is applied, and the caller waits for ever.
    StopAfter,
    /// Nothing is applied: a `TransactWriteItems` is cancelled with these reasons. The function
    /// says the code of the reason for each item.
    Cancel(Arc<Reason>),
}

/// The code of the reason that an item gets in a cancelled transaction, if any.
pub type Reason = dyn Fn(&Item) -> Option<&'static str> + Send + Sync;

impl Fault {
    /// DynamoDB asks to slow down. The SDK tries again by itself.
    pub const THROTTLED: Self = Self::Error { status: 400, code: "ThrottlingException" };

    /// So many calls wait for each other.
    pub fn meet(calls: usize) -> Self {
        Self::Meet(Arc::new(Barrier::new(calls)))
    }

    /// Cancels with the same reason for all items that the function picks.
    pub fn cancel(
        code: &'static str,
        picks: impl Fn(&Item) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::Cancel(Arc::new(move |item| picks(item).then_some(code)))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error { status, code } => write!(f, "Error({status} {code})"),
            Self::Unreachable => f.write_str("Unreachable"),
            Self::LostAnswer => f.write_str("LostAnswer"),
            Self::TornAnswer => f.write_str("TornAnswer"),
            Self::Delay(time) => write!(f, "Delay({time:?})"),
            Self::Meet(_) => f.write_str("Meet"),
            Self::StopBefore => f.write_str("StopBefore"),
            Self::StopAfter => f.write_str("StopAfter"),
            Self::Cancel(_) => f.write_str("Cancel"),
        }
    }
}

/// One item of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// `Put`, `Update`, `Delete` or `ConditionCheck`.
    pub action: String,
    /// Its table.
    pub table: String,
    /// The hash key, where it is called `pk`.
    pub pk: String,
    /// The range key, where it is called `sk`.
    pub sk: String,
}

/// When a fault happens.
#[derive(Debug, Clone, Default)]
pub struct On {
    service: Option<Service>,
    operation: Option<&'static str>,
    table: Option<String>,
    text: Option<String>,
    skip: usize,
    times: Option<usize>,
}

impl On {
    /// At any call.
    pub fn any() -> Self {
        Self::default()
    }

    /// At calls for a service.
    pub fn service(service: Service) -> Self {
        Self { service: Some(service), ..Self::default() }
    }

    /// At calls of an operation.
    pub fn operation(name: &'static str) -> Self {
        Self { operation: Some(name), ..Self::default() }
    }

    /// Only at calls that name this table.
    #[must_use]
    pub fn table(self, name: impl Into<String>) -> Self {
        Self { table: Some(name.into()), ..self }
    }

    /// Only at calls whose body has this text. For DynamoDB and SQS.
    #[must_use]
    pub fn holding(self, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..self }
    }

    /// Not at the first so many of these calls.
    #[must_use]
    pub fn after(self, calls: usize) -> Self {
        Self { skip: calls, ..self }
    }

    /// At so many of these calls, and then no more. Without this it never ends.
    #[must_use]
    pub fn times(self, times: usize) -> Self {
        Self { times: Some(times), ..self }
    }

    /// At the first of these calls only.
    #[must_use]
    pub fn once(self) -> Self {
        self.times(1)
    }

    fn matches(&self, call: &Call) -> bool {
        self.service.is_none_or(|service| service == call.service)
            && self.operation.is_none_or(|name| name == call.operation)
            && self.table.as_ref().is_none_or(|table| call.tables.contains(table))
            && self.text.as_ref().is_none_or(|text| call.body.to_string().contains(text))
    }
}

#[derive(Debug)]
struct Rule {
    on: On,
    fault: Fault,
    /// How many calls it matched.
    seen: usize,
    /// How often the fault happened.
    fired: usize,
}

#[derive(Debug, Default)]
struct State {
    calls: Vec<Call>,
    rules: Vec<Rule>,
}

/// A listener, and a source of faults, in front of an HTTP client. Clones are the same probe.
#[derive(Debug, Clone)]
pub struct Probe {
    inner: SharedHttpClient,
    state: Arc<Mutex<State>>,
    stopped: Arc<Notify>,
}

impl Probe {
    /// A probe in front of this client.
    pub fn new(inner: SharedHttpClient) -> Self {
        Self { inner, state: Arc::default(), stopped: Arc::default() }
    }

    /// A probe in front of what this configuration reaches, and the configuration that goes
    /// through it. The SDKs' retries do not wait there.
    pub fn between(aws: &SdkConfig) -> (Self, SdkConfig) {
        let inner = aws.http_client().expect("the configuration has an HTTP client");
        let probe = Self::new(inner);
        let retries = RetryConfig::standard().with_initial_backoff(Duration::from_millis(1));
        let through = aws
            .to_builder()
            .http_client(SharedHttpClient::new(probe.clone()))
            .retry_config(retries)
            .build();
        (probe, through)
    }

    /// Lets a fault happen. Of several rules that match a call, the oldest counts that still has
    /// something to do.
    pub fn inject(&self, on: On, fault: Fault) {
        self.state().rules.push(Rule { on, fault, seen: 0, fired: 0 });
    }

    /// Forgets all rules.
    pub fn heal(&self) {
        self.state().rules.clear();
    }

    /// How often the faults of the present rules happened.
    pub fn fired(&self) -> usize {
        self.state().rules.iter().map(|rule| rule.fired).sum()
    }

    /// Waits until the faults of the present rules happened so often.
    ///
    /// # Panics
    ///
    /// If they never do.
    pub async fn wait_for(&self, fired: usize) {
        let begin = std::time::Instant::now();
        while self.fired() < fired {
            assert!(begin.elapsed() < PATIENCE, "the fault never happened");
            tokio::task::yield_now().await;
        }
    }

    /// Waits until a caller was stopped by [`Fault::StopBefore`] or [`Fault::StopAfter`]. To kill
    /// it, drop its future, for example by `select!` with this.
    pub async fn stopped(&self) {
        self.stopped.notified().await;
    }

    /// All calls since the start, or since the last time that they were taken.
    pub fn take_calls(&self) -> Vec<Call> {
        std::mem::take(&mut self.state().calls)
    }

    /// The operations of all calls since the calls were taken last, in their order.
    pub fn take_operations(&self) -> Vec<String> {
        self.take_calls().into_iter().map(|call| call.operation).collect()
    }

    /// How often an operation was called.
    pub fn count(&self, operation: &str) -> usize {
        self.state().calls.iter().filter(|call| call.operation == operation).count()
    }

    /// Calls by operation, in alphabetical order, with their consumed capacity: a line for each.
    pub fn summary(&self) -> String {
        let mut lines = std::collections::BTreeMap::<String, (usize, f64)>::new();
        for call in &self.state().calls {
            let line = lines.entry(call.operation.clone()).or_default();
            line.0 += 1;
            line.1 += call.capacity;
        }
        let line = |(name, (calls, units)): (&String, &(usize, f64))| {
            format!("{calls:>6} {name:<20} {units:>9.1} units\n")
        };
        lines.iter().map(line).collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A test that panicked elsewhere shall not hide its reason behind this lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, and says which fault it meets and where it was noted.
    fn note(&self, mut call: Call) -> (usize, Option<Fault>) {
        assert!(call.operation != "Scan", "nothing scans: {}", call.body);
        let mut state = self.state();
        let mut fault = None;
        for rule in &mut state.rules {
            if !rule.on.matches(&call) {
                continue;
            }
            rule.seen += 1;
            let spent = rule.on.times.is_some_and(|times| times <= rule.fired);
            if fault.is_none() && rule.on.skip < rule.seen && !spent {
                rule.fired += 1;
                fault = Some(rule.fault.clone());
            }
        }
        call.faulty = fault.is_some();
        state.calls.push(call);
        (state.calls.len() - 1, fault)
    }
}

impl HttpClient for Probe {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Connector { probe: self.clone(), inner })
    }
}

#[derive(Debug)]
struct Connector {
    probe: Probe,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (probe, inner) = (self.probe.clone(), self.inner.clone());
        HttpConnectorFuture::new(
            async move { probe.pass(request, |request| inner.call(request)).await },
        )
    }
}

impl Probe {
    /// Lets a request through, or what a rule makes of it.
    pub(crate) async fn pass<Calling>(
        &self,
        mut request: HttpRequest,
        inner: impl FnOnce(HttpRequest) -> Calling,
    ) -> Result<HttpResponse, ConnectorError>
    where
        Calling: Future<Output = Result<HttpResponse, ConnectorError>>,
    {
        let call = describe(&request);
        if call.service == Service::DynamoDb {
            ask_for_capacity(&mut request, &call.body);
        }
        let service = call.service;
        let (place, fault) = self.note(call.clone());
        match fault {
            Some(Fault::Error { status, code }) => return error(service, status, code),
            Some(Fault::Unreachable) => return Err(broken("connection refused")),
            Some(Fault::Cancel(reason)) => return cancelled(&call.body, reason.as_ref()),
            Some(Fault::StopBefore) => {
                self.stopped.notify_one();
                std::future::pending::<()>().await;
            }
            Some(Fault::Delay(time)) => tokio::time::sleep(time).await,
            Some(Fault::Meet(ref barrier)) => {
                let met = tokio::time::timeout(PATIENCE, barrier.wait()).await;
                assert!(met.is_ok(), "nobody came to meet this call: {}", call.body);
            }
            Some(Fault::LostAnswer | Fault::TornAnswer | Fault::StopAfter) | None => {}
        }
        let mut response = inner(request).await?;
        if let Some(units) = capacity(&response)
            && let Some(call) = self.state().calls.get_mut(place)
        {
            call.capacity = units;
        }
        match fault {
            Some(Fault::LostAnswer) => return Err(broken("connection reset by peer")),
            Some(Fault::TornAnswer) => {
                let body = response.body().bytes().unwrap_or_default();
                let half = body[..body.len() / 2].to_vec();
                *response.body_mut() = SdkBody::from(half);
            }
            Some(Fault::StopAfter) => {
                self.stopped.notify_one();
                std::future::pending::<()>().await;
            }
            Some(
                Fault::Error { .. }
                | Fault::Unreachable
                | Fault::Cancel(_)
                | Fault::StopBefore
                | Fault::Delay(_)
                | Fault::Meet(_),
            )
            | None => {}
        }
        Ok(response)
    }
}

pub(crate) fn describe(request: &HttpRequest) -> Call {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    let (service, operation) = match target.split_once('.') {
        Some(("AmazonSQS", operation)) => (Service::Sqs, operation),
        Some((_, operation)) => (Service::DynamoDb, operation),
        None => (Service::S3, request.method()),
    };
    let body = request.body().bytes().unwrap_or_default();
    let body = match service {
        Service::DynamoDb | Service::Sqs => serde_json::from_slice(body).unwrap_or_default(),
        Service::S3 => Value::Null,
    };
    let tables = if service == Service::DynamoDb { tables(&body) } else { Vec::new() };
    let operation = operation.to_owned();
    Call { service, operation, tables, capacity: 0.0, body, faulty: false }
}

fn tables(body: &Value) -> Vec<String> {
    let mut names: Vec<String> = items(body).into_iter().map(|item| item.table).collect();
    names.extend(body["TableName"].as_str().map(str::to_owned));
    names.extend(body["RequestItems"].as_object().into_iter().flat_map(|map| map.keys().cloned()));
    names.sort();
    names.dedup();
    names
}

/// The items of a transaction.
fn items(body: &Value) -> Vec<Item> {
    let item = |item: &Value| {
        let (action, body) = item.as_object()?.iter().next()?;
        let key = if body["Key"].is_object() { &body["Key"] } else { &body["Item"] };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Some(Item {
            action: action.clone(),
            table: text(&body["TableName"]),
            pk: text(&key["pk"]["S"]),
            sk: text(&key["sk"]["S"]),
        })
    };
    body["TransactItems"].as_array().into_iter().flatten().filter_map(item).collect()
}

/// Changes the request after it was signed, which the embedded DynamoDB does not check.
fn ask_for_capacity(request: &mut HttpRequest, body: &Value) {
    let mut body = body.clone();
    let Some(fields) = body.as_object_mut() else { return };
    fields.insert("ReturnConsumedCapacity".to_owned(), json!("TOTAL"));
    let bytes = body.to_string().into_bytes();
    request.headers_mut().insert("content-length", bytes.len().to_string());
    *request.body_mut() = SdkBody::from(bytes);
}

fn capacity(response: &HttpResponse) -> Option<f64> {
    let body: Value = serde_json::from_slice(response.body().bytes()?).ok()?;
    let units = |value: &Value| value["CapacityUnits"].as_f64().unwrap_or(0.0);
    match &body["ConsumedCapacity"] {
        Value::Array(tables) => Some(tables.iter().map(units).sum()),
        one @ Value::Object(_) => Some(units(one)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}

fn broken(how: &'static str) -> ConnectorError {
    ConnectorError::io(how.into())
}

fn error(service: Service, status: u16, code: &str) -> Result<HttpResponse, ConnectorError> {
    match service {
        Service::DynamoDb => {
            let body = json!({
                "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
                "message": "injected",
            });
            answer(status, "application/x-amz-json-1.0", body.to_string())
        }
        Service::Sqs => {
            let body =
                json!({ "__type": format!("com.amazonaws.sqs#{code}"), "message": "injected" });
            answer(status, "application/x-amz-json-1.0", body.to_string())
        }
        Service::S3 => {
            let body = format!("<Error><Code>{code}</Code><Message>injected</Message></Error>");
            answer(status, "application/xml", body)
        }
    }
}

fn cancelled(body: &Value, reason: &Reason) -> Result<HttpResponse, ConnectorError> {
    let codes: Vec<_> = items(body).iter().map(|item| reason(item).unwrap_or("None")).collect();
    let reasons: Vec<_> = codes
        .iter()
        .map(|code| match *code {
            "None" => json!({ "Code": "None" }),
            code => json!({ "Code": code, "Message": "injected" }),
        })
        .collect();
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!("Transaction cancelled [{}]", codes.join(", ")),
        "CancellationReasons": reasons,
    });
    answer(400, "application/x-amz-json-1.0", body.to_string())
}

fn answer(status: u16, media: &'static str, body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status).map_err(|e| ConnectorError::user(e.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", media);
    Ok(response)
}
