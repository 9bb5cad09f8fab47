//! Following links, from the events of `events/redirect`.

use domain::{Click, Day, Link, LinkChange, RedirectStatus, WorkspaceId};
use jiff::SignedDuration;
use lambda::Function;
use serde_json::Value;
use store::Journal;
use testkit::probe::{Fault, On};
use testkit::{Event, OTHER_WORKSPACE, SPRING, WORKSPACE, World, event, link, now};

use super::*;

async fn function(world: &World) -> Function {
    function_with(world, &[]).await
}

async fn function_with(world: &World, env: &[(&'static str, &str)]) -> Function {
    Function::http_then(world.boot_with("redirect", env), load, handle, send_click).await.unwrap()
}

fn get(slug: &str) -> Event {
    event("redirect/minimal").path("slug", slug).header("user-agent", BROWSER)
}

const BROWSER: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

async fn edit(world: &World, old: &Link, change: LinkChange) {
    let new = old.edited(change, now()).unwrap();
    world.links().update(old, &new, &Journal::none()).await.unwrap();
}

#[tokio::test]
async fn a_link_is_followed_and_the_click_is_on_the_queue() {
    let world = World::with_spring().await;
    let answer = event("redirect/full").send(&function(&world).await).await;
    assert_eq!((answer.status, answer.header("location")), (302, "https://example.com/spring"));
    assert_eq!(answer.header("cache-control"), "private, no-store");
    assert_eq!(answer.header("referrer-policy"), "strict-origin-when-cross-origin");

    let clicks = world.take_clicks().await;
    let [click] = clicks.as_slice() else { panic!("{clicks:?}") };
    assert_eq!(click["link"], SPRING);
    assert_eq!(click["workspace"], WORKSPACE);
    assert_eq!((&click["slug"], &click["status"]), (&"spring".into(), &302.into()));
    let id = ClickId::parse(click["id"].as_str().unwrap()).unwrap();
    assert_eq!(id.at(), now());
    assert!(click["user_agent"].as_str().unwrap().starts_with("Mozilla/5.0"));
    // Neither the address nor the referrer's path is anybody's business.
    let text = click.to_string();
    assert!(!text.contains("203.0.113") && !text.contains("2001:db8"), "{text}");
    assert!(click["referrer"].as_str().is_none_or(|host| !host.contains('/')), "{text}");
}

#[tokio::test]
async fn a_miss_is_one_read_and_a_hit_none_and_the_click_is_all_that_is_sent() {
    let world = World::with_spring().await;
    let function = function(&world).await;
    world.put_salts().await;
    event("redirect/minimal").send(&function).await;
    // The link, and the day's salt.
    let tables: Vec<_> = world.probe.take_calls().into_iter().map(|call| call.tables).collect();
    assert_eq!(tables, [vec!["links".to_owned()], vec!["salts".to_owned()], vec![]]);
    event("redirect/minimal").send(&function).await;
    assert_eq!(world.probe.count("SendMessage"), 1);
    assert_eq!(world.probe.take_calls().len(), 1);
}

#[tokio::test]
async fn every_slug_of_a_link_leads_to_it() {
    let world = World::with_spring().await;
    let mut cafe = link("café");
    cafe.definition.redirect_status = RedirectStatus::PermanentRedirect;
    world.add(&cafe).await;
    let function = function(&world).await;
    assert_eq!(event("redirect/alias").send(&function).await.status, 302);
    assert_eq!(event("redirect/unicode-slug").send(&function).await.status, 308);
    // Some gateways do not decode the path.
    assert_eq!(get("caf%C3%A9").send(&function).await.status, 308);
    // And some people's keyboards compose letters differently.
    assert_eq!(get("cafe\u{301}").send(&function).await.status, 308);
    assert_eq!(world.take_clicks().await.len(), 4);
}

/// Follows a link as somebody at this address.
async fn follow_from(function: &Function, slug: &str, address: &str) {
    let told = format!("{address}:4711");
    let get = get(slug).header("x-origin-secret", "a secret");
    let get = get.header("cloudfront-viewer-address", &told);
    assert_eq!(get.send(function).await.status, 302);
}

/// The visitors of the clicks on the queue; none may be unknown.
async fn visitors(world: &World) -> Vec<String> {
    let clicks = world.take_clicks().await;
    clicks.iter().map(|click| click["visitor"].as_str().expect("it is known").to_owned()).collect()
}

const BEHIND_CLOUDFRONT: &[(&str, &str)] = &[("ORIGIN_SECRET", "a secret")];

#[tokio::test]
async fn all_that_a_request_says_is_told_of_a_click() {
    let world = World::new().await;
    let mut spring = link("spring");
    spring.definition.url = domain::Destination::stored(
        "https://example.com/spring/sale?token=secret&utm_source=site&utm_term=shoes#top",
    );
    world.add(&spring).await;
    world.put_salts().await;
    let function = function_with(&world, BEHIND_CLOUDFRONT).await;
    let answer = event("redirect/through-cloudfront").send(&function).await;
    assert_eq!(answer.status, 302);
    let clicks = world.take_clicks().await;
    let mut click = clicks[0].as_object().unwrap().clone();
    let visitor = click.remove("visitor").unwrap();
    assert!(visitor.as_str().is_some_and(|it| it.len() == 16), "{visitor}");
    assert!(click.remove("id").is_some());
    assert_eq!(
        Value::Object(click),
        serde_json::json!({
            "v": 2, "link": spring.id.to_string(), "workspace": WORKSPACE,
            "domain": "go.example.com", "slug": "spring", "shard": 0, "status": 302,
            "destination": "https://example.com/spring/sale",
            "referrer": "news.example.org", "referrer_url": "https://news.example.org/",
            "user_agent":
                "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "language": "en-GB", "purpose": "prefetch",
            "country": "CH", "region": "ZH", "city": "Zürich", "network": 64_500,
            "utm": { "source": "site", "term": "shoes" },
            "asked_utm": { "source": "mail", "campaign": "spring sale" },
        })
    );
}

#[tokio::test]
async fn a_bare_request_is_a_click_of_which_little_is_known() {
    let world = World::with_spring().await;
    let bare = event("redirect/minimal").without_header("user-agent");
    assert_eq!(bare.send(&function(&world).await).await.status, 302);
    let clicks = world.take_clicks().await;
    let mut known: Vec<_> = clicks[0].as_object().unwrap().keys().map(String::as_str).collect();
    known.sort_unstable();
    let expected =
        ["destination", "domain", "id", "link", "shard", "slug", "status", "v", "workspace"];
    assert_eq!(known, expected);
}

#[tokio::test]
async fn what_cloudfront_tells_is_believed_only_behind_it() {
    let world = World::with_spring().await;
    world.put_salts().await;
    // Whoever asks may say so; there is no secret that would prove it.
    event("redirect/through-cloudfront").send(&function(&world).await).await;
    let clicks = world.take_clicks().await;
    for name in ["country", "region", "city", "network"] {
        assert!(clicks[0][name].is_null(), "{name}");
    }
    // The visitor is at the address that the gateway saw: who makes up another is the same.
    let visitor = clicks[0]["visitor"].clone();
    let other = event("redirect/through-cloudfront");
    let other = other.header("cloudfront-viewer-address", "198.51.100.99:1");
    other.send(&function(&world).await).await;
    assert_eq!(world.take_clicks().await[0]["visitor"], visitor);

    let function = function_with(&world, BEHIND_CLOUDFRONT).await;
    let forged = event("redirect/through-cloudfront").header("x-origin-secret", "a guess");
    forged.send(&function).await.assert_problem(Kind::WrongAddress);
    assert!(world.take_clicks().await.is_empty());
}

#[tokio::test]
async fn a_visitor_is_the_same_for_a_day_and_a_workspace_and_then_somebody_else() {
    let world = World::with_spring().await;
    world.put_salts().await;
    let mut foreign = link("foreign");
    foreign.workspace = WorkspaceId::parse(OTHER_WORKSPACE).unwrap();
    world.add(&foreign).await;
    world.add(&link("autumn")).await;
    let function = function_with(&world, BEHIND_CLOUDFRONT).await;
    for (slug, address) in [
        ("spring", "203.0.113.9"),
        ("autumn", "203.0.113.9"),
        ("spring", "203.0.113.10"),
        ("foreign", "203.0.113.9"),
    ] {
        follow_from(&function, slug, address).await;
    }
    let today = visitors(&world).await;
    assert_eq!(today[0], today[1]);
    assert!(today[0] != today[2] && today[0] != today[3], "{today:?}");

    // The first moment of the next day.
    let midnight = Day::of(now()).end();
    world.clock.advance(midnight.duration_since(now()) - SignedDuration::from_millis(1));
    follow_from(&function, "spring", "203.0.113.9").await;
    assert_eq!(visitors(&world).await, today[..1]);
    world.clock.advance(SignedDuration::from_millis(1));
    follow_from(&function, "spring", "203.0.113.9").await;
    let tomorrow = visitors(&world).await;
    assert!(!today.contains(&tomorrow[0]));
}

#[tokio::test]
async fn without_a_salt_a_visitor_is_unknown_and_nobody_can_be_found_out_again() {
    let world = World::with_spring().await;
    world.put_salts().await;
    follow_from(&function_with(&world, BEHIND_CLOUDFRONT).await, "spring", "203.0.113.9").await;
    let known = visitors(&world).await;
    // It is gone, and a process that starts now has no way to make the same visitor once more.
    let today = Day::of(now());
    world.salts().delete(today).await.unwrap();
    let function = function_with(&world, BEHIND_CLOUDFRONT).await;
    follow_from(&function, "spring", "203.0.113.9").await;
    assert!(world.take_clicks().await[0]["visitor"].is_null());
    // A salt that is made later is another. It is looked for every ten seconds.
    world.salts().put(today, &domain::Salt::of_random(3, 3)).await.unwrap();
    world.clock.advance(SignedDuration::from_secs(9));
    follow_from(&function, "spring", "203.0.113.9").await;
    assert!(world.take_clicks().await[0]["visitor"].is_null());
    world.clock.advance(SignedDuration::from_secs(1));
    follow_from(&function, "spring", "203.0.113.9").await;
    assert_ne!(visitors(&world).await, known);
}

#[tokio::test]
async fn without_the_table_of_salts_clicks_are_sent_all_the_same() {
    let world = World::with_spring().await;
    world.put_salts().await;
    world.probe.inject(On::operation("GetItem").table("salts"), Fault::Unreachable);
    let function = function(&world).await;
    for _ in 0..5 {
        assert_eq!(get("spring").send(&function).await.status, 302);
    }
    assert_eq!(world.take_clicks().await.len(), 5);
    // The SDK tries thrice, and nobody tries for every click.
    let asked = world.probe.take_calls();
    let asked = asked.iter().filter(|call| call.tables.contains(&"salts".to_owned())).count();
    assert!((1..=3).contains(&asked), "{asked}");
    world.probe.heal();
    world.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(get("spring").send(&function).await.status, 302);
    assert_eq!(visitors(&world).await.len(), 1);
}

#[tokio::test]
async fn requests_for_what_is_not_there_are_told_of_and_a_flood_is_counted() {
    let world = World::new().await;
    let function = function(&world).await;
    get("sprong").send(&function).await.assert_problem(Kind::NotFound);
    let told = world.take_clicks().await;
    let mut orphan = told[0].as_object().unwrap().clone();
    let id = ClickId::parse(orphan.remove("id").unwrap().as_str().unwrap()).unwrap();
    assert_eq!((told.len(), id.at()), (1, now()));
    assert_eq!(
        Value::Object(orphan),
        serde_json::json!({
            "v": 2, "kind": "orphan", "domain": "go.example.com", "slug": "sprong", "count": 1,
        })
    );
    for number in 0..500 {
        get(&format!("flood-{number}")).send(&function).await;
    }
    assert_eq!(world.take_clicks().await.len(), 59);
    world.clock.advance(SignedDuration::from_secs(1));
    get("sprong").send(&function).await;
    let told = world.take_clicks().await;
    assert_eq!((told.len(), &told[0]["count"]), (1, &442.into()));

    // Neither is what only looks, nor what cannot be a slug, nor what was there once.
    event("redirect/head-unknown-slug").send(&function).await;
    event("redirect/impossible-slug").send(&function).await;
    world.add(&link("gone")).await;
    world.links().delete(&link("gone"), now(), &Journal::none()).await.unwrap();
    world.clock.advance(SignedDuration::from_secs(60));
    get("gone").send(&function).await.assert_problem(Kind::Gone);
    assert!(world.take_clicks().await.is_empty());
}

#[tokio::test]
async fn orphans_that_could_not_be_told_of_are_told_before_the_next_and_with_it() {
    let world = World::new().await;
    let function = function(&world).await;
    world.probe.inject(On::operation("SendMessage"), Fault::THROTTLED);
    for _ in 0..3 {
        get("sprong").send(&function).await.assert_problem(Kind::NotFound);
    }
    world.probe.heal();
    get("sprang").send(&function).await.assert_problem(Kind::NotFound);
    let told = world.take_clicks().await;
    let of = |at: usize| (told[at]["slug"].as_str().unwrap(), told[at]["count"].as_u64().unwrap());
    assert_eq!((told.len(), of(0), of(1)), (2, ("sprong", 1), ("sprang", 3)));
}

#[tokio::test]
async fn an_orphan_that_arrived_though_nobody_said_so_is_told_again_and_is_the_same() {
    let world = World::new().await;
    let function = function(&world).await;
    // The last of the SDK's tries arrives.
    world.probe.inject(On::operation("SendMessage").times(2), Fault::Unreachable);
    world.probe.inject(On::operation("SendMessage").after(2).once(), Fault::LostAnswer);
    get("sprong").send(&function).await.assert_problem(Kind::NotFound);
    get("sprang").send(&function).await.assert_problem(Kind::NotFound);
    let told = world.take_clicks().await;
    let ids: Vec<_> = told.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!((told.len(), ids[0] == ids[1], ids[1] == ids[2]), (3, true, false));
}

#[tokio::test]
async fn of_a_long_user_agent_the_beginning_is_kept() {
    let world = World::with_spring().await;
    let long = "Mozilla/5.0 ".repeat(100);
    get("spring").header("user-agent", &long).send(&function(&world).await).await;
    assert_eq!(world.take_clicks().await[0]["user_agent"], long[..512]);
}

#[tokio::test]
async fn head_answers_like_get_and_is_no_click() {
    let world = World::with_spring().await;
    let answer = event("redirect/head").send(&function(&world).await).await;
    assert_eq!((answer.status, answer.header("location")), (302, "https://example.com/spring"));
    assert!(world.take_clicks().await.is_empty());
}

#[tokio::test]
async fn addresses_without_a_link_are_answered_in_kind() {
    let world = World::with_spring().await;
    let function = function(&world).await;
    event("redirect/unknown-slug").send(&function).await.assert_problem(Kind::NotFound);
    let page = event("redirect/unknown-slug-in-a-browser").send(&function).await;
    assert_eq!((page.status, page.header("content-type")), (404, "text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), "private, no-store");
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
    assert_eq!(event("redirect/head-unknown-slug").send(&function).await.status, 404);
    assert_eq!(event("redirect/root").send(&function).await.status, 200);
    assert_eq!(event("redirect/root-head").send(&function).await.status, 200);
    assert_eq!(event("redirect/robots").send(&function).await.status, 200);
    assert_eq!(event("redirect/favicon").send(&function).await.status, 204);
    assert!(world.take_clicks().await.iter().all(|told| told["kind"] == "orphan"));
}

#[tokio::test]
async fn what_cannot_be_a_slug_is_a_404_without_a_read() {
    let world = World::with_spring().await;
    let function = function(&world).await;
    event("redirect/impossible-slug").send(&function).await.assert_problem(Kind::NotFound);
    let long = "a".repeat(65);
    for slug in ["a.b", "..", "%00", "%ff", "🦀", "a%0d%0aSet-Cookie:x", long.as_str()] {
        get(slug).send(&function).await.assert_problem(Kind::NotFound);
    }
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn a_host_of_nobody_means_the_default_domain() {
    let world = World::with_spring().await;
    let function = function(&world).await;
    for host in ["abc.execute-api.eu-west-1.amazonaws.com", "a b", "", "evil.example"] {
        assert_eq!(get("spring").header("host", host).send(&function).await.status, 302, "{host}");
    }
}

#[tokio::test]
async fn a_new_link_works_at_once_and_an_edit_within_the_cache_s_age() {
    let world = World::new().await;
    let function = function(&world).await;
    get("spring").send(&function).await.assert_problem(Kind::NotFound);
    world.add(&link("spring")).await;
    assert_eq!(get("spring").send(&function).await.status, 302);

    let change = LinkChange {
        url: Some(domain::Destination::stored("https://example.com/new")),
        ..LinkChange::default()
    };
    edit(&world, &link("spring"), change).await;
    world.clock.advance(SignedDuration::from_secs(29));
    assert_eq!(
        get("spring").send(&function).await.header("location"),
        "https://example.com/spring"
    );
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(get("spring").send(&function).await.header("location"), "https://example.com/new");
}

#[tokio::test]
async fn a_link_is_closed_outside_its_time_and_leads_to_its_fallback() {
    let world = World::new().await;
    let mut timed = link("timed");
    timed.definition.starts_at = now().checked_add(SignedDuration::from_secs(10)).ok();
    timed.definition.expires_at = now().checked_add(SignedDuration::from_secs(20)).ok();
    world.add(&timed).await;
    let mut soft = link("soft");
    soft.definition.starts_at = timed.definition.starts_at;
    soft.definition.expires_at = timed.definition.expires_at;
    soft.definition.redirect_status = RedirectStatus::MovedPermanently;
    soft.definition.fallback_url = Some(domain::Destination::stored("https://example.com/else"));
    world.add(&soft).await;

    let function = function(&world).await;
    get("timed").send(&function).await.assert_problem(Kind::NotFound);
    let answer = get("soft").send(&function).await;
    assert_eq!((answer.status, answer.header("location")), (302, "https://example.com/else"));
    assert!(world.take_clicks().await.is_empty());

    world.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(get("timed").send(&function).await.status, 302);
    assert_eq!(get("soft").send(&function).await.status, 301);
    assert_eq!(world.take_clicks().await.len(), 2);

    world.clock.advance(SignedDuration::from_secs(10));
    get("timed").send(&function).await.assert_problem(Kind::Gone);
    let page = get("timed").header("accept", "text/html").send(&function).await;
    assert_eq!((page.status, page.header("content-type")), (410, "text/html; charset=utf-8"));
    assert_eq!(get("soft").send(&function).await.header("location"), "https://example.com/else");
    assert!(world.take_clicks().await.is_empty());
}

#[tokio::test]
async fn a_deleted_link_is_gone() {
    let world = World::new().await;
    world.add(&link("spring")).await;
    world.links().delete(&link("spring"), now(), &Journal::none()).await.unwrap();
    get("spring").send(&function(&world).await).await.assert_problem(Kind::Gone);
}

#[tokio::test]
async fn a_slug_that_is_used_again_works_as_soon_as_a_new_one() {
    let world = World::new().await;
    world.add(&link("spring")).await;
    world.links().delete(&link("spring"), now(), &Journal::none()).await.unwrap();
    let function = function(&world).await;
    get("spring").send(&function).await.assert_problem(Kind::Gone);
    // A read that lags behind may still show the tombstone, so it is confirmed like nothing.
    assert_eq!(world.probe.count("GetItem"), 2);
    world.add(&link("spring")).await;
    assert_eq!(get("spring").send(&function).await.status, 302);
}

#[tokio::test]
async fn the_query_is_forwarded_where_the_link_says_so() {
    let world = World::with_spring().await;
    let mut forward = link("forward");
    forward.definition.url = domain::Destination::stored("https://example.com/?a=1#top");
    forward.definition.forward_query = true;
    world.add(&forward).await;
    let function = function(&world).await;
    let answer = get("forward").query("b=2&c=%20d").send(&function).await;
    assert_eq!(answer.header("location"), "https://example.com/?a=1&b=2&c=%20d#top");
    let answer = get("forward").query("b=\u{e9}<\">").send(&function).await;
    assert!(answer.header("location").is_ascii(), "{answer:?}");
    let answer = get("spring").query("b=2").send(&function).await;
    assert_eq!(answer.header("location"), "https://example.com/spring");
}

#[tokio::test]
async fn a_limit_is_spent_by_people_and_neither_by_previews_nor_by_head() {
    let world = World::new().await;
    let mut limited = link("limited");
    limited.definition.max_clicks = Some(2);
    limited.aliases = vec![Slug::parse("alias").unwrap()];
    world.add(&limited).await;
    let function = function(&world).await;
    let bot = || {
        let bot = event("redirect/bot").json()["headers"]["user-agent"].clone();
        get("limited").header("user-agent", bot.as_str().unwrap())
    };
    assert_eq!(bot().send(&function).await.status, 200);
    assert_eq!(get("limited").send(&function).await.status, 302);
    let head = event("redirect/head").path("slug", "limited").send(&function).await;
    assert_eq!((head.status, head.header("location")), (200, ""));
    assert_eq!(get("alias").send(&function).await.status, 302);
    get("limited").send(&function).await.assert_problem(Kind::Gone);
    get("alias").send(&function).await.assert_problem(Kind::Gone);
    let preview = bot().send(&function).await;
    assert_eq!(preview.status, 200);
    assert!(!preview.text.contains("example.com"), "{}", preview.text);
    assert_eq!(world.take_clicks().await.len(), 2);
}

#[tokio::test]
async fn a_limit_is_spent_once_when_the_answer_of_the_spending_is_lost() {
    let world = World::new().await;
    let mut limited = link("limited");
    limited.definition.max_clicks = Some(2);
    world.add(&limited).await;
    let function = function(&world).await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(get("limited").send(&function).await.status, 302);
    assert_eq!(world.probe.fired(), 1);
    assert_eq!(get("limited").send(&function).await.status, 302);
    get("limited").send(&function).await.assert_problem(Kind::Gone);
}

#[tokio::test]
async fn a_limit_is_spent_under_one_token_however_often_it_is_tried() {
    let world = World::new().await;
    let mut limited = link("limited");
    limited.definition.max_clicks = Some(2);
    world.add(&limited).await;
    let function = function(&world).await;
    let conflict = || Fault::cancel("TransactionConflict", |_| true);
    world.probe.inject(On::operation("TransactWriteItems").once(), conflict());
    for tries in [2, 1] {
        assert_eq!(get("limited").send(&function).await.status, 302);
        let calls = world.probe.take_calls();
        let spends = calls.iter().filter(|call| call.operation == "TransactWriteItems");
        let tokens: Vec<_> = spends.map(|call| call.body["ClientRequestToken"].clone()).collect();
        assert_eq!(tokens.len(), tries);
        assert!(tokens.iter().all(|token| token.is_string() && *token == tokens[0]), "{tokens:?}");
    }
    // Another request is another click.
    get("limited").send(&function).await.assert_problem(Kind::Gone);
}

#[tokio::test]
async fn a_limit_that_was_taken_away_is_in_nobody_s_way() {
    let world = World::new().await;
    let mut limited = link("limited");
    limited.definition.max_clicks = Some(1);
    world.add(&limited).await;
    let function = function(&world).await;
    assert_eq!(get("limited").send(&function).await.status, 302);
    get("limited").send(&function).await.assert_problem(Kind::Gone);
    let change = LinkChange { max_clicks: Some(None), ..LinkChange::default() };
    edit(&world, &limited, change).await;
    world.probe.take_calls();
    assert_eq!(get("limited").send(&function).await.status, 302);
    assert_eq!(world.probe.count("GetItem"), 1);
    world.probe.take_calls();
    // And that is remembered.
    assert_eq!(get("limited").send(&function).await.status, 302);
    assert_eq!((world.probe.count("GetItem"), world.probe.count("TransactWriteItems")), (0, 0));
}

#[tokio::test]
async fn a_limit_that_comes_and_goes_is_a_503_and_never_the_destination() {
    let world = World::new().await;
    let mut limited = link("limited");
    limited.definition.max_clicks = Some(9);
    world.add(&limited).await;
    let gone = Fault::cancel("ConditionalCheckFailed", |_| true);
    world.probe.inject(On::operation("TransactWriteItems"), gone);
    let answer = get("limited").send(&function(&world).await).await;
    answer.assert_problem(Kind::Unavailable);
    assert_eq!(world.probe.fired(), 2);
    assert!(world.take_clicks().await.is_empty());
}

#[tokio::test]
async fn a_limited_link_that_was_deleted_leads_nowhere_at_once() {
    let world = World::new().await;
    let mut limited = link("limited");
    limited.definition.max_clicks = Some(9);
    world.add(&limited).await;
    let function = function(&world).await;
    assert_eq!(get("limited").send(&function).await.status, 302);
    world.links().delete(&limited, now(), &Journal::none()).await.unwrap();
    get("limited").send(&function).await.assert_problem(Kind::Gone);
}

#[tokio::test]
async fn a_limit_that_cannot_be_spent_is_a_503_and_never_the_destination() {
    let world = World::new().await;
    let mut limited = link("limited");
    limited.definition.max_clicks = Some(2);
    limited.definition.fallback_url = Some(domain::Destination::stored("https://example.com/else"));
    world.add(&limited).await;
    world.probe.inject(On::operation("TransactWriteItems"), Fault::THROTTLED);
    let answer = get("limited").send(&function(&world).await).await;
    answer.assert_problem(Kind::Unavailable);
    assert!(world.take_clicks().await.is_empty());
}

#[tokio::test]
async fn without_dynamodb_known_links_are_served_stale_for_a_while() {
    let world = World::with_spring().await;
    let function = function(&world).await;
    assert_eq!(get("spring").send(&function).await.status, 302);
    world.probe.inject(On::operation("GetItem"), Fault::THROTTLED);
    world.clock.advance(SignedDuration::from_secs(30 + 299));
    assert_eq!(get("spring").send(&function).await.status, 302);
    get("other").send(&function).await.assert_problem(Kind::Unavailable);
    world.clock.advance(SignedDuration::from_secs(1));
    get("spring").send(&function).await.assert_problem(Kind::Unavailable);
    assert_eq!(world.take_clicks().await.len(), 2);
}

#[tokio::test]
async fn a_link_that_is_known_to_be_deleted_is_never_served_stale() {
    let world = World::new().await;
    world.add(&link("spring")).await;
    let function = function(&world).await;
    assert_eq!(get("spring").send(&function).await.status, 302);
    world.links().delete(&link("spring"), now(), &Journal::none()).await.unwrap();
    world.clock.advance(SignedDuration::from_secs(30));
    get("spring").send(&function).await.assert_problem(Kind::Gone);
    world.probe.inject(On::operation("GetItem"), Fault::THROTTLED);
    get("spring").send(&function).await.assert_problem(Kind::Unavailable);
}

#[tokio::test]
async fn without_a_cache_every_request_reads() {
    let world = World::with_spring().await;
    let function = function_with(&world, &[("CACHE_TTL_SECONDS", "0")]).await;
    world.put_salts().await;
    for _ in 0..3 {
        assert_eq!(get("spring").send(&function).await.status, 302);
    }
    // And once the salt.
    assert_eq!(world.probe.count("GetItem"), 3 + 1);
}

#[tokio::test]
async fn a_click_that_cannot_be_sent_does_not_keep_anybody_from_the_destination() {
    let world = World::with_spring().await;
    world.probe.inject(On::operation("SendMessage"), Fault::THROTTLED);
    let answer = get("spring").send(&function(&world).await).await;
    assert_eq!(answer.status, 302);
    assert!(world.take_clicks().await.is_empty());
    assert_eq!(world.metrics.counted("ClickNotSent"), 1);
}

#[tokio::test]
async fn a_setting_that_makes_no_sense_is_named_at_the_start() {
    let world = World::new().await;
    for (name, value) in [("ORIGINS", "go.example.com"), ("CACHE_TTL_SECONDS", "-1")] {
        let boot = world.boot_with("redirect", &[(name, value)]);
        let error = load(boot).await.err().unwrap().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[tokio::test]
async fn a_click_s_shard_follows_from_its_id_and_the_link_s_count() {
    let world = World::new().await;
    let mut hot = link("hot");
    hot.click_shards = 8;
    world.add(&hot).await;
    let function = function(&world).await;
    for _ in 0..20 {
        get("hot").send(&function).await;
    }
    let clicks = world.take_clicks().await;
    let shard = |click: &Value| click["shard"].as_u64().unwrap();
    assert!(clicks.iter().map(shard).collect::<std::collections::BTreeSet<_>>().len() > 3);
    for click in &clicks {
        let id = ClickId::parse(click["id"].as_str().unwrap()).unwrap();
        assert_eq!(shard(click), u64::from(Click::shard_of(id, 8)));
    }
}
