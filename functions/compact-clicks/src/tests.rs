//! The worker from its event, against the embedded stores.

use aws_sdk_s3::Client;
use domain::{ClickId, LinkId, Principal, RecordedClick, Retention, UserId, WorkspaceId};
use jiff::SignedDuration;
use lake::RawClicks;
use lambda::{Function, Invocation};
use store::Journal;
use store::ledger::{PurgeOrder, Target};
use testkit::probe::{Fault, On, Service};
use testkit::{SPRING, World, event, now};

use super::*;

const BUCKET: &str = "raw-clicks";

async fn worker(world: &World) -> Function {
    Function::schedule(world.boot("compact-clicks"), load, handle).await.unwrap()
}

async fn run(worker: &Function) -> Result<Vec<u8>, String> {
    let event = event("compact-clicks/minimal").json().to_string();
    let outcome = worker.invoke(Invocation::new(event.into_bytes(), "r-1")).await;
    outcome.map_err(|error| error.to_string())
}

/// So many clicks on the events' link, each a minute before the other.
fn clicks(count: u16) -> Vec<RecordedClick> {
    let click = |number: u16| {
        let at = now() - SignedDuration::from_mins(number.into());
        testkit::by_somebody(testkit::click(ClickId::new(at, number.into())))
    };
    (0..count).map(click).collect()
}

async fn put(world: &World, clicks: &[RecordedClick], number: u128) {
    RawClicks::new(&world.aside(), BUCKET).put(clicks, now(), number).await.unwrap();
}

async fn keys(world: &World) -> Vec<String> {
    let client = Client::new(&world.aside());
    let listed = client.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect()
}

#[tokio::test]
async fn where_there_is_nothing_nothing_is_done() {
    let world = World::new().await;
    run(&worker(&world).await).await.unwrap();
    assert_eq!(world.probe.take_operations(), ["GET"]);
    assert_eq!(world.metrics.counted("ClicksCompacted"), 0);
}

#[tokio::test]
async fn batches_become_a_file_for_each_hour() {
    let world = World::new().await;
    put(&world, &clicks(90), 1).await;
    put(&world, &clicks(30), 2).await;
    let worker = worker(&world).await;
    run(&worker).await.unwrap();
    let file = |hour: u8| format!("clicks/dt=2026-11-20/hr={hour}/clicks.parquet");
    assert_eq!(keys(&world).await, [file(12), file(13), file(14)]);
    assert_eq!(world.metrics.counted("ClicksCompacted"), 90);
    // A list, two batches, whose clicks are purged, three times looking for a file and writing one,
    // one deletion, and a list that is empty.
    let operations = world.probe.take_operations();
    let count = |name: &str| operations.iter().filter(|it| *it == name).count();
    assert_eq!((count("GET"), count("PUT"), count("POST"), count("Query")), (7, 3, 1, 1));
    // The second time there is nothing to do.
    run(&worker).await.unwrap();
    assert_eq!(world.metrics.counted("ClicksCompacted"), 90);
}

#[tokio::test]
async fn lines_that_are_no_clicks_are_counted_and_put_aside() {
    let world = World::new().await;
    let client = Client::new(&world.aside());
    let key = "raw/dt=2026-11-20/hr=14/01.jsonl";
    let mut body = lake::lines(&clicks(1));
    body.extend(b"no click\n");
    client.put_object().bucket(BUCKET).key(key).body(body.into()).send().await.unwrap();
    run(&worker(&world).await).await.unwrap();
    assert_eq!(world.metrics.counted("RawLinesUnreadable"), 1);
    assert_eq!(
        keys(&world).await,
        ["clicks/dt=2026-11-20/hr=14/clicks.parquet", "raw/bad/dt=2026-11-20/hr=14/01.jsonl"]
    );
}

#[tokio::test]
async fn what_is_in_the_way_fails_the_run_after_the_rest_is_done() {
    let world = World::new().await;
    let client = Client::new(&world.aside());
    let key = "clicks/dt=2026-11-20/hr=13/clicks.parquet";
    let body = b"damaged".to_vec();
    client.put_object().bucket(BUCKET).key(key).body(body.into()).send().await.unwrap();
    put(&world, &clicks(90), 1).await;
    let worker = worker(&world).await;
    let error = run(&worker).await.unwrap_err();
    assert_eq!(error, "1 files or batches could not be worked on, and stay as they are");
    assert_eq!(world.metrics.counted("ClicksCompacted"), 30);
    client.delete_object().bucket(BUCKET).key(key).send().await.unwrap();
    run(&worker).await.unwrap();
    assert_eq!(world.metrics.counted("ClicksCompacted"), 90);
}

#[tokio::test]
async fn without_the_bucket_or_the_table_the_run_fails_and_nothing_is_lost() {
    let world = World::new().await;
    put(&world, &clicks(3), 1).await;
    let worker = worker(&world).await;
    for (service, text) in [(Service::S3, "listing"), (Service::DynamoDb, "purged")] {
        world.probe.inject(On::service(service), Fault::Unreachable);
        let error = run(&worker).await.unwrap_err();
        assert!(error.contains(text), "{error}");
        world.probe.heal();
        assert_eq!(keys(&world).await.len(), 1);
    }
    run(&worker).await.unwrap();
    assert_eq!(world.metrics.counted("ClicksCompacted"), 3);
}

#[tokio::test]
async fn a_run_that_has_no_time_left_does_a_bit_and_the_next_goes_on() {
    let world = World::new().await;
    put(&world, &clicks(90), 1).await;
    let app = load(world.boot("compact-clicks")).await.unwrap();
    // Three hours, of which the first and the last are not whole.
    for clicks in [26, 86, 90] {
        let mut merged = Merged::default();
        compact(&app, &mut merged, Instant::now()).await.unwrap();
        assert_eq!(merged.files, 1);
        assert_eq!(world.metrics.counted("ClicksCompacted"), clicks);
    }
    assert!(keys(&world).await.iter().all(|key| key.starts_with("clicks/")));
}

/// Deletes the events' link, with all that is stored of its clicks.
async fn forget_spring(world: &World) {
    let links = world.links();
    let workspace = WorkspaceId::parse(testkit::WORKSPACE).unwrap();
    let spring = LinkId::parse(SPRING).unwrap();
    let link = links.find(workspace, spring).await.unwrap().unwrap();
    let by = Principal::User(UserId::new(now(), 1));
    let target = Target::Link(spring);
    let order = PurgeOrder::new(target, workspace, by, now(), Retention::DEFAULT);
    let journal = Journal::none().ordering("clicks", &order);
    links.delete(&link, now(), &journal).await.unwrap();
}

#[tokio::test]
async fn who_is_to_be_forgotten_does_not_come_back() {
    let world = World::with_spring().await;
    put(&world, &clicks(5), 1).await;
    let mut other = clicks(5);
    for click in &mut other {
        click.click.link = LinkId::new(now(), 7);
    }
    put(&world, &other, 2).await;
    forget_spring(&world).await;
    run(&worker(&world).await).await.unwrap();
    assert_eq!(world.metrics.counted("ClicksCompacted"), 5);
    let workspace = WorkspaceId::parse(testkit::WORKSPACE).unwrap();
    let of = archive::Of::Link(workspace, LinkId::parse(SPRING).unwrap());
    let soon = Instant::now() + Duration::from_secs(60);
    let archive = Archive::new(&world.aside(), BUCKET);
    assert_eq!(archive.find(of, None, soon).await.unwrap().clicks, 0);
}
