//! What stands between the SDK clients and the stores: bad weather.
//!
//! It is an HTTP client, so signing, retries and parsing are the SDK's own, and a fault is met by
//! exactly the code that meets it in production. Each call takes a time of the simulation before it
//! takes effect, and a time until its answer; whoever is killed is killed in one of the two. What the
//! embedded stores never do by themselves is done here: throttling, transactions that meet each
//! other, batches of which a part is left over, answers that are lost.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep, Sleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use serde_json::{Value, json};

use crate::chance::Chance;
use crate::sim::{Life, Sim, block_on};

/// An AWS service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    DynamoDb,
    Sqs,
    S3,
}

/// How likely each fault is, at each call that it can happen to.
#[derive(Debug, Clone, Copy)]
pub struct Climate {
    /// DynamoDB and SQS ask to slow down: nothing is applied.
    pub throttled: f64,
    /// A 500, or a 503 of S3's: nothing is applied.
    pub failing: f64,
    /// The connection breaks before the request is out.
    pub unreachable: f64,
    /// The request is applied, and the connection breaks before the answer.
    pub lost: f64,
    /// The request is applied, and half of the answer is missing; the SDKs do not try again then.
    pub torn: f64,
    /// A transaction is cancelled, because another one is at some row of a count.
    pub conflicts: f64,
    /// A transaction is cancelled, because some row is throttled.
    pub cancelled: f64,
    /// A part of a `BatchGetItem` is left over.
    pub left_over: f64,
}

impl Climate {
    /// Nothing goes wrong.
    pub const CALM: Self = Self {
        throttled: 0.0,
        failing: 0.0,
        unreachable: 0.0,
        lost: 0.0,
        torn: 0.0,
        conflicts: 0.0,
        cancelled: 0.0,
        left_over: 0.0,
    };

    /// Much worse than AWS on its worst day.
    pub const STORM: Self = Self {
        throttled: 0.05,
        failing: 0.01,
        unreachable: 0.01,
        lost: 0.02,
        torn: 0.005,
        conflicts: 0.03,
        cancelled: 0.01,
        left_over: 0.03,
    };
}

/// A mistake that a program could have, made at the wire: a torture that does not find it is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// The row of a click is written whether it is there or not.
    ForgetsThatAClickIsThere,
    /// A count is written whatever it was meanwhile.
    ForgetsThatACountHasMoved,
    /// Every so many transactions, one is taken for written that was not.
    SkipsATransaction(u64),
    /// Every so many raw batches, one is taken for put that was not.
    SkipsARawBatch(u64),
    /// An hour's file is replaced without a look at whether it is the one that was read.
    ForgetsThatAFileHasMoved,
}

/// How long calls take.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// On the way there, and the same on the way back: anything up to this.
    pub way: Duration,
    /// What a call of DynamoDB or SQS takes by itself.
    pub call: Duration,
    /// What each item of it adds.
    pub item: Duration,
    /// What a call of S3 takes by itself.
    pub object: Duration,
}

impl Pace {
    /// About what they take in AWS.
    pub const AWS: Self = Self {
        way: Duration::from_millis(2),
        call: Duration::from_millis(4),
        item: Duration::from_micros(150),
        object: Duration::from_millis(30),
    };
}

/// What the calls were, and what they met.
pub type Tally = BTreeMap<String, u64>;

#[derive(Debug)]
struct State {
    chance: Chance,
    climate: Climate,
    pace: Pace,
    mistake: Option<Mistake>,
    /// S3 cannot be reached.
    s3_is_away: bool,
    /// SQS cannot be reached.
    sqs_is_away: bool,
    /// The rows at which transactions are under way.
    held: HashSet<(String, String, String)>,
    transactions: u64,
    raw_batches: u64,
    tally: Tally,
}

/// The weather over some stores. Clones are the same.
#[derive(Clone)]
pub struct Weather {
    sim: Sim,
    stores: SdkConfig,
    state: Arc<Mutex<State>>,
}

impl fmt::Debug for Weather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Weather").finish_non_exhaustive()
    }
}

