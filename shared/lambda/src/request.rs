//! The request of an event that was never JSON.

use lambda_http::http::uri::PathAndQuery;
use lambda_http::http::{HeaderName, Uri, header};
use lambda_http::request::{LambdaRequest, RequestContext};
use lambda_http::{Body, Request, RequestExt};

use crate::function::HttpEvent;
use crate::http::{defuse, is_plain_host};

const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// As `lambda_http` makes it.
///
/// That writes the address, has a parser of URLs read it and write it anew, and reads the outcome once
/// more: a tenth of what a redirect of the local platform computes. Where nothing comes of it, as for
/// almost every redirect, it is left out.
pub(crate) fn of(event: HttpEvent) -> Request {
    match plain_address(&event) {
        Some(address) => plain(event, address),
        None => {
            let mut event = LambdaRequest::ApiGatewayV2(*event);
            defuse(&mut event);
            event.into()
        }
    }
}

/// The address of a request without a body and cookies, if a parser of URLs would write what it reads.
fn plain_address(event: &HttpEvent) -> Option<Uri> {
    let text = |name| event.headers.get(name)?.to_str().ok();
    let host = text(header::HOST).filter(|host| is_plain_host(host))?;
    let scheme = text(FORWARDED_PROTO).filter(|it| matches!(*it, "http" | "https"))?;
    let path = event.raw_path.as_deref().filter(|path| is_plain_path(path))?;
    let query = event.raw_query_string.as_deref().filter(|query| is_plain_query(query))?;
    let is_default = event.request_context.stage.as_deref() == Some("$default");
    if !is_default || event.body.is_some() || event.cookies.is_some() {
        return None;
    }
    let path: PathAndQuery = match query {
        "" => path.parse().ok()?,
        query => format!("{path}?{query}").parse().ok()?,
    };
    Uri::builder().scheme(scheme).authority(host).path_and_query(path).build().ok()
}

fn is_plain_path(path: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_~.".contains(&byte);
    // With `.` and `..` a parser goes somewhere.
    path.starts_with('/') && path.bytes().all(may_be) && !path.contains("/.")
}

fn is_plain_query(query: &str) -> bool {
    let may_be = |byte: u8| byte.is_ascii_alphanumeric() || b"=&-_.~+%/".contains(&byte);
    query.bytes().all(may_be)
}

fn plain(event: HttpEvent, address: Uri) -> Request {
    let event = *event;
    let query = event.raw_query_string.unwrap_or_default();
    let (mut parts, body) = Request::new(Body::Empty).into_parts();
    parts.method = event.request_context.http.method.clone();
    parts.uri = address;
    parts.headers = event.headers;
    parts.extensions = parts
        .extensions
        .with_raw_http_path(event.raw_path.unwrap_or_default())
        .with_query_string_parameters(query.parse().unwrap_or(event.query_string_parameters))
        .with_path_parameters(event.path_parameters)
        .with_stage_variables(event.stage_variables)
        .with_request_context(RequestContext::ApiGatewayV2(event.request_context));
    Request::from_parts(parts, body)
}
