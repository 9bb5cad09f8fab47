//! The handler from its events, against the embedded DynamoDB.

use std::sync::Arc;

use domain::{Destination, Link, LinkChange, LinkId, Slug, Tag, Title, WorkspaceId};
use lambda::Function;
use serde_json::{Value, json};
use store::{Filter, Found, Journal, Spent};
use testkit::probe::{Fault, On};
use testkit::{Answer, Event, OTHER_WORKSPACE, SPRING, WORKSPACE, World, event, link, now};
use tokio::sync::Barrier;

use super::*;

/// A world with the events' link, and the function.
async fn start() -> (World, Function) {
    let world = World::with_spring().await;
    let function = load_in(&world).await;
    (world, function)
}

/// A world in which the events' link has a value in every field, and the function.
async fn start_full() -> (World, Function) {
    let world = World::new().await;
    let mut full = link("spring");
    full.id = LinkId::parse(SPRING).unwrap();
    full.aliases = vec![slug("fruehling")];
    full.definition.title = Title::parse("Spring sale").ok();
    full.definition.tags = vec![Tag::parse("mail").unwrap(), Tag::parse("spring-sale").unwrap()];
    full.definition.starts_at = "2026-11-01T00:00:00Z".parse().ok();
    full.definition.expires_at = "2099-12-31T22:59:59Z".parse().ok();
    full.definition.fallback_url = Some(Destination::stored("https://shop.example.com/"));
    full.definition.max_clicks = Some(5000);
    full.definition.forward_query = true;
    world.add(&full).await;
    let function = load_in(&world).await;
    (world, function)
}

async fn load_in(world: &World) -> Function {
    Function::http(world.boot("update-link"), load, handle).await.unwrap()
}

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

fn patch(body: &Value) -> Event {
    event("update-link/minimal").body(body)
}

async fn stored(world: &World) -> Option<Link> {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    world.links().find(workspace, LinkId::parse(SPRING).unwrap()).await.unwrap()
}

async fn follow(world: &World, text: &str) -> Found {
    world.routes().follow(&link("x").domain, &slug(text)).await.unwrap()
}

/// The address that a slug leads to.
async fn address(world: &World, text: &str) -> String {
    match follow(world, text).await {
        Found::Route(route) => route.url.to_string(),
        other @ (Found::Deleted | Found::Nothing) => panic!("`{text}` leads to {other:?}"),
    }
}

/// Somebody else edits the link, by another way than this function.
async fn edit(world: &World, change: LinkChange) {
    let old = stored(world).await.unwrap();
    let new = old.edited(change, now()).unwrap();
    world.links().update(&old, &new, &Journal::none()).await.unwrap();
}

/// Sends an event, and does something else between its read and its write.
async fn meanwhile(
    world: &World,
    function: &Function,
    event: Event,
    other: impl Future<Output = ()>,
) -> Answer {
    let gate = Arc::new(Barrier::new(2));
    let write = On::operation("TransactWriteItems").once();
    world.probe.inject(write, Fault::Meet(Arc::clone(&gate)));
    let other = async {
        world.probe.wait_for(1).await;
        other.await;
        gate.wait().await;
    };
    tokio::join!(event.send(function), other).0
}

fn title(text: &str) -> LinkChange {
    LinkChange { title: Some(Title::parse(text).ok()), ..LinkChange::default() }
}

// --- What an edit says ------------------------------------------------------------------------

