//! What an operator counts: CloudWatch's Embedded Metric Format, a JSON line on stdout.
//!
//! Such a line costs no call: CloudWatch takes it out of the log. Dimensions are the service and the
//! function and never more, since each combination is a metric that is paid for.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;

use crate::clock::Clock;
use crate::logs::SERVICE;

/// Where all metrics are found.
const NAMESPACE: &str = "Signpost";

/// The counters of a function. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Metrics(Sink);

#[derive(Debug, Clone)]
enum Sink {
    Stdout { function: &'static str, clock: Clock },
    Log { function: &'static str },
    Memory(Arc<Mutex<BTreeMap<&'static str, u64>>>),
}

impl Metrics {
    /// Lines for CloudWatch, on stdout: for functions in Lambda.
    pub fn stdout(function: &'static str, clock: Clock) -> Self {
        Self(Sink::Stdout { function, clock })
    }

    /// Lines in the log: where nobody takes metrics out of it.
    pub fn logged(function: &'static str) -> Self {
        Self(Sink::Log { function })
    }

    /// Counters that are only kept: for tests, see [`Metrics::counted`].
    pub fn in_memory() -> Self {
        Self(Sink::Memory(Arc::default()))
    }

    /// Counts one more of what this names, such as `RateLimitUnavailable`.
    pub fn count(&self, name: &'static str) {
        self.add(name, 1);
    }

    /// Counts so many of what this names, in one value. Nothing can be counted, too: it says that
    /// somebody has looked.
    pub fn add(&self, name: &'static str, count: u64) {
        match &self.0 {
            Sink::Stdout { function, clock } => {
                let line = line((name, count), function, clock.now().as_millisecond());
                // A metric is not worth an answer: what cannot be written is lost.
                let _ = writeln!(std::io::stdout().lock(), "{line}");
            }
            Sink::Log { function } => {
                tracing::info!(metric = name, count, function, "counted `{name}`");
            }
            Sink::Memory(counts) => {
                *counts.lock().unwrap_or_else(PoisonError::into_inner).entry(name).or_default() +=
                    count;
            }
        }
    }

    /// How many were counted [in memory](Metrics::in_memory).
    pub fn counted(&self, name: &str) -> u64 {
        match &self.0 {
            Sink::Stdout { .. } | Sink::Log { .. } => 0,
            Sink::Memory(counts) => {
                let counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
                counts.get(name).copied().unwrap_or(0)
            }
        }
    }
}

/// One count, as CloudWatch reads it.
fn line((name, count): (&str, u64), function: &str, at_ms: i64) -> String {
    let mut line = json!({
        "_aws": {
            "Timestamp": at_ms,
            "CloudWatchMetrics": [{
                "Namespace": NAMESPACE,
                "Dimensions": [["service", "function"]],
                "Metrics": [{ "Name": name, "Unit": "Count" }],
            }],
        },
        "service": SERVICE,
        "function": function,
    });
    line[name] = json!(count);
    line.to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_line_is_what_cloudwatch_takes_for_a_metric() {
        let line = line(("RateLimitUnavailable", 3), "create-link", 1_795_183_407_412);
        assert!(!line.contains('\n'));
        let line: Value = serde_json::from_str(&line).unwrap();
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        // Each name that the directive tells is a field of the line.
        let metric = directive["Metrics"][0]["Name"].as_str().unwrap();
        assert_eq!(line[metric], 3);
        for dimension in directive["Dimensions"][0].as_array().unwrap() {
            assert!(line[dimension.as_str().unwrap()].is_string(), "{dimension}");
        }
        assert_eq!(line["_aws"]["Timestamp"], 1_795_183_407_412_i64);
    }

    #[test]
    fn clones_count_together() {
        let metrics = Metrics::in_memory();
        metrics.clone().count("A");
        metrics.add("A", 3);
        assert_eq!((metrics.counted("A"), metrics.counted("B")), (4, 0));
    }
}