impl Weather {
    /// Calm weather over the stores that this configuration reaches.
    pub fn over(stores: &SdkConfig, sim: &Sim, chance: Chance) -> Self {
        let state = State {
            chance,
            climate: Climate::CALM,
            pace: Pace::AWS,
            mistake: None,
            s3_is_away: false,
            sqs_is_away: false,
            held: HashSet::new(),
            transactions: 0,
            raw_batches: 0,
            tally: Tally::new(),
        };
        Self { sim: sim.clone(), stores: stores.clone(), state: Arc::new(Mutex::new(state)) }
    }

    /// The configuration of somebody who works in this weather, for as long as they live.
    pub fn aws(&self, life: &Arc<Life>) -> SdkConfig {
        let front = Front { weather: self.clone(), life: Arc::clone(life) };
        self.stores
            .to_builder()
            .http_client(SharedHttpClient::new(front.clone()))
            .sleep_impl(SharedAsyncSleep::new(front))
            .build()
    }

    /// Changes the weather.
    pub fn turn(&self, climate: Climate) {
        self.state().climate = climate;
    }

    /// Changes how long calls take.
    pub fn pace(&self, pace: Pace) {
        self.state().pace = pace;
    }

    /// Makes this mistake from here on.
    pub fn err(&self, mistake: Option<Mistake>) {
        self.state().mistake = mistake;
    }

    /// S3 goes away, or comes back.
    pub fn s3_is_away(&self, away: bool) {
        self.state().s3_is_away = away;
    }

    /// SQS goes away, or comes back.
    pub fn sqs_is_away(&self, away: bool) {
        self.state().sqs_is_away = away;
    }

    /// What there was until now.
    pub fn tally(&self) -> Tally {
        self.state().tally.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The weather, as one caller meets it.
#[derive(Debug, Clone)]
struct Front {
    weather: Weather,
    life: Arc<Life>,
}

impl AsyncSleep for Front {
    fn sleep(&self, time: Duration) -> Sleep {
        let (life, nap) = (Arc::clone(&self.life), self.weather.sim.sleep(time));
        Sleep::new(async move { life.wait(nap).await })
    }
}

impl HttpClient for Front {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let stores = self.weather.stores.http_client().expect("the stores have a client");
        let inner = stores.http_connector(settings, components);
        SharedHttpConnector::new(Connector { front: self.clone(), inner })
    }
}

#[derive(Debug)]
struct Connector {
    front: Front,
    inner: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (front, inner) = (self.front.clone(), self.inner.clone());
        HttpConnectorFuture::new(async move { front.pass(request, &inner).await })
    }
}

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Luck {
    Fine,
    Throttled,
    Failing,
    Unreachable,
    Lost,
    Torn,
    Conflict,
    Cancelled,
    LeftOver,
}

impl Front {
    async fn pass(
        &self,
        mut request: HttpRequest,
        inner: &SharedHttpConnector,
    ) -> Result<HttpResponse, ConnectorError> {
        let mut call = Call::read(&request);
        let (way, back) = {
            let mut state = self.weather.state();
            state.count(call.operation.clone());
            let (pace, way) = (state.pace, state.pace.way);
            let there = state.chance.between(Duration::ZERO, way) + pace.of(&call);
            (there, state.chance.between(Duration::ZERO, way))
        };
        let luck = self.weather.draw(&call);
        match luck {
            Luck::Unreachable => {
                self.wait(way).await;
                return Err(broken("connection refused"));
            }
            Luck::Throttled | Luck::Failing => {
                self.wait(way).await;
                return call.error(luck == Luck::Throttled);
            }
            Luck::Conflict | Luck::Cancelled => {
                self.wait(way).await;
                return self.weather.cancel(&call, luck);
            }
            Luck::Fine | Luck::Lost | Luck::Torn | Luck::LeftOver => {}
        }
        // Whoever has a row under way is met by all who come until it is written.
        let held =
            match self.weather.hold(&call) {
                Ok(held) => held,
                Err(rows) => {
                    self.wait(way).await;
                    self.weather.state().count("met another transaction");
                    return cancelled(call.rows.iter().map(|row| {
                        if rows.contains(row) { "TransactionConflict" } else { "None" }
                    }));
                }
            };
        self.wait(way).await;
        let left_over = if luck == Luck::LeftOver { call.halve() } else { Vec::new() };
        let mistaken = self.weather.mistake(&mut call, &mut request);
        if let Some(answer) = mistaken {
            drop(held);
            self.wait(back).await;
            return answer;
        }
        if call.is_changed {
            let bytes = call.body.to_string().into_bytes();
            request.headers_mut().insert("content-length", bytes.len().to_string());
            *request.body_mut() = SdkBody::from(bytes);
        }
        let mut response = block_on(inner.call(request))?;
        drop(held);
        self.wait(back).await;
        match luck {
            Luck::Lost => return Err(broken("connection reset by peer")),
            Luck::Torn => {
                let body = response.body().bytes().unwrap_or_default();
                let half = body[..body.len() / 2].to_vec();
                *response.body_mut() = SdkBody::from(half);
            }
            Luck::LeftOver => leave_over(&mut response, &call, &left_over),
            Luck::Fine
            | Luck::Throttled
            | Luck::Failing
            | Luck::Unreachable
            | Luck::Conflict
            | Luck::Cancelled => {}
        }
        Ok(response)
    }

