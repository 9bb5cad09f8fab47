//! That calls share a commit, for good and for bad.

use std::sync::Arc;
use std::sync::mpsc;

use tokio::sync::oneshot::error::TryRecvError;

use super::super::message::Outgoing;
use super::super::settings::Settings;
use super::*;

fn store() -> Store {
    let mut store = Store::in_memory(Arc::new(|| 0)).unwrap();
    store.begin().unwrap();
    store.create("clicks", Settings::parse([].into()).unwrap(), [0; 16]).unwrap();
    store.commit().unwrap();
    store
}

fn send(store: &mut Store) -> Result<(), Fault> {
    let message = Outgoing {
        id: "id".to_owned(),
        body: "body".to_owned(),
        attributes: None,
        delay_seconds: None,
    };
    let queue = store.queue("clicks")?;
    store.send(&queue, &message)
}

fn visible(store: &mut Store) -> Result<i64, Fault> {
    let queue = store.queue("clicks")?;
    store.count(&queue).map(|counts| counts.visible)
}

#[test]
fn calls_that_wait_share_a_commit_and_are_answered_after_it() {
    let (jobs, waiting) = mpsc::channel();
    let mut results = Vec::new();
    for _ in 0..64 {
        let (job, result) = job(Promise::Disk, send);
        jobs.send(job).unwrap_or_default();
        results.push(result);
    }
    // The last call sees the work of all before it, of which none is answered.
    let (last, checked) = job(Promise::Disk, move |store| {
        assert_eq!(visible(store)?, 64);
        for result in &mut results {
            assert_eq!(result.try_recv(), Err(TryRecvError::Empty));
        }
        Ok(results)
    });
    jobs.send(last).unwrap_or_default();
    drop(jobs);
    run(store(), None, &waiting);

    for mut result in checked.blocking_recv().unwrap().unwrap() {
        assert_eq!(result.try_recv(), Ok(Ok(())));
    }
}

#[test]
fn a_failure_of_the_database_fails_the_whole_commit() {
    let (jobs, waiting) = mpsc::channel();
    let (good, sent) = job(Promise::Disk, send);
    let (bad, failed) = job(Promise::Disk, |store| {
        send(store)?;
        Err::<(), _>(Fault::Internal("the disk is full".to_owned()))
    });
    let (refused, not_found) = job(Promise::Disk, |store| store.queue("none").map(drop));
    for job in [good, bad, refused] {
        jobs.send(job).unwrap_or_default();
    }
    let mut writer = Writer { store: store(), disk: None, lines: HashMap::new() };
    writer.turn(waiting.try_iter());

    assert!(matches!(sent.blocking_recv(), Ok(Err(Fault::Internal(_)))));
    assert!(matches!(failed.blocking_recv(), Ok(Err(Fault::Internal(_)))));
    assert!(matches!(not_found.blocking_recv(), Ok(Err(Fault::Internal(_)))));
    assert_eq!(visible(&mut writer.store), Ok(0));

    // The next one works.
    let (good, sent) = job(Promise::Disk, send);
    writer.turn([good].into_iter());
    assert_eq!(sent.blocking_recv(), Ok(Ok(())));
    assert_eq!(visible(&mut writer.store), Ok(1));
}
