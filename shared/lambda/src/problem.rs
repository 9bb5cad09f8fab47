//! RFC 9457 problem details.

use std::error::Error as StdError;

use lambda_http::http::header::{self, HeaderName};
use lambda_http::http::{HeaderValue, StatusCode};
use lambda_http::{Body, Response};
use serde::Serialize;

use crate::chain::Chain;

/// Every kind of problem the API can answer with. `docs/problems.md` lists the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request does not say what it should.
    InvalidRequest,
    /// The answer would need more clicks one by one than are read for it, or older ones.
    FilterTooWide,
    /// No credentials, or none that are worth anything.
    Unauthorized,
    /// The credentials are good, but not for this.
    Forbidden,
    /// It was sent past the front door, which is CloudFront.
    WrongAddress,
    /// There is no such thing, or the caller may not know of it.
    NotFound,
    /// The address is there, but not with this method.
    MethodNotAllowed,
    /// Another link has the slug.
    SlugTaken,
    /// It clashes with what is there, or with what happens at this moment.
    Conflict,
    /// It was there.
    Gone,
    /// It is not the version that `If-Match` names.
    PreconditionFailed,
    /// The body is larger than 256 KB.
    PayloadTooLarge,
    /// The body is not JSON.
    UnsupportedMediaType,
    /// An `Idempotency-Key` came with another request before.
    IdempotencyKeyReused,
    /// The caller has used up what it may do in a minute.
    RateLimited,
    /// A bug of ours.
    Internal,
    /// Something we depend on is slow or away: try again.
    Unavailable,
}

impl Kind {
    /// All kinds, for the tests that walk them.
    pub const ALL: [Self; 17] = [
        Self::InvalidRequest,
        Self::FilterTooWide,
        Self::Unauthorized,
        Self::Forbidden,
        Self::WrongAddress,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::SlugTaken,
        Self::Conflict,
        Self::Gone,
        Self::PreconditionFailed,
        Self::PayloadTooLarge,
        Self::UnsupportedMediaType,
        Self::IdempotencyKeyReused,
        Self::RateLimited,
        Self::Internal,
        Self::Unavailable,
    ];

    /// The status.
    pub const fn status(self) -> StatusCode {
        self.facts().0
    }

    /// The last part of the type URI, and the heading in `docs/problems.md`.
    pub const fn slug(self) -> &'static str {
        self.facts().1
    }

    /// What it is called, the same each time.
    pub const fn title(self) -> &'static str {
        self.facts().2
    }

    /// The header that belongs to every answer of this kind.
    fn header(self) -> Option<(HeaderName, HeaderValue)> {
        const CHALLENGE: &str = r#"Bearer realm="signpost", error="invalid_token""#;
        match self {
            // RFC 6750 asks for it.
            Self::Unauthorized => {
                Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE)))
            }
            // A caller that knows when to come back does not hammer.
            Self::Unavailable => Some((header::RETRY_AFTER, HeaderValue::from_static("1"))),
            Self::InvalidRequest
            | Self::FilterTooWide
            | Self::Forbidden
            | Self::WrongAddress
            | Self::NotFound
            | Self::SlugTaken
            | Self::Conflict
            | Self::Gone
            | Self::PreconditionFailed
            | Self::PayloadTooLarge
            | Self::UnsupportedMediaType
            | Self::IdempotencyKeyReused
            | Self::Internal => None,
            // When to come back, and what there is, differs: it comes with the problem.
            Self::RateLimited | Self::MethodNotAllowed => None,
        }
    }

    const fn facts(self) -> (StatusCode, &'static str, &'static str) {
        use StatusCode as S;
        match self {
            Self::InvalidRequest => (S::BAD_REQUEST, "invalid-request", "The request is not valid"),
            Self::FilterTooWide => {
                (S::BAD_REQUEST, "filter-too-wide", "This needs too many clicks one by one")
            }
            Self::Unauthorized => (S::UNAUTHORIZED, "unauthorized", "No valid credentials"),
            Self::Forbidden => (S::FORBIDDEN, "forbidden", "Not allowed"),
            Self::WrongAddress => (S::FORBIDDEN, "wrong-address", "Not at this address"),
            Self::NotFound => (S::NOT_FOUND, "not-found", "Not found"),
            Self::MethodNotAllowed => {
                (S::METHOD_NOT_ALLOWED, "method-not-allowed", "There is no such method here")
            }
            Self::SlugTaken => (S::CONFLICT, "slug-taken", "The slug is taken"),
            Self::Conflict => (S::CONFLICT, "conflict", "It clashes with what is there"),
            Self::Gone => (S::GONE, "gone", "It is no longer there"),
            Self::PreconditionFailed => {
                (S::PRECONDITION_FAILED, "precondition-failed", "It has changed meanwhile")
            }
            Self::PayloadTooLarge => {
                (S::PAYLOAD_TOO_LARGE, "payload-too-large", "The body is too large")
            }
            Self::UnsupportedMediaType => {
                (S::UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body must be JSON")
            }
            Self::IdempotencyKeyReused => (
                S::UNPROCESSABLE_ENTITY,
                "idempotency-key-reused",
                "The idempotency key was used for another request",
            ),
            Self::RateLimited => {
                (S::TOO_MANY_REQUESTS, "rate-limited", "Too many requests; come back later")
            }
            Self::Internal => (S::INTERNAL_SERVER_ERROR, "internal", "Something went wrong here"),
            Self::Unavailable => (S::SERVICE_UNAVAILABLE, "unavailable", "Try again shortly"),
        }
    }
}

