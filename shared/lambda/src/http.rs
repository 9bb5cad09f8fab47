//! Answers, and what goes around every one of them.

use std::net::Ipv4Addr;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use lambda_http::http::uri::Authority;
use lambda_http::http::{HeaderName, HeaderValue, StatusCode, header};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Body, Request, RequestExt, Response};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Serialize;
use url::Url;

use crate::problem::{Kind, Problem};

/// The largest request body. API Gateway itself stops at 10 MB.
const MAX_BODY_BYTES: usize = 256 * 1024;

/// An answer with a JSON body. It is never cached: every answer of the API is somebody's own.
pub fn json(status: StatusCode, body: &impl Serialize) -> Result<Response<Body>, Problem> {
    let text = serde_json::to_string(body).map_err(|e| Problem::server(Kind::Internal, e))?;
    let mut response = typed(status, "application/json", text);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// An answer with a page for people.
pub fn html(status: StatusCode, page: impl Into<String>) -> Response<Body> {
    typed(status, "text/html; charset=utf-8", page.into())
}

/// 204.
pub fn no_content() -> Response<Body> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn typed(status: StatusCode, media_type: &'static str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A panic, as the error that the log gets besides the panic hook's line.
#[derive(Debug, thiserror::Error)]
#[error("the handler panicked")]
struct Panicked;

/// Answers one request: whatever happens inside, an HTTP response comes out.
///
/// An invocation that failed would reach the client as API Gateway's bare 500.
pub(crate) async fn answer<Handling>(
    request: Request,
    handle: impl FnOnce(Request) -> Handling,
) -> Response<Body>
where
    Handling: Future<Output = Result<Response<Body>, Problem>>,
{
    let begin = Instant::now();
    let id = request.lambda_context_ref().map(|c| c.request_id.clone()).unwrap_or_default();
    let method = request.method().clone();
    let route = route(&request);
    let outcome = if MAX_BODY_BYTES < request.body().len() {
        Err(Problem::client(Kind::PayloadTooLarge, "a request body has at most 262144 bytes"))
    } else {
        AssertUnwindSafe(async { handle(request).await })
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Err(Problem::server(Kind::Internal, Panicked)))
    };
    let mut response = outcome.unwrap_or_else(|problem| problem.into_response(&id));
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert(HeaderName::from_static("x-request-id"), id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    tracing::info!(
        http.method = %method,
        http.route = route,
        http.status = response.status().as_u16(),
        duration_ms = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX),
        "answered {}",
        response.status().as_u16()
    );
    response
}

/// The route's template, such as `GET /{slug}`: what metrics and logs may name.
fn route(request: &Request) -> String {
    match request.request_context_ref() {
        Some(RequestContext::ApiGatewayV2(context)) => {
            context.route_key.clone().unwrap_or_default()
        }
        Some(_) | None => String::new(),
    }
}

/// Makes an event safe to be turned into a request.
///
/// `lambda_http` panics on a `Host`, scheme or query that is no part of a URI, and clients choose
/// those.
pub(crate) fn defuse(event: &mut LambdaRequest) {
    let LambdaRequest::ApiGatewayV2(event) = event else { return };
    let host_is_sound = event
        .headers
        .get(header::HOST)
        .is_none_or(|host| host.to_str().is_ok_and(|host| is_plain_host(host) || is_sound(host)));
    if !host_is_sound {
        event.headers.remove(header::HOST);
    }
    // It is what a host is taken from that is not there.
    let domain = &mut event.request_context.domain_name;
    *domain = domain.take().filter(|domain| is_plain_host(domain) || is_sound(domain));
    const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    if event.headers.get(&PROTO).is_some_and(|proto| proto != "http" && proto != "https") {
        event.headers.remove(&PROTO);
    }
    if let Some(query) = &mut event.raw_query_string {
        *query = utf8_percent_encode(query, OUTSIDE_URI).to_string();
    }
    if let Some(path) = &mut event.raw_path {
        *path = utf8_percent_encode(path, OUTSIDE_PATH).to_string();
    }
}

/// Whether `lambda_http` can make an address of a host: it takes it for a URL's, and then for a URI's.
fn is_sound(host: &str) -> bool {
    host.parse::<Authority>().is_ok() && Url::parse(&format!("http://{host}/")).is_ok()
}

/// A name in small letters, or an address, without a port that goes without saying: what a parser of
/// URLs would write as it reads it.
pub(crate) fn is_plain_host(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "8080"));
    let is_port = matches!(port.as_bytes(), [b'1'..=b'9', _, _, _, ..])
        && port.bytes().all(|byte| byte.is_ascii_digit())
        && port.parse::<u16>().is_ok();
    let may_be = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_address = || name.parse::<Ipv4Addr>().is_ok();
    is_port
        && name.bytes().all(may_be)
        && !name.contains("..")
        && !name.contains("xn--")
        && (last.starts_with(|first: char| first.is_ascii_lowercase()) || is_address())
}

/// What may not stand in a path.
const OUTSIDE_PATH: &AsciiSet = &OUTSIDE_URI.add(b'?');

/// What may not stand in a path or a query; a `%` stays, it is an escape already.
const OUTSIDE_URI: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

#[cfg(test)]
mod tests {
    use super::*;

    fn event(host: &str, path: &str, query: &str) -> LambdaRequest {
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "GET /{slug}", "rawPath": path, "rawQueryString": query,
            "headers": {"host": host, "x-forwarded-proto": "gopher"},
            "requestContext": {
                "domainName": "go.example.com", "stage": "$default", "requestId": "r",
                "http": {"method": "GET", "path": path, "sourceIp": "192.0.2.1"}
            },
            "isBase64Encoded": false
        });
        serde_json::from_value(event).unwrap()
    }

    /// As the local platform's gateway makes it: the domain is what was asked for.
    fn of_domain(domain: &str) -> LambdaRequest {
        let mut event = event(&domain.replace('\0', "-"), "/a", "");
        if let LambdaRequest::ApiGatewayV2(event) = &mut event {
            event.request_context.domain_name = Some(domain.to_owned());
        }
        event
    }

    #[test]
    fn no_host_path_or_query_of_a_client_makes_the_conversion_panic() {
        let texts = [
            "",
            " ",
            "a b",
            "<>\"{}|\\^`",
            "é",
            "%",
            "%zz",
            "\u{0}",
            "[",
            "a:b:c",
            "//",
            "@",
            "1.2.3.4.5",
            "a:99999",
            "xn--a",
            "0x1",
        ];
        for text in texts {
            for mut event in [
                // No HTTP server lets a NUL into a header.
                event(&text.replace('\0', "-"), "/a", ""),
                event("go.example.com", &format!("/{text}"), ""),
                event("go.example.com", "/a", text),
                of_domain(text),
            ] {
                defuse(&mut event);
                let request = Request::from(event);
                assert_eq!(request.method(), "GET");
            }
        }
    }

    #[tokio::test]
    async fn a_panic_is_a_500_and_a_large_body_is_never_read() {
        let boom = |_: Request| async { panic!("boom") };
        let response = answer(Request::new(Body::Empty), boom).await;
        assert_eq!(response.status(), 500);

        let large = Request::new(Body::from("x".repeat(MAX_BODY_BYTES + 1)));
        let never = |_: Request| async { panic!("must not be called") };
        let response = answer(large, never).await;
        assert_eq!(response.status(), 413);
    }
}
