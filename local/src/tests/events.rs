//! The events against those in `events/`: each of them is sent as the request that it came from.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde_json::{Value, json};

use super::support::World;

/// What may not stand in the path of a request.
const OUTSIDE_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'<').add(b'>').add(b'?').add(b'`').add(b'%');

fn fixtures() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let mut found = Vec::new();
    for folder in fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        let Ok(files) = fs::read_dir(&folder) else { continue };
        for file in files {
            let path = file.unwrap().path();
            let name = path.strip_prefix(folder.parent().unwrap()).unwrap().display().to_string();
            let event = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
            found.push((name, event));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    assert!(found.len() > 50);
    found
}

/// The request that an event came from.
fn request(event: &Value) -> (String, Vec<u8>) {
    let http = &event["requestContext"]["http"];
    let path = utf8_percent_encode(event["rawPath"].as_str().unwrap(), OUTSIDE_PATH);
    let query = event["rawQueryString"].as_str().unwrap();
    let mark = if query.is_empty() { "" } else { "?" };
    let mut head = format!("{} {path}{mark}{query} HTTP/1.1", http["method"].as_str().unwrap());
    let mut add = |name: &str, value: &str| head.push_str(&format!("\r\n{name}: {value}"));
    for (name, value) in event["headers"].as_object().unwrap() {
        let is_the_gateways = name.starts_with("x-forwarded-") || name == "content-length";
        if !is_the_gateways {
            add(name, value.as_str().unwrap());
        }
    }
    let cookies: Vec<_> =
        event["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !cookies.is_empty() {
        add("cookie", &cookies.join("; "));
    }
    let body = event["body"].as_str().unwrap_or_default();
    let body = match event["isBase64Encoded"].as_bool() {
        Some(true) => BASE64.decode(body).unwrap(),
        Some(false) | None => body.as_bytes().to_vec(),
    };
    (head, body)
}

/// Takes out what differs by nature: the account, the machines, the moment.
fn normalise(event: &mut Value) {
    let context = event["requestContext"].as_object_mut().unwrap();
    for name in ["accountId", "apiId", "requestId"] {
        assert!(context.remove(name).is_some_and(|it| it.is_string()), "{name}");
    }
    assert!(context["http"].as_object_mut().unwrap().remove("sourceIp").is_some());
    let headers = event["headers"].as_object_mut().unwrap();
    for name in ["x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"] {
        assert!(headers.remove(name).is_some_and(|it| it.is_string()), "{name}");
    }
    // The front door's own: another test is about them.
    headers.retain(|name, _| name != "x-origin-secret" && !name.starts_with("cloudfront-"));
    // As good as none.
    if event["body"] == "" {
        event.as_object_mut().unwrap().remove("body");
    }
    // The route, without account and API.
    if let Some(arn) = event.get_mut("routeArn") {
        let route = arn.as_str().unwrap().split_once('/').unwrap().1.to_owned();
        *arn = json!(route);
    }
}

#[tokio::test]
async fn every_http_event_is_made_as_it_is_in_the_cloud() {
    let world = World::new().await;
    for (name, mut wanted) in fixtures() {
        let is_of_http = wanted["version"] == "2.0" && wanted["type"].is_null();
        if !is_of_http {
            continue;
        }
        let context = wanted["requestContext"]["authorizer"]["lambda"].clone();
        let decision = json!({"isAuthorized": true, "context": context});
        world.authorize(move |_| Ok(decision.clone()));
        // Decisions are remembered.
        world.clock.advance(jiff::SignedDuration::from_secs(61));
        let (head, body) = request(&wanted);
        let reply = world.ask_with(&head, &body).await;
        let is_closed = context.is_null() && wanted["rawPath"].as_str().unwrap().contains("/links");
        if is_closed && wanted["routeKey"] != "$default" {
            // The fixture is of what can only happen where the authorizer was forgotten.
            assert_eq!(reply.status, 401, "{name}");
            continue;
        }
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        let mut made = world.event();
        let at = made["requestContext"]["timeEpoch"].as_i64().unwrap();
        assert_eq!(at, world.clock.now().as_millisecond(), "{name}");
        for name in ["time", "timeEpoch"] {
            made["requestContext"][name] = wanted["requestContext"][name].clone();
        }
        normalise(&mut made);
        normalise(&mut wanted);
        // Its media type has a parameter: both forms are right, and the functions must take both.
        if name.ends_with("create-link/base64-body.json") {
            let body = BASE64.decode(wanted["body"].as_str().unwrap()).unwrap();
            wanted["body"] = json!(String::from_utf8(body).unwrap());
            wanted["isBase64Encoded"] = json!(false);
        }
        assert_eq!(made, wanted, "{name}");
    }
}

