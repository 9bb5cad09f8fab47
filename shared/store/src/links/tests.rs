//! Links against the embedded DynamoDB: the real expressions run.

use domain::{
    Definition, Destination, HostRules, Link, LinkChange, LinkId, Origins, RedirectStatus, Slug,
    Tag, WorkspaceId,
};
use embedded::Embedded;
use jiff::Timestamp;

use super::*;
use crate::{Journal, Part, Tables, create_tables};

fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::new(Timestamp::UNIX_EPOCH, number)
}

fn slug(text: &str) -> Slug {
    Slug::parse(text).unwrap()
}

/// A link of workspace 1 with the slug `s<number>`, made at its number of seconds.
pub(crate) fn link(number: i64) -> Link {
    let rules = HostRules::new(Origins::parse("https://go.example.com").unwrap(), "");
    let at = Timestamp::from_second(number).unwrap();
    Link {
        id: LinkId::new(at, 0),
        workspace: workspace(1),
        domain: rules.origins.default_domain().clone(),
        slug: slug(&format!("s{number}")),
        aliases: Vec::new(),
        definition: Definition {
            url: Destination::parse("https://example.com/page", &rules).unwrap(),
            redirect_status: RedirectStatus::Found,
            title: None,
            tags: Vec::new(),
            starts_at: None,
            expires_at: None,
            fallback_url: None,
            max_clicks: None,
            forward_query: false,
        },
        updated_at: at,
        revision: 1,
        click_shards: 1,
    }
}

async fn store() -> (Embedded, LinkStore) {
    let embedded = Embedded::in_memory().unwrap();
    let aws = embedded.sdk_config();
    let tables = Tables { links: "links", clicks: "clicks", accounts: "accounts", salts: "salts" };
    create_tables(&aws, tables).await.unwrap();
    (embedded, LinkStore::new(&aws, "links"))
}

fn routes(embedded: &Embedded) -> RouteStore {
    RouteStore::new(&embedded.sdk_config(), "links")
}

async fn follow(embedded: &Embedded, link: &Link, text: &str) -> Found {
    routes(embedded).follow(&link.domain, &slug(text)).await.unwrap()
}

#[tokio::test]
async fn a_link_reads_back_whole_and_its_slugs_lead_to_it() {
    let (embedded, store) = store().await;
    let mut link = link(1);
    link.aliases = vec![slug("a"), slug("мир")];
    link.definition.tags = vec![Tag::parse("x#y").unwrap(), Tag::parse("b").unwrap()];
    link.definition.title = domain::Title::parse("Title").ok();
    link.definition.starts_at = Some("2026-11-22T10:00:00.123456789Z".parse().unwrap());
    link.definition.expires_at = Some("2027-01-01T00:00:00Z".parse().unwrap());
    link.definition.fallback_url = Some(Destination::stored("https://example.com/gone"));
    link.definition.max_clicks = Some(5);
    link.definition.forward_query = true;
    link.definition.redirect_status = RedirectStatus::PermanentRedirect;
    store.create(&link, &Journal::none()).await.unwrap();

    assert_eq!(store.find(link.workspace, link.id).await.unwrap().as_ref(), Some(&link));
    let route = Found::Route(Box::new(domain::Route::of(&link)));
    for text in ["s1", "a", "мир"] {
        assert_eq!(follow(&embedded, &link, text).await, route, "{text}");
    }
    assert_eq!(follow(&embedded, &link, "S1").await, Found::Nothing);
}

#[tokio::test]
async fn what_another_workspace_owns_does_not_exist() {
    let (_embedded, store) = store().await;
    store.create(&link(1), &Journal::none()).await.unwrap();
    assert_eq!(store.find(workspace(2), link(1).id).await.unwrap(), None);
    let page = store.page(workspace(2), &Filter::default(), None, 10).await.unwrap();
    assert!(page.links.is_empty());
}

#[tokio::test]
async fn a_taken_slug_is_named_and_nothing_is_written() {
    let (embedded, store) = store().await;
    store.create(&link(1), &Journal::none()).await.unwrap();
    let mut second = link(2);
    second.aliases = vec![slug("free"), slug("s1")];
    let error = store.create(&second, &Journal::none()).await.unwrap_err();
    assert!(matches!(error, CreateError::SlugTaken(taken) if taken == slug("s1")));
    assert_eq!(store.find(second.workspace, second.id).await.unwrap(), None);
    assert_eq!(follow(&embedded, &second, "free").await, Found::Nothing);
}

