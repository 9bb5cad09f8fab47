//! The metadata from the function's event.

use lambda::Function;
use testkit::{World, event};

use super::*;

#[tokio::test]
async fn every_endpoint_is_under_the_issuer() {
    let world = World::new().await;
    let origins = [("ORIGINS", "https://go.example.com,https://other.example.com")];
    let boot = world.boot_with("get-openid-configuration", &origins);
    let function = Function::http(boot, load, handle).await.unwrap();
    let answer = event("get-openid-configuration/minimal").send(&function).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let body = answer.json();
    assert_eq!(body["issuer"], "https://go.example.com");
    for (name, path) in [
        ("authorization_endpoint", "/oauth/authorize"),
        ("token_endpoint", "/oauth/token"),
        ("revocation_endpoint", "/oauth/revoke"),
        ("jwks_uri", "/.well-known/jwks.json"),
    ] {
        assert_eq!(body[name], format!("https://go.example.com{path}"), "{name}");
    }
    assert_eq!(
        body["scopes_supported"],
        json!(["links:read", "links:write", "stats:read", "admin", "account"])
    );
    assert!(world.probe.take_calls().is_empty());
}
