//! The guard around a small function that makes a key, against the embedded stores.

use domain::{ApiKey, KeyId, KeyRecord, Scope};
use jiff::SignedDuration;
use lambda::{Function, HeaderValue, Kind, StatusCode, auth};
use serde_json::{Value, json};
use store::{AccountStore, CreateKeyError};
use testkit::people::{ADA, key};
use testkit::probe::{Fault, On};
use testkit::{Answer, Event, OTHER_WORKSPACE, World, event};

use super::*;

/// What the small function works with.
#[derive(Debug, Clone)]
struct App {
    guard: Guard,
    accounts: AccountStore,
    clock: Clock,
    random: Random,
}

async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        guard: Guard::load(&boot)?,
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        clock: boot.clock,
        random: boot.random,
    })
}

async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksWrite)?;
    app.guard.admit(&caller, || make(&app, &caller, &request)).await
}

async fn make(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let first = match app.guard.once(caller, request).await? {
        Once::Answered(answer) => return Ok(answer),
        Once::First(first) => first,
    };
    if request.body().is_empty() {
        return Err(Problem::client(Kind::NotFound, "nothing"));
    }
    let id = KeyId::new(app.clock.now(), app.random.u128());
    let made = ApiKey::new(id, [app.random.u128(), app.random.u128()]);
    let record = KeyRecord { id, hash: made.hash(), workspace: caller.workspace()?, ..key() };
    let mut response = lambda::json(StatusCode::CREATED, &json!({ "key": made.reveal() }))?;
    response.headers_mut().insert("location", HeaderValue::from_static("/x"));
    let journal = app.guard.journal(caller, Action::KeyCreated, id)?;
    match app.accounts.create_key(&record, &journal.answered(first.keep(&response)?)).await {
        Ok(()) => Ok(response),
        Err(CreateKeyError::Answered) => app.guard.replay(first).await,
        Err(CreateKeyError::Unavailable(error)) => Err(Problem::server(Kind::Unavailable, error)),
    }
}