#[tokio::test]
async fn what_is_said_changes_and_what_is_missing_stays() {
    let (world, function) = start_full().await;
    let before = stored(&world).await.unwrap();
    let answer = event("update-link/minimal").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    assert_eq!(
        answer.json(),
        json!({
            "id": SPRING,
            "domain": "go.example.com",
            "slug": "spring",
            "short_url": "https://go.example.com/spring",
            "url": "https://shop.example.com/spring-2",
            "title": "Spring sale",
            "tags": ["mail", "spring-sale"],
            "redirect_status": 302,
            "starts_at": "2026-11-01T00:00:00Z",
            "expires_at": "2099-12-31T22:59:59Z",
            "fallback_url": "https://shop.example.com/",
            "max_clicks": 5000,
            "forward_query": true,
            "aliases": ["fruehling"],
            "created_at": "2026-11-02T09:00:00Z",
            "updated_at": "2026-11-20T14:03:27.412Z",
            "clicks": { "total": 0, "human": 0, "bot": 0 },
        })
    );
    let after = stored(&world).await.unwrap();
    assert_eq!(after.definition.url.as_str(), "https://shop.example.com/spring-2");
    assert_eq!(after.definition.tags, before.definition.tags);
    for slug in ["spring", "fruehling"] {
        assert_eq!(address(&world, slug).await, "https://shop.example.com/spring-2");
    }
}

#[tokio::test]
async fn an_edit_is_a_token_one_read_one_transaction_and_one_query_of_the_clicks() {
    let (world, function) = start().await;
    assert_eq!(event("update-link/minimal").send(&function).await.status, 200);
    let calls = world.probe.take_operations();
    assert_eq!(calls, ["UpdateItem", "GetItem", "Query", "TransactWriteItems"]);
}

/// What the audit log says of edits, the latest first: who, what, and of which fields.
async fn log(world: &World) -> Vec<(String, String, String)> {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    let page = world.accounts().audit(workspace, None, 100).await.unwrap();
    let entry = |entry: domain::AuditEvent| {
        let fields = entry.details.get("fields").cloned().unwrap_or_default();
        (entry.actor.to_string(), format!("{} {}", entry.action, entry.subject), fields)
    };
    page.items.into_iter().map(entry).collect()
}

#[tokio::test]
async fn the_log_says_who_changed_which_fields_and_nothing_of_what_they_say() {
    let (world, function) = start().await;
    assert_eq!(event("update-link/full").send(&function).await.status, 200);
    world.clock.advance(jiff::SignedDuration::from_millis(1));
    assert_eq!(event("update-link/minimal").send(&function).await.status, 200);
    // Nothing is changed by these.
    assert_eq!(event("update-link/nothing").send(&function).await.status, 200);
    event("update-link/invalid").send(&function).await.assert_problem(Kind::InvalidRequest);
    let [minimal, full] = log(&world).await.try_into().unwrap();
    let edit = format!("link.updated {SPRING}");
    assert_eq!((minimal.1, minimal.2.as_str()), (edit.clone(), "url"));
    assert_eq!(full.1, edit);
    let all = "slug aliases url redirect_status title tags starts_at expires_at fallback_url \
               max_clicks forward_query";
    assert_eq!(full.2, all);
    assert_eq!(full.0, testkit::people::KEY);
}

#[tokio::test]
async fn edits_are_limited_and_say_what_is_left() {
    let world = World::with_spring().await;
    let boot = world.boot_with("update-link", &[("WRITES_PER_MINUTE", "1")]);
    let function = Function::http(boot, load, handle).await.unwrap();
    let answer = event("update-link/minimal").send(&function).await;
    assert_eq!(answer.header("ratelimit"), "\"writes\";r=0;t=60");
    let answer = event("update-link/full").send(&function).await;
    answer.assert_problem(Kind::RateLimited);
    assert_eq!(stored(&world).await.unwrap().revision, 2);
}

#[tokio::test]
async fn null_takes_away_and_a_merge_patch_by_name_is_taken() {
    let (world, function) = start_full().await;
    let answer = event("update-link/merge-patch").send(&function).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    assert_eq!(body["title"], "Spring sale, extended");
    assert_eq!(body["expires_at"], Value::Null);
    assert_eq!(body["starts_at"], "2026-11-01T00:00:00Z");
    assert_eq!(stored(&world).await.unwrap().definition.expires_at, None);
}

