//! Routing, against the contract and against what API Gateway does.

use http::Method;

use super::support::{World, stub};
use crate::contract::Contract;
use crate::registry::Registry;

#[tokio::test]
async fn every_operation_of_the_contract_reaches_its_function() {
    let world = World::new().await;
    let contract = Contract::read().unwrap();
    assert!(contract.operations.len() > 10);
    for operation in &contract.operations {
        let path = operation.path.replace("{slug}", "spring").replace("{id}", "lnk_1");
        let head = format!("{} {path} HTTP/1.1\r\nauthorization: Bearer x", operation.method);
        assert_eq!(world.ask(&head).await.status, 200, "{head}");
        assert_eq!(world.called().last().copied(), Some(operation.function.as_str()));
    }
}

#[tokio::test]
async fn what_is_open_and_what_is_not() {
    let contract = Contract::read().unwrap();
    let secured = |method: Method, path: &str| {
        let mut all = contract.operations.iter();
        all.find(|it| it.method == method && it.path == path).unwrap().secured
    };
    assert!(!secured(Method::GET, "/{slug}"));
    assert!(!secured(Method::HEAD, "/{slug}"));
    assert!(!secured(Method::GET, "/api/v1/health"));
    assert!(secured(Method::GET, "/api/v1/links"));
    assert!(secured(Method::DELETE, "/api/v1/links/{id}"));
}

#[tokio::test]
async fn paths_are_routed_as_on_api_gateway() {
    let world = World::new().await;
    for (head, route, path, parameter) in [
        ("GET /", "GET /", "/", None),
        ("HEAD /", "HEAD /", "/", None),
        ("GET /spring", "GET /{slug}", "/spring", Some("spring")),
        ("GET /caf%C3%A9", "GET /{slug}", "/café", Some("café")),
        ("GET /caf\u{e9}", "GET /{slug}", "/café", Some("café")),
        ("GET /a%20b+c", "GET /{slug}", "/a b+c", Some("a b+c")),
        ("GET /%73pring", "GET /{slug}", "/spring", Some("spring")),
        ("GET /%", "GET /{slug}", "/%", Some("%")),
        ("GET /%zz", "GET /{slug}", "/%zz", Some("%zz")),
        ("GET /%00", "GET /{slug}", "/\0", Some("\0")),
        ("GET /%ff", "GET /{slug}", "/\u{fffd}", Some("\u{fffd}")),
        // An encoded slash is part of its segment.
        ("GET /a%2Fb", "GET /{slug}", "/a/b", Some("a/b")),
        ("GET /a%2fb%252F", "GET /{slug}", "/a/b%2F", Some("a/b%2F")),
        ("GET /%2F", "GET /{slug}", "//", Some("/")),
        // A literal segment wins over a template, also where it is encoded.
        ("GET /api/v1/health", "GET /api/v1/health", "/api/v1/health", None),
        ("GET /%61pi/v1/health", "GET /api/v1/health", "/api/v1/health", None),
        ("GET /api", "GET /{slug}", "/api", Some("api")),
        ("GET /%7Bslug%7D", "GET /{slug}", "/{slug}", Some("{slug}")),
        // What fits nothing.
        ("GET /spring/", "$default", "/spring/", None),
        ("GET //spring", "$default", "//spring", None),
        ("GET //", "$default", "//", None),
        ("GET /a/../spring", "$default", "/a/../spring", None),
        ("GET /../spring", "$default", "/../spring", None),
        ("POST /spring", "$default", "/spring", None),
        ("OPTIONS /spring", "$default", "/spring", None),
        ("BREW /spring", "$default", "/spring", None),
        ("GET /api/v1/nothing", "$default", "/api/v1/nothing", None),
        ("POST /api/v1/health", "$default", "/api/v1/health", None),
        ("get /spring", "$default", "/spring", None),
    ] {
        let reply = world.ask(&format!("{head} HTTP/1.1")).await;
        assert_eq!(reply.status, 200, "{head}");
        let event = world.event();
        assert_eq!(event["routeKey"], route, "{head}");
        assert_eq!(event["rawPath"], path, "{head}");
        assert_eq!(event["pathParameters"]["slug"].as_str(), parameter, "{head}");
    }
}

#[tokio::test]
async fn a_function_that_the_table_lacks_is_named_at_the_start() {
    let contract = Contract::read().unwrap();
    let answer = std::sync::Arc::new(|_: &serde_json::Value| Err("must not be called"));
    let mut functions = Vec::new();
    let names: std::collections::BTreeSet<&str> =
        contract.functions().map(|(name, _)| name).chain(["authorize"]).collect();
    for name in names.into_iter().filter(|name| *name != "list-links") {
        let name = String::leak(name.to_owned());
        functions.push(stub(name, answer.clone()).await);
    }
    let error = Registry::of(functions).check(&contract).unwrap_err().to_string();
    assert!(error.contains("`list-links`") && error.contains("openapi.yaml"), "{error}");
}

#[test]
fn a_contract_that_cannot_be_read_is_named() {
    let error = Contract::parse("paths: [", "workers: {}\nqueues: {}").unwrap_err();
    assert!(error.to_string().contains("openapi.yaml"), "{error:#}");
}