#[tokio::test]
async fn every_authorizer_event_is_made_as_it_is_in_the_cloud() {
    let world = World::new().await;
    let mut seen = 0;
    for (name, mut wanted) in fixtures() {
        if wanted["type"] != "REQUEST" {
            continue;
        }
        world.clock.advance(jiff::SignedDuration::from_secs(61));
        let (head, body) = request(&wanted);
        // hyper takes off the space at the end of a header, as every server must.
        let credentials = wanted["identitySource"][0].as_str().unwrap().trim_end().to_owned();
        wanted["identitySource"] = json!([credentials]);
        wanted["headers"]["authorization"] = json!(credentials);
        let reply = world.ask_with(&head, &body).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        let (function, mut made) = world.events.lock().unwrap().drain(..).next().unwrap();
        assert_eq!(function, "authorize", "{name}");
        for name in ["time", "timeEpoch"] {
            made["requestContext"][name] = wanted["requestContext"][name].clone();
        }
        normalise(&mut made);
        normalise(&mut wanted);
        assert_eq!(made, wanted, "{name}");
        seen += 1;
    }
    assert!(seen > 5);
}

#[tokio::test]
async fn the_time_is_written_twice() {
    let world = World::new().await;
    world.ask("GET /a HTTP/1.1").await;
    let event = world.event();
    assert_eq!(event["requestContext"]["time"], "20/Nov/2026:14:03:27 +0000");
    assert_eq!(event["requestContext"]["timeEpoch"], 1_795_183_407_412_i64);
    let trace = event["headers"]["x-amzn-trace-id"].as_str().unwrap();
    assert!(trace.starts_with("Root=1-6b00532f-") && trace.len() == 40, "{trace}");
    let id = event["requestContext"]["requestId"].as_str().unwrap();
    assert!(id.len() == 16 && id.ends_with('='), "{id}");
}

#[tokio::test]
async fn headers_are_joined_cookies_apart_and_hops_dropped() {
    let world = World::new().await;
    let head = "GET /a HTTP/1.1\r\nX-A: 1\r\nx-a: 2, 3\r\nCookie: a=1; b=2\r\nCookie: c=\"3\"\r\n\
                TE: trailers\r\nUpgrade: h2c\r\nX-Forwarded-For: 192.0.2.1\r\n\
                X-Forwarded-Proto: https\r\nX-Q: a\"b\\c\td\u{e9}";
    assert_eq!(world.ask(head).await.status, 200);
    let event = world.event();
    let headers = event["headers"].as_object().unwrap();
    assert_eq!(headers["x-a"], "1,2, 3");
    assert_eq!(event["cookies"], json!(["a=1", "b=2", "c=\"3\""]));
    assert_eq!(headers["x-forwarded-for"], "192.0.2.1, 127.0.0.1");
    assert_eq!(headers["x-forwarded-proto"], "http");
    assert_eq!(headers["x-q"], "a\"b\\c\td\u{e9}");
    for name in ["cookie", "te", "upgrade", "connection"] {
        assert!(!headers.contains_key(name), "{name}");
    }
    assert_eq!(event["requestContext"]["http"]["userAgent"], "");
}

/// The headers of an event that are the front door's.
fn of_front_door(event: &Value) -> Value {
    let mut headers = event["headers"].as_object().unwrap().clone();
    headers.retain(|name, _| {
        ["x-origin-secret", "cloudfront-", "x-local-"].iter().any(|it| name.starts_with(it))
    });
    Value::Object(headers)
}