#[tokio::test]
async fn every_field_can_be_changed_at_once() {
    let (world, function) = start().await;
    let answer = event("update-link/full").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    let mut body = answer.json();
    for name in ["id", "domain", "created_at", "updated_at", "clicks"] {
        body.as_object_mut().unwrap().remove(name);
    }
    assert_eq!(
        body,
        json!({
            "slug": "spring-2027",
            "short_url": "https://go.example.com/spring-2027",
            "url": "https://shop.example.com/spring?ref=mail",
            "title": "Spring sale",
            "tags": ["mail", "spring-sale"],
            "redirect_status": 307,
            "starts_at": "2026-11-01T00:00:00Z",
            "expires_at": "2099-12-31T22:59:59Z",
            "fallback_url": "https://shop.example.com/",
            "max_clicks": 5000,
            "forward_query": true,
            "aliases": ["spring", "fruehling"],
        })
    );
    for slug in ["spring-2027", "spring", "fruehling"] {
        assert_eq!(address(&world, slug).await, "https://shop.example.com/spring?ref=mail");
    }
}

#[tokio::test]
async fn everything_that_may_be_absent_can_be_taken_away() {
    let (world, function) = start_full().await;
    let answer = event("update-link/remove").send(&function).await;
    assert_eq!(answer.status, 200);
    let body = answer.json();
    for name in ["title", "starts_at", "expires_at", "fallback_url", "max_clicks"] {
        assert_eq!(body[name], Value::Null, "{name}");
    }
    assert_eq!((&body["tags"], &body["aliases"]), (&json!([]), &json!([])));
    assert_eq!(follow(&world, "fruehling").await, Found::Deleted);
    for tag in ["mail", "spring-sale"] {
        let filter = Filter { tag: Tag::parse(tag).ok(), prefix: None };
        let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
        let page = world.links().page(workspace, &filter, None, 10).await.unwrap();
        assert!(page.links.is_empty(), "{tag}");
    }
}

