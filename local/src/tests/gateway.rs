//! Answers, the authorizer, and clients that do not behave.

use std::time::Duration;

use jiff::SignedDuration;
use lambda::{Body, Response};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::support::{LIMIT, World};
use crate::gateway::Limits;

const LIST: &str = "GET /api/v1/links HTTP/1.1\r\nauthorization: Bearer x";

#[tokio::test]
async fn an_answer_becomes_a_response() {
    let world = World::new().await;
    world.answer(|_| {
        let headers = [
            ("content-type", "text/plain"),
            ("x-one", "1"),
            ("x-many", "a"),
            ("x-many", "b"),
            ("set-cookie", "a=1; HttpOnly"),
            ("set-cookie", "b=2"),
            ("content-length", "99"),
            ("connection", "keep-alive"),
            ("keep-alive", "timeout=5"),
        ];
        let begun = Response::builder().status(201);
        let headed = headers.iter().fold(begun, |it, (name, value)| it.header(*name, *value));
        headed.body("grüße".into()).unwrap()
    });
    let reply = world.ask("GET /a HTTP/1.1").await;
    assert_eq!((reply.status, reply.text()), (201, "grüße"));
    assert_eq!(reply.all("x-one"), ["1"]);
    assert_eq!(reply.all("x-many"), ["a", "b"]);
    assert_eq!(reply.all("set-cookie"), ["a=1; HttpOnly", "b=2"]);
    assert_eq!(reply.all("content-length"), ["7"]);
    assert_eq!(reply.all("connection"), ["close"]);
    assert!(reply.all("keep-alive").is_empty());
    assert_eq!(reply.all("apigw-requestid").len(), 1);
}

#[tokio::test]
async fn a_body_of_bytes_and_no_body_at_all() {
    let world = World::new().await;
    world.answer(|_| Response::new(vec![0, 255].into()));
    assert_eq!(world.ask("GET /a HTTP/1.1").await.body, [0, 255]);
    let found = || Response::builder().status(302).header("location", "/b");
    world.answer(move |_| found().body(Body::Empty).unwrap());
    let reply = world.ask("GET /a HTTP/1.1").await;
    assert_eq!((reply.status, reply.all("location")), (302, vec!["/b"]));
    assert!(reply.body.is_empty());
}

#[tokio::test]
async fn a_head_request_gets_no_body() {
    let world = World::new().await;
    world.answer(|_| Response::new("hello".into()));
    let reply = world.ask("HEAD /a HTTP/1.1").await;
    assert_eq!((reply.status, reply.body.len()), (200, 0));
}

#[tokio::test]
async fn a_function_that_fails_is_a_500_and_the_next_request_works() {
    let world = World::new().await;
    world.answer(|_| panic!("it panicked"));
    let reply = world.ask("GET /a HTTP/1.1").await;
    assert_eq!(reply.status, 500);
    assert_eq!(reply.json(), json!({"message": "Internal Server Error"}));
    world.answer(|_| Response::new(Body::Empty));
    assert_eq!(world.ask("GET /a HTTP/1.1").await.status, 200);
}

#[tokio::test]
async fn without_credentials_nobody_is_called() {
    let world = World::new().await;
    for head in ["GET /api/v1/links HTTP/1.1", "GET /api/v1/links HTTP/1.1\r\nauthorization:"] {
        let reply = world.ask(head).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.json(), json!({"message": "Unauthorized"}));
        assert_eq!(reply.all("content-type"), ["application/json"]);
    }
    assert!(world.called().is_empty());
}

#[tokio::test]
async fn the_authorizer_decides_once_a_minute_for_each_key() {
    let world = World::new().await;
    for _ in 0..3 {
        assert_eq!(world.ask(LIST).await.status, 200);
    }
    assert_eq!(world.called(), ["authorize", "list-links", "list-links", "list-links"]);
    // Another route, the same key; another key.
    world.ask("GET /api/v1/links/lnk_1 HTTP/1.1\r\nauthorization: Bearer x").await;
    world.ask("GET /api/v1/links HTTP/1.1\r\nauthorization: Bearer y").await;
    assert_eq!(world.called(), ["get-link", "authorize", "list-links"]);
    world.clock.advance(SignedDuration::from_secs(59));
    world.ask(LIST).await;
    assert_eq!(world.called(), ["list-links"]);
    world.clock.advance(SignedDuration::from_secs(1));
    world.ask(LIST).await;
    assert_eq!(world.called(), ["authorize", "list-links"]);
}

