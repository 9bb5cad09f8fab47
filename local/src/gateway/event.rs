//! Events, as API Gateway makes them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Version, header};
use jiff::Timestamp;
use jiff::tz::Offset;
use percent_encoding::percent_decode_str;

use super::edge::{self, Edge};
use super::routes::Params;
use super::{is_hop_by_hop, joined};
use crate::json::Object;

const ACCOUNT: &str = "000000000000";
const API: &str = "local";
const STAGE: &str = "$default";

/// What the gateway itself says in headers.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const TRACE_ID: HeaderName = HeaderName::from_static("x-amzn-trace-id");

/// A request, as far as events tell of it.
#[derive(Debug)]
pub(super) struct Call<'a> {
    /// `GET /{slug}`.
    pub(super) route: &'a str,
    /// Decoded.
    pub(super) path: Cow<'a, str>,
    /// As it came.
    pub(super) query: &'a str,
    pub(super) params: Params<'a>,
    pub(super) method: &'a str,
    pub(super) version: Version,
    pub(super) headers: &'a HeaderMap,
    pub(super) edge: &'a Edge,
    pub(super) host: &'a str,
    pub(super) source: IpAddr,
    pub(super) port: u16,
    pub(super) id: &'a str,
    pub(super) trace_id: String,
    pub(super) at: Timestamp,
    pub(super) body_bytes: usize,
}

impl Call<'_> {
    /// For the function of the route; `context` is what the authorizer says, as JSON.
    pub(super) fn http_event(&self, context: Option<&str>, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(1536 + body.len() * 4 / 3);
        Object::write(&mut out, |event| {
            event.text("version", "2.0");
            self.fill(event, context);
            let encoded = if body.is_empty() {
                false
            } else if let Some(text) = self.text_body(body) {
                event.text("body", text);
                false
            } else {
                event.base64("body", body);
                true
            };
            event.raw("isBase64Encoded", if encoded { "true" } else { "false" });
        });
        out
    }

    /// For the authorizer.
    pub(super) fn authorizer_event(&self, credentials: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(1536);
        Object::write(&mut out, |event| {
            event.text("version", "2.0");
            event.text("type", "REQUEST");
            let route = self.route.replacen(' ', "", 1);
            let region = embedded::REGION;
            let arn = format!("arn:aws:execute-api:{region}:{ACCOUNT}:{API}/{STAGE}/{route}");
            event.text("routeArn", &arn);
            event.list("identitySource", [credentials]);
            self.fill(event, None);
        });
        out
    }

    fn fill(&self, event: &mut Object<'_>, context: Option<&str>) {
        event.text("routeKey", self.route);
        event.text("rawPath", &self.path);
        event.text("rawQueryString", self.query);
        let cookies = joined(self.headers, &header::COOKIE, "; ");
        if !cookies.is_empty() {
            let each = cookies.split(';').map(str::trim).filter(|it| !it.is_empty());
            event.list("cookies", each);
        }
        event.object("headers", |headers| self.fill_headers(headers));
        if !self.query.is_empty() {
            let all = parameters(self.query);
            event.object("queryStringParameters", |parameters| {
                all.iter().for_each(|(name, value)| parameters.text(name, value));
            });
        }
        event.object("requestContext", |request| self.fill_context(request, context));
        if !self.params.is_empty() {
            event.object("pathParameters", |params| {
                self.params.iter().for_each(|(name, value)| params.text(name, value));
            });
        }
    }

    fn fill_headers(&self, out: &mut Object<'_>) {
        for name in self.headers.keys() {
            let is_set_below = is_hop_by_hop(name)
                || [header::COOKIE, header::HOST, header::CONTENT_LENGTH, header::EXPECT]
                    .contains(name)
                || [FORWARDED_FOR, FORWARDED_PORT, FORWARDED_PROTO].contains(name)
                || edge::is_ours(name);
            if !is_set_below {
                out.text(name.as_str(), &joined(self.headers, name, ","));
            }
        }
        self.edge.fill(out, self.headers, self.source);
        let mut number = String::with_capacity(48);
        let _ = write!(number, "{}", self.body_bytes);
        out.text("content-length", &number);
        out.text("host", self.host);
        if !self.headers.contains_key(TRACE_ID) {
            out.text(TRACE_ID.as_str(), &self.trace_id);
        }
        number.clear();
        // Each machine on the way adds who asked it.
        let before = joined(self.headers, &FORWARDED_FOR, ", ");
        let comma = if before.is_empty() { "" } else { ", " };
        let _ = write!(number, "{before}{comma}{}", self.source);
        out.text(FORWARDED_FOR.as_str(), &number);
        number.clear();
        let _ = write!(number, "{}", self.port);
        out.text(FORWARDED_PORT.as_str(), &number);
        out.text(FORWARDED_PROTO.as_str(), "http");
    }

    fn fill_context(&self, out: &mut Object<'_>, context: Option<&str>) {
        out.text("accountId", ACCOUNT);
        out.text("apiId", API);
        if let Some(context) = context {
            out.object("authorizer", |authorizer| authorizer.raw("lambda", context));
        }
        let domain = without_port(self.host);
        out.text("domainName", domain);
        out.text("domainPrefix", domain.split('.').next().unwrap_or_default());
        out.object("http", |http| {
            http.text("method", self.method);
            http.text("path", &self.path);
            http.text("protocol", protocol(self.version));
            http.text("sourceIp", &self.source.to_string());
            http.text("userAgent", &joined(self.headers, &header::USER_AGENT, ","));
        });
        out.text("requestId", self.id);
        out.text("routeKey", self.route);
        out.text("stage", STAGE);
        out.text("time", &clf(self.at));
        out.raw("timeEpoch", &self.at.as_millisecond().to_string());
    }

    /// The body as text, where API Gateway takes it for text.
    fn text_body<'b>(&self, body: &'b [u8]) -> Option<&'b str> {
        let media_type = self.headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let essence = media_type.split(';').next().unwrap_or_default().trim();
        const TEXTS: [&str; 3] = ["application/json", "application/javascript", "application/xml"];
        let is_text = essence.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))
            || TEXTS.iter().any(|text| text.eq_ignore_ascii_case(essence));
        // What is no UTF-8 has no place in JSON.
        if is_text { std::str::from_utf8(body).ok() } else { None }
    }
}

/// The parameters of a query, decoded; those of one name are joined.
fn parameters(query: &str) -> BTreeMap<Cow<'_, str>, Cow<'_, str>> {
    let mut all = BTreeMap::<Cow<'_, str>, Cow<'_, str>>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = parameter(value);
        all.entry(parameter(name))
            .and_modify(|before| {
                let before = before.to_mut();
                before.push(',');
                before.push_str(&value);
            })
            .or_insert(value);
    }
    all
}

fn parameter(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// The time as access logs write it.
fn clf(at: Timestamp) -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let at = Offset::UTC.to_datetime(at);
    let month = usize::try_from(at.month()).ok().and_then(|month| MONTHS.get(month - 1));
    let (month, day, year) = (month.copied().unwrap_or_default(), at.day(), at.year());
    let (hour, minute, second) = (at.hour(), at.minute(), at.second());
    format!("{day:02}/{month}/{year:04}:{hour:02}:{minute:02}:{second:02} +0000")
}

fn protocol(version: Version) -> &'static str {
    if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        // The colons of an IPv6 address are in brackets.
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        Some(_) | None => host,
    }
}