#[tokio::test]
async fn an_edit_that_changes_nothing_is_no_new_version() {
    let (world, function) = start_full().await;
    let before = event("update-link/nothing").send(&function).await;
    assert_eq!((before.status, before.header("etag")), (200, "\"1\""));
    world.clock.advance(jiff::SignedDuration::from_secs(1));
    let answer = patch(&json!({ "title": "Spring sale" })).send(&function).await;
    assert_eq!((answer.header("etag"), answer.json()), ("\"1\"", before.json()));
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn a_list_replaces_the_list() {
    let (world, function) = start_full().await;
    let body = json!({ "tags": ["b", "mail"], "aliases": ["ete", "fruehling"] });
    let answer = patch(&body).send(&function).await;
    assert_eq!(answer.json()["tags"], body["tags"]);
    assert_eq!(answer.json()["aliases"], body["aliases"]);
    assert_eq!(address(&world, "ete").await, "https://example.com/spring");
    assert_eq!(follow(&world, "fruehling").await, follow(&world, "spring").await);
}

#[tokio::test]
async fn another_limit_keeps_what_is_spent_and_a_new_one_begins_at_nothing() {
    let (world, function) = start().await;
    let spring = LinkId::parse(SPRING).unwrap();
    let spend = async |token, expected| {
        assert_eq!(world.routes().spend(spring, token).await.unwrap(), expected);
    };
    assert_eq!(patch(&json!({ "max_clicks": 1 })).send(&function).await.status, 200);
    spend(1, Spent::Granted).await;
    spend(2, Spent::UsedUp).await;
    assert_eq!(patch(&json!({ "max_clicks": 2 })).send(&function).await.status, 200);
    spend(3, Spent::Granted).await;
    spend(4, Spent::UsedUp).await;
    assert_eq!(patch(&json!({ "max_clicks": null })).send(&function).await.status, 200);
    assert_eq!(patch(&json!({ "max_clicks": 1 })).send(&function).await.status, 200);
    spend(5, Spent::Granted).await;
    spend(6, Spent::UsedUp).await;
}

// --- Slugs ------------------------------------------------------------------------------------

#[tokio::test]
async fn a_renamed_link_is_still_found_under_its_old_slug() {
    let (world, function) = start().await;
    let answer = event("update-link/rename").send(&function).await;
    let body = answer.json();
    assert_eq!((answer.status, &body["slug"]), (200, &json!("spring-2027")));
    assert_eq!(body["aliases"], json!(["fruehling", "spring"]));
    assert_eq!(body["short_url"], "https://go.example.com/spring-2027");
    for slug in ["spring-2027", "spring", "fruehling"] {
        assert_eq!(address(&world, slug).await, "https://example.com/spring");
    }
}

#[tokio::test]
async fn an_alias_that_is_left_out_is_gone_and_can_come_back() {
    let (world, function) = start().await;
    assert_eq!(event("update-link/rename").send(&function).await.status, 200);
    let answer = patch(&json!({ "aliases": ["fruehling"] })).send(&function).await;
    assert_eq!(answer.json()["aliases"], json!(["fruehling"]));
    assert_eq!(follow(&world, "spring").await, Found::Deleted);
    let answer = patch(&json!({ "slug": "spring" })).send(&function).await;
    assert_eq!(answer.json()["aliases"], json!(["fruehling", "spring-2027"]));
    assert_eq!(address(&world, "spring").await, "https://example.com/spring");
}

#[tokio::test]
async fn an_alias_can_change_places_with_the_slug() {
    let (_world, function) = start().await;
    let answer = patch(&json!({ "slug": "fruehling" })).send(&function).await;
    assert_eq!(answer.json()["slug"], "fruehling");
    assert_eq!(answer.json()["aliases"], json!(["spring"]));
}

#[tokio::test]
async fn a_slug_that_is_taken_is_refused_with_its_place_and_nothing_is_written() {
    let (world, function) = start().await;
    world.add(&link("taken")).await;
    let mut foreign = link("foreign");
    foreign.workspace = WorkspaceId::parse(OTHER_WORKSPACE).unwrap();
    world.add(&foreign).await;
    world.links().delete(&foreign, now(), &Journal::none()).await.unwrap();
    let before = stored(&world).await;
    for (body, place) in [
        (json!({ "slug": "taken", "url": "https://example.com/new" }), "/slug"),
        (json!({ "aliases": ["free", "taken"] }), "/aliases/1"),
        // What a stranger deleted stays the stranger's.
        (json!({ "slug": "foreign" }), "/slug"),
        (json!({ "slug": "free", "aliases": ["foreign"] }), "/aliases/0"),
    ] {
        let answer = patch(&body).send(&function).await;
        answer.assert_problem(Kind::SlugTaken);
        assert_eq!(answer.faults(), [place], "{body}");
        assert_eq!(stored(&world).await, before, "{body}");
        assert_eq!(follow(&world, "free").await, Found::Nothing, "{body}");
    }
}

#[tokio::test]
async fn a_renaming_that_makes_one_alias_too_many_is_refused() {
    let (_world, function) = start().await;
    let aliases: Vec<_> = (0..20).map(|number| format!("a{number}")).collect();
    assert_eq!(patch(&json!({ "aliases": aliases })).send(&function).await.status, 200);
    let answer = patch(&json!({ "slug": "another" })).send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/aliases"]);
}

#[tokio::test]
async fn the_largest_edit_there_is_fits_one_transaction() {
    let (world, function) = start().await;
    let names = |prefix: &str, count| -> Vec<_> {
        (0..count).map(|number| format!("{prefix}{number}")).collect()
    };
    let body = |prefix: &str| {
        json!({
            "slug": format!("{prefix}-slug"),
            "aliases": names(prefix, 19),
            "tags": names(prefix, 20),
            "max_clicks": 7,
        })
    };
    // All slugs and all tags are others.
    for prefix in ["first", "second", "third"] {
        let answer = patch(&body(prefix)).send(&function).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(answer.json()["aliases"].as_array().unwrap().len(), 20);
    }
    assert_eq!(follow(&world, "first3").await, Found::Deleted);
    assert_eq!(address(&world, "second-slug").await, "https://example.com/spring");
}

// --- What is refused --------------------------------------------------------------------------

#[tokio::test]
async fn null_is_refused_for_what_cannot_be_absent() {
    let (_world, function) = start().await;
    let answer = event("update-link/null-where-needed").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    let places = ["/url", "/slug", "/aliases", "/redirect_status", "/tags", "/forward_query"];
    assert_eq!(answer.faults(), places);
}

#[tokio::test]
async fn every_fault_is_told_at_once_with_its_place() {
    let (world, function) = start().await;
    let answer = event("update-link/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/url", "/slug", "/redirect_status", "/max_clicks"]);
    assert_eq!(stored(&world).await.unwrap().revision, 1);
    assert_eq!(world.probe.take_operations(), ["UpdateItem"], "what is not valid is not looked up");
}

