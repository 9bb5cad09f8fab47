//! Creating links, from the events of `events/create-link`.

use domain::{LinkId, Slug, WorkspaceId};
use lambda::{Function, Kind};
use serde_json::{Value, json};
use testkit::probe::{Fault, On};
use testkit::{Event, OTHER_WORKSPACE, WORKSPACE, World, event};

use super::*;

async fn function(world: &World) -> Function {
    let boot = world.boot_with("create-link", &[("BLOCKED_HOSTS", "evil.example")]);
    Function::http(boot, load, handle).await.unwrap()
}

/// How many transactions were tried.
fn writes(world: &World) -> usize {
    world.probe.count("TransactWriteItems")
}

#[tokio::test]
async fn a_url_is_enough() {
    let world = World::new().await;
    let answer = event("create-link/minimal").send(&function(&world).await).await;
    assert_eq!(answer.status, 201);
    let link = answer.json();
    let id = LinkId::parse(link["id"].as_str().unwrap()).unwrap();
    assert_eq!(answer.header("location"), format!("/api/v1/links/{id}"));
    assert_eq!(answer.header("etag"), "\"1\"");
    let slug = link["slug"].as_str().unwrap();
    assert_eq!(slug.len(), 7);
    let expected = json!({
        "id": id.to_string(), "domain": "go.example.com", "slug": slug,
        "short_url": format!("https://go.example.com/{slug}"),
        "url": "https://shop.example.com/spring", "title": null, "tags": [],
        "redirect_status": 302, "starts_at": null, "expires_at": null, "fallback_url": null,
        "max_clicks": null, "forward_query": false, "aliases": [],
        "created_at": "2026-11-20T14:03:27.412Z", "updated_at": "2026-11-20T14:03:27.412Z",
        "clicks": {"total": 0, "human": 0, "bot": 0}
    });
    assert_eq!(link, expected);
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    assert!(world.links().find(workspace, id).await.unwrap().is_some());
}

#[tokio::test]
async fn every_field_comes_back_as_it_was_given() {
    let world = World::new().await;
    let answer = event("create-link/full").send(&function(&world).await).await;
    assert_eq!(answer.status, 201);
    let link = answer.json();
    let expected = json!({
        "domain": "go.example.com", "slug": "spring", "aliases": ["fruehling"],
        "url": "https://shop.example.com/spring?ref=mail", "title": "Spring sale",
        "tags": ["mail", "spring-sale"], "redirect_status": 307,
        "starts_at": "2026-11-01T00:00:00Z", "expires_at": "2099-12-31T22:59:59Z",
        "fallback_url": "https://shop.example.com/", "max_clicks": 5000, "forward_query": true
    });
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(link[name], *value, "{name}");
    }
    assert_eq!(writes(&world), 1);
}

#[tokio::test]
async fn bodies_are_read_however_aws_sends_them() {
    let world = World::new().await;
    let function = function(&world).await;
    for name in ["base64-body", "no-content-type", "slug", "unicode-slug"] {
        let answer = event(&format!("create-link/{name}")).send(&function).await;
        assert_eq!(answer.status, 201, "{name}: {answer:?}");
        let short = answer.json()["short_url"].as_str().unwrap().to_owned();
        assert!(short.is_ascii(), "{short}");
    }
}

#[tokio::test]
async fn credentials_come_before_everything_else() {
    let world = World::new().await;
    let function = function(&world).await;
    event("create-link/not-authorized").send(&function).await.assert_problem(Kind::Unauthorized);
    let answer = event("create-link/missing-scope").send(&function).await;
    answer.assert_problem(Kind::Forbidden);
    let answer = event("create-link/not-authorized").text_body("{").send(&function).await;
    answer.assert_problem(Kind::Unauthorized);
    assert_eq!(writes(&world), 0);
}

