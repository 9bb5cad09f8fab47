//! The real binary under a Lambda service that freezes it as the real one does: the click is sent
//! after the answer, and never lost in silence.
//!
//! Not in `src/tests.rs`, because Cargo builds a binary only for tests of this kind.

#![cfg(unix)]

use std::process::Command;
use std::time::Duration;

use domain::{Day, Salt};
use jiff::Timestamp;
use lambda::{After, Boot, Clock, EnvError, Problem, Request, StatusCode};
use serde_json::{Value, json};
use testkit::probe::{Fault, On};
use testkit::runtime_api::{Lambda, Party, Settings};
use testkit::{Event, World, event};

const REDIRECT: &str = env!("CARGO_BIN_EXE_redirect");

const ENDED: &str = "log the extension ended: clicks are sent before the answer";
const NO_EXTENSIONS: &str = "log no Extensions API: clicks are sent before the answer";

fn get(visitor: &str) -> Event {
    event("redirect/minimal").header("user-agent", visitor)
}

/// The visitors whose clicks came to the queue, in order.
fn senders(lambda: &Lambda) -> Vec<String> {
    let calls = lambda.journal().into_iter().filter(|entry| entry.what == "SendMessage begins");
    let click = |body: &Value| {
        let text = body["MessageBody"].as_str().expect("a message has a body");
        serde_json::from_str::<Value>(text).expect("a click is JSON")
    };
    calls.map(|call| click(&call.body)["user_agent"].as_str().unwrap_or("").to_owned()).collect()
}

fn times(of: usize, steps: &[&str]) -> Vec<String> {
    let step = |n: usize, step: &&str| step.replace('#', &n.to_string());
    (1..=of).flat_map(|n| steps.iter().map(move |text| step(n, text))).collect()
}

/// Makes salts for the days on which this test may run: the binary has the system's clock.
async fn put_salts(world: &World) {
    let today = Day::of(Clock::system().now());
    for day in [today, today.next()] {
        world.salts().put(day, &Salt::of_random(1, 1)).await.expect("the salt is made");
    }
}

/// The lines of lost clicks.
fn lost(lambda: &Lambda) -> Vec<Value> {
    lambda.log().into_iter().filter(|line| line.get("lost_click").is_some()).collect()
}

fn time(text: &Value) -> Timestamp {
    text.as_str().and_then(|text| text.parse().ok()).expect("it is a time")
}

fn seconds(seconds: u64) -> Settings {
    Settings { timeout: Duration::from_secs(seconds), ..Settings::default() }
}

#[tokio::test]
async fn the_click_is_sent_after_the_answer_and_the_process_stays_awake_for_it() {
    let world = World::with_spring().await;
    world.probe.inject(On::operation("SendMessage"), Fault::Delay(Duration::from_millis(300)));
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    assert_eq!(lambda.send(&get("a")).await.status, 302);

    let order = lambda.order(&["register", "extension", "answer", "SendMessage", "over"]);
    let expected = [
        "register",
        "extension asks",
        "extension has 1",
        "answer 1",
        "SendMessage begins",
        "SendMessage ends",
        "extension asks",
        "over 1",
    ];
    assert_eq!(order, expected, "{}", lambda.story());
    // The runtime does not wait for the click: Lambda may hold the answer back until it asks.
    let order = lambda.order(&["runtime", "answer", "SendMessage ends"]);
    let expected =
        ["runtime asks", "runtime has 1", "answer 1", "runtime asks", "SendMessage ends"];
    assert_eq!(order, expected, "{}", lambda.story());
    assert_eq!(world.take_clicks().await.len(), 1);
}