#[tokio::test]
async fn the_gateway_tells_of_viewers_as_cloudfront_does_and_nobody_else_can() {
    let world = World::new().await;
    let plain = json!({
        "x-origin-secret": "the-new-one",
        "cloudfront-viewer-address": "127.0.0.1:0",
    });
    for head in [
        "GET /a HTTP/1.1",
        "GET /a HTTP/1.1\r\nX-Origin-Secret: the-old-one\r\nCloudFront-Viewer-Country: DE\r\n\
         CloudFront-Viewer-Address: 192.0.2.1:5\r\nCloudFront-Is-Mobile-Viewer: true",
        "GET /a HTTP/1.1\r\nX-Local-Address: nobody\r\nX-Local-Place:\r\nX-Local-Network: ",
    ] {
        assert_eq!(world.ask(head).await.status, 200);
        assert_eq!(of_front_door(&world.event()), plain, "{head}");
    }
    let head = "GET /a HTTP/1.1\r\nX-Local-Place: DE/BE/Berlin\r\nX-Local-Address: 203.0.113.9\r\n\
                X-Local-Network: 24940";
    assert_eq!(world.ask(head).await.status, 200);
    assert_eq!(
        of_front_door(&world.event()),
        json!({
            "x-origin-secret": "the-new-one",
            "cloudfront-viewer-address": "203.0.113.9:0",
            "cloudfront-viewer-country": "DE",
            "cloudfront-viewer-country-region": "BE",
            "cloudfront-viewer-city": "Berlin",
            "cloudfront-viewer-asn": "24940",
        })
    );
    let head = "GET /a HTTP/1.1\r\nX-Local-Place: CH\r\nX-Local-Address: 2001:db8::1";
    assert_eq!(world.ask(head).await.status, 200);
    let event = world.event();
    assert_eq!(event["headers"]["cloudfront-viewer-country"], "CH");
    assert_eq!(event["headers"]["cloudfront-viewer-address"], "2001:db8::1:0");
    assert!(event["headers"]["cloudfront-viewer-city"].is_null());
}

#[tokio::test]
async fn a_header_that_is_no_text_reaches_the_function_anyway() {
    let world = World::new().await;
    let request =
        b"GET /a HTTP/1.1\r\nhost: a\r\nuser-agent: \xff\xfe\r\nconnection: close\r\n\r\n";
    assert_eq!(world.send(request).await.status, 200);
    assert_eq!(world.event()["headers"]["user-agent"], "\u{fffd}\u{fffd}");
}

#[tokio::test]
async fn parameters_are_decoded_and_joined_and_the_query_is_left_as_it_is() {
    let world = World::new().await;
    for (query, parameters) in [
        ("", Value::Null),
        ("a=1&b=2", json!({"a": "1", "b": "2"})),
        ("a=1&a=2&a", json!({"a": "1,2,"})),
        ("a=x+y%2B%20z&%C3%A9=%26", json!({"a": "x y+ z", "é": "&"})),
        ("a=b=c&&=d", json!({"a": "b=c", "": "d"})),
        ("a=%zz%", json!({"a": "%zz%"})),
    ] {
        assert_eq!(world.ask(&format!("GET /a?{query} HTTP/1.1")).await.status, 200);
        let event = world.event();
        assert_eq!(event["rawQueryString"], query);
        assert_eq!(event["queryStringParameters"], parameters, "{query}");
    }
}

#[tokio::test]
async fn a_body_is_text_or_base_64_by_its_media_type() {
    let world = World::new().await;
    for (media_type, body, text) in [
        ("application/json", "{}".as_bytes(), true),
        ("Application/JSON; charset=utf-8", b"{}", true),
        ("text/plain", b"a\"\n\x01", true),
        ("application/xml", b"<a/>", true),
        ("application/merge-patch+json", b"{}", false),
        ("application/x-www-form-urlencoded", b"a=b", false),
        ("application/octet-stream", b"\0\xff", false),
        ("application/json", b"\xff", false),
        ("text", b"a", false),
        ("", b"a", false),
    ] {
        let head = format!(
            "POST /api/v1/links HTTP/1.1\r\nauthorization: a\r\ncontent-type: {media_type}"
        );
        assert_eq!(world.ask_with(&head, body).await.status, 200);
        let event = world.event();
        assert_eq!(event["isBase64Encoded"], !text, "{media_type}");
        let shown = event["body"].as_str().unwrap();
        let bytes = if text { shown.as_bytes().to_vec() } else { BASE64.decode(shown).unwrap() };
        assert_eq!(bytes, body, "{media_type}");
        assert_eq!(event["headers"]["content-length"], body.len().to_string());
    }
    let chunked = "POST /api/v1/links HTTP/1.1\r\nauthorization: a\r\ncontent-type: text/plain\r\n\
                   transfer-encoding: chunked";
    let reply = world.ask_with(chunked, b"2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n").await;
    assert_eq!(reply.status, 200);
    let event = world.event();
    assert_eq!(
        (&event["body"], &event["headers"]["content-length"]),
        (&json!("abcde"), &json!("5"))
    );
    assert!(event["headers"]["transfer-encoding"].is_null());
}
