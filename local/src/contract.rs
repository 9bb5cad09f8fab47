//! The contract as this platform needs it: the routes of `openapi.yaml`, and the triggers of
//! `workers.yaml`. There is no other list of either.

use std::collections::BTreeMap;

use anyhow::Context;
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
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Worker {
    pub(crate) queue: String,
    pub(crate) batch_size: usize,
    pub(crate) timeout_seconds: u64,
    pub(crate) report_batch_item_failures: bool,
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
        Ok(Self {
            operations,
            default_function: api.default_function,
            workers: workers.workers,
            queues: workers.queues,
        })
    }

    /// The functions that it names, and who names them.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (&str, &'static str)> {
        let routes = self.operations.iter().map(|it| (it.function.as_str(), "openapi.yaml"));
        let workers = self.workers.keys().map(|name| (name.as_str(), "workers.yaml"));
        routes.chain([(self.default_function.as_str(), "openapi.yaml")]).chain(workers)
    }
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
    workers: BTreeMap<String, Worker>,
    queues: BTreeMap<String, Queue>,
}