    async fn wait(&self, time: Duration) {
        self.life.wait(self.weather.sim.sleep(time)).await;
    }
}

impl Pace {
    fn of(self, call: &Call) -> Duration {
        let items = u32::try_from(call.rows.len().max(call.keys)).unwrap_or(u32::MAX);
        match call.service {
            Service::DynamoDb | Service::Sqs => self.call + self.item.saturating_mul(items),
            Service::S3 => self.object,
        }
    }
}

impl State {
    fn count(&mut self, what: impl Into<String>) {
        *self.tally.entry(what.into()).or_default() += 1;
    }
}

impl Weather {
    /// Which fault a call meets.
    fn draw(&self, call: &Call) -> Luck {
        let mut state = self.state();
        let climate = state.climate;
        let is = |service| call.service == service;
        if (is(Service::S3) && state.s3_is_away) || (is(Service::Sqs) && state.sqs_is_away) {
            state.count("met a service that is away");
            return Luck::Unreachable;
        }
        if call.is_spared {
            return Luck::Fine;
        }
        let (is_transaction, is_batch) = (!call.rows.is_empty(), 1 < call.keys);
        let faults = [
            (Luck::Throttled, climate.throttled, !is(Service::S3), "throttled"),
            (Luck::Failing, climate.failing, true, "failed"),
            (Luck::Unreachable, climate.unreachable, true, "could not connect"),
            (Luck::Lost, climate.lost, true, "lost an answer"),
            // A torn answer of S3's is none: its body is empty, or somebody reads it as it comes.
            (Luck::Torn, climate.torn, !is(Service::S3), "got half an answer"),
            (Luck::Conflict, climate.conflicts, is_transaction, "cancelled for a conflict"),
            (Luck::Cancelled, climate.cancelled, is_transaction, "cancelled for throttling"),
            (Luck::LeftOver, climate.left_over, is_batch, "left a part over"),
        ];
        let mut at = state.chance.fraction();
        for (luck, probability, can_happen, name) in faults {
            if can_happen && at < probability {
                state.count(name);
                return luck;
            }
            at -= if can_happen { probability } else { 0.0 };
        }
        Luck::Fine
    }

    /// Cancels a transaction that was never tried.
    fn cancel(&self, call: &Call, luck: Luck) -> Result<HttpResponse, ConnectorError> {
        let mut state = self.state();
        let code = if luck == Luck::Conflict { "TransactionConflict" } else { "ThrottlingError" };
        // Counts are what others are at; where there is none, any row.
        let counts: Vec<usize> =
            (0..call.rows.len()).filter(|at| call.rows[*at].1.starts_with("R#")).collect();
        let picked = match (luck, counts.as_slice()) {
            (Luck::Conflict, [_, ..]) => counts[state.chance.index(counts.len())],
            _ => state.chance.index(call.rows.len()),
        };
        cancelled((0..call.rows.len()).map(|at| if at == picked { code } else { "None" }))
    }

    /// Takes the rows of a transaction, until the guard is dropped; or says at which of them there
    /// is another one.
    fn hold(&self, call: &Call) -> Result<Held, HashSet<Row>> {
        let mut state = self.state();
        let taken: HashSet<Row> =
            call.rows.iter().filter(|row| state.held.contains(*row)).cloned().collect();
        if !taken.is_empty() {
            return Err(taken);
        }
        state.held.extend(call.rows.iter().cloned());
        Ok(Held { weather: self.clone(), rows: call.rows.clone() })
    }

