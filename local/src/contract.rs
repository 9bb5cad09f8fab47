//! The contract as this platform needs it: the routes of `openapi.yaml`, and the triggers of
//! `workers.yaml`. There is no other list of either.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use http::Method;
use serde::Deserialize;

const OPENAPI: &str = include_str!("../../openapi.yaml");
const WORKERS: &str = include_str!("../../workers.yaml");

/// What leads to which function.
#[derive(Debug)]
pub(crate) struct Contract {
    pub(crate) operations: Vec<Operation>,
    /// What answers where no operation fits: API Gateway's `$default` route.
    pub(crate) default_function: String,
    pub(crate) workers: BTreeMap<String, Worker>,
    pub(crate) schedules: BTreeMap<String, Scheduled>,
    pub(crate) queues: BTreeMap<String, Queue>,
}

/// One route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operation {
    pub(crate) method: Method,
    /// With templates such as `{id}`.
    pub(crate) path: String,
    pub(crate) function: String,
    /// Whether it needs credentials.
    pub(crate) secured: bool,
}

/// A function that a queue starts.
#[derive(Debug, Clone)]
pub(crate) struct Worker {
    pub(crate) queue: String,
    pub(crate) batch_size: usize,
    pub(crate) timeout_seconds: u64,
    pub(crate) report_batch_item_failures: bool,
}

/// A function that a schedule starts.
#[derive(Debug, Clone)]
pub(crate) struct Scheduled {
    pub(crate) every: Duration,
    pub(crate) timeout_seconds: u64,
}

/// A queue.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Queue {
    pub(crate) visibility_timeout_seconds: u32,
    pub(crate) receive_wait_seconds: u32,
    pub(crate) message_retention_seconds: u32,
    pub(crate) max_receive_count: Option<u32>,
    pub(crate) dead_letter_queue: Option<String>,
}

impl Contract {
    /// The contract that this build was made with.
    pub(crate) fn read() -> anyhow::Result<Self> {
        Self::parse(OPENAPI, WORKERS)
    }

    pub(crate) fn parse(openapi: &str, workers: &str) -> anyhow::Result<Self> {
        let api: OpenApi = serde_saphyr::from_str(openapi).context("reading `openapi.yaml`")?;
        let workers: Workers = serde_saphyr::from_str(workers).context("reading `workers.yaml`")?;
        let closed = !api.security.is_empty();
        let mut operations = Vec::new();
        for (path, item) in &api.paths {
            for (method, operation) in item.operations() {
                let name = operation.operation_id.split('.').next().unwrap_or_default();
                let security = operation.security.as_ref();
                operations.push(Operation {
                    method,
                    path: path.clone(),
                    function: name.to_owned(),
                    secured: security.map_or(closed, |own| !own.is_empty()),
                });
            }
        }
        let (mut of_queues, mut schedules) = (BTreeMap::new(), BTreeMap::new());
        for (name, worker) in workers.workers {
            let timeout_seconds = worker.timeout_seconds;
            match (worker.queue, worker.schedule) {
                (Some(queue), None) => {
                    let worker = Worker {
                        queue,
                        batch_size: worker.batch_size.unwrap_or(1),
                        timeout_seconds,
                        report_batch_item_failures: worker.report_batch_item_failures,
                    };
                    of_queues.insert(name, worker);
                }
                (None, Some(schedule)) => {
                    let every = rate(&schedule).with_context(|| {
                        format!(
                            "`workers.yaml`: the schedule `{schedule}` of `{name}` is none that \
                             this platform knows: `rate(5 minutes)`, in minutes, hours or days"
                        )
                    })?;
                    schedules.insert(name, Scheduled { every, timeout_seconds });
                }
                (Some(_), Some(_)) | (None, None) => {
                    bail!("`workers.yaml`: `{name}` needs a `queue` or a `schedule`, and not both")
                }
            }
        }
        Ok(Self {
            operations,
            default_function: api.default_function,
            workers: of_queues,
            schedules,
            queues: workers.queues,
        })
    }

    /// The functions that it names, and who names them.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let routes = self.operations.iter().map(|it| (it.function.as_str(), "openapi.yaml"));
        let workers = self.workers.keys().chain(self.schedules.keys());
        let workers = workers.map(|name| (name.as_str(), "workers.yaml"));
        routes.chain([(self.default_function.as_str(), "openapi.yaml")]).chain(workers)
    }
}

