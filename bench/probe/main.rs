//! `redirect-probe answer|click CALLS`: so many redirects of a remembered link.
//!
//! It prints how many nanoseconds of CPU they took. What it does is the same in every revision, so
//! that two of them can be compared: the event, the function and its stores are the revision's own;
//! only SQS is a stub that says yes, because its work is not the redirect's.
//!
//! `answer` is what whoever clicked waits for. `click` is that and sending the click.

use std::future::ready;
use std::io::{self, Write};
use std::process::ExitCode;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use lambda::{Boot, Function, Invocation};
use serde_json::json;
use testkit::{World, event};

const SECRET: &str = "the-secret-of-the-bench";

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
    let world = World::with_spring().await;
    #[cfg(feature = "salts")]
    {
        let (day, salt) = (domain::Day::of(testkit::now()), domain::Salt::new([7; 32]));
        world.salts().put(day, &salt).await.expect("the salt is put");
    }
    let boot = world.boot_with("redirect", &[("ORIGIN_SECRET", SECRET)]);
    let stores = world.aside().http_client().expect("the stores have a client");
    let stub = SharedHttpClient::new(Stub { stores });
    let boot = Boot { aws: world.aside().to_builder().http_client(stub).build(), ..boot };
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

/// What a browser sends, as CloudFront and API Gateway hand it on.
fn request() -> Vec<u8> {
    let mut event = event("redirect/minimal");
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
        event = event.header(name, value);
    }
    event.query("utm_source=newsletter").json().to_string().into_bytes()
}

/// The time that this thread has had on a CPU, in nanoseconds.
fn on_cpu() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

/// The stores, before which SQS says yes.
#[derive(Debug, Clone)]
struct Stub {
    stores: SharedHttpClient,
}

impl HttpClient for Stub {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(Yes(self.stores.http_connector(settings, components)))
    }
}

#[derive(Debug)]
struct Yes(SharedHttpConnector);

impl HttpConnector for Yes {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.headers().get("x-amz-target") != Some("AmazonSQS.SendMessage") {
            return self.0.call(request);
        }
        let body = json!({ "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274" }).to_string();
        let status = StatusCode::try_from(200).expect("200 is a status");
        let mut response = HttpResponse::new(status, SdkBody::from(body));
        response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
        HttpConnectorFuture::ready(Ok(response))
    }
}