    /// Makes the mistake of this run, where a call gives an occasion for it.
    fn mistake(
        &self,
        call: &mut Call,
        request: &mut HttpRequest,
    ) -> Option<Result<HttpResponse, ConnectorError>> {
        let mut state = self.state();
        let is_transaction = call.operation == "TransactWriteItems";
        match state.mistake? {
            Mistake::ForgetsThatAClickIsThere if is_transaction => {
                call.change_conditions("Put", None)
            }
            Mistake::ForgetsThatACountHasMoved if is_transaction => {
                // Its values have to be used, or DynamoDB refuses it.
                call.change_conditions(
                    "Update",
                    Some("attribute_exists(v) OR attribute_not_exists(v)"),
                );
            }
            Mistake::SkipsATransaction(every) if is_transaction => {
                state.transactions += 1;
                if state.transactions.is_multiple_of(every) {
                    return Some(answer(200, "application/x-amz-json-1.0", "{}".to_owned()));
                }
            }
            Mistake::SkipsARawBatch(every) if call.operation == "PUT raw/" => {
                state.raw_batches += 1;
                if state.raw_batches.is_multiple_of(every) {
                    return Some(answer(200, "application/xml", String::new()));
                }
            }
            Mistake::ForgetsThatAFileHasMoved if call.service == Service::S3 => {
                request.headers_mut().remove("if-match");
                request.headers_mut().remove("if-none-match");
            }
            Mistake::ForgetsThatAClickIsThere
            | Mistake::ForgetsThatACountHasMoved
            | Mistake::SkipsATransaction(_)
            | Mistake::SkipsARawBatch(_)
            | Mistake::ForgetsThatAFileHasMoved => {}
        }
        None
    }
}

/// A row: its table and its keys.
type Row = (String, String, String);

/// Rows at which a transaction is under way.
struct Held {
    weather: Weather,
    rows: Vec<Row>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.weather.state();
        for row in &self.rows {
            state.held.remove(row);
        }
    }
}

/// A call, as far as the weather looks at it.
#[derive(Debug)]
struct Call {
    service: Service,
    operation: String,
    body: Value,
    /// Whether nothing may happen to it: a salt that is not read makes a visitor unknown, which is
    /// right, but no model can tell which one.
    is_spared: bool,
    /// Whether the body is not the request's any more.
    is_changed: bool,
    /// The rows of a transaction.
    rows: Vec<Row>,
    /// How many keys a batch asks for.
    keys: usize,
}

impl Call {
    fn read(request: &HttpRequest) -> Self {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (service, operation) = match target.split_once('.') {
            Some(("AmazonSQS", operation)) => (Service::Sqs, operation.to_owned()),
            Some((_, operation)) => (Service::DynamoDb, operation.to_owned()),
            None => (Service::S3, s3_operation(request)),
        };
        let wanted = ["TransactWriteItems", "BatchGetItem", "GetItem", "SendMessage"];
        let wanted = wanted.contains(&operation.as_str());
        let body = request.body().bytes().filter(|_| wanted).unwrap_or_default();
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let rows = items(&body).iter().map(row_of).collect();
        let tables = body["RequestItems"].as_object();
        let keys = tables.into_iter().flat_map(|tables| tables.values());
        let keys = keys.map(|table| table["Keys"].as_array().map_or(0, Vec::len)).sum();
        let is_spared = operation == "GetItem" && body["TableName"] == "salts";
        let mut call = Self { service, operation, body, is_spared, is_changed: false, rows, keys };
        call.be_prompt();
        call
    }

    /// The queue counts the delay of a message by the clock on the wall; here, the postman delays it.
    fn be_prompt(&mut self) {
        let message = self.body.as_object_mut().filter(|_| self.operation == "SendMessage");
        self.is_changed = message.is_some_and(|message| message.remove("DelaySeconds").is_some());
    }

    /// Takes out the second half of the keys of each table, and answers with them.
    fn halve(&mut self) -> Vec<(String, Vec<Value>)> {
        let Some(tables) = self.body["RequestItems"].as_object_mut() else { return Vec::new() };
        let mut taken = Vec::new();
        for (table, asked) in tables.iter_mut() {
            if let Some(keys) = asked["Keys"].as_array_mut()
                && 1 < keys.len()
            {
                taken.push((table.clone(), keys.split_off(keys.len().div_ceil(2))));
            }
        }
        self.is_changed = true;
        taken
    }

