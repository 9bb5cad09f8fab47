//! The handler from its events, against the embedded stores.

use std::collections::BTreeSet;

use domain::{Link, WorkspaceId};
use jiff::SignedDuration;
use lambda::{Function, Kind};
use serde_json::{Value, json};
use testkit::{Answer, Event, OTHER_WORKSPACE, World, event, link, now};

use super::*;

async fn load_in(world: &World) -> Function {
    Function::http(world.boot("list-links"), load, handle).await.unwrap()
}

/// A link that is this many seconds younger than the events.
fn young(slug: &str, seconds: i64, tags: &[&str]) -> Link {
    let mut link = link(slug);
    link.id = LinkId::new(now() + SignedDuration::from_secs(seconds), 7);
    link.definition.tags = tags.iter().map(|tag| Tag::parse(tag).unwrap()).collect();
    link
}

/// Nine links: some begin with `spr`, some have the tag `spring-sale`, some both.
async fn start() -> (World, Function) {
    let world = World::new().await;
    for (seconds, (slug, tags)) in (0..).zip([
        ("spring", ["spring-sale", "mail"].as_slice()),
        ("sprint", &["spring-sale"]),
        ("spread", &["spring-sale", "print"]),
        ("spree", &["mail"]),
        ("autumn", &["spring-sale"]),
        ("winter", &[]),
        ("café", &[]),
        ("cafe", &[]),
        ("Spring", &[]),
    ]) {
        world.add(&young(slug, seconds, tags)).await;
    }
    let mut foreign = young("sprite", 50, &["spring-sale"]);
    foreign.workspace = WorkspaceId::parse(OTHER_WORKSPACE).unwrap();
    world.add(&foreign).await;
    let function = load_in(&world).await;
    (world, function)
}

/// A list with this query.
fn query(text: &str) -> Event {
    event("list-links/minimal").query(text)
}

fn slugs(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let items = body["items"].as_array().unwrap_or_else(|| panic!("{body}"));
    items.iter().map(|item| item["slug"].as_str().unwrap().to_owned()).collect()
}

