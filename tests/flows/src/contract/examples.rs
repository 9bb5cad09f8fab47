//! The examples in `openapi.yaml`: of their schemas, and accepted by the functions.

use serde_json::Value;
use testkit::event;

use super::worlds;
use crate::openapi::OpenApi;
use crate::repository::assert_none;
use crate::schema;
use crate::service::Service;

/// Everything below a value that has a schema and examples of it, with its place.
fn exemplified<'a>(value: &'a Value, at: &str, found: &mut Vec<(String, &'a Value)>) {
    if value["schema"].is_object() && value["examples"].is_object() {
        found.push((at.to_owned(), value));
    }
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                exemplified(field, &format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (place, item) in items.iter().enumerate() {
                exemplified(item, &format!("{at}/{place}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_example_is_of_its_schema() {
    let api = OpenApi::get();
    let mut found = Vec::new();
    exemplified(&api.document, "", &mut found);
    assert!(20 < found.len(), "{} places have examples", found.len());
    let mut faults = Vec::new();
    for (place, media) in found {
        for (name, example) in media["examples"].as_object().into_iter().flatten() {
            let value = &api.resolved(example)["value"];
            for fault in schema::faults(&api.document, &media["schema"], value, "") {
                faults.push(format!("openapi.yaml: {place}/examples/{name}: {fault}"));
            }
        }
    }
    assert_none(&faults);
}

/// The examples of an operation's body: media type, name, value.
fn bodies(id: &str) -> Vec<(String, String, Value)> {
    let api = OpenApi::get();
    let operation = api.operations.iter().find(|operation| operation.id == id);
    let operation = operation.unwrap_or_else(|| panic!("there is no operation `{id}`"));
    let mut bodies = Vec::new();
    for (media_type, media) in operation.value["requestBody"]["content"].as_object().unwrap() {
        for (name, example) in media["examples"].as_object().unwrap() {
            let value = api.resolved(example)["value"].clone();
            bodies.push((media_type.clone(), name.clone(), value));
        }
    }
    assert!(!bodies.is_empty(), "openapi.yaml: `{id}` shows no body");
    bodies
}

#[tokio::test]
async fn every_example_of_a_new_link_makes_one() {
    for (media_type, name, body) in bodies("create-link") {
        let service = Service::start().await;
        let event = event("create-link/minimal").header("content-type", &media_type).body(&body);
        let answer = service.send("create-link", event).await;
        assert_eq!(answer.status, 201, "example `{name}`: {}", answer.text);
        let link = answer.json();
        for (field, value) in body.as_object().unwrap() {
            if field != "expires_at" {
                assert_eq!(&link[field], value, "example `{name}`: {field}");
            }
        }
    }
}

#[tokio::test]
async fn every_example_of_a_body_is_accepted() {
    let mut faults = Vec::new();
    for operation in &OpenApi::get().operations {
        let id = operation.id.as_str();
        if operation.value["requestBody"].is_null() {
            continue;
        }
        for (media_type, name, body) in bodies(id) {
            // The end of a sign-in has a beginning: `scripts/sign-in` goes through all of it.
            if id == "issue-token" && name == "code" {
                continue;
            }
            let settings = [("SIGNUP", "open")];
            let service = Service::only_with(id, worlds::of(id).await, &settings).await;
            let event = event(&format!("{id}/minimal")).header("content-type", &media_type);
            let event = match media_type.ends_with("json") {
                true => event.body(&body),
                false => event.text_body(&form(&body)),
            };
            let answer = service.send(id, event).await;
            if !(200..300).contains(&answer.status) {
                faults.push(format!("openapi.yaml: `{id}`, example `{name}`: {}", answer.text));
            }
        }
    }
    assert_none(&faults);
}

/// A form of these fields. What stands in the examples needs no more encoding than this.
fn form(fields: &Value) -> String {
    let fields = fields.as_object().expect("a form has fields");
    let pair = |(name, value): (&String, &Value)| {
        let value = value.as_str().expect("a field of a form is text").replace(' ', "+");
        format!("{name}={}", value.replace('@', "%40"))
    };
    fields.iter().map(pair).collect::<Vec<_>>().join("&")
}
