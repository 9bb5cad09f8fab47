//! Sample events, and small changes to them.

use std::path::Path;

use serde_json::{Value, json};

/// The JSON of an event.
#[derive(Debug, Clone)]
pub struct Event(Value);

impl Event {
    /// Reads `events/<name>.json`.
    pub(crate) fn read(name: &str) -> Self {
        let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events");
        let path = events.join(format!("{name}.json"));
        let text = std::fs::read_to_string(&path)
            .unwrap_or_else(|error| panic!("reading {}: {error}", path.display()));
        let event = serde_json::from_str(&text);
        Self(event.unwrap_or_else(|error| panic!("parsing {}: {error}", path.display())))
    }

    /// An event of any other shape.
    pub fn of(value: Value) -> Self {
        Self(value)
    }

    /// The event with another JSON body.
    #[must_use]
    pub fn body(self, body: &Value) -> Self {
        self.text_body(&body.to_string())
    }

    /// The event with another body.
    #[must_use]
    pub fn text_body(mut self, body: &str) -> Self {
        self.0["body"] = json!(body);
        self.0["isBase64Encoded"] = json!(false);
        self
    }

    /// The event with a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.0["headers"][name] = json!(value);
        self
    }

    /// The event without a header.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        if let Some(headers) = self.0["headers"].as_object_mut() {
            headers.remove(name);
        }
        self
    }

    /// The event for another value of a path parameter.
    #[must_use]
    pub fn path(mut self, name: &str, value: &str) -> Self {
        let old = self.0["pathParameters"][name].as_str().unwrap_or_default().to_owned();
        self.0["pathParameters"][name] = json!(value);
        for path in ["/rawPath", "/requestContext/http/path"] {
            if let Some(path) = self.0.pointer_mut(path) {
                let text = path.as_str().unwrap_or_default();
                *path = json!(match old.is_empty() {
                    true => format!("/{value}"),
                    false => text.replacen(&old, value, 1),
                });
            }
        }
        self
    }

    /// The event with this query.
    #[must_use]
    pub fn query(mut self, query: &str) -> Self {
        self.0["rawQueryString"] = json!(query);
        self
    }

    /// The event of a caller of another workspace, with all scopes.
    #[must_use]
    pub fn of_workspace(mut self, workspace: &str) -> Self {
        self.0["requestContext"]["authorizer"]["lambda"]["workspace"] = json!(workspace);
        self
    }

    /// The event of another person or key, with whatever else the authorizer says.
    #[must_use]
    pub fn of_principal(mut self, principal: &str) -> Self {
        self.0["requestContext"]["authorizer"]["lambda"]["principal"] = json!(principal);
        self
    }

    /// The event of somebody with another role.
    #[must_use]
    pub fn of_role(mut self, role: &str) -> Self {
        self.0["requestContext"]["authorizer"]["lambda"]["role"] = json!(role);
        self
    }

    /// The event of somebody with other scopes.
    #[must_use]
    pub fn of_scopes(mut self, scopes: &str) -> Self {
        self.0["requestContext"]["authorizer"]["lambda"]["scopes"] = json!(scopes);
        self
    }

    /// The event's JSON.
    pub fn json(&self) -> &Value {
        &self.0
    }
}
