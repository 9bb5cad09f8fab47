//! The handler from its events.

use lambda::Function;
use serde_json::json;
use testkit::{Answer, Event, World, event};

use super::*;

async fn send(event: Event) -> Answer {
    let world = World::new().await;
    let function = Function::http(world.boot("not-found"), load, handle).await.unwrap();
    let answer = event.send(&function).await;
    assert!(world.probe.take_calls().is_empty(), "it reads nothing");
    answer
}

/// An event for another path.
fn at(path: &str) -> Event {
    let mut event = event("not-found/minimal").json().clone();
    event["rawPath"] = json!(path);
    event["requestContext"]["http"]["path"] = json!(path);
    Event::of(event)
}

#[tokio::test]
async fn an_address_that_no_route_knows_is_a_problem_for_browsers_too() {
    for name in ["minimal", "browser"] {
        let answer = send(event(&format!("not-found/{name}"))).await;
        answer.assert_problem(Kind::NotFound);
    }
}

#[tokio::test]
async fn an_address_with_other_methods_says_which() {
    let answer = send(event("not-found/wrong-method")).await;
    answer.assert_problem(Kind::MethodNotAllowed);
    assert_eq!(answer.header("allow"), "GET, POST");
    // It is no invitation, which could be deleted.
    let answer = send(at("/api/v1/invitations/accept")).await;
    assert_eq!((answer.status, answer.header("allow")), (405, "POST"));
}

#[tokio::test]
async fn a_slug_with_a_slash_leads_to_the_slug() {
    for name in ["trailing-slash", "trailing-slash-head"] {
        let answer = send(event(&format!("not-found/{name}"))).await;
        assert_eq!((answer.status, answer.header("location")), (308, "/spring"), "{name}");
        assert_eq!(answer.header("cache-control"), "private, no-store", "{name}");
    }
}

#[tokio::test]
async fn the_query_goes_along() {
    let answer = send(event("not-found/trailing-slash-with-query")).await;
    assert_eq!(answer.header("location"), "/spring?utm_source=mail");
}

#[tokio::test]
async fn only_reading_is_sent_on() {
    send(event("not-found/trailing-slash-post")).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn what_the_gateway_did_not_find_is_not_said_to_be_there() {
    send(at("/spring")).await.assert_problem(Kind::NotFound);
}

#[tokio::test]
async fn nobody_is_led_to_another_site() {
    send(event("not-found/two-slashes")).await.assert_problem(Kind::NotFound);
    let paths = [
        "//evil.example/",
        "///evil.example/",
        "/\\evil.example/",
        "/%2Fevil.example/",
        "/%5Cevil.example/",
        "/https:evil.example/",
        "/a/b/",
        "/../",
        "/./",
        "//",
        "/",
        "",
        "/a\r\nlocation: https:/",
    ];
    for path in paths {
        let answer = send(at(path)).await;
        assert_eq!(answer.status, 404, "{path:?}");
    }
}

#[tokio::test]
async fn a_slug_of_other_letters_is_percent_encoded() {
    assert_eq!(send(at("/мир/")).await.header("location"), "/%D0%BC%D0%B8%D1%80");
}

#[tokio::test]
async fn no_query_breaks_the_header() {
    for query in ["a=%0d%0ax:y", "a=b\r\nx: y", "ü", "\u{7f}", "<>\"{}|\\^`"] {
        let answer = send(at("/spring/").query(query)).await;
        assert_eq!(answer.status, 308, "{query:?}");
        let location = answer.header("location");
        assert!(location.starts_with("/spring?") && location.is_ascii(), "{location:?}");
        assert!(!answer.headers.contains_key("x"), "{answer:?}");
    }
}
