//! The worker from its events, against the embedded stores.

use domain::{Click, ClickId, KeyId, LinkId, Principal, RecordedClick, Retention, WorkspaceId};
use lake::RawClicks;
use lambda::Function;
use serde_json::{Value, json};
use store::ledger::{Outcome, Recording, Remains, Subject};
use store::{Existence, Found, Part};
use testkit::probe::{Fault, On, Service};
use testkit::{Event, SPRING, WORKSPACE, World, event, link, now};

use super::*;

async fn worker(world: &World) -> Function {
    Function::sqs(world.boot("purge-clicks"), load, handle).await.unwrap()
}

fn spring() -> LinkId {
    LinkId::parse(SPRING).unwrap()
}

fn workspace() -> WorkspaceId {
    WorkspaceId::parse(WORKSPACE).unwrap()
}

/// Clicks on the events' link, and as many on another one.
fn clicks() -> Vec<RecordedClick> {
    let on = |link, number: u128| {
        testkit::by_somebody(Click { link, ..testkit::click(ClickId::new(now(), number)) })
    };
    let other = link("other").id;
    (0..12).flat_map(|number| [on(spring(), number), on(other, number)]).collect()
}

/// A world with clicks everywhere where there are clicks.
async fn full() -> World {
    let world = World::with_spring().await;
    world.add_people().await;
    world.add(&link("other")).await;
    let how = Recording {
        now: now(),
        retention: Retention::DEFAULT,
        within: Duration::from_secs(10),
        random: 1,
    };
    let clicks = clicks();
    for outcome in world.ledger().record(&clicks, how).await {
        assert!(matches!(outcome, Outcome::Recorded), "{outcome:?}");
    }
    let raw = RawClicks::new(&world.aside(), "raw-clicks");
    raw.put(&clicks, now(), 1).await.unwrap();
    // One batch is compacted, the next one waits.
    let archive = archive(&world);
    let batch = archive.take(None).await.unwrap().unwrap();
    let until = Instant::now() + Duration::from_secs(60);
    assert!(archive.merge(batch, &|_, _| false, until).await.errors.is_empty());
    raw.put(&clicks, now(), 2).await.unwrap();
    world
}

fn archive(world: &World) -> Archive {
    Archive::new(&world.aside(), "raw-clicks")
}

/// Orders a purge, as the functions do that delete.
async fn order(world: &World, target: Target) {
    let by = Principal::Key(KeyId::new(now(), 1));
    let order = PurgeOrder::new(target, workspace(), by, now(), Retention::DEFAULT);
    world.ledger().order_purge(&order, &Journal::none()).await.unwrap();
}

async fn order_of(world: &World, target: Target) -> PurgeOrder {
    world.ledger().purge_order(target).await.unwrap().unwrap()
}

/// How many clicks of the events' link and of its neighbour are in the lake.
async fn in_lake(world: &World) -> [u64; 2] {
    let mut counts = [0; 2];
    for (at, link) in [spring(), link("other").id].into_iter().enumerate() {
        let of = archive::Of::Link(workspace(), link);
        let until = Instant::now() + Duration::from_secs(60);
        let found = archive(world).find(of, None, until).await.unwrap();
        assert_eq!(found.next, None);
        counts[at] = found.clicks;
    }
    counts
}

async fn remains(world: &World, link: LinkId) -> Remains {
    world.ledger().remains(Target::Link(link), 64).await.unwrap()
}

fn failed(answer: &Value) -> usize {
    answer["batchItemFailures"].as_array().unwrap().len()
}

/// Asserts that nothing is left of the events' link, and that its neighbour has all that it had.
async fn assert_purged(world: &World) {
    assert_eq!(remains(world, spring()).await, Remains::default());
    assert_eq!(in_lake(world).await, [0, 24]);
    let other = link("other").id;
    assert_eq!(remains(world, other).await, Remains { clicks: 12, counts: 2 });
    let total = world.ledger().totals(Subject::Workspace(workspace())).await.unwrap();
    assert_eq!(total.total(), 24, "the workspace still counts both");
}

