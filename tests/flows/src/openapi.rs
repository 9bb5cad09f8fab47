//! `openapi.yaml`: its operations, and whether an answer is one that it promises.

use std::sync::OnceLock;

use serde_json::Value;
use testkit::{Answer, Event};

use crate::repository::{list, text, yaml};
use crate::schema;

/// The one status that is promised for every operation at once, in `info.description`.
const PROMISED_FOR_ALL: u16 = 413;

/// The contract.
#[derive(Debug)]
pub(crate) struct OpenApi {
    pub(crate) document: Value,
    pub(crate) operations: Vec<Operation>,
}

/// One operation.
#[derive(Debug)]
pub(crate) struct Operation {
    /// In capitals.
    pub(crate) method: String,
    /// With templates.
    pub(crate) path: String,
    pub(crate) id: String,
    /// The function's name: the id up to its dot.
    pub(crate) function: String,
    /// Whether it needs credentials.
    pub(crate) secured: bool,
    /// What the caller must be allowed.
    pub(crate) scope: Option<String>,
    /// All that is said of it.
    pub(crate) value: Value,
}

impl Operation {
    /// Its route key in API Gateway.
    pub(crate) fn route(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

impl OpenApi {
    /// The contract of this repository.
    pub(crate) fn get() -> &'static Self {
        static CONTRACT: OnceLock<OpenApi> = OnceLock::new();
        CONTRACT.get_or_init(|| Self::of(yaml("openapi.yaml")))
    }

    fn of(document: Value) -> Self {
        const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];
        let closed = !list(&document["security"]).is_empty();
        let mut operations = Vec::new();
        for (path, item) in document["paths"].as_object().expect("openapi.yaml has paths") {
            for (method, value) in item.as_object().into_iter().flatten() {
                if !METHODS.contains(&method.as_str()) {
                    continue;
                }
                let id = text(&value["operationId"]);
                operations.push(Operation {
                    method: method.to_uppercase(),
                    path: path.clone(),
                    id: id.to_owned(),
                    function: id.split('.').next().unwrap_or_default().to_owned(),
                    secured: value["security"].as_array().map_or(closed, |own| !own.is_empty()),
                    scope: value["x-scope"].as_str().map(str::to_owned),
                    value: value.clone(),
                });
            }
        }
        Self { document, operations }
    }

    /// The function that answers where no operation fits.
    pub(crate) fn default_function(&self) -> &str {
        text(&self.document["x-default-function"])
    }

    /// What a reference leads to.
    pub(crate) fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        schema::resolved(&self.document, value)
    }

    /// The operation of an event.
    pub(crate) fn operation(&self, event: &Event) -> Option<&Operation> {
        let route = text(&event.json()["routeKey"]);
        self.operations.iter().find(|operation| operation.route() == route)
    }

    /// Everything in an answer to this event that the contract does not promise.
    pub(crate) fn faults(&self, event: &Event, answer: &Answer) -> Vec<String> {
        let Some(operation) = self.operation(event) else {
            // What no route fits is not an operation; the contract says in words what happens.
            let promised = matches!(answer.status, 308 | 404 | 405 | PROMISED_FOR_ALL);
            let fault = format!("`$default` answers {}: {}", answer.status, answer.text);
            return if promised { Vec::new() } else { vec![fault] };
        };
        self.answer_faults(operation, answer)
    }

    /// Everything in an answer of this operation that the contract does not promise.
    pub(crate) fn answer_faults(&self, operation: &Operation, answer: &Answer) -> Vec<String> {
        let status = answer.status.to_string();
        let Some(response) = operation.value["responses"].get(&status) else {
            if answer.status == PROMISED_FOR_ALL {
                return Vec::new();
            }
            return vec![format!("openapi.yaml: `{}` does not list {status}", operation.id)];
        };
        let response = self.resolved(response);
        let mut faults = self.header_faults(response, answer);
        if operation.method != "HEAD" {
            faults.extend(self.body_faults(response, answer));
        }
        let place = format!("openapi.yaml: `{}` {status}", operation.id);
        faults.into_iter().map(|fault| format!("{place}: {fault}")).collect()
    }

    fn header_faults(&self, response: &Value, answer: &Answer) -> Vec<String> {
        let headers = response["headers"].as_object().into_iter().flatten();
        headers
            .filter(|(_, header)| self.resolved(header)["required"] == true)
            .filter(|(name, _)| !answer.headers.contains_key(&name.to_lowercase()))
            .map(|(name, _)| format!("the answer has no header `{name}`"))
            .collect()
    }

    fn body_faults(&self, response: &Value, answer: &Answer) -> Vec<String> {
        let Some(content) = response["content"].as_object() else {
            let has_body = !answer.text.is_empty();
            return has_body.then(|| "the answer has a body".to_owned()).into_iter().collect();
        };
        let media_type = answer.header("content-type").split(';').next().unwrap_or_default();
        let Some(media) = content.get(media_type) else {
            return vec![format!("the answer's media type is `{media_type}`")];
        };
        if !media_type.ends_with("json") {
            return Vec::new();
        }
        schema::faults(&self.document, &media["schema"], &answer.json(), "")
    }
}
