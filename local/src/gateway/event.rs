//! Events, as API Gateway makes them.

use std::borrow::Cow;
use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use jiff::Timestamp;
use jiff::tz::Offset;
use lambda::HttpEvent;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

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
    pub(super) method: &'a Method,
    pub(super) version: Version,
    pub(super) edge: &'a Edge,
    pub(super) host: &'a str,
    /// An IP address.
    pub(super) source: &'a str,
    pub(super) port: u16,
    pub(super) id: &'a str,
    pub(super) trace_id: String,
    pub(super) at: Timestamp,
}

impl Call<'_> {
    /// The event, without a body, and without what an authorizer says. The request's headers become
    /// the event's: of most of them nothing is changed.
    pub(super) fn event(self, headers: HeaderMap) -> HttpEvent {
        let mut event = HttpEvent::default();
        event.version = Some("2.0".to_owned());
        event.route_key = Some(self.route.to_owned());
        event.raw_path = Some(self.path.to_string());
        event.raw_query_string = Some(self.query.to_owned());
        let cookies = joined(&headers, &header::COOKIE, "; ");
        if !cookies.is_empty() {
            let each = cookies.split(';').map(str::trim).filter(|it| !it.is_empty());
            event.cookies = Some(each.map(str::to_owned).collect());
        }
        let user_agent = joined(&headers, &header::USER_AGENT, ",").into_owned();
        event.headers = self.event_headers(headers);
        if !self.query.is_empty() {
            event.query_string_parameters = parameters(self.query).into();
        }
        let params = self.params.iter();
        event.path_parameters =
            params.map(|(name, value)| ((*name).to_owned(), value.to_string())).collect();
        let request = &mut event.request_context;
        request.account_id = Some(ACCOUNT.to_owned());
        request.apiid = Some(API.to_owned());
        let domain = without_port(self.host);
        request.domain_name = Some(domain.to_owned());
        request.domain_prefix = domain.split('.').next().map(str::to_owned);
        request.http.method = self.method.clone();
        request.http.path = Some(self.path.into_owned());
        request.http.protocol = Some(protocol(self.version).to_owned());
        request.http.source_ip = Some(self.source.to_owned());
        request.http.user_agent = Some(user_agent);
        request.request_id = Some(self.id.to_owned());
        request.route_key = Some(self.route.to_owned());
        request.stage = Some(STAGE.to_owned());
        request.time = Some(clf(self.at));
        request.time_epoch = self.at.as_millisecond();
        event
    }

    fn event_headers(&self, mut out: HeaderMap) -> HeaderMap {
        // Each machine on the way adds who asked it.
        let before = joined(&out, &FORWARDED_FOR, ", ");
        let comma = if before.is_empty() { "" } else { ", " };
        let forwarded_for = value(&[&before, comma, self.source].concat());
        let is_dropped = |name: &&HeaderName| {
            is_hop_by_hop(name)
                || [header::COOKIE, header::EXPECT].contains(*name)
                || edge::is_only_ours(name)
        };
        let dropped: Vec<HeaderName> = out.keys().filter(is_dropped).cloned().collect();
        dropped.iter().for_each(|name| drop(out.remove(name)));
        self.edge.fill(&mut out, self.source);
        let is_text = |value: &HeaderValue| std::str::from_utf8(value.as_bytes()).is_ok();
        // Otherwise JSON could not tell it as it is.
        if out.len() != out.keys_len() || !out.values().all(is_text) {
            let all: Vec<HeaderName> = out.keys().cloned().collect();
            for name in all {
                let all = value(&joined(&out, &name, ","));
                out.insert(name, all);
            }
        }
        out.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        out.insert(header::HOST, value(self.host));
        if !out.contains_key(TRACE_ID) {
            out.insert(TRACE_ID, value(&self.trace_id));
        }
        out.insert(FORWARDED_FOR, forwarded_for);
        out.insert(FORWARDED_PORT, HeaderValue::from(self.port));
        out.insert(FORWARDED_PROTO, HeaderValue::from_static("http"));
        out
    }
}

/// Puts a body into an event: as text, where API Gateway takes it for text.
pub(super) fn put_body(event: &mut HttpEvent, body: &[u8]) {
    if body.is_empty() {
        return;
    }
    event.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    let text = if is_text(&event.headers) { std::str::from_utf8(body).ok() } else { None };
    // What is no UTF-8 has no place in JSON.
    event.is_base64_encoded = text.is_none();
    event.body = Some(text.map_or_else(|| BASE64.encode(body), str::to_owned));
}

fn is_text(headers: &HeaderMap) -> bool {
    const TEXTS: [&str; 3] = ["application/json", "application/javascript", "application/xml"];
    let media_type = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = media_type.and_then(|it| it.split(';').next()).unwrap_or_default().trim();
    essence.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("text/"))
        || TEXTS.iter().any(|text| text.eq_ignore_ascii_case(essence))
}