#[tokio::test]
async fn nobody_waits_for_the_salt_and_a_click_does_not_wait_long() {
    let world = World::with_spring().await;
    put_salts(&world).await;
    world.probe.inject(
        On::operation("GetItem").table("salts").once(),
        Fault::Delay(Duration::from_millis(300)),
    );
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    assert_eq!(lambda.send(&get("a")).await.status, 302);
    assert_eq!(lambda.send(&get("a")).await.status, 302);
    let order = lambda.order(&["GetItem", "answer", "SendMessage"]);
    let expected = [
        // The link.
        "GetItem begins",
        "GetItem ends",
        "answer 1",
        // The salt, once for both.
        "GetItem begins",
        "GetItem ends",
        "SendMessage begins",
        "SendMessage ends",
        "answer 2",
        "SendMessage begins",
        "SendMessage ends",
    ];
    assert_eq!(order, expected, "{}", lambda.story());
    let clicks = world.take_clicks().await;
    assert!(clicks[0]["visitor"].is_string(), "{clicks:?}");
    assert_eq!(clicks[0]["visitor"], clicks[1]["visitor"]);
}

#[tokio::test]
async fn a_salt_that_does_not_come_costs_the_visitor_and_not_the_click() {
    let world = World::with_spring().await;
    put_salts(&world).await;
    world.probe.inject(On::operation("GetItem").table("salts"), Fault::StopBefore);
    let lambda = Lambda::start(&world, seconds(4), REDIRECT, &[]).await;
    assert_eq!(lambda.send(&get("a")).await.status, 302);
    assert_eq!(lambda.send(&get("b")).await.status, 302);
    assert_eq!(senders(&lambda), ["a", "b"], "{}", lambda.story());
    let (sent, answered) = (lambda.first("SendMessage begins").at, lambda.first("answer 1").at);
    let waited = sent.duration_since(answered);
    assert!(waited < jiff::SignedDuration::from_millis(1_900), "{waited}");
    let clicks = world.take_clicks().await;
    assert!(clicks.iter().all(|click| click["visitor"].is_null()), "{clicks:?}");
    lambda.until_times("log no salt", 1).await;
    assert_eq!(lambda.order(&["log no salt"]).len(), 1, "{}", lambda.story());
}

#[tokio::test]
async fn an_orphan_is_told_of_after_the_answer() {
    let world = World::new().await;
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    for name in ["unknown-slug", "unknown-slug-in-a-browser"] {
        assert_eq!(lambda.send(&event(&format!("redirect/{name}"))).await.status, 404);
    }
    let order = lambda.order(&["answer", "SendMessage", "over"]);
    let steps = ["answer #", "SendMessage begins", "SendMessage ends", "over #"];
    assert_eq!(order, times(2, &steps), "{}", lambda.story());
}

#[tokio::test]
async fn a_lost_click_is_logged_without_an_address() {
    let world = World::with_spring().await;
    put_salts(&world).await;
    world.probe.inject(On::operation("SendMessage"), Fault::THROTTLED);
    let env = [("ORIGIN_SECRET", "a secret")];
    let lambda = Lambda::start(&world, seconds(4), REDIRECT, &env).await;
    assert_eq!(lambda.send(&event("redirect/through-cloudfront")).await.status, 302);
    lambda.until_times("over", 1).await;
    lambda.until_times("log the click", 1).await;
    let log = lambda.log();
    let [lost] = lost(&lambda).try_into().expect("one line");
    assert!(lost["lost_click"].as_str().is_some_and(|it| it.contains("\"visitor\":\"")), "{lost}");
    for line in &log {
        let line = line.to_string();
        assert!(!line.contains("198.51.100.10") && !line.contains("203.0.113"), "{line}");
    }
}

#[tokio::test]
async fn it_does_not_matter_who_hears_of_a_request_first() {
    for last in [Party::Runtime, Party::Extension] {
        let world = World::with_spring().await;
        let settings = Settings { last: Some(last), ..Settings::default() };
        let lambda = Lambda::start(&world, settings, REDIRECT, &[]).await;
        for _ in 0..3 {
            lambda.send(&get("a")).await;
            lambda.send(&event("redirect/impossible-slug")).await;
        }
        assert_eq!(world.take_clicks().await.len(), 3, "{last:?}\n{}", lambda.story());
        assert_eq!(lambda.order(&["answer", "over"]), times(6, &["answer #", "over #"]));
    }
}

