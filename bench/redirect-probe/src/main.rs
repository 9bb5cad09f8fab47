//! `redirect-probe answer|click CALLS`: so many redirects of a remembered link.
//!
//! It prints how many nanoseconds of CPU they took. What it does is the same in every revision, so
//! that two of them can be compared: the event, the function, the rows and the settings of the AWS
//! clients are the revision's own; only what answers these is a stub, because its work is not the
//! redirect's.
//!
//! `answer` is what whoever clicked waits for. `click` is that and sending the click.

use std::collections::HashMap;
use std::future::ready;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use domain::{
    Definition, Destination, HostRules, Link, LinkId, Origins, RedirectStatus, Slug, WorkspaceId,
};
use jiff::Timestamp;
use lambda::{Boot, Clock, Env, Function, Invocation, Metrics, Random};
use serde_json::{Value, json};
use store::{Journal, LinkStore};

const SECRET: &str = "the-secret-of-the-bench";

/// Where its links are.
const ORIGIN: &str = "https://go.example.com";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, calls) = match arguments.as_slice() {
        [what, calls] => (what.as_str(), calls.parse::<u32>().ok()),
        _ => ("", None),
    };
    let Some(calls) = calls.filter(|_| ["answer", "click"].contains(&what)) else {
        let _ = writeln!(io::stderr(), "usage: redirect-probe answer|click CALLS");
        return ExitCode::FAILURE;
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.expect("a runtime starts");
    let nanoseconds = runtime.block_on(measure(what == "click", calls));
    let _ = writeln!(io::stdout(), "{nanoseconds}");
    ExitCode::SUCCESS
}

async fn measure(sends: bool, calls: u32) -> u64 {
    let boot = boot();
    let links = LinkStore::new(&boot.aws, "links");
    links.create(&link(), &Journal::none()).await.expect("the link is made");
    #[cfg(feature = "salts")]
    {
        let (day, salt) = (domain::Day::of(now()), domain::Salt::new([7; 32]));
        let salts = store::SaltStore::new(&boot.aws, "salts");
        salts.put(day, &salt).await.expect("the salt is put");
    }
    let (load, handle) = (redirect::load, redirect::handle);
    let function = if sends {
        Function::http_then(boot, load, handle, redirect::send_click).await
    } else {
        Function::http_then(boot, load, handle, |_, _, _| ready(())).await
    };
    let function = function.expect("the settings are there");
    let event = request();
    let call = || function.invoke(Invocation::new(event.clone(), "bench"));
    // It reads the link; those that are counted remember it.
    let first = call().await.expect("the invocation succeeds");
    let first = String::from_utf8_lossy(&first).into_owned();
    assert!(first.contains("\"statusCode\":302"), "{first}");
    let begin = on_cpu();
    for _ in 0..calls {
        call().await.expect("the invocation succeeds");
    }
    on_cpu() - begin
}

/// What the function is loaded with, as Lambda starts it, but for the stub behind its clients.
fn boot() -> Boot {
    let env = Env::fixed(
        [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "probe"),
            ("AWS_SECRET_ACCESS_KEY", "probe"),
            ("LINKS_TABLE", "links"),
            ("SALTS_TABLE", "salts"),
            ("CLICKS_QUEUE_URL", "https://sqs.eu-west-1.amazonaws.com/123456789012/clicks"),
            ("ORIGINS", ORIGIN),
            ("ORIGIN_SECRET", SECRET),
        ]
        .map(|(name, value)| (name, value.to_owned())),
    );
    let aws = lambda::aws_config(&env).expect("the settings are there");
    let stub = SharedHttpClient::new(Stub::default());
    Boot {
        name: "redirect",
        env,
        aws: aws.to_builder().http_client(stub).build(),
        clock: Clock::fixed(now()),
        random: Random::seeded(1),
        metrics: Metrics::in_memory(),
    }
}

