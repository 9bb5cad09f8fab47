//! Calls against a service that is scripted, behind the SDKs' own interface of HTTP clients.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_credential_types::Credentials;
use aws_smithy_async::rt::sleep::{Sleep, TokioSleep};
use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::http::HttpConnectorFuture;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_types::region::Region;
use serde_json::{Value, json};

use super::*;

/// What a service does with a request.
enum Act {
    Answers(u16, &'static str),
    /// With an error code in the header, and one in the body.
    Names(u16, &'static str, &'static str),
    Breaks,
    /// The request is one that nobody could send.
    Minds,
    NeverAnswers,
}

/// A service that does these things one after the other, and has them all done in the end.
#[derive(Debug, Clone, Default)]
struct Script(Arc<Mutex<Played>>);

#[derive(Default)]
struct Played {
    acts: std::collections::VecDeque<Act>,
    requests: Vec<HttpRequest>,
    settings: Option<HttpConnectorSettings>,
}

impl std::fmt::Debug for Played {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Played").finish_non_exhaustive()
    }
}

impl Script {
    fn of(acts: impl IntoIterator<Item = Act>) -> Self {
        let played = Played { acts: acts.into_iter().collect(), ..Played::default() };
        Self(Arc::new(Mutex::new(played)))
    }

    fn played<T>(&self, look: impl FnOnce(&mut Played) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many requests there were. None is missing.
    fn requests(&self) -> usize {
        self.played(|played| {
            assert!(played.acts.is_empty(), "it was called too seldom");
            played.requests.len()
        })
    }

    fn config(&self) -> aws_types::sdk_config::Builder {
        let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
        SdkConfig::builder()
            .region(Region::new("eu-west-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(self.clone())
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
    }

    fn client(&self) -> Client {
        Client::new(&self.config().build(), Service::DynamoDb)
    }
}

impl HttpClient for Script {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        // What the SDKs' connectors need for their own timeouts.
        assert!(components.sleep_impl().is_some() && components.time_source().is_some());
        self.played(|played| played.settings = Some(settings.clone()));
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Script {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let act = self.played(|played| {
            played.requests.push(request);
            played.acts.pop_front().expect("it was called too often")
        });
        let (status, header, body) = match act {
            Act::Answers(status, body) => (status, None, body),
            Act::Names(status, header, body) => (status, Some(header), body),
            Act::Breaks => return broken(ConnectorError::io("reset".into())),
            Act::Minds => return broken(ConnectorError::user("no".into())),
            Act::NeverAnswers => return HttpConnectorFuture::new(std::future::pending()),
        };
        let status = StatusCode::try_from(status).unwrap();
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        response.headers_mut().insert("x-amzn-requestid", "R1");
        if let Some(name) = header {
            response.headers_mut().insert("x-amzn-errortype", name);
        }
        HttpConnectorFuture::ready(Ok(response))
    }
}

fn broken(error: ConnectorError) -> HttpConnectorFuture {
    HttpConnectorFuture::ready(Err(error))
}

async fn call(client: &Client) -> Result<Value, CallError> {
    client.call("GetItem", &json!({ "TableName": "links" })).await
}

const FINE: Act = Act::Answers(200, r#"{"Item":1}"#);
const THROTTLED: Act = Act::Answers(
    400,
    r#"{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException","message":"slow down"}"#,
);

#[tokio::test]
async fn a_request_says_what_is_asked_and_by_whom() {
    let script = Script::of([FINE, FINE]);
    assert_eq!(call(&script.client()).await.unwrap(), json!({ "Item": 1 }));

    let credentials = Credentials::new("AKID", "s", Some("token".to_owned()), None, "test");
    let config = script.config().credentials_provider(SharedCredentialsProvider::new(credentials));
    let sqs = Client::new(&config.region(Region::new("cn-north-1")).build(), Service::Sqs);
    sqs.call::<Value>("SendMessage", &json!({})).await.unwrap();

    script.played(|played| {
        let [first, second] = played.requests.as_slice() else { panic!("there are two") };
        assert_eq!(first.method(), "POST");
        assert_eq!(first.uri(), "https://dynamodb.eu-west-1.amazonaws.com/");
        assert_eq!(first.body().bytes(), Some(br#"{"TableName":"links"}"#.as_slice()));
        let header = |request: &HttpRequest, name| request.headers().get(name).map(str::to_owned);
        assert_eq!(header(first, "content-type").as_deref(), Some("application/x-amz-json-1.0"));
        assert_eq!(header(first, "x-amz-target").as_deref(), Some("DynamoDB_20120810.GetItem"));
        assert_eq!(header(first, "x-amz-security-token"), None);
        assert_eq!(second.uri(), "https://sqs.cn-north-1.amazonaws.com.cn/");
        assert_eq!(header(second, "x-amz-target").as_deref(), Some("AmazonSQS.SendMessage"));
        assert_eq!(header(second, "x-amz-security-token").as_deref(), Some("token"));
    });
}

#[tokio::test]
async fn an_address_that_is_set_is_the_one_that_is_called() {
    let script = Script::of([FINE]);
    let config = script.config().endpoint_url("http://127.0.0.1:4566").build();
    call(&Client::new(&config, Service::DynamoDb)).await.unwrap();
    script.played(|played| assert_eq!(played.requests[0].uri(), "http://127.0.0.1:4566/"));
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_three_times_in_all() {
    let unavailable = || Act::Answers(503, "<html>");
    for begin in [
        [THROTTLED, Act::Breaks],
        [unavailable(), Act::Answers(500, "{}")],
        [Act::Answers(400, r#"{"__type":"RequestTimeout"}"#), THROTTLED],
    ] {
        let script = Script::of(begin.into_iter().chain([FINE]));
        call(&script.client()).await.unwrap();
        assert_eq!(script.requests(), 3);
    }
    let script = Script::of([Act::Breaks, Act::Breaks, unavailable()]);
    let error = call(&script.client()).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().code(), "no code");
    assert_eq!(script.requests(), 3);
}

#[tokio::test]
async fn what_will_not_pass_is_tried_once() {
    for act in [
        Act::Answers(400, r#"{"__type":"a#ValidationException"}"#),
        Act::Answers(403, r#"{"__type":"a#InvalidSignatureException"}"#),
        Act::Answers(200, r#"{"Item":"#),
        Act::Answers(200, "<html>"),
        Act::Minds,
    ] {
        let script = Script::of([act]);
        call(&script.client()).await.unwrap_err();
        assert_eq!(script.requests(), 1);
    }
}

/// A clock, and a way to sleep: each nap is over at once, unless it is one of these, which never are.
#[derive(Debug, Clone)]
struct Hand {
    minutes: Arc<AtomicU64>,
    never: &'static [Duration],
}

impl Hand {
    fn new(never: &'static [Duration]) -> Self {
        Self { minutes: Arc::default(), never }
    }
}

impl AsyncSleep for Hand {
    fn sleep(&self, time: Duration) -> Sleep {
        if self.never.contains(&time) {
            return Sleep::new(std::future::pending());
        }
        self.minutes.fetch_add(1, Ordering::Relaxed);
        Sleep::new(std::future::ready(()))
    }
}

impl TimeSource for Hand {
    fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(60 * self.minutes.load(Ordering::Relaxed))
    }
}

#[tokio::test]
async fn each_try_is_signed_by_the_time_of_its_own() {
    let hand = Hand::new(&[]);
    let script = Script::of([Act::Breaks, FINE]);
    let config = script.config().time_source(hand.clone()).sleep_impl(hand).build();
    call(&Client::new(&config, Service::DynamoDb)).await.unwrap();
    script.played(|played| {
        let header = |name: &'static str| {
            played.requests.iter().filter_map(move |it| it.headers().get(name)).collect::<Vec<_>>()
        };
        assert_eq!(header("x-amz-date"), ["19700101T000000Z", "19700101T000100Z"]);
        assert_ne!(header("authorization")[0], header("authorization")[1]);
    });
}

#[tokio::test]
async fn an_attempt_is_given_up_and_so_is_the_call() {
    const CONNECT: Duration = Duration::from_secs(1);
    const ATTEMPT: Duration = Duration::from_secs(2);
    const OPERATION: Duration = Duration::from_secs(3);
    let client = |script: &Script, never| {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT)
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(OPERATION);
        let config = script.config().timeout_config(timeouts.build()).sleep_impl(Hand::new(never));
        Client::new(&config.build(), Service::DynamoDb)
    };
    let script = Script::of([Act::NeverAnswers, FINE]);
    call(&client(&script, &[OPERATION])).await.unwrap();
    assert_eq!(script.requests(), 2);
    let settings = script.played(|played| played.settings.take()).unwrap();
    assert_eq!(settings.connect_timeout(), Some(CONNECT));

    let script = Script::of([Act::NeverAnswers]);
    let error = call(&client(&script, &[ATTEMPT])).await.unwrap_err();
    assert_eq!(error.to_string(), "`GetItem`: no answer within 3000 ms");
    assert_eq!(script.requests(), 1);
}

#[tokio::test]
async fn a_refusal_says_what_it_is() {
    let body = r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","Message":"no such queue"}"#;
    for (act, text) in [
        (Act::Answers(400, body), "`GetItem`: 400 QueueDoesNotExist: no such queue (request R1)"),
        (
            Act::Names(400, "OneException:http://internal.amazon.com/", r#"{"code":"Two"}"#),
            "`GetItem`: 400 OneException: no message (request R1)",
        ),
        (Act::Answers(404, "<html>"), "`GetItem`: 404 no code: no message (request R1)"),
    ] {
        let error = call(&Script::of([act]).client()).await.unwrap_err();
        assert_eq!(error.to_string(), text);
    }
    let error = call(&Script::of([Act::Answers(400, body)]).client()).await.unwrap_err();
    assert_eq!(error.refusal().unwrap().body(), body.as_bytes());
}

#[tokio::test]
async fn whoever_is_throttled_waits_longer_than_whoever_had_bad_luck() {
    let retries = RetryConfig::standard().with_initial_backoff(Duration::from_secs(8));
    let script = Script::of([]);
    let config = script.config().retry_config(retries).build();
    let client = Client::new(&config, Service::DynamoDb);
    let longest = |error: &CallError, attempt| {
        (0..200).map(|_| client.0.pause(attempt, error)).max().unwrap()
    };
    let refused = |body: &'static str| {
        let refusal = Refusal::read("GetItem", 400, None, None, body.into());
        CallError::Refused(Box::new(refusal))
    };
    let late = CallError::Late { operation: "GetItem", patience: Duration::ZERO };
    assert!(longest(&late, 1) <= Duration::from_millis(50));
    assert!(Duration::from_millis(50) < longest(&late, 2));
    assert!(Duration::from_secs(1) < longest(&refused(r#"{"__type":"SlowDown"}"#), 1));
    // As long as the configuration says, however often it was tried.
    assert!(longest(&late, u32::MAX) <= Duration::from_secs(20));
}
