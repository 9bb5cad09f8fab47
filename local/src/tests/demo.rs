//! The sample data.

use std::collections::HashSet;

use domain::{Day, Origins, Retention, Slug, WorkspaceId};
use embedded::Embedded;
use jiff::{SignedDuration, Timestamp};
use lambda::{Clock, Random};
use store::{AccountStore, Journal, LinkStore};

use crate::contract::Contract;
use crate::demo::{Loaded, load};
use crate::settings::TABLES;
use crate::stores::{api_key, set_up};
use crate::verify::{Verdict, verify};

#[tokio::test]
async fn a_second_run_adds_nothing_however_late_and_what_is_missing_is_added() {
    let embedded = Embedded::in_memory().unwrap();
    let aws = embedded.sdk_config();
    set_up(&aws, &Contract::read().unwrap()).await.unwrap();
    let accounts = AccountStore::new(&aws, TABLES.accounts);
    api_key(&accounts, None, &Clock::system(), &Random::seeded(1)).await.unwrap();
    let origins = Origins::parse("http://127.0.0.1:8000").unwrap();
    let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let later = now + SignedDuration::from_hours(24 * 9);
    let retention = Retention::DEFAULT;

    let loaded = load(&aws, &origins, now, retention).await.unwrap();
    assert_eq!(loaded, Loaded { links: 50, clicks: 20_000 });
    assert_eq!(load(&aws, &origins, later, retention).await.unwrap(), Loaded::default());
    let report = verify(&aws, now, retention).await.unwrap();
    assert_eq!(report.verdict(), Verdict::Exact, "{report}");
    assert!(report.to_string().contains(" 20000 "), "{report}");

    // A link that somebody deletes stays deleted.
    let links = LinkStore::new(&aws, TABLES.links);
    let workspace = accounts.workspaces().await.unwrap()[0];
    let ids = links.every_id(workspace).await.unwrap();
    let link = links.find(workspace, ids[0].0).await.unwrap().unwrap();
    links.delete(&link, now, &Journal::none()).await.unwrap();
    assert_eq!(load(&aws, &origins, later, retention).await.unwrap(), Loaded::default());
}

#[test]
fn samples_are_valid_and_differ() {
    let mut slugs = HashSet::new();
    for sample in &crate::demo::links::SAMPLES {
        Slug::parse(sample.slug).unwrap();
        assert!(slugs.insert(sample.slug), "{}", sample.slug);
        for tag in sample.tags {
            domain::Tag::parse(tag).unwrap();
        }
        let rules = domain::HostRules::new(Origins::parse("http://a").unwrap(), "");
        domain::Destination::parse(sample.url, &rules).unwrap();
        domain::Title::parse(sample.title).unwrap();
    }
}

#[test]
fn the_clicks_have_a_believable_shape() {
    use crate::demo::clicks;
    let first = Day::parse("20260903").unwrap();
    let at: Timestamp = "2026-09-03T00:00:00Z".parse().unwrap();
    let (link, workspace) = (domain::LinkId::new(at, 1), WorkspaceId::new(at, 1));
    let origins = Origins::parse("http://a").unwrap();
    let domain = origins.default_domain();
    let all: Vec<_> =
        (0..50).flat_map(|at| clicks::of_link(at, link, first, workspace, domain, "a")).collect();
    assert_eq!(all.len(), 20_000);
    assert_eq!(all.iter().map(|new| new.click.id).collect::<HashSet<_>>().len(), 20_000);
    assert!(clicks::share(0) > 9 * clicks::share(9));
    let bots = all.iter().filter(|new| new.bot.is_some()).count();
    assert!((1_000..3_000).contains(&bots), "{bots}");
    let days: HashSet<_> = all.iter().map(|new| Day::of(new.click.id.at())).collect();
    assert!(days.iter().all(|day| (first..first.plus(80)).contains(day)));
    assert!(days.len() > 75, "{}", days.len());
    let hour = |new: &&domain::RecordedClick| new.click.id.at().as_second() / 3600 % 24;
    let night = all.iter().filter(|new| (1..5).contains(&hour(new))).count();
    let noon = all.iter().filter(|new| (11..15).contains(&hour(new))).count();
    assert!(noon > 5 * night, "{noon} {night}");
}
