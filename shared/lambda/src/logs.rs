//! What is logged, how much, and in which form.
//!
//! A function's log is JSON lines on stdout, with the fields that Powertools for AWS Lambda gives
//! its lines, so that what is built for those reads ours, too. They are written here and not by
//! `tracing_subscriber`: of an invocation there is one at a time in a process, so what a line says
//! of it needs no spans, which cost more than all the rest of a line.

use std::fmt::{self, Write as _};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use lambda_runtime::tower::{Layer, Service};
use lambda_runtime::{Context, LambdaInvocation};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber, span};
use tracing_subscriber::filter::Targets;

use crate::clock::Clock;
use crate::env::Env;

/// Whose crates say no more than `info`, by the beginnings of their names, although `RUST_LOG` asks
/// for more in general. Asked for by name, as in `RUST_LOG=aws_smithy_runtime=debug`, they say it.
///
/// Below `info` the AWS SDKs and the runtime tell of whole requests, events and rows, and so of
/// passwords, tokens, and the addresses of people. Who looks for a bug wants our own `debug` and
/// `trace`, which tell nothing of these.
const HUSHED: [&str; 8] =
    ["aws_", "dynoxide", "h2", "hyper", "lambda_http", "lambda_runtime", "openidconnect", "s3s"];

/// What `RUST_LOG` asks for, such as `info` or `warn,store=debug`, or else `default`.
pub fn log_filter(default: &str) -> Targets {
    let asked = Env::process().optional("RUST_LOG").and_then(|text| text.parse().ok());
    hushed(asked.or_else(|| default.parse().ok()).unwrap_or_default())
}

fn hushed(asked: Targets) -> Targets {
    // Whoever wants errors only gets no more of these either.
    if most(&asked) <= LevelFilter::INFO {
        return asked;
    }
    let named = |name: &str| asked.iter().any(|(target, _)| target == name);
    HUSHED
        .into_iter()
        .filter(|name| !named(name))
        .fold(asked.clone(), |filter, name| filter.with_target(name, LevelFilter::INFO))
}

/// The most that is let through of anybody.
fn most(filter: &Targets) -> LevelFilter {
    let levels = filter.iter().map(|(_, level)| level);
    levels.chain(filter.default_level()).max().unwrap_or(LevelFilter::OFF)
}

/// The value of Powertools' `service`, and the metrics' dimension.
pub(crate) const SERVICE: &str = "signpost";

/// What all lines of a process say, and those of the invocation that is under way. Lambda has one
/// at a time in a process; what it left to do after its answer is done before the next one.
static INVOCATION: Mutex<Invocation> = Mutex::new(Invocation { count: 0, head: String::new() });

struct Invocation {
    count: u64,
    /// JSON: what is known of it, each field with a comma behind.
    head: String,
}

/// Begins the log of this process.
pub(crate) fn start(function: &'static str) {
    // What AWS calls it, which is where its log is.
    let name = Env::process().optional("AWS_LAMBDA_FUNCTION_NAME");
    let mut always = String::from(",\"service\":");
    text(&mut always, SERVICE);
    always.push_str(",\"function_name\":");
    text(&mut always, name.as_deref().unwrap_or(function));
    let filter = log_filter("info");
    let log = Log { most: most(&filter), filter, always, clock: Clock::system() };
    // Only a second one could fail, and there is none.
    let _ = tracing::subscriber::set_global_default(log);
}

/// Notes for the log which invocation has begun.
fn note(context: &Context) {
    let mut now = INVOCATION.lock().unwrap_or_else(PoisonError::into_inner);
    now.count += 1;
    let is_cold = now.count == 1;
    now.head.clear();
    now.head.push_str(if is_cold { ",\"cold_start\":true" } else { ",\"cold_start\":false" });
    now.head.push_str(",\"function_request_id\":");
    text(&mut now.head, &context.request_id);
    if let Some(id) = context.xray_trace_id.as_deref().and_then(trace_id) {
        now.head.push_str(",\"xray_trace_id\":");
        text(&mut now.head, id);
    }
}

