//! The handler from its event.

use lambda::Function;
use testkit::{World, event};

use super::*;

#[tokio::test]
async fn it_answers_without_asking_anything_it_depends_on() {
    let world = World::new().await;
    let function = Function::http(world.boot("health"), load, handle).await.unwrap();
    let answer = event("health/minimal").send(&function).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json(), json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}));
    assert!(world.probe.take_calls().is_empty());
}