#[tokio::test]
async fn what_the_authorizer_says_is_passed_on() {
    let world = World::new().await;
    let context = json!({"auth": "ok", "scopes": "a \"b\"", "n": 5, "yes": true});
    let decision = json!({"isAuthorized": true, "context": context});
    world.authorize(move |_| Ok(decision.clone()));
    for _ in 0..2 {
        world.ask(LIST).await;
        assert_eq!(world.event()["requestContext"]["authorizer"], json!({"lambda": context}));
    }
}

#[tokio::test]
async fn a_denial_is_remembered_and_a_failure_is_not() {
    let world = World::new().await;
    world.authorize(|_| Ok(json!({"isAuthorized": false})));
    for _ in 0..2 {
        let reply = world.ask(LIST).await;
        assert_eq!((reply.status, reply.json()), (403, json!({"message": "Forbidden"})));
    }
    assert_eq!(world.called(), ["authorize"]);
    world.clock.advance(SignedDuration::from_secs(61));
    world.authorize(|_| Err("it failed"));
    assert_eq!(world.ask(LIST).await.status, 500);
    world.authorize(|_| Ok(json!("yes")));
    assert_eq!(world.ask(LIST).await.status, 500);
    assert_eq!(world.called(), ["authorize", "authorize"]);
}

#[tokio::test]
async fn nonsense_is_refused_and_hurts_nobody() {
    let world = World::new().await;
    let long = format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "a".repeat(100_000));
    let many = format!("GET /a HTTP/1.1\r\nhost: a\r\n{}\r\n", "x: y\r\n".repeat(5_000));
    for (request, status) in [
        ("GET /a HTTP/1.1\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost:\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: a b\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: a/b\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: u@a\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: \u{e9}\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: a:b:c\r\n\r\n", 400),
        ("GET http://u@b/a HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("OPTIONS * HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET a HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET /a b HTTP/1.1\r\nhost: a\r\n\r\n", 400),
        ("GET /a\r\n\r\n", 400),
        ("hello\r\n\r\n", 400),
        ("\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: a\r\na b: c\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: x\r\n\r\n", 400),
        ("GET /a HTTP/1.1\r\nhost: a\r\ncontent-length: x\r\n\r\n", 400),
        ("POST /a HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n", 400),
        (long.as_str(), 431),
        (many.as_str(), 431),
    ] {
        let reply = world.send(request.as_bytes()).await;
        let shown: String = request.chars().take(80).collect();
        assert_eq!(reply.status, status, "{shown:?}: {reply:?}");
    }
    assert!(world.called().is_empty());
    // What is only unusual works.
    for request in [
        "GET http://b.example:8000/a HTTP/1.1\r\nhost: ignored\r\nconnection: close\r\n\r\n",
        "GET /a HTTP/1.0\r\nhost: b.example:8000\r\n\r\n",
    ] {
        assert_eq!(world.send(request.as_bytes()).await.status, 200);
        let event = world.event();
        assert_eq!(event["requestContext"]["domainName"], "b.example");
        assert_eq!(event["requestContext"]["domainPrefix"], "b");
        assert_eq!(event["headers"]["host"], "b.example:8000");
    }
}