#[tokio::test]
async fn the_domain_cannot_be_changed() {
    let (_world, function) = start().await;
    let answer = event("update-link/domain").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/domain"]);
}

#[tokio::test]
async fn bad_edits_are_refused_with_the_place_and_change_nothing() {
    let (world, function) = start().await;
    let cases = [
        (json!({ "url": "https://go.example.com/spring" }), vec!["/url"]),
        (json!({ "url": "javascript:alert(1)" }), vec!["/url"]),
        (json!({ "url": "https://user:pass@example.com/" }), vec!["/url"]),
        (json!({ "fallback_url": "https://go.example.com/x" }), vec!["/fallback_url"]),
        (json!({ "slug": "api" }), vec!["/slug"]),
        (json!({ "slug": "p\u{430}ypal" }), vec!["/slug"]),
        (json!({ "aliases": ["ok", "a/b", 7] }), vec!["/aliases/1", "/aliases/2"]),
        (json!({ "aliases": "fruehling" }), vec!["/aliases"]),
        (json!({ "aliases": ["x", "x"] }), vec!["/aliases"]),
        (json!({ "aliases": ["spring"] }), vec!["/aliases"]),
        (json!({ "tags": ["a", "a"] }), vec!["/tags"]),
        (json!({ "tags": [""] }), vec!["/tags/0"]),
        (json!({ "tags": vec!["x"; 21] }), vec!["/tags"]),
        (json!({ "title": "" }), vec!["/title"]),
        (json!({ "title": "a\nb" }), vec!["/title"]),
        (json!({ "title": "x".repeat(257) }), vec!["/title"]),
        (json!({ "redirect_status": 303 }), vec!["/redirect_status"]),
        (json!({ "max_clicks": 0 }), vec!["/max_clicks"]),
        (json!({ "max_clicks": 1.5 }), vec!["/max_clicks"]),
        (json!({ "max_clicks": 1_000_000_001 }), vec!["/max_clicks"]),
        (json!({ "expires_at": "2026-11-20T14:03:27Z" }), vec!["/expires_at"]),
        (json!({ "expires_at": "tomorrow" }), vec!["/expires_at"]),
        (
            json!({ "starts_at": "2027-01-02T00:00:00Z", "expires_at": "2027-01-01T00:00:00Z" }),
            vec!["/expires_at"],
        ),
        (json!({ "forward_query": "yes" }), vec!["/forward_query"]),
        (json!({ "id": SPRING, "clicks": {} }), vec!["/clicks", "/id"]),
        (json!({ "a/b~": 1 }), vec!["/a~1b~0"]),
    ];
    for (body, places) in cases {
        let answer = patch(&body).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), places, "{body}");
    }
    let deep = format!("{{\"url\": {}", "[".repeat(10_000));
    for text in [
        "",
        "{",
        "[]",
        "null",
        "\"url\"",
        "{\"url\": }",
        "{\"title\": \"\\ud800\"}",
        "{\"max_clicks\": 1e999}",
        "{} {}",
        "\u{feff}{}",
        deep.as_str(),
    ] {
        let answer = event("update-link/minimal").text_body(text).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), [""], "{text:.40}");
    }
    assert_eq!(stored(&world).await.unwrap().revision, 1);
}