#[tokio::test]
async fn a_write_that_arrives_twice_is_one_link() {
    let (_embedded, store) = store().await;
    store.create(&link(1), &Journal::none()).await.unwrap();
    // Another call has another token: only the rows can tell that it is the same write.
    store.create(&link(1), &Journal::none()).await.unwrap();
    let mut other = link(1);
    other.definition.url = Destination::stored("https://example.com/other");
    assert!(store.create(&other, &Journal::none()).await.is_err());
}

#[tokio::test]
async fn an_edit_changes_all_slugs_at_once_and_frees_none() {
    let (embedded, store) = store().await;
    let old = link(1);
    store.create(&old, &Journal::none()).await.unwrap();
    let change = LinkChange {
        slug: Some(slug("new")),
        url: Some(Destination::stored("https://example.com/new")),
        ..LinkChange::default()
    };
    let new = old.edited(change, now()).unwrap();
    store.update(&old, &new, &Journal::none()).await.unwrap();
    let route = Found::Route(Box::new(domain::Route::of(&new)));
    assert_eq!(follow(&embedded, &new, "new").await, route);
    assert_eq!(follow(&embedded, &new, "s1").await, route);

    // Without the alias the old slug is gone, and no stranger can take it.
    let change = LinkChange { aliases: Some(Vec::new()), ..LinkChange::default() };
    let newest = new.edited(change, now()).unwrap();
    store.update(&new, &newest, &Journal::none()).await.unwrap();
    assert_eq!(follow(&embedded, &new, "s1").await, Found::Deleted);
    let mut stranger = link(2);
    (stranger.workspace, stranger.slug) = (workspace(2), slug("s1"));
    assert!(matches!(
        store.create(&stranger, &Journal::none()).await,
        Err(CreateError::SlugTaken(_))
    ));
    stranger.workspace = workspace(1);
    store.create(&stranger, &Journal::none()).await.unwrap();
}

#[tokio::test]
async fn an_edit_of_an_older_version_or_shard_count_is_refused() {
    let (_embedded, store) = store().await;
    let old = link(1);
    store.create(&old, &Journal::none()).await.unwrap();
    let new = old.edited(LinkChange::default(), now()).unwrap();
    store.update(&old, &new, &Journal::none()).await.unwrap();
    // The same write again is no conflict, another one is.
    store.update(&old, &new, &Journal::none()).await.unwrap();
    let other =
        old.edited(LinkChange { forward_query: Some(true), ..LinkChange::default() }, now());
    let outcome = store.update(&old, &other.unwrap(), &Journal::none()).await;
    assert!(matches!(outcome, Err(UpdateError::Changed(_))));
    let spread = Link { click_shards: 2, ..new.clone() };
    let outcome = store
        .update(&spread, &spread.edited(LinkChange::default(), now()).unwrap(), &Journal::none())
        .await;
    assert!(matches!(outcome, Err(UpdateError::Changed(_))));
    assert!(matches!(
        store.delete(&old, now(), &Journal::none()).await,
        Err(DeleteError::Changed(_))
    ));
}

#[tokio::test]
async fn a_slug_of_another_link_cannot_be_edited_in() {
    let (_embedded, store) = store().await;
    store.create(&link(1), &Journal::none()).await.unwrap();
    store.create(&link(2), &Journal::none()).await.unwrap();
    let change = LinkChange { slug: Some(slug("s2")), ..LinkChange::default() };
    let outcome =
        store.update(&link(1), &link(1).edited(change, now()).unwrap(), &Journal::none()).await;
    assert!(matches!(outcome, Err(UpdateError::SlugTaken(taken)) if taken == slug("s2")));
}

#[tokio::test]
async fn a_deleted_link_is_gone_but_not_forgotten() {
    let (embedded, store) = store().await;
    let mut link = link(1);
    link.aliases = vec![slug("a")];
    link.definition.tags = vec![Tag::parse("t").unwrap()];
    link.definition.max_clicks = Some(1);
    store.create(&link, &Journal::none()).await.unwrap();
    store.delete(&link, now(), &Journal::none()).await.unwrap();
    assert_eq!(store.find(link.workspace, link.id).await.unwrap(), None);
    assert_eq!(follow(&embedded, &link, "s1").await, Found::Deleted);
    assert_eq!(follow(&embedded, &link, "a").await, Found::Deleted);
    let tagged = Filter { tag: Tag::parse("t").ok(), prefix: None };
    assert!(store.page(link.workspace, &tagged, None, 10).await.unwrap().links.is_empty());
    assert_eq!(store.every_id(link.workspace).await.unwrap(), [(link.id, 1)]);
}

