//! The worker from its event, against the embedded stores.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{Click, ClickId, Day, Link};
use lambda::{Function, Invocation};
use store::Journal;
use store::ledger::Recording;
use testkit::probe::{Fault, On};
use testkit::{Event, OTHER_WORKSPACE, SPRING, WORKSPACE, World, event, link, now};

use super::*;

async fn worker(world: &World, seed: u64) -> Function {
    let boot = Boot { random: Random::seeded(seed), ..world.boot("verify-ledger") };
    Function::schedule(boot, load, handle).await.unwrap()
}

async fn app(world: &World, seed: u64) -> App {
    load(Boot { random: Random::seeded(seed), ..world.boot("verify-ledger") }).await.unwrap()
}

fn id() -> WorkspaceId {
    WorkspaceId::parse(WORKSPACE).unwrap()
}

fn spring() -> LinkId {
    LinkId::parse(SPRING).unwrap()
}

/// A world with the events' workspace, and its link.
async fn world() -> World {
    let world = World::with_spring().await;
    world.accounts().put_workspace(id(), "Acme").await.unwrap();
    world
}

/// Records so many clicks on a link, on today's day.
async fn record(world: &World, link: LinkId, shard: u16, count: u16) {
    let clicks: Vec<_> = (0..count)
        .map(|number| {
            let id = ClickId::new(now(), u128::from(number) << 16 | u128::from(shard));
            testkit::by_somebody(Click { link, shard, ..testkit::click(id) })
        })
        .collect();
    let how = Recording {
        now: now(),
        retention: Retention::DEFAULT,
        within: Duration::from_secs(20),
        random: u128::from(shard),
    };
    for outcome in world.ledger().record(&clicks, how).await {
        assert!(matches!(outcome, store::ledger::Outcome::Recorded), "{outcome:?}");
    }
}

/// So many more links, each made at a time of its own.
async fn add_links(world: &World, count: u32) -> Vec<Link> {
    let mut links = Vec::new();
    for number in 0..count {
        let mut link = link(&format!("s{number}"));
        let at = now() - jiff::SignedDuration::from_secs(i64::from(number));
        link.id = LinkId::new(at, u128::from(number));
        world.add(&link).await;
        links.push(link);
    }
    links
}

/// Sets the human clicks of today that a link's count says.
async fn falsify(world: &World, link: LinkId, human: &str) {
    let text = |text: String| AttributeValue::S(text);
    let client = aws_sdk_dynamodb::Client::new(&world.aside());
    client
        .update_item()
        .table_name("clicks")
        .key("pk", text(format!("R#{link}")))
        .key("sk", text(format!("D#{}#00", Day::of(now()))))
        .update_expression("SET human = :n")
        .expression_attribute_values(":n", AttributeValue::N(human.to_owned()))
        .send()
        .await
        .unwrap();
}