#[tokio::test]
async fn an_end_before_the_start_that_stays_is_refused() {
    let (_world, function) = start().await;
    let answer = patch(&json!({ "starts_at": "2027-01-01T00:00:00Z" })).send(&function).await;
    assert_eq!(answer.status, 200);
    let answer = patch(&json!({ "expires_at": "2026-12-01T00:00:00Z" })).send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/expires_at"]);
}

#[tokio::test]
async fn an_expired_link_can_be_edited_and_opened_again() {
    let world = World::new().await;
    let mut expired = link("spring");
    expired.id = LinkId::parse(SPRING).unwrap();
    expired.definition.expires_at = "2026-11-10T00:00:00Z".parse().ok();
    world.add(&expired).await;
    let function = load_in(&world).await;
    assert_eq!(patch(&json!({ "title": "Over" })).send(&function).await.status, 200);
    let answer = patch(&json!({ "expires_at": "2027-01-01T00:00:00Z" })).send(&function).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_host_that_the_deployment_blocks_is_refused() {
    let world = World::with_spring().await;
    let boot = world.boot_with("update-link", &[("BLOCKED_HOSTS", "evil.example")]);
    let function = Function::http(boot, load, handle).await.unwrap();
    let answer = patch(&json!({ "url": "https://a.evil.example/" })).send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/url"]);
}

#[tokio::test]
async fn a_body_that_is_no_json_is_refused_by_its_type() {
    let (_world, function) = start().await;
    let answer = event("update-link/form").send(&function).await;
    answer.assert_problem(Kind::UnsupportedMediaType);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let (_world, function) = start().await;
    let answer = patch(&json!({ "title": "x".repeat(262_144) })).send(&function).await;
    answer.assert_problem(Kind::PayloadTooLarge);
}

#[tokio::test]
async fn nobody_edits_without_credentials_or_without_the_scope() {
    let (world, function) = start().await;
    let events = [event("update-link/not-authorized"), event("update-link/missing-scope")];
    world.assert_credentials_come_first(events, "links:write", &function).await;
}

#[tokio::test]
async fn what_is_not_there_or_belongs_to_others_is_not_found_and_stays() {
    let (world, function) = start().await;
    for name in ["unknown-link", "other-workspace"] {
        let answer = event(&format!("update-link/{name}")).send(&function).await;
        answer.assert_problem(Kind::NotFound);
    }
    let answer = event("update-link/minimal").path("id", "spring").send(&function).await;
    answer.assert_problem(Kind::NotFound);
    assert_eq!(stored(&world).await.unwrap().revision, 1);
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
}

// --- Conditions -------------------------------------------------------------------------------

#[tokio::test]
async fn the_version_that_is_named_must_be_the_one_that_is_there() {
    let (world, function) = start().await;
    let answer = event("update-link/wrong-if-match").send(&function).await;
    answer.assert_problem(Kind::PreconditionFailed);
    assert_eq!(stored(&world).await.unwrap().revision, 1);
    let answer = event("update-link/if-match").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    // What was read before is stale now.
    let answer = event("update-link/if-match").send(&function).await;
    answer.assert_problem(Kind::PreconditionFailed);
}

#[tokio::test]
async fn any_version_will_do_for_a_star_and_one_of_a_list_for_a_list() {
    let (world, function) = start().await;
    edit(&world, title("x")).await;
    assert_eq!(event("update-link/if-match-any").send(&function).await.status, 200);
    let list = event("update-link/minimal").header("if-match", "\"9\", \"3\"");
    assert_eq!(list.send(&function).await.header("etag"), "\"4\"");
    let weak = event("update-link/minimal").header("if-match", "W/\"4\"");
    weak.send(&function).await.assert_problem(Kind::PreconditionFailed);
}

#[tokio::test]
async fn a_condition_that_is_none_is_refused_with_its_place() {
    let (world, function) = start().await;
    let answer = event("update-link/invalid-if-match").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["If-Match"]);
    for value in ["\"", "\"1", "1\"", "\"1\" \"2\"", "w/\"1\"", "\"1\",", "'1'"] {
        let answer = event("update-link/minimal").header("if-match", value).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["If-Match"], "{value}");
    }
    assert!(world.probe.take_operations().iter().all(|call| call == "UpdateItem"));
}