#[tokio::test]
async fn what_is_no_click_keeps_nobody_waiting() {
    let world = World::with_spring().await;
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    let nothing =
        [("impossible-slug", 404), ("head", 302), ("root", 200), ("head-unknown-slug", 404)];
    for (name, status) in nothing {
        let answer = lambda.send(&event(&format!("redirect/{name}"))).await;
        assert_eq!(answer.status, status, "{name}");
    }
    for event in [json!({"no": "http"}), json!("text"), json!(null)] {
        lambda.invoke(&event).await.expect_err("this is no request");
    }
    assert_eq!(lambda.order(&["SendMessage"]), [""; 0]);
    lambda.send(&get("a")).await;
    assert_eq!(senders(&lambda), ["a"]);
    assert_eq!(lambda.order(&["over"]), times(8, &["over #"]));
    assert_eq!(lambda.order(&["error"]), ["error 5", "error 6", "error 7"]);
}

#[tokio::test]
async fn fifty_clicks_in_a_row_arrive_once_each_and_in_order() {
    let world = World::with_spring().await;
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    for n in 1..=50 {
        lambda.send(&get(&n.to_string())).await;
    }
    assert_eq!(senders(&lambda), times(50, &["#"]));
    let steps = ["answer #", "SendMessage begins", "SendMessage ends", "over #"];
    let order = lambda.order(&["answer", "SendMessage", "over"]);
    assert_eq!(order, times(50, &steps), "{}", lambda.story());
    let mut stored = world.take_clicks().await;
    stored.sort_by_key(|click| click["id"].to_string());
    stored.dedup_by_key(|click| click["id"].to_string());
    assert_eq!(stored.len(), 50);
}

#[tokio::test]
async fn requests_that_wait_in_line_leave_one_click_each() {
    let world = World::with_spring().await;
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    for n in 1..=10 {
        lambda.submit(get(&n.to_string()).json());
    }
    lambda.until("over 10").await;
    assert_eq!(senders(&lambda), times(10, &["#"]));
}

/// The click is in the log, whole, before the deadline, and the next request is answered.
async fn is_in_the_log(fault: Fault, env: &[(&str, &str)]) -> Lambda {
    let world = World::with_spring().await;
    world.probe.inject(On::operation("SendMessage").holding("lost"), fault);
    let lambda = Lambda::start(&world, seconds(2), REDIRECT, env).await;
    assert_eq!(lambda.send(&get("lost")).await.status, 302);
    assert_eq!(lambda.send(&get("sent")).await.status, 302);

    lambda.until_times("log the click", 1).await;
    let lost = lost(&lambda);
    assert_eq!(lost.len(), 1, "{}", lambda.story());
    let line = &lost[0];
    let call = lambda.first("SendMessage begins");
    assert_eq!(line["lost_click"], call.body["MessageBody"], "the click is whole");
    assert_eq!(
        (&line["level"], &line["function_request_id"]),
        (&"ERROR".into(), &"request-1".into())
    );
    let written = time(&line["timestamp"]);
    assert!(written < time(&lambda.first("runtime has 1").body), "{}", lambda.story());
    assert!(written < lambda.first("over 1").at, "{}", lambda.story());
    assert_eq!(world.take_clicks().await.len(), 1);
    lambda
}

#[tokio::test]
async fn a_click_that_the_queue_refuses_is_in_the_log() {
    let refused = Fault::Error { status: 400, code: "AccessDeniedException" };
    let lambda = is_in_the_log(refused, &[]).await;
    let order = lambda.order(&["answer 1", "SendMessage ends", "over 1"]);
    assert_eq!(order[..3], ["answer 1", "SendMessage ends", "over 1"]);
}

#[tokio::test]
async fn a_click_that_cannot_reach_the_queue_is_in_the_log() {
    is_in_the_log(Fault::Unreachable, &[]).await;
}

#[tokio::test]
async fn a_click_that_the_queue_does_not_answer_is_in_the_log() {
    let lambda = is_in_the_log(Fault::StopBefore, &[]).await;
    let order = lambda.order(&["answer 1", "SendMessage begins", "over 1"]);
    assert_eq!(order[..3], ["answer 1", "SendMessage begins", "over 1"]);
}