/// The slugs of each page, up to the end.
async fn pages(function: &Function, filter: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = String::new();
    loop {
        let answer = query(&format!("{filter}{next}")).send(function).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        pages.push(slugs(&answer));
        match answer.json()["next"].as_str() {
            Some(cursor) => next = format!("&cursor={cursor}"),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn a_workspace_without_links_has_an_empty_list() {
    let world = World::new().await;
    let answer = event("list-links/minimal").send(&load_in(&world).await).await;
    assert_eq!((answer.status, answer.json()), (200, json!({ "items": [], "next": null })));
}

#[tokio::test]
async fn the_newest_links_come_first_and_only_the_workspaces_own() {
    let (_world, function) = start().await;
    let answer = event("list-links/minimal").send(&function).await;
    let all = ["Spring", "cafe", "café", "winter", "autumn", "spree", "spread", "sprint", "spring"];
    assert_eq!(slugs(&answer), all);
    assert_eq!(answer.json()["next"], Value::Null);
    let foreign = event("list-links/minimal").of_workspace(OTHER_WORKSPACE).send(&function).await;
    assert_eq!(slugs(&foreign), ["sprite"]);
}

#[tokio::test]
async fn an_item_is_the_whole_link() {
    let world = World::new().await;
    world.add(&young("spring", 0, &["mail"])).await;
    let answer = event("list-links/minimal").send(&load_in(&world).await).await;
    let id = LinkId::new(now(), 7).to_string();
    assert_eq!(
        answer.json()["items"][0],
        json!({
            "id": id,
            "domain": "go.example.com",
            "slug": "spring",
            "short_url": "https://go.example.com/spring",
            "url": "https://example.com/spring",
            "title": null,
            "tags": ["mail"],
            "redirect_status": 302,
            "starts_at": null,
            "expires_at": null,
            "fallback_url": null,
            "max_clicks": null,
            "forward_query": false,
            "aliases": [],
            "created_at": "2026-11-20T14:03:27.412Z",
            "updated_at": "2026-11-20T14:03:27.412Z",
            "clicks": { "total": 0, "human": 0, "bot": 0 },
        })
    );
}

#[tokio::test]
async fn pages_show_each_link_once_whatever_their_size() {
    let (_world, function) = start().await;
    for filter in ["", "tag=spring-sale", "q=spr", "tag=spring-sale&q=spr"] {
        let all = pages(&function, &format!("{filter}&limit=100")).await.concat();
        for limit in 1..=10 {
            let pages = pages(&function, &format!("{filter}&limit={limit}")).await;
            assert!(pages.iter().all(|page| page.len() <= limit), "{filter}: {pages:?}");
            assert_eq!(pages.concat(), all, "{filter} by {limit}");
        }
    }
}

#[tokio::test]
async fn a_tag_and_a_prefix_can_be_combined() {
    let (_world, function) = start().await;
    let answer = event("list-links/full").send(&function).await;
    assert_eq!(slugs(&answer), ["spread", "spring"]);
    let next = answer.json()["next"].as_str().unwrap().to_owned();
    let rest = query(&format!("limit=2&tag=spring-sale&q=spr&cursor={next}"));
    assert_eq!(slugs(&rest.send(&function).await), ["sprint"]);
}

#[tokio::test]
async fn a_tag_picks_its_links_newest_first() {
    let (_world, function) = start().await;
    let answer = event("list-links/tag").send(&function).await;
    assert_eq!(slugs(&answer), ["autumn", "spread", "sprint", "spring"]);
    assert!(slugs(&query("tag=spring").send(&function).await).is_empty(), "a tag is no prefix");
    assert!(slugs(&query("tag=Mail").send(&function).await).is_empty());
}

#[tokio::test]
async fn a_tag_may_have_any_characters() {
    let world = World::new().await;
    world.add(&young("a", 0, &["Black Friday", "a#b&c=d", "50 %", "été"])).await;
    let function = load_in(&world).await;
    for text in ["Black+Friday", "Black%20Friday", "a%23b%26c%3Dd", "50%20%25", "e%CC%81t%C3%A9"] {
        for filter in ["", "&q=a"] {
            let answer = query(&format!("tag={text}{filter}")).send(&function).await;
            assert_eq!(slugs(&answer), ["a"], "{text}{filter}: {answer:?}");
        }
    }
    // A tag is no other tag's partition.
    assert!(slugs(&query("tag=a").send(&function).await).is_empty());
    assert!(slugs(&query("tag=%FF").send(&function).await).is_empty());
}

#[tokio::test]
async fn a_prefix_picks_its_links_in_the_order_of_their_slugs() {
    let (_world, function) = start().await;
    let answer = event("list-links/prefix").send(&function).await;
    assert_eq!(slugs(&answer), ["spread", "spree", "spring", "sprint"]);
    assert_eq!(slugs(&query("q=S").send(&function).await), ["Spring"]);
}

#[tokio::test]
async fn a_prefix_may_have_any_letters_in_any_form() {
    let (_world, function) = start().await;
    assert_eq!(slugs(&event("list-links/prefix-unicode").send(&function).await), ["café"]);
    // The same é as two characters.
    assert_eq!(slugs(&query("q=cafe%CC%81").send(&function).await), ["café"]);
}

#[tokio::test]
async fn a_reserved_word_may_begin_a_slug() {
    let world = World::new().await;
    world.add(&young("api-docs", 0, &[])).await;
    assert_eq!(slugs(&query("q=api").send(&load_in(&world).await).await), ["api-docs"]);
}

#[tokio::test]
async fn a_link_under_several_slugs_is_listed_once() {
    let world = World::with_spring().await;
    let function = load_in(&world).await;
    assert_eq!(slugs(&query("").send(&function).await), ["spring"]);
    assert!(slugs(&query("q=fr").send(&function).await).is_empty(), "aliases are not looked at");
}

#[tokio::test]
async fn every_fault_of_a_query_is_told_at_once() {
    let (world, function) = start().await;
    let answer = event("list-links/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["limit", "tag", "q", "cursor"]);
    for (text, places) in [
        ("limit=0", ["limit"]),
        ("limit=", ["limit"]),
        ("limit=-1", ["limit"]),
        ("limit=1e1", ["limit"]),
        ("limit=99999999999999999999", ["limit"]),
        ("tag=%20a", ["tag"]),
        ("tag=a%00b", ["tag"]),
        ("q=", ["q"]),
        ("q=%00", ["q"]),
        ("q=a%2Fb", ["q"]),
        ("cursor=", ["cursor"]),
        ("cursor=e30", ["cursor"]),
        ("offset=10", ["offset"]),
        ("Limit=1", ["Limit"]),
        ("limit", ["limit"]),
    ] {
        let answer = query(text).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), places, "{text}");
    }
    assert!(world.probe.take_calls().is_empty(), "what is not valid is not looked up");
}

#[tokio::test]
async fn a_parameter_that_nobody_knows_or_that_stands_twice_is_refused() {
    let (_world, function) = start().await;
    for (name, place) in [("unknown-parameter", "page"), ("repeated-parameter", "limit")] {
        let answer = event(&format!("list-links/{name}")).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), [place], "{name}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_list_is_refused() {
    let (_world, function) = start().await;
    let filters = ["", "tag=spring-sale", "tag=mail", "q=spr", "q=sp", "tag=spring-sale&q=spr"];
    let mut cursors = Vec::new();
    for filter in filters {
        let answer = query(&format!("{filter}&limit=1")).send(&function).await;
        cursors.push(answer.json()["next"].as_str().unwrap().to_owned());
    }
    for (own, filter) in filters.iter().enumerate() {
        for (at, cursor) in cursors.iter().enumerate() {
            let answer = query(&format!("{filter}&cursor={cursor}")).send(&function).await;
            if at == own {
                assert_eq!(answer.status, 200, "{filter}");
            } else {
                answer.assert_problem(Kind::InvalidRequest);
                assert_eq!(answer.faults(), ["cursor"], "{filter} with that of {}", filters[at]);
            }
        }
    }
}

#[tokio::test]
async fn a_cursor_shows_nobody_anothers_links() {
    let (_world, function) = start().await;
    let answer = query("limit=1&tag=spring-sale").send(&function).await;
    let cursor = answer.json()["next"].as_str().unwrap().to_owned();
    let stranger = query(&format!("tag=spring-sale&cursor={cursor}")).of_workspace(OTHER_WORKSPACE);
    let seen = slugs(&stranger.send(&function).await);
    assert!(seen.iter().all(|slug| slug == "sprite"), "{seen:?}");
}

#[tokio::test]
async fn a_cursor_that_somebody_made_up_is_refused_or_harmless() {
    let (_world, function) = start().await;
    let id = LinkId::new(now(), 7).to_string();
    let made_up = [
        json!({ "v": 2, "link": id }),
        json!({ "v": 1 }),
        json!({ "v": 1, "link": "spring" }),
        json!({ "v": 1, "link": id, "extra": 1 }),
        json!({ "v": 1, "link": id, "slug": "spring", "domain": "go.example.com" }),
        json!([1, 2]),
        Value::Null,
    ];
    for cursor in made_up {
        let answer =
            query(&format!("cursor={}", base64(&cursor.to_string()))).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["cursor"], "{cursor}");
    }
    // DynamoDB refuses to begin at a place that is not in the list at all.
    for slug in ["zzz", "autumn", "", "a/b"] {
        let cursor = json!({
            "v": 1, "prefix": "spr", "link": id, "slug": slug, "domain": "go.example.com"
        });
        let text = format!("q=spr&cursor={}", base64(&cursor.to_string()));
        let answer = query(&text).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["cursor"], "{slug}");
    }
}

