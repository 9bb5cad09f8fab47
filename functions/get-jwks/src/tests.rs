//! The keys from the function's event.

use domain::{KeyId, Principal, TokenId};
use lambda::Function;
use testkit::{World, event, now};
use tokens::AccessToken;

use super::*;

#[tokio::test]
async fn the_keys_are_public_and_name_those_of_tokens() {
    let world = World::new().await;
    let boot = world.boot("get-jwks");
    let tokens = Tokens::load(&boot).unwrap();
    let function = Function::http(boot, load, handle).await.unwrap();
    let answer = event("get-jwks/minimal").send(&function).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    let keys = answer.json()["keys"].clone();
    assert_eq!(keys.as_array().unwrap().len(), 1);
    // The key of RFC 7515, A.3, and not its private part.
    assert_eq!(
        keys[0],
        serde_json::json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "kid": "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
            "use": "sig",
            "alg": "ES256",
        })
    );
    let key = Principal::Key(KeyId::new(now(), 1));
    let token = AccessToken::new(TokenId::new(now(), 1), key, None, Vec::new(), None, now());
    let text = tokens.sign(&token).await.unwrap();
    assert!(tokens.verify(&text, now()).await.is_ok());
    assert!(world.probe.take_calls().is_empty(), "no store is asked");
}

#[tokio::test]
async fn without_keys_the_function_does_not_start() {
    let world = World::new().await;
    let boot = world.boot_with("get-jwks", &[("TOKEN_KEYS", "")]);
    let error = Function::http(boot, load, handle).await.unwrap_err();
    assert!(error.to_string().contains("TOKEN_KEYS"), "{error}");
}