/// The trace of `Root=1-…;Parent=…;Sampled=1`.
fn trace_id(header: &str) -> Option<&str> {
    header.split(';').find_map(|part| part.trim().strip_prefix("Root="))
}

/// Notes each invocation for the log.
pub(crate) struct Noted;

impl<S> Layer<S> for Noted {
    type Service = NotedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        NotedService(inner)
    }
}

pub(crate) struct NotedService<S>(S);

impl<S: Service<LambdaInvocation>> Service<LambdaInvocation> for NotedService<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    /// A frame of its own: in the one of the runtime's loop, a start would have to make room for it.
    #[inline(never)]
    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        note(&invocation.context);
        self.0.call(invocation)
    }
}

/// Writes events as JSON lines. Spans are of no interest to it.
struct Log {
    filter: Targets,
    most: LevelFilter,
    /// JSON: the fields that all lines have, each with a comma before.
    always: String,
    clock: Clock,
}

impl Log {
    /// The line of an event, with its end.
    fn line(&self, event: &Event<'_>, invocation: &str) -> String {
        let metadata = event.metadata();
        let mut line = String::with_capacity(512);
        line.push_str("{\"level\":\"");
        line.push_str(level(metadata.level()));
        line.push_str("\",\"timestamp\":\"");
        let _ = write!(line, "{:.6}", self.clock.now());
        line.push('"');
        event.record(&mut Fields(&mut line));
        line.push_str(&self.always);
        line.push_str(invocation);
        line.push_str(",\"target\":");
        text(&mut line, metadata.target());
        line.push_str("}\n");
        line
    }
}

fn level(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

impl Subscriber for Log {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) { Interest::always() } else { Interest::never() }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && self.filter.would_enable(metadata.target(), metadata.level())
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.most)
    }

    fn event(&self, event: &Event<'_>) {
        let line = {
            let now = INVOCATION.lock().unwrap_or_else(PoisonError::into_inner);
            self.line(event, &now.head)
        };
        // There is nobody else to tell.
        let _ = std::io::stdout().lock().write_all(line.as_bytes());
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// Writes the fields of an event, each with a comma before.
struct Fields<'a>(&'a mut String);

impl Fields<'_> {
    fn name(&mut self, field: &Field) -> &mut String {
        self.0.push(',');
        text(self.0, field.name());
        self.0.push(':');
        self.0
    }
}

impl Visit for Fields<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        let _ = write!(self.name(field), "{value}");
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        let _ = write!(self.name(field), "{value}");
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        let _ = write!(self.name(field), "{value}");
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        text(self.name(field), value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        // What is displayed comes here, too.
        let out = self.name(field);
        out.push('"');
        let _ = write!(Escaped(out), "{value:?}");
        out.push('"');
    }
}

/// Writes a JSON string.
fn text(out: &mut String, value: &str) {
    out.push('"');
    let _ = Escaped(out).write_str(value);
    out.push('"');
}