/// What is logged while this is held.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// The lines that tell of errors.
    fn errors(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        let is_error = |line: &&str| line.contains(" ERROR ");
        text.lines().filter(is_error).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn where_there_is_nothing_nothing_is_wrong() {
    let world = World::new().await;
    event("verify-ledger/minimal").invoke(&worker(&world, 1).await).await;
    assert_eq!(world.metrics.counted("LedgerVerified"), 0);
    assert_eq!(world.metrics.counted("LedgerDifference"), 0);
    // A look for a place among the workspaces, and a page of them.
    assert_eq!(world.probe.take_operations(), ["Query", "Query"]);
}

#[tokio::test]
async fn a_small_deployment_is_verified_whole_and_only_read() {
    let world = world().await;
    record(&world, spring(), 0, 7).await;
    let deleted = link("gone");
    world.add(&deleted).await;
    record(&world, deleted.id, 0, 2).await;
    world.links().delete(&deleted, now(), &Journal::none()).await.unwrap();
    let other = WorkspaceId::parse(OTHER_WORKSPACE).unwrap();
    world.accounts().put_workspace(other, "Other").await.unwrap();

    let app = app(&world, 1).await;
    let mut run = Run::new(&app);
    assert_eq!(run.all().await.unwrap(), End::Everything);
    // Two workspaces, and two links of one of them.
    assert_eq!((run.found.subjects, run.found.clicks), (4, 9));
    assert_eq!((run.differences, run.unsettled), (0, 0));
    let operations: BTreeSet<_> = world.probe.take_operations().into_iter().collect();
    assert_eq!(operations, BTreeSet::from(["Query".to_owned()]));
}

#[tokio::test]
async fn a_difference_is_counted_and_logged_with_whose_it_is() {
    let world = world().await;
    record(&world, spring(), 0, 7).await;
    falsify(&world, spring(), "8").await;
    let (log, _guard) = Log::start();
    event("verify-ledger/minimal").invoke(&worker(&world, 1).await).await;
    // The day is not what its clicks are, and all time not what the days are.
    assert_eq!(world.metrics.counted("LedgerDifference"), 2);
    assert_eq!(world.metrics.counted("LedgerVerified"), 2);
    let errors = log.errors();
    assert_eq!(errors.len(), 2, "{errors:#?}");
    for (text, count) in [
        (SPRING, 2),
        ("period=on 2026-11-20", 1),
        (" expected.human=7", 1),
        (" found.human=8", 1),
        ("the recorded clicks are 7 human and 0 bot, the count says 8 human and 0 bot", 1),
        ("period=of all time", 1),
    ] {
        let with = errors.iter().filter(|line| line.contains(text)).count();
        assert_eq!(with, count, "{text}: {errors:#?}");
    }
}

#[tokio::test]
async fn of_a_large_workspace_every_link_is_verified_once_wherever_it_begins() {
    let world = world().await;
    let links = add_links(&world, 130).await;
    for link in &links[..20] {
        world.links().delete(link, now(), &Journal::none()).await.unwrap();
    }
    record(&world, links[3].id, 0, 4).await;
    record(&world, links[109].id, 0, 4).await;
    falsify(&world, links[3].id, "5").await;
    falsify(&world, links[109].id, "3").await;
    for seed in 0..4 {
        let app = app(&world, seed).await;
        let mut run = Run::new(&app);
        assert_eq!(run.all().await.unwrap(), End::Everything);
        // With `spring`, and the sum of the workspace.
        assert_eq!(run.found.subjects, 132, "{seed}");
        assert_eq!(run.differences, 4, "{seed}");
    }
}

#[tokio::test]
async fn a_run_reads_no_more_than_it_may_and_begins_elsewhere_the_next_time() {
    let world = world().await;
    add_links(&world, 130).await;
    let mut begun = BTreeSet::new();
    for seed in 0..12 {
        let app = app(&world, seed).await;
        let mut run = Run::new(&app);
        // Only a few are left.
        run.links = LINKS - 3;
        world.probe.take_calls();
        assert_eq!(run.all().await.unwrap(), End::Enough);
        assert_eq!(run.found.subjects, 4);
        let counts = |body: &str| body.split("R#lnk_").nth(1).map(|rest| rest[..26].to_owned());
        let calls = world.probe.take_calls();
        begun.extend(calls.iter().find_map(|call| counts(&call.body.to_string())));
        // Also rows of clicks and counts are bounded.
        let mut run = Run::new(&app);
        run.found.rows = ROWS;
        assert_eq!(run.all().await.unwrap(), End::Enough);
        assert_eq!(run.found.subjects, 0);
    }
    assert!(3 < begun.len(), "{begun:?}");
}

#[tokio::test]
async fn a_run_ends_in_time_and_says_what_it_did() {
    let world = world().await;
    record(&world, spring(), 0, 3).await;
    let worker = worker(&world, 1).await;
    let invoke = |timeout: Duration| Invocation {
        timeout,
        ..Invocation::new(event("verify-ledger/minimal").json().to_string().into_bytes(), "r")
    };
    // Nothing is answered any more: it ends a second before its own end.
    world.probe.inject(On::operation("Query").after(6), Fault::StopBefore);
    let begin = Instant::now();
    worker.invoke(invoke(Duration::from_millis(1_300))).await.unwrap();
    assert!(begin.elapsed() < Duration::from_millis(1_300));
    world.probe.heal();
    worker.invoke(invoke(Duration::from_secs(30))).await.unwrap();
    assert_eq!(world.metrics.counted("LedgerVerified"), 2);
}

#[tokio::test]
async fn without_dynamodb_the_run_fails() {
    let world = world().await;
    let worker = worker(&world, 1).await;
    world.probe.inject(On::any(), Fault::Unreachable);
    let (log, _guard) = Log::start();
    let event = Event::of(event("verify-ledger/minimal").json().clone());
    let invocation = Invocation::new(event.json().to_string().into_bytes(), "r");
    let error = worker.invoke(invocation).await.unwrap_err().to_string();
    assert!(error.contains("the workspaces"), "{error}");
    assert!(log.errors().iter().any(|line| line.contains("the workspaces")));
    assert_eq!(world.metrics.counted("LedgerDifference"), 0);
}

#[tokio::test]
async fn a_link_that_has_got_more_partitions_meanwhile_does_not_differ() {
    let world = world().await;
    record(&world, spring(), 0, 3).await;
    world.ledger().grow_click_shards(id(), spring(), 2).await.unwrap();
    record(&world, spring(), 1, 4).await;
    let app = app(&world, 1).await;
    let mut run = Run::new(&app);
    // What was listed before it grew.
    run.link(id(), (spring(), 1)).await.unwrap();
    assert_eq!((run.differences, run.unsettled), (0, 0));
    assert_eq!(run.found.clicks, 7);
}

#[tokio::test]
async fn a_count_that_cannot_be_read_is_a_difference_and_the_others_are_verified() {
    let world = world().await;
    let links = add_links(&world, 2).await;
    record(&world, links[0].id, 0, 3).await;
    falsify(&world, links[0].id, "-1").await;
    let (log, _guard) = Log::start();
    event("verify-ledger/minimal").invoke(&worker(&world, 1).await).await;
    assert_eq!(world.metrics.counted("LedgerDifference"), 1);
    assert_eq!(world.metrics.counted("LedgerVerified"), 4);
    let errors = log.errors();
    assert!(errors.len() == 1 && errors[0].contains("cannot be read"), "{errors:#?}");
}