async fn function_with(world: &World, settings: &[(&'static str, &str)]) -> Function {
    Function::http(world.boot_with("create-key", settings), load, handle).await.unwrap()
}

async fn start() -> (World, Function) {
    let world = World::new().await;
    let function = function_with(&world, &[]).await;
    (world, function)
}

fn post() -> Event {
    event("create-link/minimal")
}

fn keyed(key: &str) -> Event {
    post().header("idempotency-key", key)
}

/// The event of a caller of whom the authorizer says something else.
fn of(event: Event, name: &str, value: &str) -> Event {
    let mut event = event.json().clone();
    event["requestContext"]["authorizer"]["lambda"][name] = json!(value);
    Event::of(event)
}

async fn keys(world: &World) -> usize {
    world.accounts().keys(key().workspace, None, 100).await.unwrap().items.len()
}

fn left(answer: &Answer) -> (&str, &str) {
    (answer.header("ratelimit-policy"), answer.header("ratelimit"))
}

// --- How often --------------------------------------------------------------------------------

#[tokio::test]
async fn what_is_left_is_told_with_success_and_with_faults() {
    let (_, function) = start().await;
    let policy = "\"writes\";q=6000;w=60";
    let answer = post().send(&function).await;
    assert_eq!((answer.status, left(&answer)), (201, (policy, "\"writes\";r=5999;t=1")));
    let answer = post().text_body("").send(&function).await;
    assert_eq!((answer.status, left(&answer)), (404, (policy, "\"writes\";r=5998;t=1")));
    let answer = keyed("").send(&function).await;
    assert_eq!((answer.status, left(&answer)), (400, (policy, "\"writes\";r=5997;t=1")));
}

#[tokio::test]
async fn who_may_not_is_not_counted() {
    let (world, function) = start().await;
    let answer = event("create-link/not-authorized").send(&function).await;
    assert_eq!((answer.status, left(&answer)), (401, ("", "")));
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_at_once_a_limit_of_a_hundred_lets_through_a_hundred() {
    let world = World::new().await;
    // Ten processes, so that what one remembers does not decide.
    let mut processes = Vec::new();
    for _ in 0..10 {
        processes.push(function_with(&world, &[("WRITES_PER_MINUTE", "100")]).await);
    }
    let requests: Vec<_> = (0..1000)
        .map(|number: usize| {
            let function = processes[number % 10].clone();
            tokio::spawn(async move { post().text_body("").send(&function).await })
        })
        .collect();
    let (mut granted, mut refused) = (0, 0);
    for request in requests {
        let answer = request.await.unwrap();
        match answer.status {
            404 => granted += 1,
            _ => {
                answer.assert_problem(Kind::RateLimited);
                assert_eq!(left(&answer), ("\"writes\";q=100;w=60", "\"writes\";r=0;t=60"));
                assert_eq!(answer.header("retry-after"), "1");
                refused += 1;
            }
        }
    }
    assert_eq!((granted, refused), (100, 900));
    assert_eq!(world.metrics.counted("RateLimitUnavailable"), 0);
    // What a minute brings, it brings evenly: one each 0.6 s.
    let more = async || {
        let mut more = 0;
        while post().text_body("").send(&processes[0]).await.status == 404 {
            more += 1;
        }
        more
    };
    assert_eq!(more().await, 0);
    world.clock.advance(SignedDuration::from_millis(599));
    assert_eq!(more().await, 0);
    world.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(more().await, 1);
    world.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(more().await, 50);
    world.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(more().await, 100);
}

#[tokio::test]
async fn a_refusal_is_remembered_and_costs_nothing_until_its_time_has_come() {
    let world = World::new().await;
    let function = function_with(&world, &[("WRITES_PER_MINUTE", "2")]).await;
    let ask = || post().text_body("");
    for status in [404, 404, 429, 429] {
        assert_eq!(ask().send(&function).await.status, status);
    }
    // The bucket was as expected each time: one call for each that was let through.
    assert_eq!(world.probe.take_operations(), ["UpdateItem"; 2]);
    // Another process has to ask; it looks for a full bucket first, and then it knows.
    let other = function_with(&world, &[("WRITES_PER_MINUTE", "2")]).await;
    assert_eq!(ask().send(&other).await.header("retry-after"), "30");
    assert_eq!(ask().send(&other).await.status, 429);
    assert_eq!(world.probe.take_operations(), ["UpdateItem"]);
    world.clock.advance(SignedDuration::from_secs(30));
    assert_eq!(ask().send(&function).await.status, 404);
    assert_eq!(world.probe.take_operations(), ["UpdateItem"]);
    // What the other one remembers is older: it asks, and is told.
    assert_eq!(ask().send(&other).await.status, 429);
    assert_eq!(world.probe.take_operations(), ["UpdateItem"]);
}

#[tokio::test]
async fn a_bucket_that_others_use_takes_two_calls_at_the_most() {
    let world = World::new().await;
    let (one, other) = (function_with(&world, &[]).await, function_with(&world, &[]).await);
    assert_eq!(post().text_body("").send(&one).await.status, 404);
    world.probe.take_calls();
    let answer = post().text_body("").send(&other).await;
    assert_eq!((answer.status, answer.header("ratelimit")), (404, "\"writes\";r=5998;t=1"));
    assert_eq!(world.probe.take_operations(), ["UpdateItem"; 2]);
    // From now on it knows that the bucket is in use.
    assert_eq!(post().text_body("").send(&other).await.status, 404);
    assert_eq!(world.probe.take_operations(), ["UpdateItem"]);
}

#[tokio::test]
async fn keys_and_workspaces_can_have_limits_of_their_own() {
    let (_, function) = start().await;
    let limited = || of(post().text_body(""), "writes_per_minute", "1");
    let answer = limited().send(&function).await;
    assert_eq!(left(&answer), ("\"writes\";q=1;w=60", "\"writes\";r=0;t=60"));
    let answer = limited().send(&function).await;
    answer.assert_problem(Kind::RateLimited);
    assert_eq!(answer.header("retry-after"), "60");
    // Somebody else is not held up.
    let other = of(limited(), "principal", ADA);
    assert_eq!(other.send(&function).await.status, 404);
}

#[tokio::test]
async fn without_a_limit_nothing_is_counted_and_nothing_told() {
    let world = World::new().await;
    let function = function_with(&world, &[("WRITES_PER_MINUTE", "0")]).await;
    let answer = post().text_body("").send(&function).await;
    assert_eq!((answer.status, left(&answer)), (404, ("", "")));
    assert!(world.probe.take_calls().is_empty());
    // But a key's own limit holds.
    let answer = of(post().text_body(""), "writes_per_minute", "5").send(&function).await;
    assert_eq!(answer.header("ratelimit"), "\"writes\";r=4;t=12");
}

#[tokio::test]
async fn a_limit_that_is_none_does_not_start() {
    let world = World::new().await;
    for value in ["60001", "-1", "many", "1.5"] {
        let boot = world.boot_with("create-key", &[("WRITES_PER_MINUTE", value)]);
        let error = Guard::load(&boot).unwrap_err().to_string();
        assert!(error.contains("WRITES_PER_MINUTE"), "{error}");
    }
}

#[tokio::test]
async fn while_dynamodb_is_away_requests_are_let_through_and_that_is_counted() {
    let (world, function) = start().await;
    let faults = [
        Fault::Unreachable,
        Fault::THROTTLED,
        Fault::TornAnswer,
        Fault::Error { status: 500, code: "InternalServerError" },
        Fault::Delay(std::time::Duration::from_millis(900)),
    ];
    for (count, fault) in (1..).zip(faults) {
        world.probe.inject(On::operation("UpdateItem"), fault.clone());
        let begin = std::time::Instant::now();
        let answer = post().text_body("").send(&function).await;
        assert!(begin.elapsed().as_millis() < 800, "{fault:?} took {:?}", begin.elapsed());
        assert_eq!((answer.status, left(&answer)), (404, ("\"writes\";q=6000;w=60", "")));
        assert_eq!(world.metrics.counted("RateLimitUnavailable"), count, "{fault:?}");
        // One try: a limit is not worth a wait.
        assert_eq!(world.probe.fired(), 1, "{fault:?}");
        world.probe.heal();
    }
}

#[tokio::test]
async fn addresses_without_credentials_have_limits_too() {
    let world = World::new().await;
    let boot = world.boot_with("issue-token", &[("SIGN_IN_PER_MINUTE", "2")]);
    let guard = PublicGuard::load(&boot).unwrap();
    let ask = async |address: &str| {
        let answer = || async { Ok(lambda::no_content()) };
        guard.admit(address.parse().unwrap(), answer).await
    };
    for _ in 0..2 {
        let answer = ask("2001:db8::1").await.unwrap();
        assert_eq!(answer.headers()["ratelimit-policy"], "\"sign-ins\";q=2;w=60");
    }
    assert_eq!(ask("2001:db8::2").await.unwrap_err().kind(), Kind::RateLimited);
    assert!(ask("2001:db8:0:1::1").await.is_ok());
    let sent: String = world.probe.take_calls().iter().map(|call| call.body.to_string()).collect();
    assert!(!sent.contains("2001:db8"), "addresses are not stored");
}

// --- Only once --------------------------------------------------------------------------------

#[tokio::test]
async fn the_same_request_again_gets_the_first_answer_whole() {
    let (world, function) = start().await;
    let first = keyed("one").send(&function).await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (201, ""));
    let calls = ["UpdateItem", "GetItem", "TransactWriteItems"];
    assert_eq!(world.probe.take_operations(), calls);
    let again = keyed("one").send(&function).await;
    assert_eq!((again.status, &again.text), (201, &first.text));
    assert_eq!(again.header("idempotency-replayed"), "true");
    for name in ["location", "content-type", "cache-control"] {
        assert_eq!(again.header(name), first.header(name), "{name}");
    }
    // What is left of the limit is what is left now.
    assert_eq!(again.header("ratelimit"), "\"writes\";r=5998;t=1");
    assert_eq!(world.probe.take_operations(), ["UpdateItem", "GetItem"]);
    assert_eq!(keys(&world).await, 1);
}

#[tokio::test]
async fn without_a_key_each_request_is_a_new_one() {
    let (world, function) = start().await;
    for _ in 0..2 {
        assert_eq!(post().send(&function).await.status, 201);
    }
    assert_eq!(keys(&world).await, 2);
    assert_eq!(world.probe.count("GetItem"), 0);
}

#[tokio::test]
async fn another_request_with_the_same_key_is_refused() {
    let (world, function) = start().await;
    assert_eq!(keyed("one").send(&function).await.status, 201);
    let another_path = {
        let mut event = keyed("one").json().clone();
        event["rawPath"] = json!("/api/v1/invitations");
        event["requestContext"]["http"]["path"] = json!("/api/v1/invitations");
        Event::of(event)
    };
    for other in [keyed("one").text_body("{}"), keyed("one").text_body(""), another_path] {
        let answer = other.send(&function).await;
        answer.assert_problem(Kind::IdempotencyKeyReused);
        assert_eq!(answer.faults(), ["Idempotency-Key"]);
        assert!(!answer.text.contains("sp_"), "{answer:?}");
    }
    assert_eq!(keys(&world).await, 1);
}

#[tokio::test]
async fn a_key_is_its_senders_own_in_one_workspace() {
    let (world, function) = start().await;
    let first = keyed("one").send(&function).await;
    for other in [of(keyed("one"), "principal", ADA), keyed("one").of_workspace(OTHER_WORKSPACE)] {
        let answer = other.send(&function).await;
        assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, ""));
        assert_ne!(answer.text, first.text);
    }
    assert_eq!(keys(&world).await, 2);
}