#[tokio::test]
async fn a_redirect_waits_for_a_queue_that_does_not_answer_until_a_second_before_the_deadline() {
    let lambda = is_in_the_log(Fault::StopBefore, &[("CLICK_SEND", "before")]).await;
    let order = lambda.order(&["register", "extension", "SendMessage begins", "answer 1"]);
    assert_eq!(order[..2], ["SendMessage begins", "answer 1"]);
    let answered = lambda.first("answer 1").at;
    assert!(time(&lost(&lambda)[0]["timestamp"]) < answered, "{}", lambda.story());
    assert!(answered < time(&lambda.first("runtime has 1").body), "{}", lambda.story());
}

#[tokio::test]
async fn without_an_extensions_api_the_click_is_sent_before_the_answer() {
    let world = World::with_spring().await;
    let settings = Settings { extensions: false, ..Settings::default() };
    let lambda = Lambda::start(&world, settings, REDIRECT, &[]).await;
    for n in 1..=3 {
        lambda.send(&get(&n.to_string())).await;
    }
    assert_eq!(senders(&lambda), times(3, &["#"]));
    let steps = ["SendMessage begins", "SendMessage ends", "answer #", "over #"];
    assert_eq!(lambda.order(&["SendMessage", "answer", "over"]), times(3, &steps));
    assert_eq!(lambda.order(&["register", "extension"]), ["register"]);
    lambda.until(NO_EXTENSIONS).await;
    assert_eq!(lambda.order(&[NO_EXTENSIONS]), [NO_EXTENSIONS]);
    assert_eq!(lambda.first(NO_EXTENSIONS).body["level"], "WARN");
}

#[tokio::test]
async fn a_click_is_sent_before_the_answer_where_the_operator_wants_it() {
    let world = World::with_spring().await;
    let env = [("CLICK_SEND", "before")];
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &env).await;
    lambda.send(&get("a")).await;
    let order = lambda.order(&["register", "extension", "SendMessage", "answer", "over"]);
    assert_eq!(order, ["SendMessage begins", "SendMessage ends", "answer 1", "over 1"]);
}

#[tokio::test]
async fn when_the_extension_ends_clicks_are_sent_before_the_answer() {
    let world = World::with_spring().await;
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    lambda.send(&get("1")).await;
    lambda.refuse(Party::Extension);
    for visitor in ["2", "3", "4"] {
        lambda.send(&get(visitor)).await;
    }
    lambda.until(ENDED).await;
    assert_eq!(senders(&lambda), times(4, &["#"]));
    let mut expected = times(2, &["answer #", "SendMessage ends"]);
    expected
        .extend(["SendMessage ends", "answer 3", "SendMessage ends", "answer 4"].map(Into::into));
    assert_eq!(lambda.order(&["answer", "SendMessage ends"]), expected, "{}", lambda.story());
    assert_eq!(lambda.order(&[ENDED]), [ENDED]);
}