/// One thing that is wrong with a request, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub struct Fault {
    /// A JSON pointer into the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pointer: Option<String>,
    /// The name of a query or path parameter.
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<String>,
    /// The name of a header.
    #[serde(skip_serializing_if = "Option::is_none")]
    header: Option<String>,
    /// What is wrong, in words.
    detail: String,
}

impl Fault {
    /// Something in the body is wrong; `pointer` is a JSON pointer such as `/tags/3`.
    pub fn at(pointer: impl Into<String>, detail: impl ToString) -> Self {
        Self { pointer: Some(pointer.into()), ..Self::new(detail) }
    }

    /// A query or path parameter is wrong.
    pub fn parameter(name: impl Into<String>, detail: impl ToString) -> Self {
        Self { parameter: Some(name.into()), ..Self::new(detail) }
    }

    /// A header is wrong.
    pub fn header(name: impl Into<String>, detail: impl ToString) -> Self {
        Self { header: Some(name.into()), ..Self::new(detail) }
    }

    fn new(detail: impl ToString) -> Self {
        Self { pointer: None, parameter: None, header: None, detail: detail.to_string() }
    }
}

/// What went wrong: the part for the caller, and the part for our log.
#[derive(Debug)]
pub struct Problem {
    kind: Kind,
    /// For the caller. Never an error's text for a 5xx.
    detail: Option<String>,
    /// Each thing that is wrong, for validation.
    faults: Vec<Fault>,
    /// Headers besides those that belong to the kind.
    headers: Vec<(HeaderName, HeaderValue)>,
    /// For the log only.
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// How many faults are named: a request that is full of them must not be answered by one that is
/// many times as large.
const MAX_FAULTS: usize = 100;

#[derive(Serialize)]
struct Wire<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    instance: String,
    #[serde(skip_serializing_if = "<[Fault]>::is_empty")]
    errors: &'a [Fault],
}