#[tokio::test]
async fn a_fault_is_not_kept() {
    let (world, function) = start().await;
    keyed("one").text_body("").send(&function).await.assert_problem(Kind::NotFound);
    assert_eq!(keyed("one").send(&function).await.status, 201);
    assert_eq!(keys(&world).await, 1);
}

#[tokio::test]
async fn an_answer_is_kept_for_a_day_and_its_row_is_then_free() {
    let (world, function) = start().await;
    let first = keyed("one").send(&function).await;
    world.clock.advance(SignedDuration::from_secs(24 * 60 * 60 - 1));
    assert_eq!(keyed("one").send(&function).await.text, first.text);
    // DynamoDB takes its time to delete the row.
    world.clock.advance(SignedDuration::from_secs(1));
    let second = keyed("one").send(&function).await;
    assert_eq!((second.status, second.header("idempotency-replayed")), (201, ""));
    assert_ne!(second.text, first.text);
    assert_eq!(keyed("one").send(&function).await.text, second.text);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_with_its_place() {
    let (world, function) = start().await;
    for key in ["", " ", "a b", "a\u{e4}b", "a,b", &"x".repeat(256)] {
        let answer = keyed(key).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["Idempotency-Key"], "{key:?}");
    }
    assert_eq!(keyed(&"x".repeat(255)).send(&function).await.status, 201);
    assert_eq!(keys(&world).await, 1);
}