#[tokio::test]
async fn a_body_above_the_limit_is_a_413_however_it_comes() {
    let world = World::new().await;
    let most = 10 * 1024 * 1024;
    let body = vec![b'a'; most + 1];
    let head = "POST /a HTTP/1.1\r\ncontent-type: text/plain";
    assert_eq!(world.ask_with(head, &body[..most]).await.status, 200);
    let event = world.event();
    assert_eq!(event["body"].as_str().unwrap().len(), most);
    let reply = world.ask_with(head, &body).await;
    assert_eq!((reply.status, reply.json()), (413, json!({"message": "Request Entity Too Large"})));
    let mut chunked = format!("{:x}\r\n", body.len()).into_bytes();
    chunked.extend_from_slice(&body);
    chunked.extend_from_slice(b"\r\n0\r\n\r\n");
    let head = "POST /a HTTP/1.1\r\ntransfer-encoding: chunked";
    assert_eq!(world.ask_with(head, &chunked).await.status, 413);
    // Who only says that it will be large need not send it.
    let asking = "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 99999999999\r\n\
                  expect: 100-continue\r\n\r\n";
    let mut socket = TcpStream::connect(world.address).await.unwrap();
    socket.write_all(asking.as_bytes()).await.unwrap();
    socket.shutdown().await.unwrap();
    let mut answer = Vec::new();
    timeout(LIMIT, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&answer).contains(" 413 "), "{answer:?}");
    assert!(world.called().is_empty());
}

#[tokio::test]
async fn slow_clients_are_given_up() {
    let limits = Limits {
        head: Duration::from_millis(100),
        body: Duration::from_millis(100),
        write: Duration::from_millis(100),
        ..Limits::default()
    };
    let world = World::with(limits).await;
    let mut sockets = Vec::new();
    for begin in [
        "",
        "GET /a HT",
        "GET /a HTTP/1.1\r\nhost: a\r\n",
        "POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nab",
    ] {
        let mut socket = TcpStream::connect(world.address).await.unwrap();
        socket.write_all(begin.as_bytes()).await.unwrap();
        sockets.push(socket);
    }
    for mut socket in sockets {
        let mut answer = Vec::new();
        timeout(LIMIT, socket.read_to_end(&mut answer)).await.unwrap().unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.contains(" 408 "), "{answer}");
    }
    assert!(world.called().is_empty());
}

#[tokio::test]
async fn who_does_not_take_the_answer_loses_the_connection() {
    let limits = Limits { write: Duration::from_millis(200), connections: 1, ..Limits::default() };
    let world = World::with(limits).await;
    let large = "x".repeat(20_000_000);
    world.answer(move |_| Response::new(large.clone().into()));
    let mut deaf = TcpStream::connect(world.address).await.unwrap();
    deaf.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // There is one place only: this is answered when the other one has been thrown out.
    assert_eq!(world.ask("GET /b HTTP/1.1").await.status, 200);
    drop(deaf);
}

#[tokio::test]
async fn several_requests_share_a_connection() {
    let world = World::new().await;
    let two =
        "GET /a HTTP/1.1\r\nhost: a\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n";
    world.send(two.as_bytes()).await;
    let events = world.events.lock().unwrap();
    let paths: Vec<_> = events.iter().map(|(_, event)| event["rawPath"].clone()).collect();
    assert_eq!(paths, ["/a", "/b"]);
    let ids: std::collections::HashSet<_> =
        events.iter().map(|(_, event)| event["requestContext"]["requestId"].to_string()).collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test]
async fn stopping_finishes_what_has_begun_and_closes_what_waits() {
    let mut world = World::new().await;
    let (begun, has_begun) = std::sync::mpsc::channel();
    world.answer(move |_| {
        begun.send(()).unwrap();
        // A handler's own time; nothing waits for a moment here.
        std::thread::sleep(Duration::from_millis(200));
        Response::new(Body::Empty)
    });
    let mut idle = TcpStream::connect(world.address).await.unwrap();
    let mut busy = TcpStream::connect(world.address).await.unwrap();
    busy.write_all(b"GET /a HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    tokio::task::spawn_blocking(move || has_begun.recv().unwrap()).await.unwrap();
    world.stop();
    let mut answer = Vec::new();
    timeout(LIMIT, busy.read_to_end(&mut answer)).await.unwrap().unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&answer));
    let mut rest = Vec::new();
    timeout(LIMIT, idle.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty());
    timeout(LIMIT, &mut world.serving).await.unwrap().unwrap();
    assert!(TcpStream::connect(world.address).await.is_err());
}