#[tokio::test]
async fn ids_come_in_parts_and_each_is_in_one_of_them() {
    let (_embedded, store) = store().await;
    for number in 1..=5 {
        store.create(&link(number), &Journal::none()).await.unwrap();
    }
    store.delete(&link(2), now(), &Journal::none()).await.unwrap();
    let live = (workspace(1), Existence::Live);
    let numbers =
        |ids: &[(LinkId, u16)]| ids.iter().map(|(id, _)| id.at().as_second()).collect::<Vec<_>>();
    let part = |after: Option<i64>, until: Option<i64>| Part {
        after: after.map(|number| link(number).id),
        until: until.map(|number| link(number).id),
    };
    for (after, until, limit, expected, more) in [
        (None, None, 10, vec![1, 3, 4, 5], false),
        (None, None, 2, vec![1, 3], true),
        (Some(3), None, 10, vec![4, 5], false),
        // Where a link was, and is no more.
        (Some(2), None, 10, vec![3, 4, 5], false),
        (None, Some(3), 10, vec![1, 3], false),
        (Some(3), Some(3), 10, vec![], false),
        (Some(5), None, 10, vec![], false),
        (Some(4), Some(1), 10, vec![], false),
    ] {
        let (ids, is_more) = store.ids(live, part(after, until), limit).await.unwrap();
        assert_eq!((numbers(&ids), is_more), (expected, more), "{after:?} {until:?}");
    }
    let deleted = (workspace(1), Existence::Deleted);
    assert_eq!(numbers(&store.ids(deleted, Part::ALL, 10).await.unwrap().0), [2]);
    assert_eq!(store.click_shards(live, link(3).id).await.unwrap(), Some(1));
    assert_eq!(store.click_shards(live, link(2).id).await.unwrap(), None);
    assert_eq!(store.click_shards(deleted, link(2).id).await.unwrap(), Some(1));
}

#[tokio::test]
async fn chance_leads_everywhere_also_into_a_crowd() {
    let (_embedded, store) = store().await;
    let live = (workspace(1), Existence::Live);
    assert_eq!(store.somewhere(live, 7).await.unwrap(), None);
    // Years apart, and a crowd within a hundredth of a second.
    let mut moments: Vec<i64> = vec![1_000, 40_000_000_000, 1_700_000_000_000];
    moments.extend((0..10).map(|at| 1_600_000_000_000 + at));
    for (number, moment) in (1..).zip(&moments) {
        let mut link = link(number);
        link.id = LinkId::new(Timestamp::from_millisecond(*moment).unwrap(), 5);
        store.create(&link, &Journal::none()).await.unwrap();
    }
    let mut places = std::collections::BTreeSet::new();
    for seed in 0..64_u128 {
        let place = store.somewhere(live, seed * 0x9e37_79b9_7f4a_7c15).await.unwrap().unwrap();
        places.insert(place.at().as_millisecond());
    }
    assert!(places.iter().all(|place| moments.contains(place)), "{places:?}");
    assert!(10 <= places.len(), "{places:?}");
}

#[tokio::test]
async fn a_limit_is_spent_exactly_and_counts_from_when_it_is_set() {
    let (embedded, store) = store().await;
    let routes = routes(&embedded);
    let mut old = link(1);
    old.definition.max_clicks = Some(3);
    store.create(&old, &Journal::none()).await.unwrap();
    let spends = (0..20).map(|token| routes.spend(old.id, token));
    let spent = futures_util::future::join_all(spends).await;
    let granted = spent.iter().filter(|s| matches!(s, Ok(Spent::Granted))).count();
    assert_eq!((granted, spent.len()), (3, 20));

    let more = LinkChange { max_clicks: Some(Some(4)), ..LinkChange::default() };
    let new = old.edited(more, now()).unwrap();
    store.update(&old, &new, &Journal::none()).await.unwrap();
    assert_eq!(routes.spend(old.id, 101).await.unwrap(), Spent::Granted);
    assert_eq!(routes.spend(old.id, 102).await.unwrap(), Spent::UsedUp);

    let none = new.edited(LinkChange { max_clicks: Some(None), ..LinkChange::default() }, now());
    let none = none.unwrap();
    store.update(&new, &none, &Journal::none()).await.unwrap();
    assert_eq!(routes.spend(old.id, 99).await.unwrap(), Spent::Unlimited);
    let again = LinkChange { max_clicks: Some(Some(1)), ..LinkChange::default() };
    store.update(&none, &none.edited(again, now()).unwrap(), &Journal::none()).await.unwrap();
    assert_eq!(routes.spend(old.id, 103).await.unwrap(), Spent::Granted);
    assert_eq!(routes.spend(old.id, 104).await.unwrap(), Spent::UsedUp);
}

