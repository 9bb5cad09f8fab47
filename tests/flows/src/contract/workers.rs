//! The triggers in `workers.yaml`: what AWS demands of them, and what no click may be lost by.

use crate::repository::assert_none;
use crate::workers::{Worker, Workers};

/// A function may run for a quarter of an hour.
const LAMBDA_SECONDS: u32 = 900;

#[test]
fn every_worker_has_one_trigger() {
    let mut faults = Vec::new();
    for (name, worker) in Workers::get().workers {
        let place = format!("workers.yaml: `{name}`");
        if worker.queue.is_some() == worker.schedule.is_some() {
            faults.push(format!("{place}: say `queue` or `schedule`"));
        }
        if !(1..=LAMBDA_SECONDS).contains(&worker.timeout_seconds) {
            faults.push(format!("{place}: a function runs for {LAMBDA_SECONDS} s at most"));
        }
        if let Some(schedule) = &worker.schedule {
            let is_one = |kind| schedule.starts_with(kind) && schedule.ends_with(')');
            if !is_one("rate(") && !is_one("cron(") {
                faults.push(format!("{place}: `{schedule}` is no schedule of EventBridge"));
            }
            let of_a_queue = [
                worker.batch_size,
                worker.batching_window_seconds,
                worker.maximum_concurrency,
                worker.report_batch_item_failures.map(u32::from),
            ];
            if of_a_queue.iter().any(Option::is_some) {
                faults.push(format!("{place}: a schedule sends no batches"));
            }
        }
    }
    assert_none(&faults);
}

/// The workers of queues.
fn of_queues(file: &Workers) -> impl Iterator<Item = (String, &Worker, &str)> {
    let workers = file.workers.iter();
    workers.filter_map(|(name, worker)| {
        Some((format!("workers.yaml: `{name}`"), worker, worker.queue.as_deref()?))
    })
}

#[test]
fn every_worker_says_which_messages_failed_and_has_time_for_them() {
    let file = Workers::get();
    let mut faults = Vec::new();
    for (place, worker, queue) in of_queues(&file) {
        if worker.report_batch_item_failures != Some(true) {
            faults.push(format!(
                "{place}: without `report_batch_item_failures` AWS takes the failed for done"
            ));
        }
        let Some(queue) = file.queues.get(queue) else {
            faults.push(format!("{place}: there is no queue `{queue}`"));
            continue;
        };
        let window = worker.batching_window_seconds.unwrap_or(0);
        let least = 6 * worker.timeout_seconds + window;
        if queue.visibility_timeout_seconds < least {
            faults.push(format!("{place}: its queue hides messages for less than {least} s"));
        }
        match worker.batch_size {
            None => faults.push(format!("{place}: say `batch_size`")),
            Some(size) if 10 < size && window == 0 => {
                faults.push(format!("{place}: AWS wants a batching window above 10 messages"));
            }
            Some(_) => {}
        }
        if worker.maximum_concurrency.is_none_or(|most| most < 2) {
            faults.push(format!("{place}: AWS wants a maximum concurrency of 2 at least"));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_queue_of_a_worker_has_one_for_the_dead_that_keeps_them_longer() {
    let file = Workers::get();
    let mut faults = Vec::new();
    for (_, _, name) in of_queues(&file) {
        let place = format!("workers.yaml: queue `{name}`");
        let Some(queue) = file.queues.get(name) else { continue };
        let dead = queue.dead_letter_queue.as_ref().and_then(|dead| file.queues.get(dead));
        let Some(dead) = dead else {
            faults.push(format!("{place}: it has no queue for the dead"));
            continue;
        };
        if dead.message_retention_seconds <= queue.message_retention_seconds {
            faults.push(format!("{place}: the dead are not kept longer"));
        }
        if queue.max_receive_count.is_none_or(|most| most < 5) {
            faults.push(format!("{place}: AWS advises at least 5 tries"));
        }
        if dead.dead_letter_queue.is_some() {
            faults.push(format!("{place}: its dead have a queue for the dead"));
        }
    }
    assert_none(&faults);
}

#[test]
fn a_queue_is_such_as_aws_takes() {
    let mut faults = Vec::new();
    for (name, queue) in Workers::get().queues {
        let place = format!("workers.yaml: queue `{name}`");
        let bounds = [
            ("receive_wait_seconds", queue.receive_wait_seconds, 0..=20),
            ("visibility_timeout_seconds", queue.visibility_timeout_seconds, 0..=43_200),
            ("message_retention_seconds", queue.message_retention_seconds, 60..=1_209_600),
        ];
        for (field, value, bounds) in bounds {
            if !bounds.contains(&value) {
                faults.push(format!("{place}: `{field}` is {value}, AWS has {bounds:?}"));
            }
        }
    }
    assert_none(&faults);
}