/// Base 64 for URLs, without padding.
fn base64(text: &str) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut encoded = String::new();
    for bytes in text.as_bytes().chunks(3) {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(*bytes.get(at).unwrap_or(&0)));
        for digit in 0..=bytes.len() {
            encoded.push(char::from(DIGITS[bits >> (18 - 6 * digit) & 63]));
        }
    }
    encoded
}

#[tokio::test]
async fn nobody_lists_without_credentials_or_without_the_scope() {
    let (world, function) = start().await;
    let events = [event("list-links/not-authorized"), event("list-links/missing-scope")];
    world.assert_credentials_come_first(events, "links:read", &function).await;
}

#[tokio::test]
async fn without_dynamodb_it_says_try_again_and_nothing_of_the_cause() {
    let (world, function) = start().await;
    let event = event("list-links/full");
    world.assert_unavailable_without(&["Query", "BatchGetItem"], &event, &function).await;
}

/// The calls of one page, and what they cost.
async fn cost(world: &World, function: &Function, text: &str) -> (Vec<String>, f64) {
    world.probe.take_calls();
    let answer = query(text).send(function).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(slugs(&answer).len(), 25, "{text}");
    let calls = world.probe.take_calls();
    let operations = calls.iter().map(|call| call.operation.clone()).collect();
    (operations, calls.iter().map(|call| call.capacity).sum())
}