#[tokio::test]
async fn when_the_runtime_fails_the_click_is_sent_before_the_process_ends() {
    let world = World::with_spring().await;
    world.probe.inject(On::operation("SendMessage"), Fault::Delay(Duration::from_millis(300)));
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    lambda.submit(get("a").json());
    lambda.until("runtime has 1").await;
    lambda.refuse(Party::Runtime);
    lambda.until("ended").await;
    let order = lambda.order(&["answer", "SendMessage", "ended"]);
    let expected = ["answer 1", "SendMessage begins", "SendMessage ends", "ended"];
    assert_eq!(order, expected, "{}", lambda.story());
    assert_ne!(lambda.first("ended").body, 0);
    assert_eq!(world.take_clicks().await.len(), 1);
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why_and_ends() {
    let world = World::new().await;
    let env = [("CLICK_SEND", "sometimes")];
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &env).await;
    lambda.until("ended").await;
    let error = lambda.first("log the function cannot start").body;
    assert!(error["error"].to_string().contains("`CLICK_SEND` is `sometimes`"), "{error}");
    assert_eq!(lambda.first("ended").body, 1);
    assert_eq!(lambda.order(&["runtime", "register"]), [""; 0]);
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_a_503_before_the_deadline() {
    let world = World::with_spring().await;
    world.probe.inject(On::operation("GetItem"), Fault::StopBefore);
    let lambda = Lambda::start(&world, seconds(2), REDIRECT, &[]).await;
    assert_eq!(lambda.send(&get("a")).await.status, 503);
    assert!(lambda.first("answer 1").at < time(&lambda.first("runtime has 1").body));
    world.probe.heal();
    assert_eq!(lambda.send(&get("b")).await.status, 302);
    assert_eq!(senders(&lambda), ["b"]);
}

#[tokio::test]
async fn a_known_link_is_served_stale_when_the_database_does_not_answer() {
    let world = World::with_spring().await;
    world.probe.inject(On::operation("GetItem").after(1), Fault::StopBefore);
    let env = [("CACHE_TTL_SECONDS", "0")];
    let lambda = Lambda::start(&world, seconds(5), REDIRECT, &env).await;
    for visitor in ["fresh", "stale"] {
        assert_eq!(lambda.send(&get(visitor)).await.status, 302, "{}", lambda.story());
    }
    assert!(lambda.first("answer 2").at < time(&lambda.first("runtime has 2").body));
    assert_eq!(senders(&lambda), ["fresh", "stale"]);
}

#[tokio::test]
async fn the_log_has_one_line_of_json_for_each_request() {
    let world = World::with_spring().await;
    put_salts(&world).await;
    let lambda = Lambda::start(&world, Settings::default(), REDIRECT, &[]).await;
    let events = ["minimal", "head", "unknown-slug", "unknown-slug-in-a-browser", "root", "robots"];
    for name in events {
        lambda.send(&event(&format!("redirect/{name}"))).await;
    }
    lambda.until_times("log answered", events.len()).await;
    assert_eq!(lambda.order(&["text"]), [""; 0], "{}", lambda.story());
    let log = lambda.log();
    assert_eq!(log.len(), events.len(), "{}", lambda.story());
    for (n, line) in log.iter().enumerate() {
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["function_request_id"], format!("request-{}", n + 1));
        let route = line["http.route"].as_str().expect("a route");
        assert!(["GET /{slug}", "HEAD /{slug}", "GET /"].contains(&route), "{route}");
        assert!(line["http.status"].is_u64() && line["duration_ms"].is_u64(), "{line}");
        time(&line["timestamp"]);
    }
}

/// A function that panics when it is asked to. It is this very test binary, started again.
#[test]
fn stand_in() {
    if lambda::Env::process().optional("AWS_LAMBDA_RUNTIME_API").is_some() {
        lambda::serve_http_then("stand-in", load, handle, then).expect("it is killed before");
    }
}

async fn load(_: Boot) -> Result<(), EnvError> {
    Ok(())
}

async fn handle((): (), request: Request) -> Result<After<String>, Problem> {
    let path = request.uri().path().to_owned();
    assert!(path != "/panic", "the handler was asked to panic");
    Ok(After { response: Ok(lambda::html(StatusCode::OK, "")), then: Some(path) })
}

async fn then((): (), path: String, _: Duration) {
    assert!(path != "/then-panic", "the work was asked to panic");
    tracing::info!("did {path}");
}

#[tokio::test]
async fn a_panic_keeps_nobody_waiting() {
    let world = World::new().await;
    let stand_in = std::env::current_exe().expect("this test is a file");
    for mode in ["after", "before"] {
        let mut program = Command::new(&stand_in);
        program.args(["stand_in", "--exact", "--nocapture", "--test-threads=2"]);
        let env = [("CLICK_SEND", mode)];
        let lambda = Lambda::start_with(&world, Settings::default(), &mut program, &env).await;
        for (slug, status) in [("panic", 500), ("a", 200), ("then-panic", 200), ("b", 200)] {
            let answer = lambda.send(&event("redirect/minimal").path("slug", slug)).await;
            assert_eq!(answer.status, status, "{mode}: {slug}\n{}", lambda.story());
        }
        lambda.until("log did /b").await;
        assert_eq!(lambda.order(&["log did"]), ["log did /a", "log did /b"], "{mode}");
        let panics = [
            "log panicked: the handler was asked to panic",
            "log panicked: the work was asked to panic",
        ];
        assert_eq!(lambda.order(&["log panicked"]), panics, "{mode}");
        assert_eq!(lambda.order(&["over"]), times(4, &["over #"]), "{mode}");
    }
}