/// Writes what is within a JSON string.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, value: &str) -> fmt::Result {
        let mut rest = value;
        // All that must be escaped is one byte long, so these are never within a character.
        while let Some(at) = rest.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\') {
            self.0.push_str(&rest[..at]);
            match rest.as_bytes()[at] {
                b'"' => self.0.push_str("\\\""),
                b'\\' => self.0.push_str("\\\\"),
                b'\n' => self.0.push_str("\\n"),
                other => write!(self.0, "\\u{other:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        self.0.push_str(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;

    fn of(asked: &str) -> Targets {
        hushed(asked.parse().unwrap())
    }

    #[test]
    fn what_others_log_of_requests_takes_their_name() {
        let filter = of("trace");
        for target in ["aws_smithy_runtime::client", "hyper::proto", "lambda_runtime::runtime"] {
            assert!(filter.would_enable(target, &Level::INFO), "{target}");
            assert!(!filter.would_enable(target, &Level::DEBUG), "{target}");
        }
        assert!(filter.would_enable("store::links", &Level::TRACE));
        let named = of("debug,aws_smithy_runtime=debug,h2=trace");
        assert!(named.would_enable("aws_smithy_runtime::client", &Level::DEBUG));
        assert!(!named.would_enable("aws_config", &Level::DEBUG));
        assert!(named.would_enable("h2::proto", &Level::TRACE));
        assert!(!of("error").would_enable("aws_config", &Level::WARN));
        assert!(!of("info,lambda=warn").would_enable("lambda::http", &Level::INFO));
    }

    /// The lines that are written of what happens here.
    fn lines(invocation: &'static str, what: impl FnOnce()) -> Vec<String> {
        struct Kept(Log, &'static str, Arc<Mutex<Vec<String>>>);
        impl Subscriber for Kept {
            fn enabled(&self, metadata: &Metadata<'_>) -> bool {
                self.0.enabled(metadata)
            }
            fn event(&self, event: &Event<'_>) {
                self.2.lock().unwrap().push(self.0.line(event, self.1));
            }
            fn new_span(&self, span: &span::Attributes<'_>) -> span::Id {
                self.0.new_span(span)
            }
            fn record(&self, _: &span::Id, _: &span::Record<'_>) {}
            fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}
            fn enter(&self, _: &span::Id) {}
            fn exit(&self, _: &span::Id) {}
        }
        let filter: Targets = "info".parse().unwrap();
        let clock = Clock::fixed("2026-11-20T14:03:27.41Z".parse().unwrap());
        let always = r#","service":"signpost""#.to_owned();
        let log = Log { most: most(&filter), filter, always, clock };
        let kept = Arc::<Mutex<Vec<String>>>::default();
        let subscriber = Kept(log, invocation, Arc::clone(&kept));
        tracing::subscriber::with_default(subscriber, what);
        kept.lock().unwrap().clone()
    }

    #[test]
    fn a_line_is_json_with_the_fields_of_powertools_and_our_own() {
        let lines = lines(r#","cold_start":true"#, || {
            let _span = tracing::info_span!("nobody", asks = 1).entered();
            tracing::info!(
                http.status = 302_u16,
                less = -5_i64,
                yes = true,
                name = "a \"b\" \\ \u{1} é\n",
                shown = %"x\"y",
                none = Option::<&str>::None,
                "answered {}",
                302
            );
            tracing::debug!("not this");
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines[0].matches('\n').count(), 1);
        let line: Value = serde_json::from_str(&lines[0]).unwrap();
        let expected = json!({
            "level": "INFO",
            "timestamp": "2026-11-20T14:03:27.410000Z",
            "message": "answered 302",
            "http.status": 302,
            "less": -5,
            "yes": true,
            "name": "a \"b\" \\ \u{1} é\n",
            "shown": "x\"y",
            "service": "signpost",
            "cold_start": true,
            "target": "lambda::logs::tests",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_line_says_of_which_invocation_it_is() {
        let mut context = Context::default();
        context.request_id = "8f5e".to_owned();
        context.xray_trace_id = Some("Root=1-5759e988-bd862e3fe1be46a9;Sampled=1".to_owned());
        let fields = || -> Value {
            let head = INVOCATION.lock().unwrap().head.clone();
            serde_json::from_str(&format!("{{{}}}", &head[1..])).unwrap()
        };
        note(&context);
        let traced = json!({
            "cold_start": true,
            "function_request_id": "8f5e",
            "xray_trace_id": "1-5759e988-bd862e3fe1be46a9",
        });
        assert_eq!(fields(), traced);
        context.xray_trace_id = None;
        note(&context);
        assert_eq!(fields(), json!({"cold_start": false, "function_request_id": "8f5e"}));
    }
}