#[tokio::test]
async fn a_page_costs_the_same_of_two_thousand_links_as_of_a_hundred() {
    let world = World::new().await;
    let function = load_in(&world).await;
    let add = async |numbers: std::ops::Range<i64>| {
        for number in numbers {
            let tags: &[&str] = if number % 2 == 0 { &["even"] } else { &[] };
            world.add(&young(&format!("s{number:04}"), number, tags)).await;
        }
    };
    let filters = ["", "tag=even", "q=s", "q=s00", "tag=even&q=s"];
    add(0..100).await;
    let mut of_hundred = Vec::new();
    for filter in filters {
        of_hundred.push(cost(&world, &function, &format!("{filter}&limit=25")).await);
    }
    add(100..2000).await;
    for (filter, (calls, units)) in filters.iter().zip(of_hundred) {
        let (calls_now, units_now) = cost(&world, &function, &format!("{filter}&limit=25")).await;
        println!("{filter:>14}: {} calls, {units} units of 100 links", calls.join(" "));
        println!("{filter:>14}: {} calls, {units_now} units of 2000", calls_now.join(" "));
        assert_eq!(calls_now, calls, "{filter}");
        assert_eq!(units_now, units, "{filter}");
    }
    // A page far behind costs what the first one does.
    let (first, first_units) = cost(&world, &function, "limit=25").await;
    let mut cursor = String::new();
    for _ in 0..10 {
        let answer = query(&format!("limit=100{cursor}")).send(&function).await;
        cursor = format!("&cursor={}", answer.json()["next"].as_str().unwrap());
    }
    let (deep, deep_units) = cost(&world, &function, &format!("limit=25{cursor}")).await;
    assert_eq!((deep, deep_units), (first, first_units));
}

#[tokio::test]
async fn all_pages_together_show_every_link_of_many() {
    let world = World::new().await;
    for number in 0..250 {
        world.add(&young(&format!("s{number}"), number, &[])).await;
    }
    let function = load_in(&world).await;
    for filter in ["limit=100", "limit=100&q=s"] {
        let pages = pages(&function, filter).await;
        assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50], "{filter}");
        let all: BTreeSet<_> = pages.concat().into_iter().collect();
        assert_eq!(all.len(), 250, "{filter}");
    }
}