/// The interval of a schedule in EventBridge's notation: `rate(1 hour)`, `rate(5 minutes)`.
fn rate(text: &str) -> Option<Duration> {
    let (value, unit) = text.strip_prefix("rate(")?.strip_suffix(')')?.split_once(' ')?;
    let value: u32 = value.parse().ok().filter(|value| 0 < *value)?;
    // EventBridge takes no `1 hours` either.
    let unit = if value == 1 { unit.to_owned() } else { unit.strip_suffix('s')?.to_owned() };
    let minutes = match unit.as_str() {
        "minute" => 1,
        "hour" => 60,
        "day" => 24 * 60,
        _ => return None,
    };
    Some(Duration::from_secs(u64::from(value) * minutes * 60))
}

#[derive(Deserialize)]
struct OpenApi {
    #[serde(rename = "x-default-function")]
    default_function: String,
    #[serde(default)]
    security: Vec<Requirement>,
    paths: BTreeMap<String, PathItem>,
}

type Requirement = BTreeMap<String, Vec<String>>;

#[derive(Deserialize)]
struct PathItem {
    get: Option<RawOperation>,
    head: Option<RawOperation>,
    post: Option<RawOperation>,
    put: Option<RawOperation>,
    patch: Option<RawOperation>,
    delete: Option<RawOperation>,
    options: Option<RawOperation>,
}

#[derive(Deserialize)]
struct RawOperation {
    #[serde(rename = "operationId")]
    operation_id: String,
    security: Option<Vec<Requirement>>,
}

impl PathItem {
    fn operations(&self) -> impl Iterator<Item = (Method, &RawOperation)> {
        [
            (Method::GET, &self.get),
            (Method::HEAD, &self.head),
            (Method::POST, &self.post),
            (Method::PUT, &self.put),
            (Method::PATCH, &self.patch),
            (Method::DELETE, &self.delete),
            (Method::OPTIONS, &self.options),
        ]
        .into_iter()
        .filter_map(|(method, operation)| Some((method, operation.as_ref()?)))
    }
}

#[derive(Deserialize)]
struct Workers {
    workers: BTreeMap<String, RawWorker>,
    queues: BTreeMap<String, Queue>,
}

#[derive(Deserialize)]
struct RawWorker {
    queue: Option<String>,
    schedule: Option<String>,
    batch_size: Option<usize>,
    timeout_seconds: u64,
    #[serde(default)]
    report_batch_item_failures: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_as_eventbridge_reads_it() {
        for (text, minutes) in [
            ("rate(1 minute)", 1),
            ("rate(5 minutes)", 5),
            ("rate(1 hour)", 60),
            ("rate(2 days)", 2 * 24 * 60),
        ] {
            assert_eq!(rate(text), Some(Duration::from_secs(minutes * 60)), "{text}");
        }
        for text in [
            "rate(1 hours)",
            "rate(5 minute)",
            "rate(0 minutes)",
            "rate(-1 minutes)",
            "rate(1 week)",
            "rate(hour)",
            "cron(0 * * * ? *)",
            "",
        ] {
            assert_eq!(rate(text), None, "{text}");
        }
    }

    #[test]
    fn a_worker_has_one_trigger_that_is_known() {
        let parse = |worker: &str| {
            let workers =
                format!("workers: {{ w: {{ timeout_seconds: 5{worker} }} }}\nqueues: {{}}");
            Contract::parse("x-default-function: d\npaths: {}", &workers)
        };
        let error = |worker| format!("{:#}", parse(worker).unwrap_err());
        let contract = parse(", schedule: rate(1 hour)").unwrap();
        assert_eq!(contract.schedules["w"].every, Duration::from_secs(3600));
        assert!(contract.functions().any(|(name, _)| name == "w"));
        assert_eq!(parse(", queue: q, batch_size: 7").unwrap().workers["w"].batch_size, 7);
        assert!(error(", schedule: \"cron(0 * * * ? *)\"").contains("rate(5 minutes)"));
        assert!(error("").contains("`w` needs a `queue` or a `schedule`"));
        assert!(error(", queue: q, schedule: rate(1 hour)").contains("not both"));
    }
}