impl Problem {
    /// A problem of the caller's making, in words for the caller.
    pub fn client(kind: Kind, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::of(kind) }
    }

    /// The problem with the place in the request that it is about.
    #[must_use]
    pub fn at(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// Everything that is wrong with a request, at once; where that is very much, the first of it.
    pub fn invalid(mut faults: Vec<Fault>) -> Self {
        let detail = match faults.as_slice() {
            [one] => one.detail.clone(),
            many if MAX_FAULTS < many.len() => format!(
                "{} things are wrong; `errors` lists the first {MAX_FAULTS} of them",
                many.len()
            ),
            many => format!("{} things are wrong; `errors` lists them", many.len()),
        };
        faults.truncate(MAX_FAULTS);
        Self { detail: Some(detail), faults, ..Self::of(Kind::InvalidRequest) }
    }

    /// The problem with a header in its answer.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    /// No valid credentials.
    pub fn unauthorized() -> Self {
        let detail = "the token or API key is wrong, expired or revoked";
        Self::client(Kind::Unauthorized, detail)
    }

    /// More requests than are allowed; the next one may come after so many seconds.
    pub fn rate_limited(retry_after_seconds: u64) -> Self {
        let detail = format!("wait {retry_after_seconds} s before the next request");
        Self::client(Kind::RateLimited, detail)
            .with_header(header::RETRY_AFTER, HeaderValue::from(retry_after_seconds))
    }

    /// A problem of ours, with its cause for the log.
    pub fn server(kind: Kind, source: impl StdError + Send + Sync + 'static) -> Self {
        Self { source: Some(Box::new(source)), ..Self::of(kind) }
    }

    fn of(kind: Kind) -> Self {
        Self { kind, detail: None, faults: Vec::new(), headers: Vec::new(), source: None }
    }

    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Logs the problem once, and makes the response.
    pub fn into_response(self, request_id: &str) -> Response<Body> {
        let kind = self.kind.slug();
        match &self.source {
            Some(source) => tracing::error!(
                problem = kind,
                error = %Chain(source.as_ref()),
                "request failed: {kind}"
            ),
            None => tracing::debug!(problem = kind, "request refused: {kind}"),
        }
        let wire = Wire {
            r#type: format!("urn:signpost:problem:{kind}"),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: self.detail.as_deref(),
            instance: format!("urn:request:{request_id}"),
            errors: &self.faults,
        };
        let body = serde_json::to_string(&wire).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.kind.status();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.extend(self.kind.header());
        headers.extend(self.headers);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(response: &Response<Body>) -> serde_json::Value {
        serde_json::from_slice(response.body()).unwrap()
    }

    #[test]
    fn a_server_problem_tells_the_caller_nothing_of_its_cause() {
        let cause = std::io::Error::other("dynamodb at 10.0.0.7 said no");
        let response = Problem::server(Kind::Unavailable, cause).into_response("r-1");

        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()["retry-after"], "1");
        assert!(!body(&response).to_string().contains("10.0.0.7"));
        assert_eq!(body(&response)["instance"], "urn:request:r-1");
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_come_back() {
        let header = (HeaderName::from_static("ratelimit"), HeaderValue::from_static("x;r=0"));
        let response = Problem::rate_limited(7).with_header(header.0, header.1).into_response("r");
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["retry-after"], "7");
        assert_eq!(response.headers()["ratelimit"], "x;r=0");
        assert_eq!(body(&response)["detail"], "wait 7 s before the next request");
    }

    #[test]
    fn every_fault_is_named_with_its_place() {
        let faults = vec![Fault::at("/slug", "no"), Fault::parameter("limit", "too many")];
        let body = body(&Problem::invalid(faults).into_response("r"));
        assert_eq!(body["errors"][0], serde_json::json!({"pointer": "/slug", "detail": "no"}));
        assert_eq!(body["errors"][1]["parameter"], "limit");
        assert_eq!(body["detail"], "2 things are wrong; `errors` lists them");
    }

    #[test]
    fn each_kind_is_documented_and_different() {
        let page = include_str!("../../../docs/problems.md");
        let mut slugs: Vec<_> = Kind::ALL.iter().map(|kind| kind.slug()).collect();
        for kind in Kind::ALL {
            let status = kind.status();
            assert!(status.is_client_error() || status.is_server_error(), "{kind:?}");
            let heading = format!("\n## {}\n", kind.slug());
            assert!(page.contains(&heading), "docs/problems.md has no heading `{}`", kind.slug());
        }
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Kind::ALL.len());
        let headings = page.lines().filter(|line| line.starts_with("## ")).count();
        assert_eq!(headings, Kind::ALL.len(), "docs/problems.md has a heading too many");
    }
}