#[tokio::test]
async fn nothing_of_a_purged_link_is_left_anywhere_and_the_log_proves_it() {
    let world = full().await;
    let target = Target::Link(spring());
    assert_eq!(in_lake(&world).await, [24, 24]);
    order(&world, target).await;
    let worker = worker(&world).await;
    assert_eq!(failed(&event("purge-clicks/minimal").invoke(&worker).await), 0);
    assert_purged(&world).await;

    let proof = order_of(&world, target).await.proof.unwrap();
    let removed = Removed { clicks: 12, counts: 2, lake: 24 };
    assert_eq!((proof.first_at, proof.removed), (now(), removed));
    let by = order_of(&world, target).await.ordered_by;
    let entry = format!(
        "link.purged {by} {SPRING} found=0 removed_clicks=12 removed_counts=2 removed_from_lake=24"
    );
    assert_eq!(world.audit_log(WORKSPACE).await, [entry.as_str()]);
    // The second look waits; what is delivered twice does nothing.
    assert!(world.take_purges().await.is_empty());
    assert_eq!(world.probe.count("SendMessage"), 1);
    world.probe.take_calls();
    assert_eq!(failed(&event("purge-clicks/minimal").invoke(&worker).await), 0);
    assert_eq!(world.probe.take_operations(), ["GetItem"]);
}

#[tokio::test]
async fn the_second_look_removes_what_was_put_back_and_says_so() {
    let world = full().await;
    let target = Target::Link(spring());
    order(&world, target).await;
    let worker = worker(&world).await;
    event("purge-clicks/minimal").invoke(&worker).await;
    world.clock.advance(jiff::SignedDuration::from_mins(15));
    assert_eq!(failed(&event("purge-clicks/second-look").invoke(&worker).await), 0);
    let proof = order_of(&world, target).await.proof.unwrap();
    assert_eq!((proof.first_at, proof.last_at), (now(), world.clock.now()));
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1, "nothing found is no news");

    // A compaction that had read the clicks before.
    let raw = RawClicks::new(&world.aside(), "raw-clicks");
    raw.put(&clicks(), now(), 3).await.unwrap();
    assert_eq!(failed(&event("purge-clicks/second-look").invoke(&worker).await), 0);
    assert_eq!(in_lake(&world).await[0], 0);
    let log = world.audit_log(WORKSPACE).await;
    assert!(log.iter().any(|entry| entry.contains("removed_from_lake=12")), "{log:?}");
    assert_eq!(world.probe.count("SendMessage"), 1, "there is no third");
}

#[tokio::test]
async fn without_an_order_nothing_is_purged() {
    let world = full().await;
    let worker = worker(&world).await;
    for name in ["minimal", "workspace", "second-look"] {
        assert_eq!(failed(&event(&format!("purge-clicks/{name}")).invoke(&worker).await), 0);
    }
    assert_eq!(in_lake(&world).await, [24, 24]);
    assert_eq!(remains(&world, spring()).await.clicks, 12);
    assert!(world.audit_log(WORKSPACE).await.is_empty());
}

#[tokio::test]
async fn what_is_no_purge_comes_back() {
    let world = full().await;
    let worker = worker(&world).await;
    for name in ["malformed", "unknown-version"] {
        let payload = event(&format!("purge-clicks/{name}")).json().to_string().into_bytes();
        let answer = worker.invoke(lambda::Invocation::new(payload, "test")).await;
        assert!(answer.is_err(), "all of its messages failed");
    }
}

/// Kills the worker before and after each of the calls that `on` picks, and lets it begin anew.
async fn killed_at_each(on: impl Fn() -> On) {
    for fault in [Fault::StopBefore, Fault::StopAfter] {
        let mut k = 0;
        loop {
            let world = full().await;
            order(&world, Target::Link(spring())).await;
            let worker = worker(&world).await;
            world.probe.inject(on().after(k).once(), fault.clone());
            let minimal = event("purge-clicks/minimal");
            tokio::select! {
                _ = minimal.invoke(&worker) => {}
                () = world.probe.stopped() => {}
            }
            let fired = world.probe.fired();
            world.probe.heal();
            assert_eq!(failed(&minimal.invoke(&worker).await), 0, "{fault:?} at {k}");
            assert_purged(&world).await;
            assert!(order_of(&world, Target::Link(spring())).await.proof.is_some());
            assert_eq!(world.audit_log(WORKSPACE).await.len(), 1, "{fault:?} at {k}");
            if fired == 0 {
                break;
            }
            k += 1;
        }
        assert!(1 <= k, "{fault:?}: {k} calls");
    }
}

#[tokio::test]
async fn killed_while_it_counts_it_goes_on() {
    killed_at_each(|| On::any().holding("R#")).await;
}

#[tokio::test]
async fn killed_while_it_writes_it_goes_on() {
    killed_at_each(|| On::operation("TransactWriteItems")).await;
    killed_at_each(|| On::operation("BatchWriteItem")).await;
}

#[tokio::test]
async fn killed_in_the_lake_it_goes_on() {
    killed_at_each(|| On::service(Service::S3)).await;
}

