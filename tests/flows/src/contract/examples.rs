//! The examples in `openapi.yaml`: of their schemas, and accepted by the functions.

use serde_json::Value;
use testkit::{World, event};

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
async fn every_example_of_an_edit_is_made() {
    for (media_type, name, body) in bodies("update-link") {
        let service = Service::over(World::with_spring().await).await;
        let event = event("update-link/minimal").header("content-type", &media_type).body(&body);
        let answer = service.send("update-link", event).await;
        assert_eq!(answer.status, 200, "example `{name}`: {}", answer.text);
    }
}