    /// Replaces the conditions of all writes of a kind that have one, or adds an alternative.
    fn change_conditions(&mut self, kind: &str, or: Option<&str>) {
        for item in self.body["TransactItems"].as_array_mut().into_iter().flatten() {
            let Some(write) = item.get_mut(kind).and_then(Value::as_object_mut) else { continue };
            let Some(condition) = write.remove("ConditionExpression") else { continue };
            if let (Some(or), Some(condition)) = (or, condition.as_str()) {
                let either = format!("{condition} OR {or}");
                write.insert("ConditionExpression".to_owned(), json!(either));
            }
        }
        self.is_changed = true;
    }

    fn error(&self, is_throttled: bool) -> Result<HttpResponse, ConnectorError> {
        let (status, code) = match (self.service, is_throttled) {
            (Service::DynamoDb, true) => (400, "ThrottlingException"),
            (Service::Sqs, true) => (400, "ThrottlingException"),
            (Service::DynamoDb | Service::Sqs, false) => (500, "InternalServerError"),
            (Service::S3, _) => (503, "SlowDown"),
        };
        match self.service {
            Service::DynamoDb => {
                let kind = format!("com.amazonaws.dynamodb.v20120810#{code}");
                error(status, &kind)
            }
            Service::Sqs => error(status, &format!("com.amazonaws.sqs#{code}")),
            Service::S3 => {
                let body =
                    format!("<Error><Code>{code}</Code><Message>bad weather</Message></Error>");
                answer(status, "application/xml", body)
            }
        }
    }
}

/// The method, and the first folder of what is asked for.
fn s3_operation(request: &HttpRequest) -> String {
    let uri = request.uri();
    let path = uri.split_once("://").map_or(uri, |(_, rest)| rest);
    let folder = ["raw/", "clicks/"].into_iter().find(|name| path.contains(&format!("/{name}")));
    match folder {
        Some(folder) => format!("{} {folder}", request.method()),
        None => request.method().to_owned(),
    }
}

fn items(body: &Value) -> &[Value] {
    body["TransactItems"].as_array().map_or(&[], Vec::as_slice)
}

fn row_of(item: &Value) -> Row {
    let write = item.as_object().and_then(|item| item.values().next());
    let key = |write: &Value| {
        let key = if write["Key"].is_object() { &write["Key"] } else { &write["Item"] };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&write["TableName"]), text(&key["pk"]["S"]), text(&key["sk"]["S"]))
    };
    write.map(key).unwrap_or_default()
}

/// Says of an answer that these keys were not looked up.
fn leave_over(response: &mut HttpResponse, call: &Call, keys: &[(String, Vec<Value>)]) {
    let body = response.body().bytes().unwrap_or_default();
    let Ok(mut body) = serde_json::from_slice::<Value>(body) else { return };
    for (table, keys) in keys {
        let mut rest = call.body["RequestItems"][table].clone();
        rest["Keys"] = json!(keys);
        body["UnprocessedKeys"][table] = rest;
    }
    let bytes = body.to_string().into_bytes();
    response.headers_mut().insert("content-length", bytes.len().to_string());
    // DynamoDB's checksum of the answer that was.
    response.headers_mut().remove("x-amz-crc32");
    *response.body_mut() = SdkBody::from(bytes);
}

fn cancelled<'a>(codes: impl Iterator<Item = &'a str>) -> Result<HttpResponse, ConnectorError> {
    let codes: Vec<_> = codes.collect();
    let reason = |code: &&str| match *code {
        "None" => json!({ "Code": "None" }),
        code => json!({ "Code": code, "Message": "bad weather" }),
    };
    let body = json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": format!("Transaction cancelled [{}]", codes.join(", ")),
        "CancellationReasons": codes.iter().map(reason).collect::<Vec<_>>(),
    });
    answer(400, "application/x-amz-json-1.0", body.to_string())
}

fn error(status: u16, kind: &str) -> Result<HttpResponse, ConnectorError> {
    let body = json!({ "__type": kind, "message": "bad weather" });
    answer(status, "application/x-amz-json-1.0", body.to_string())
}

fn answer(status: u16, media: &'static str, body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status).map_err(|e| ConnectorError::user(e.into()))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", media);
    Ok(response)
}

fn broken(how: &'static str) -> ConnectorError {
    ConnectorError::io(how.into())
}