#[tokio::test]
async fn pages_show_each_link_once_in_order() {
    let (_embedded, store) = store().await;
    for number in 1..=25 {
        let mut link = link(number);
        if number % 2 == 0 {
            link.definition.tags = vec![Tag::parse("even").unwrap()];
        }
        // An alias is no second hit.
        link.aliases = vec![slug(&format!("s{number}-alias"))];
        store.create(&link, &Journal::none()).await.unwrap();
    }
    let even = Tag::parse("even").ok();
    let cases = [
        (Filter::default(), (1..=25).rev().collect::<Vec<i64>>()),
        (Filter { tag: even.clone(), prefix: None }, (1..=12).rev().map(|n| 2 * n).collect()),
        (
            Filter { tag: None, prefix: Some("s1".to_owned()) },
            vec![1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
        ),
        (Filter { tag: even, prefix: Some("s1".to_owned()) }, vec![10, 12, 14, 16, 18]),
        (Filter { tag: None, prefix: Some("x".to_owned()) }, vec![]),
    ];
    for (filter, expected) in cases {
        for limit in [1, 4, 25, 100] {
            let mut seen = Vec::new();
            let mut cursor = None;
            loop {
                let page = store.page(workspace(1), &filter, cursor.as_ref(), limit).await.unwrap();
                assert!(page.links.len() <= limit);
                seen.extend(page.links.iter().map(|link| link.created_at().as_second()));
                let Some(next) = page.next else { break };
                cursor = Some(Cursor::parse(&next.to_text(), &filter).unwrap());
            }
            assert_eq!(seen, expected, "{filter:?} by {limit}");
        }
    }
}

#[tokio::test]
async fn links_that_are_too_large_for_one_answer_are_all_on_some_page() {
    let (_embedded, store) = store().await;
    let long = format!("https://example.com/{}", "a".repeat(8_000));
    for number in 1..=80 {
        let mut link = link(number);
        link.definition.url = Destination::stored(&long);
        link.definition.fallback_url = Some(Destination::stored(&long));
        store.create(&link, &Journal::none()).await.unwrap();
    }
    let filter = Filter::default();
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.page(workspace(1), &filter, cursor.as_ref(), 100).await.unwrap();
        seen.extend(page.links.iter().map(|link| link.created_at().as_second()));
        let Some(next) = page.next else { break };
        cursor = Some(next);
    }
    assert_eq!(seen, (1..=80).rev().collect::<Vec<i64>>());
}

#[tokio::test]
async fn a_link_that_the_index_shows_twice_is_shown_once() {
    // For a moment after a slug has changed, an index may hold the old and the new one.
    let (_embedded, store) = store().await;
    let (first, second) = (link(1), link(2));
    store.create(&first, &Journal::none()).await.unwrap();
    store.create(&second, &Journal::none()).await.unwrap();
    let ids = [second.id, first.id, second.id];
    let found = store.find_all(first.workspace, &ids).await.unwrap();
    assert_eq!(found, [second, first]);
}

#[tokio::test]
async fn the_same_new_slug_twice_at_once_is_not_taken_by_somebody_else() {
    let (_embedded, store) = store().await;
    let old = link(1);
    store.create(&old, &Journal::none()).await.unwrap();
    let change = LinkChange { slug: Some(slug("new")), ..LinkChange::default() };
    let new = old.edited(change.clone(), now()).unwrap();
    store.update(&old, &new, &Journal::none()).await.unwrap();
    // It has read the same version, but is another edit: the link has changed, and the slug is
    // the link's own.
    let later = now().checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
    let outcome = store.update(&old, &old.edited(change, later).unwrap(), &Journal::none()).await;
    assert!(matches!(outcome, Err(UpdateError::Changed(_))), "{outcome:?}");
}

#[tokio::test]
async fn two_creates_that_race_for_a_slug_make_one_link() {
    let (_embedded, store) = store().await;
    let mut rival = link(2);
    rival.slug = slug("s1");
    let (first, rival) = (link(1), rival);
    let none = Journal::none();
    let (a, b) = tokio::join!(store.create(&first, &none), store.create(&rival, &none));
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
}