#[tokio::test]
async fn a_message_that_says_how_far_it_is_goes_on_from_there() {
    let world = full().await;
    order(&world, Target::Link(spring())).await;
    let worker = worker(&world).await;
    // All but the lake's files is done.
    world.ledger().purge_clicks(spring(), 64).await.unwrap();
    world.ledger().fence(&order_of(&world, Target::Link(spring())).await).await.unwrap();
    world.ledger().purge_counts(spring(), workspace()).await.unwrap();
    let body = json!({
        "v": 1, "target": SPRING, "look": 1, "removed": [12, 2, 12], "place": "clicks/",
    });
    let mut message = event("purge-clicks/minimal").json().clone();
    message["Records"][0]["body"] = body.to_string().into();
    let answer = Event::of(message).invoke(&worker).await;
    assert_eq!(failed(&answer), 0);
    // What it was told is behind it, it does not look for again, but the look at the end finds it.
    let rest = world.take_purges().await;
    assert_eq!(rest.len(), 1, "{rest:?}");
    assert_eq!((&rest[0]["proving"], &rest[0]["removed"]), (&json!(false), &json!([12, 2, 24])));
    let mut message = event("purge-clicks/minimal").json().clone();
    message["Records"][0]["body"] = rest[0].to_string().into();
    assert_eq!(failed(&Event::of(message).invoke(&worker).await), 0);
    assert_purged(&world).await;
}

#[tokio::test]
async fn a_purged_workspace_leaves_tombstones_and_its_log() {
    let world = full().await;
    // One link was deleted before.
    let other = world.links().find(workspace(), link("other").id).await.unwrap().unwrap();
    world.links().delete(&other, now(), &Journal::none()).await.unwrap();
    let shop = world.accounts().find_workspace(workspace()).await.unwrap().unwrap();
    let by = Principal::User(testkit::people::ada().id);
    let target = Target::Workspace(workspace());
    let new = PurgeOrder::new(target, workspace(), by, now(), Retention::DEFAULT);
    let journal = Journal::none().ordering("clicks", &new);
    world.accounts().delete_workspace(&shop, &journal).await.unwrap();

    let worker = worker(&world).await;
    assert_eq!(failed(&event("purge-clicks/workspace").invoke(&worker).await), 0);
    for link in [spring(), other.id] {
        assert_eq!(remains(&world, link).await, Remains::default());
    }
    assert_eq!(world.ledger().remains(target, 1).await.unwrap(), Remains::default());
    assert_eq!(in_lake(&world).await, [0, 0]);
    for which in Existence::ALL {
        let (links, _) = world.links().ids((workspace(), which), Part::ALL, 10).await.unwrap();
        assert!(links.is_empty());
    }
    for slug in ["spring", "fruehling", "other"] {
        let slug = domain::Slug::parse(slug).unwrap();
        let found = world.routes().follow(&other.domain, &slug).await.unwrap();
        assert_eq!(found, Found::Deleted, "{slug}");
    }
    let (accounts, ada) = (world.accounts(), testkit::people::ada().id);
    assert_eq!(accounts.find_member(workspace(), ada).await.unwrap(), None);
    assert_eq!(accounts.find_key(testkit::people::key().id).await.unwrap(), None);
    let invitation = testkit::people::invitation();
    assert_eq!(accounts.find_invitation(workspace(), invitation.id).await.unwrap(), None);
    // Others are as they were.
    let (alan, theirs) = (testkit::people::alan().id, testkit::people::other_workspace().id);
    assert!(accounts.find_member(theirs, alan).await.unwrap().is_some());
    let log = world.audit_log(WORKSPACE).await;
    assert!(log[0].starts_with(&format!("workspace.purged {ada} {WORKSPACE} found=0")), "{log:?}");
}

#[tokio::test]
async fn without_dynamodb_or_s3_the_message_comes_back() {
    let world = full().await;
    order(&world, Target::Link(spring())).await;
    let worker = worker(&world).await;
    for service in [Service::DynamoDb, Service::S3, Service::Sqs] {
        world.probe.heal();
        world.probe.inject(On::service(service), Fault::Unreachable);
        let payload = event("purge-clicks/minimal").json().to_string().into_bytes();
        let answer = worker.invoke(lambda::Invocation::new(payload, "test")).await;
        assert!(answer.is_err(), "{service:?}");
        assert_eq!(order_of(&world, Target::Link(spring())).await.proof, None);
    }
    world.probe.heal();
    assert_eq!(failed(&event("purge-clicks/minimal").invoke(&worker).await), 0);
    assert_purged(&world).await;
}