/// Puts what the authorizer says into an event.
pub(super) fn put_context(event: &mut HttpEvent, context: &HashMap<String, Value>) {
    let authorizer = event.request_context.authorizer.get_or_insert_default();
    authorizer.fields.clone_from(context);
}

/// The authorizer's event of an HTTP event, as JSON.
pub(super) fn for_authorizer(event: &HttpEvent, credentials: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(1536);
    Object::write(&mut out, |question| {
        question.text("version", "2.0");
        question.text("type", "REQUEST");
        let route = text(&event.route_key).replacen(' ', "", 1);
        let region = embedded::REGION;
        let arn = format!("arn:aws:execute-api:{region}:{ACCOUNT}:{API}/{STAGE}/{route}");
        question.text("routeArn", &arn);
        question.list("identitySource", [credentials]);
        write(question, event);
    });
    out
}

/// An HTTP event as JSON, as it comes in the cloud.
#[cfg(test)]
pub(crate) fn to_json(event: &HttpEvent) -> Vec<u8> {
    let mut out = Vec::new();
    Object::write(&mut out, |object| {
        object.text("version", text(&event.version));
        write(object, event);
        if let Some(body) = &event.body {
            object.text("body", body);
        }
        object.raw("isBase64Encoded", &event.is_base64_encoded.to_string());
    });
    out
}

/// What the events of functions and of the authorizer have in common.
fn write(out: &mut Object<'_>, event: &HttpEvent) {
    out.text("routeKey", text(&event.route_key));
    out.text("rawPath", text(&event.raw_path));
    out.text("rawQueryString", text(&event.raw_query_string));
    if let Some(cookies) = &event.cookies {
        out.list("cookies", cookies.iter().map(String::as_str));
    }
    out.object("headers", |headers| {
        for (name, value) in &event.headers {
            headers.text(name.as_str(), &String::from_utf8_lossy(value.as_bytes()));
        }
    });
    if !event.query_string_parameters.is_empty() {
        out.object("queryStringParameters", |parameters| {
            event.query_string_parameters.iter().for_each(|(name, it)| parameters.text(name, it));
        });
    }
    out.object("requestContext", |out| {
        let request = &event.request_context;
        out.text("accountId", text(&request.account_id));
        out.text("apiId", text(&request.apiid));
        if let Some(authorizer) = &request.authorizer {
            out.object("authorizer", |out| {
                out.raw("lambda", &json!(authorizer.fields).to_string());
            });
        }
        out.text("domainName", text(&request.domain_name));
        out.text("domainPrefix", text(&request.domain_prefix));
        out.object("http", |http| {
            http.text("method", request.http.method.as_str());
            http.text("path", text(&request.http.path));
            http.text("protocol", text(&request.http.protocol));
            http.text("sourceIp", text(&request.http.source_ip));
            http.text("userAgent", text(&request.http.user_agent));
        });
        out.text("requestId", text(&request.request_id));
        out.text("routeKey", text(&request.route_key));
        out.text("stage", text(&request.stage));
        out.text("time", text(&request.time));
        out.raw("timeEpoch", &request.time_epoch.to_string());
    });
    if !event.path_parameters.is_empty() {
        out.object("pathParameters", |params| {
            event.path_parameters.iter().for_each(|(name, value)| params.text(name, value));
        });
    }
}

fn text(field: &Option<String>) -> &str {
    field.as_deref().unwrap_or_default()
}

/// A text as a header's value. What came in a request is good for one.
fn value(text: &str) -> HeaderValue {
    HeaderValue::from_bytes(text.as_bytes()).unwrap_or(HeaderValue::from_static(""))
}

/// The parameters of a query, decoded; those of one name are joined.
fn parameters(query: &str) -> HashMap<String, String> {
    let mut all = HashMap::<String, String>::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = parameter(value);
        all.entry(parameter(name))
            .and_modify(|before| {
                before.push(',');
                before.push_str(&value);
            })
            .or_insert(value);
    }
    all
}

fn parameter(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

/// The time as access logs write it.
fn clf(at: Timestamp) -> String {
    const MONTHS: [&str; 12] = [
        "/Jan/", "/Feb/", "/Mar/", "/Apr/", "/May/", "/Jun/", "/Jul/", "/Aug/", "/Sep/", "/Oct/",
        "/Nov/", "/Dec/",
    ];
    let at = Offset::UTC.to_datetime(at);
    let month = usize::try_from(at.month()).ok().and_then(|month| MONTHS.get(month - 1));
    let mut out = String::with_capacity(26);
    // By hand: to format it costs as much as the rest of an event's context.
    let mut put = |number: i16, end: &str| {
        let number = u32::from(number.unsigned_abs());
        out.extend([number / 10, number % 10].map(|it| char::from_digit(it, 10).unwrap_or('0')));
        out.push_str(end);
    };
    put(at.day().into(), month.copied().unwrap_or("/"));
    put(at.year() / 100, "");
    put(at.year() % 100, ":");
    put(at.hour().into(), ":");
    put(at.minute().into(), ":");
    put(at.second().into(), " +0000");
    out
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