#[tokio::test]
async fn a_taken_slug_is_a_conflict_also_as_an_alias_and_for_strangers() {
    let world = World::with_spring().await;
    let function = function(&world).await;
    let url = "https://example.com";
    for body in [
        json!({"url": url, "slug": "spring"}),
        json!({"url": url, "slug": "fruehling"}),
        json!({"url": url, "aliases": ["free", "spring"]}),
    ] {
        let answer = event("create-link/minimal").body(&body).send(&function).await;
        answer.assert_problem(Kind::SlugTaken);
        let stranger = event("create-link/minimal").body(&body).of_workspace(OTHER_WORKSPACE);
        stranger.send(&function).await.assert_problem(Kind::SlugTaken);
    }
    // Slugs are case-sensitive.
    let other = event("create-link/minimal").body(&json!({"url": url, "slug": "Spring"}));
    assert_eq!(other.send(&function).await.status, 201);
}

#[tokio::test]
async fn of_two_that_race_for_a_slug_one_wins() {
    let world = World::new().await;
    let function = function(&world).await;
    let event = event("create-link/slug");
    let (a, b) = tokio::join!(event.send(&function), event.send(&function));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn a_random_slug_that_is_taken_is_replaced() {
    let world = World::new().await;
    // The same seed, so the same first slug; the clock makes another id.
    let first = event("create-link/minimal").send(&function(&world).await).await;
    world.clock.advance(jiff::SignedDuration::from_secs(1));
    let second = event("create-link/minimal").send(&function(&world).await).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_ne!(first.json()["slug"], second.json()["slug"]);
    assert_eq!(writes(&world), 3);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_still_a_201() {
    let world = World::new().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    let answer = event("create-link/slug").send(&function(&world).await).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!((world.probe.fired(), writes(&world)), (1, 2));
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    let id = LinkId::parse(answer.json()["id"].as_str().unwrap()).unwrap();
    let found = world.links().find(workspace, id).await.unwrap().unwrap();
    assert_eq!(found.slug, Slug::parse("spring").unwrap());
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let world = World::new().await;
    world.probe.inject(On::operation("TransactWriteItems"), Fault::THROTTLED);
    let answer = event("create-link/minimal").send(&function(&world).await).await;
    answer.assert_problem(Kind::Unavailable);
}

// --- Only once --------------------------------------------------------------------------------

/// A request with an idempotency key, for a link with two slugs and a tag.
fn keyed() -> Event {
    let body =
        json!({"url": "https://example.com", "slug": "spring", "aliases": ["a"], "tags": ["t"]});
    event("create-link/minimal").body(&body).header("idempotency-key", "8e03978e-40d5-43e8-bc93")
}

/// The same for a random slug.
fn keyed_random() -> Event {
    event("create-link/minimal").header("idempotency-key", "8e03978e-40d5-43e8-bc93")
}

/// A process of its own, with its own random bits.
async fn process(world: &World, number: u64) -> Function {
    let boot = Boot { random: Random::seeded(number), ..world.boot("create-link") };
    Function::http(boot, load, handle).await.unwrap()
}

/// The ids of all links.
async fn links(world: &World) -> Vec<String> {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    let all = world.links().every_id(workspace).await.unwrap();
    all.into_iter().map(|(id, _)| id.to_string()).collect()
}

/// What the audit log says of links, oldest first.
async fn log(world: &World) -> Vec<(Action, String)> {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    let page = world.accounts().audit(workspace, None, 100).await.unwrap();
    page.items.into_iter().rev().map(|entry| (entry.action, entry.subject)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_fifty_at_once_with_one_key_one_makes_the_link_and_all_get_it() {
    for event in [keyed(), keyed_random()] {
        let world = World::new().await;
        // All have looked for an answer before the first one writes.
        world.probe.inject(On::operation("TransactWriteItems").times(50), Fault::meet(50));
        let mut requests = Vec::new();
        for number in 0..50 {
            let (function, event) = (process(&world, number).await, event.clone());
            requests.push(tokio::spawn(async move { event.send(&function).await }));
        }
        let mut answers = Vec::new();
        for request in requests {
            answers.push(request.await.unwrap());
        }
        let ids = links(&world).await;
        assert_eq!(ids.len(), 1);
        for answer in &answers {
            assert_eq!((answer.status, &answer.text), (201, &answers[0].text));
            assert_eq!(answer.header("location"), format!("/api/v1/links/{}", ids[0]));
        }
        let first =
            answers.iter().filter(|answer| answer.header("idempotency-replayed").is_empty());
        assert_eq!(first.count(), 1);
        assert_eq!(log(&world).await, [(Action::LinkCreated, ids[0].clone())]);
    }
}

#[tokio::test]
async fn wherever_a_process_dies_the_retry_finishes_with_one_link() {
    for event in [keyed(), keyed_random()] {
        for place in 0.. {
            let mut died = 0;
            for fault in [Fault::StopBefore, Fault::StopAfter] {
                let world = World::new().await;
                let first = process(&world, 1).await;
                world.probe.inject(On::any().after(place).once(), fault.clone());
                tokio::select! {
                    answer = event.send(&first) => assert_eq!(answer.status, 201),
                    () = world.probe.stopped() => died += 1,
                }
                world.probe.heal();
                let answer = event.send(&process(&world, 2).await).await;
                let ids = links(&world).await;
                assert_eq!((answer.status, ids.len()), (201, 1), "{fault:?} at call {place}");
                assert_eq!(answer.json()["id"], ids[0], "{fault:?} at call {place}");
                assert_eq!(log(&world).await.len(), 1, "{fault:?} at call {place}");
                // And so it stays.
                let again = event.send(&process(&world, 3).await).await;
                assert_eq!(again.text, answer.text, "{fault:?} at call {place}");
            }
            if died == 0 {
                // The token, the answer, and the transaction.
                assert_eq!(place, 3, "each call was tried");
                break;
            }
        }
    }
}

#[tokio::test]
async fn whatever_breaks_at_whichever_call_retries_end_with_one_link() {
    let faults = [
        Fault::LostAnswer,
        Fault::TornAnswer,
        Fault::Unreachable,
        Fault::THROTTLED,
        Fault::Error { status: 500, code: "InternalServerError" },
    ];
    let cancels = ["TransactionConflict", "ThrottlingError", "ValidationError"]
        .map(|code| Fault::cancel(code, |item| item.table == "accounts"));
    for event in [keyed(), keyed_random()] {
        for place in 0..3 {
            // Once, and for longer than anybody in the process tries.
            for times in [1, 20] {
                for fault in faults.iter().chain(&cancels) {
                    let is_cancelled = matches!(fault, Fault::Cancel(_));
                    if is_cancelled && place < 2 {
                        continue;
                    }
                    let what = format!("{fault:?} {times} times from call {place} on");
                    let world = World::new().await;
                    world.probe.inject(On::any().after(place).times(times), fault.clone());
                    let mut answer = event.send(&process(&world, 1).await).await;
                    for number in 2..10 {
                        if answer.status == 201 {
                            break;
                        }
                        answer.assert_problem(Kind::Unavailable);
                        world.probe.heal();
                        answer = event.send(&process(&world, number).await).await;
                    }
                    let ids = links(&world).await;
                    assert_eq!((answer.status, ids.len()), (201, 1), "{what}");
                    assert_eq!(answer.json()["id"], ids[0], "{what}");
                    assert_eq!(log(&world).await.len(), 1, "{what}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_taken_slug_is_a_conflict_also_with_a_key_and_nothing_is_kept() {
    let world = World::with_spring().await;
    let function = function(&world).await;
    for _ in 0..2 {
        keyed().send(&function).await.assert_problem(Kind::SlugTaken);
    }
    assert_eq!(log(&world).await, []);
    // The random one that is taken is replaced, and the answer with it.
    let world = World::new().await;
    let function = process(&world, 1).await;
    let first = event("create-link/minimal").send(&function).await;
    world.clock.advance(jiff::SignedDuration::from_secs(1));
    let second = keyed_random().send(&process(&world, 1).await).await;
    assert_eq!((first.status, second.status), (201, 201));
    assert_ne!(first.json()["slug"], second.json()["slug"]);
    let again = keyed_random().send(&function).await;
    assert_eq!((&again.text, again.header("idempotency-replayed")), (&second.text, "true"));
}

#[tokio::test]
async fn an_answer_is_kept_for_the_same_body_only() {
    let world = World::new().await;
    let function = function(&world).await;
    assert_eq!(keyed().send(&function).await.status, 201);
    let answer = keyed().body(&json!({"url": "https://example.com/other"})).send(&function).await;
    answer.assert_problem(Kind::IdempotencyKeyReused);
    assert_eq!(links(&world).await.len(), 1);
}

#[tokio::test]
async fn a_link_costs_a_token_and_one_transaction_and_with_a_key_one_read() {
    let world = World::new().await;
    let function = function(&world).await;
    assert_eq!(event("create-link/minimal").send(&function).await.status, 201);
    assert_eq!(world.probe.take_operations(), ["UpdateItem", "TransactWriteItems"]);
    assert_eq!(keyed().send(&function).await.status, 201);
    assert_eq!(world.probe.take_operations(), ["UpdateItem", "GetItem", "TransactWriteItems"]);
}

/// One bad request: what it is, its body, and the places that the answer must name.
struct Case(&'static str, Value, &'static [&'static str]);

fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut body = json!({"url": "https://example.com"});
    body[field] = value.into();
    body
}

fn cases() -> Vec<Case> {
    let url = |text: &str| json!({"url": text});
    vec![
        Case("no url", json!({}), &["/url"]),
        Case("null url", url_of(Value::Null), &["/url"]),
        Case("number url", url_of(json!(5)), &["/url"]),
        Case("list url", url_of(json!(["https://example.com"])), &["/url"]),
        Case("empty url", url(""), &["/url"]),
        Case("relative url", url("/path"), &["/url"]),
        Case("scheme-relative url", url("//example.com"), &["/url"]),
        Case("no scheme", url("example.com"), &["/url"]),
        Case("no host", url("https://"), &["/url"]),
        Case("one slash", url("https:/example.com"), &["/url"]),
        Case("javascript", url("javascript:alert(1)"), &["/url"]),
        Case("mixed-case javascript", url("JaVaScRiPt:alert(1)"), &["/url"]),
        Case("javascript behind a tab", url("java\tscript:alert(1)"), &["/url"]),
        Case("data", url("data:text/html;base64,PHNjcmlwdD4="), &["/url"]),
        Case("file", url("file:///etc/passwd"), &["/url"]),
        Case("ftp", url("ftp://example.com/x"), &["/url"]),
        Case("blob", url("blob:https://example.com/1"), &["/url"]),
        Case("credentials", url("https://user:pass@example.com"), &["/url"]),
        Case("user only", url("https://user@example.com"), &["/url"]),
        Case("hidden credentials", url("https://example.com%2F@evil.com"), &["/url"]),
        Case("header injection", url("https://example.com/\r\nSet-Cookie: a=1"), &["/url"]),
        Case("line feed", url("https://example.com/\na"), &["/url"]),
        Case("NUL", url("https://example.com/\u{0}"), &["/url"]),
        Case("space", url("https://exa mple.com"), &["/url"]),
        Case("leading space", url(" https://example.com"), &["/url"]),
        Case("right-to-left override in the host", url("https://a\u{202e}moc.example"), &["/url"]),
        Case("homograph", url("https://pаypal.com"), &["/url"]),
        Case("homograph in punycode", url("https://xn--pypal-4ve.com"), &["/url"]),
        Case("broken punycode", url("https://xn--a-.example"), &["/url"]),
        Case("bad port", url("https://example.com:99999"), &["/url"]),
        Case("bad IPv4", url("https://1.2.3.256"), &["/url"]),
        Case("bad IPv6", url("https://[::1"), &["/url"]),
        Case("loop", url("https://go.example.com/spring"), &["/url"]),
        Case("loop in capitals with a dot", url("https://GO.EXAMPLE.COM./x"), &["/url"]),
        Case("loop over http", url("http://go.example.com"), &["/url"]),
        Case("loop in percent-encoding", url("https://%67o.example.com/x"), &["/url"]),
        Case("loop in full-width letters", url("https://ｇｏ.example.com/x"), &["/url"]),
        Case("blocked", url("https://evil.example"), &["/url"]),
        Case("below a blocked host", url("https://a.b.evil.example/x"), &["/url"]),
        Case("too long", url(&format!("https://example.com/{}", "a".repeat(8192))), &["/url"]),
        Case(
            "too long when encoded",
            url(&format!("https://e.com/{}", "ü".repeat(4000))),
            &["/url"],
        ),
        Case("fallback loop", with("fallback_url", "https://go.example.com"), &["/fallback_url"]),
        Case("fallback script", with("fallback_url", "javascript:1"), &["/fallback_url"]),
        Case("empty slug", with("slug", ""), &["/slug"]),
        Case("slug with a slash", with("slug", "a/b"), &["/slug"]),
        Case("path traversal", with("slug", "../admin"), &["/slug"]),
        Case("encoded slash", with("slug", "a%2Fb"), &["/slug"]),
        Case("dot", with("slug", "robots.txt"), &["/slug"]),
        Case("space in slug", with("slug", "a b"), &["/slug"]),
        Case("control in slug", with("slug", "a\u{7}b"), &["/slug"]),
        Case("emoji slug", with("slug", "🚀"), &["/slug"]),
        Case("zero-width slug", with("slug", "a\u{200b}b"), &["/slug"]),
        Case("homograph slug", with("slug", "pаypal"), &["/slug"]),
        Case("reserved slug", with("slug", "api"), &["/slug"]),
        Case("reserved slug in capitals", with("slug", "OAuth"), &["/slug"]),
        Case("long slug", with("slug", "a".repeat(65)), &["/slug"]),
        Case("number slug", with("slug", 7), &["/slug"]),
        Case("foreign domain", with("domain", "other.example.com"), &["/domain"]),
        Case("no domain", with("domain", ""), &["/domain"]),
        Case("empty title", with("title", "  "), &["/title"]),
        Case("long title", with("title", "x".repeat(257)), &["/title"]),
        Case("control in title", with("title", "a\nb"), &["/title"]),
        Case("tags as text", with("tags", "mail"), &["/tags"]),
        Case("no list of tags", with("tags", Value::Null), &["/tags"]),
        Case("tags of numbers", with("tags", json!(["a", 1, null])), &["/tags/1", "/tags/2"]),
        Case("long tag", with("tags", json!(["a", "x".repeat(51)])), &["/tags/1"]),
        Case("empty tag", with("tags", json!([""])), &["/tags/0"]),
        Case("tag twice", with("tags", json!(["a", "a"])), &["/tags"]),
        Case(
            "21 tags",
            with("tags", (0..21).map(|n| n.to_string()).collect::<Vec<_>>()),
            &["/tags"],
        ),
        Case("200", with("redirect_status", 200), &["/redirect_status"]),
        Case("303", with("redirect_status", 303), &["/redirect_status"]),
        Case("status as text", with("redirect_status", "302"), &["/redirect_status"]),
        Case("no time", with("starts_at", "tomorrow"), &["/starts_at"]),
        Case("no such day", with("starts_at", "2026-02-30T00:00:00Z"), &["/starts_at"]),
        Case("time without a zone", with("expires_at", "2027-01-01T00:00:00"), &["/expires_at"]),
        Case("time as a number", with("expires_at", 1_900_000_000), &["/expires_at"]),
        Case("time in the past", with("expires_at", "2026-11-20T14:03:27Z"), &["/expires_at"]),
        Case(
            "end before start",
            json!({"url": "https://e.com", "starts_at": "2028-01-01T00:00:00Z",
                   "expires_at": "2027-01-01T00:00:00Z"}),
            &["/expires_at"],
        ),
        Case("no clicks", with("max_clicks", 0), &["/max_clicks"]),
        Case("negative clicks", with("max_clicks", -1), &["/max_clicks"]),
        Case("half a click", with("max_clicks", 1.5), &["/max_clicks"]),
        Case("too many clicks", with("max_clicks", 1_000_000_001_u64), &["/max_clicks"]),
        Case("clicks as text", with("max_clicks", "5"), &["/max_clicks"]),
        Case("truth as text", with("forward_query", "true"), &["/forward_query"]),
        Case("aliases as an object", with("aliases", json!({"a": 1})), &["/aliases"]),
        Case("bad alias", with("aliases", json!(["ok", "a/b"])), &["/aliases/1"]),
        Case("alias twice", with("aliases", json!(["a", "a"])), &["/aliases"]),
        Case(
            "21 aliases",
            with("aliases", (0..21).map(|n| format!("a{n}")).collect::<Vec<_>>()),
            &["/aliases"],
        ),
        Case(
            "alias like the slug",
            json!({"url": "https://e.com", "slug": "a", "aliases": ["a"]}),
            &["/aliases"],
        ),
        Case("unknown field", with("URL", "https://example.com"), &["/URL"]),
        Case("field with a slash", with("a/b~c", 1), &["/a~1b~0c"]),
        Case("field of the answer", with("clicks", json!({"total": 9})), &["/clicks"]),
        Case(
            "many at once",
            json!({"slug": "a b", "tags": [1], "colour": 1, "max_clicks": 0}),
            &["/url", "/slug", "/tags/0", "/max_clicks", "/colour"],
        ),
    ]
}

fn url_of(value: Value) -> Value {
    json!({ "url": value })
}

#[tokio::test]
async fn bad_input_is_named_field_by_field_and_nothing_is_written() {
    let world = World::new().await;
    let function = function(&world).await;
    assert!(60 <= cases().len(), "{} cases", cases().len());
    for Case(what, body, places) in cases() {
        let answer = event("create-link/minimal").body(&body).send(&function).await;
        assert_eq!(answer.status, 400, "{what}: {answer:?}");
        answer.assert_problem(Kind::InvalidRequest);
        let mut faults = answer.faults();
        faults.sort_unstable();
        let mut expected = places.to_vec();
        expected.sort_unstable();
        assert_eq!(faults, expected, "{what}: {answer:?}");
    }
    assert_eq!(writes(&world), 0);
}

#[tokio::test]
async fn bodies_that_are_no_json_objects_are_refused_and_nothing_is_written() {
    let world = World::new().await;
    let function = function(&world).await;
    for name in ["broken-json", "not-an-object", "not-utf-8", "no-body", "missing-url", "invalid"] {
        let answer = event(&format!("create-link/{name}")).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert!(!answer.faults().is_empty(), "{name}");
    }
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let texts = ["", "null", "true", "{\"url\": \"\\ud800\"}", "{\"url\":1}x", "{'url':1}", &deep];
    for text in texts {
        let answer = event("create-link/minimal").text_body(text).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
    }
    for name in ["loop", "unknown-field"] {
        let answer = event(&format!("create-link/{name}")).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
    }
    let answer = event("create-link/form").send(&function).await;
    answer.assert_problem(Kind::UnsupportedMediaType);
    let large = json!({"url": "https://example.com", "title": "x".repeat(300_000)});
    let answer = event("create-link/minimal").body(&large).send(&function).await;
    answer.assert_problem(Kind::PayloadTooLarge);
    assert_eq!(writes(&world), 0);
}

#[tokio::test]
async fn what_is_unusual_but_sound_is_taken() {
    let world = World::new().await;
    let function = function(&world).await;
    for body in [
        json!({"url": "https://münchen.example/straße"}),
        json!({"url": "http://192.0.2.1:8080/?q=a%20b#x"}),
        json!({"url": "https://[2001:db8::1]/"}),
        json!({"url": "https://i❤.example/"}),
        json!({"url": "https://example.com", "slug": "日本"}),
        json!({"url": "https://example.com", "slug": "-_-"}),
        json!({"url": "https://example.com", "title": null, "slug": null,
               "expires_at": null, "forward_query": null, "domain": null}),
        json!({"url": "https://example.com", "starts_at": "2020-01-01T00:00:00+05:30"}),
        json!({"url": format!("https://example.com/{}", "a".repeat(8172))}),
    ] {
        let answer = event("create-link/minimal").body(&body).send(&function).await;
        assert_eq!(answer.status, 201, "{body}: {answer:?}");
    }
}