#[tokio::test]
async fn the_table_alone_tells_nothing_of_request_and_answer() {
    let (world, function) = start().await;
    let key = "8e03978e-40d5-43e8-bc93-6894a57f9324";
    let answer = keyed(key).send(&function).await;
    let secret = answer.json()["key"].as_str().unwrap()[29..].to_owned();
    let calls = world.probe.take_calls();
    let items = calls.last().unwrap().body["TransactItems"].clone();
    let rows: Vec<&Value> =
        items.as_array().unwrap().iter().map(|item| &item["Put"]["Item"]).collect();
    let kept = rows.iter().find(|row| row["sealed"].is_object()).unwrap();
    let names: Vec<_> = kept.as_object().unwrap().keys().collect();
    assert_eq!(names, ["answered_at", "expires", "fingerprint", "n", "pk", "sealed", "sk"]);
    let text = serde_json::to_string(&calls.iter().map(|call| &call.body).collect::<Vec<_>>());
    let text = text.unwrap();
    for hidden in [key, &secret, "shop.example.com", "8e03978e"] {
        assert!(!text.contains(hidden), "{hidden}");
    }
}

#[tokio::test]
async fn an_answer_in_the_place_of_another_is_not_given() {
    let (world, function) = start().await;
    let lock = |key: &str| {
        let whose = [testkit::people::KEY, testkit::WORKSPACE];
        seal::Lock::new(&whose, &domain::IdempotencyKey::parse(key).unwrap())
    };
    let (one, two) = (lock("one"), lock("two"));
    assert_eq!(keyed("one").send(&function).await.status, 201);
    let now = world.clock.now();
    let answer = world.accounts().find_answer(&one.id(), now).await.unwrap().unwrap();
    let body = post().json()["body"].as_str().unwrap().to_owned();
    let fingerprint = two.fingerprint(&[b"POST", b"/api/v1/links", body.as_bytes()]);
    let forged = store::Answer { id: two.id(), fingerprint, ..answer };
    let other = KeyRecord { id: KeyId::new(now, 99), ..key() };
    let event = AuditEvent::new(AuditId::new(now, 1), None, key().id, Action::KeyCreated, "key_1");
    let journal = Journal::new("accounts", event).answered(Some(forged));
    world.accounts().create_key(&other, &journal).await.unwrap();
    let answer = keyed("two").send(&function).await;
    answer.assert_problem(Kind::Internal);
    assert!(!answer.text.contains("sp_"));
}

#[tokio::test]
async fn whoever_signs_up_twice_gets_one_answer_without_being_known() {
    let world = World::new().await;
    let guard = PublicGuard::load(&world.boot("register-user")).unwrap();
    let request = |body: &str| {
        let mut request = Request::new(Body::from(body));
        request.headers_mut().insert("idempotency-key", HeaderValue::from_static("one"));
        request
    };
    let Once::First(first) = guard.once(&request("{}")).await.unwrap() else {
        panic!("nobody was here")
    };
    let response = lambda::json(StatusCode::CREATED, &json!({ "id": ADA })).unwrap();
    let user = testkit::people::ada().id;
    let journal = guard.journal_of(None, user, Action::UserRegistered, user);
    let kept = first.keep(&response).unwrap();
    world.accounts().create_key(&key(), &journal.answered(kept)).await.unwrap();
    let Once::Answered(answer) = guard.once(&request("{}")).await.unwrap() else {
        panic!("it was kept")
    };
    assert_eq!(answer.body(), response.body());
    let other = guard.once(&request("{ }")).await.unwrap_err();
    assert_eq!(other.kind(), Kind::IdempotencyKeyReused);
}