// --- Others at the same time ------------------------------------------------------------------

#[tokio::test]
async fn an_edit_in_between_is_kept_and_ours_comes_on_top() {
    let (world, function) = start().await;
    let other = Box::pin(edit(&world, title("theirs")));
    let answer = meanwhile(&world, &function, event("update-link/minimal"), other).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"3\""));
    assert_eq!(answer.json()["title"], "theirs");
    assert_eq!(answer.json()["url"], "https://shop.example.com/spring-2");
}

#[tokio::test]
async fn an_edit_in_between_is_seen_by_who_named_a_version() {
    let (world, function) = start().await;
    let other = Box::pin(edit(&world, title("theirs")));
    let answer = meanwhile(&world, &function, event("update-link/if-match"), other).await;
    answer.assert_problem(Kind::PreconditionFailed);
    let stored = stored(&world).await.unwrap();
    assert_eq!((stored.revision, stored.definition.title), (2, Title::parse("theirs").ok()));
}

#[tokio::test]
async fn a_link_that_is_deleted_in_between_is_not_made_again() {
    let (world, function) = start().await;
    let other = Box::pin(async {
        let link = stored(&world).await.unwrap();
        world.links().delete(&link, now(), &Journal::none()).await.unwrap();
    });
    let answer = meanwhile(&world, &function, event("update-link/minimal"), other).await;
    answer.assert_problem(Kind::NotFound);
    assert_eq!(stored(&world).await, None);
    assert_eq!(follow(&world, "spring").await, Found::Deleted);
}

#[tokio::test]
async fn a_slug_that_is_taken_in_between_is_refused() {
    let (world, function) = start().await;
    let taken = link("spring-2027");
    let other = Box::pin(world.add(&taken));
    let answer = meanwhile(&world, &function, event("update-link/rename"), other).await;
    answer.assert_problem(Kind::SlugTaken);
    assert_eq!(stored(&world).await.unwrap().revision, 1);
}

#[tokio::test]
async fn an_alias_that_is_removed_in_between_stays_removed() {
    let (world, function) = start().await;
    let change = LinkChange { aliases: Some(Vec::new()), ..LinkChange::default() };
    let other = Box::pin(edit(&world, change));
    let answer = meanwhile(&world, &function, event("update-link/minimal"), other).await;
    assert_eq!((answer.status, &answer.json()["aliases"]), (200, &json!([])));
    assert_eq!(follow(&world, "fruehling").await, Found::Deleted);
}