/// The moment of the event.
fn now() -> Timestamp {
    "2026-11-20T14:03:27.412Z".parse().expect("this is a time")
}

/// The link that the event asks for.
fn link() -> Link {
    let rules = HostRules::new(Origins::parse(ORIGIN).expect("this is an origin"), "");
    let id = LinkId::new(now(), 7);
    let url = "https://example.com/spring";
    Link {
        id,
        workspace: WorkspaceId::parse("wrk_01K9Z0000000000000000000AA").expect("this is an id"),
        domain: rules.origins.default_domain().clone(),
        slug: Slug::parse("spring").expect("this is a slug"),
        aliases: Vec::new(),
        definition: Definition {
            url: Destination::parse(url, &rules).expect("this is a URL"),
            redirect_status: RedirectStatus::Found,
            title: None,
            tags: Vec::new(),
            starts_at: None,
            expires_at: None,
            fallback_url: None,
            max_clicks: None,
            forward_query: false,
        },
        updated_at: id.at(),
        revision: 1,
        click_shards: 1,
    }
}

/// What a browser sends, as CloudFront and API Gateway hand it on.
fn request() -> Vec<u8> {
    let event = include_str!("../../../events/redirect/minimal.json");
    let mut event: Value = serde_json::from_str(event).expect("an event is JSON");
    for (name, value) in [
        ("x-origin-secret", SECRET),
        (
            "user-agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        ),
        ("accept-language", "de-DE,de;q=0.9,en;q=0.8"),
        ("referer", "https://news.example.org/item?id=4711"),
        ("cloudfront-viewer-address", "203.0.113.7:50123"),
        ("cloudfront-viewer-country", "DE"),
        ("cloudfront-viewer-country-region", "BE"),
        ("cloudfront-viewer-city", "Berlin"),
        ("cloudfront-viewer-asn", "64500"),
    ] {
        event["headers"][name] = json!(value);
    }
    event["rawQueryString"] = json!("utm_source=newsletter");
    event.to_string().into_bytes()
}

/// The time that this thread has had on a CPU, in nanoseconds.
fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// A store that takes what is put and gives it back by its key, and a queue that says yes.
#[derive(Debug, Clone, Default)]
struct Stub {
    /// By table, `pk` and `sk`.
    rows: Arc<Mutex<HashMap<String, Value>>>,
}

impl Stub {
    /// What an operation of DynamoDB or SQS is answered with.
    fn answer(&self, operation: &str, request: &Value) -> Value {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let key = |table: &Value, row: &Value| format!("{table} {} {}", row["pk"], row["sk"]);
        let mut put = |put: &Value| {
            rows.insert(key(&put["TableName"], &put["Item"]), put["Item"].clone());
        };
        match operation {
            "AmazonSQS.SendMessage" => {
                return json!({ "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274" });
            }
            "DynamoDB_20120810.PutItem" => put(request),
            "DynamoDB_20120810.TransactWriteItems" => {
                let items = request["TransactItems"].as_array();
                items.into_iter().flatten().for_each(|item| put(&item["Put"]));
            }
            "DynamoDB_20120810.GetItem" => {
                let row = rows.get(&key(&request["TableName"], &request["Key"]));
                return row.map_or_else(|| json!({}), |row| json!({ "Item": row }));
            }
            other => assert!(other.is_empty(), "`{other}` is none of a redirect's calls"),
        }
        json!({})
    }
}

impl HttpClient for Stub {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Stub {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap_or_default();
        // A message is not read, as that would be counted with each call.
        let body = match operation {
            "AmazonSQS.SendMessage" => Value::Null,
            _ => serde_json::from_slice(request.body().bytes().unwrap_or_default())
                .unwrap_or_default(),
        };
        let answer = self.answer(operation, &body).to_string();
        let status = StatusCode::try_from(200).expect("200 is a status");
        let mut response = HttpResponse::new(status, SdkBody::from(answer));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}