/// Sends edits of different titles at the same time.
async fn at_once(function: &Function, edit: &Event, count: usize) -> Vec<Answer> {
    let edits: Vec<_> = (0..count)
        .map(|number| {
            let (function, edit) = (function.clone(), edit.clone());
            let body = json!({ "title": format!("number {number}"), "tags": [number.to_string()] });
            tokio::spawn(async move { edit.body(&body).send(&function).await })
        })
        .collect();
    let mut answers = Vec::new();
    for edit in edits {
        answers.push(edit.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn eight_edits_at_once_are_all_made_one_after_the_other() {
    let (world, function) = start().await;
    // The worst that can happen: in each round, all that are left read before the first one writes,
    // and one succeeds.
    for left in (2..=8).rev() {
        let write = On::operation("TransactWriteItems").times(left);
        world.probe.inject(write, Fault::meet(left));
    }
    let answers = at_once(&function, &event("update-link/minimal"), 8).await;
    let mut etags: Vec<_> = answers.iter().map(|answer| answer.header("etag").to_owned()).collect();
    etags.sort();
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200; 8]);
    assert_eq!(etags, (2..=9).map(|n| format!("\"{n}\"")).collect::<Vec<_>>());
    let last = stored(&world).await.unwrap();
    assert_eq!(last.revision, 9);
    // What the last one said is what is there, in all rows.
    let of_last = answers.iter().find(|answer| answer.header("etag") == "\"9\"").unwrap().json();
    assert_eq!(of_last["title"], last.definition.title.as_ref().unwrap().as_str());
    for number in 0..8 {
        let tag = number.to_string();
        let filter = Filter { tag: Tag::parse(&tag).ok(), prefix: None };
        let page = world.links().page(last.workspace, &filter, None, 10).await.unwrap();
        assert_eq!(page.links.len(), usize::from(of_last["tags"] == json!([tag])), "{tag}");
    }
}

#[tokio::test]
async fn of_eight_edits_of_the_same_version_one_is_made() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").times(8), Fault::meet(8));
    let answers = at_once(&function, &event("update-link/if-match"), 8).await;
    let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!((made.len(), refused.len()), (1, 7));
    for answer in refused {
        answer.assert_problem(Kind::PreconditionFailed);
    }
    let stored = stored(&world).await.unwrap();
    assert_eq!(stored.revision, 2);
    assert_eq!(made[0].json()["title"], stored.definition.title.unwrap().as_str());
}

#[tokio::test]
async fn a_link_that_others_never_leave_alone_is_a_conflict() {
    let (world, function) = start().await;
    let own = |item: &testkit::probe::Item| item.sk.starts_with("L#") && item.pk.starts_with("W#");
    let fault = Fault::cancel("ConditionalCheckFailed", own);
    world.probe.inject(On::operation("TransactWriteItems"), fault);
    event("update-link/minimal").send(&function).await.assert_problem(Kind::Conflict);
    assert_eq!(world.probe.count("TransactWriteItems"), TRIES);
    assert_eq!(stored(&world).await.unwrap().revision, 1);
}

#[tokio::test]
async fn transactions_that_meet_or_are_throttled_are_not_the_callers_business() {
    let (world, function) = start().await;
    for code in ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"] {
        let cancelled = Fault::cancel(code, |_| true);
        world.probe.inject(On::operation("TransactWriteItems").once(), cancelled);
    }
    assert_eq!(event("update-link/minimal").send(&function).await.header("etag"), "\"2\"");
    assert_eq!(world.probe.fired(), 3);
}

// --- Bad days ---------------------------------------------------------------------------------

#[tokio::test]
async fn a_lost_answer_is_asked_for_again_and_edits_once() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    let answer = event("update-link/if-match").send(&function).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"2\""));
    assert_eq!(world.probe.count("TransactWriteItems"), 2);
}

#[tokio::test]
async fn without_dynamodb_it_says_try_again_and_nothing_of_the_cause() {
    let (world, function) = start().await;
    let event = event("update-link/minimal");
    world
        .assert_unavailable_without(&["GetItem", "TransactWriteItems", "Query"], &event, &function)
        .await;
    // Not even where only the answer would have needed the clicks.
    assert_eq!(stored(&world).await.unwrap().revision, 1);
}
