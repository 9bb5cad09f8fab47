//! The triggers in `workers.yaml`: what AWS demands of them, and what no click may be lost by.

use serde_json::Value;

use crate::repository::{assert_none, text, yaml};

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

#[test]
fn every_worker_says_which_messages_failed_and_has_time_for_them() {
    let file = yaml("workers.yaml");
    let mut faults = Vec::new();
    for (name, worker) in file["workers"].as_object().expect("workers.yaml has workers") {
        let place = format!("workers.yaml: `{name}`");
        if worker["report_batch_item_failures"] != true {
            faults.push(format!(
                "{place}: without `report_batch_item_failures` AWS takes the failed for done"
            ));
        }
        let Some(queue) = file["queues"].get(text(&worker["queue"])) else {
            faults.push(format!("{place}: there is no queue `{}`", text(&worker["queue"])));
            continue;
        };
        let least =
            6 * number(&worker["timeout_seconds"]) + number(&worker["batching_window_seconds"]);
        if number(&queue["visibility_timeout_seconds"]) < least {
            faults.push(format!("{place}: its queue hides messages for less than {least} s"));
        }
        if 10 < number(&worker["batch_size"]) && number(&worker["batching_window_seconds"]) == 0 {
            faults.push(format!("{place}: AWS wants a batching window above 10 messages"));
        }
        if number(&worker["maximum_concurrency"]) < 2 {
            faults.push(format!("{place}: AWS wants a maximum concurrency of 2 at least"));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_queue_of_a_worker_has_one_for_the_dead_that_keeps_them_longer() {
    let file = yaml("workers.yaml");
    let queues = file["queues"].as_object().expect("workers.yaml has queues");
    let mut faults = Vec::new();
    for worker in file["workers"].as_object().into_iter().flatten().map(|(_, worker)| worker) {
        let name = text(&worker["queue"]);
        let place = format!("workers.yaml: queue `{name}`");
        let Some(dead) = queues.get(text(&file["queues"][name]["dead_letter_queue"])) else {
            faults.push(format!("{place}: it has no queue for the dead"));
            continue;
        };
        let kept = |queue: &Value| number(&queue["message_retention_seconds"]);
        if kept(dead) <= kept(&file["queues"][name]) {
            faults.push(format!("{place}: the dead are not kept longer"));
        }
        if number(&file["queues"][name]["max_receive_count"]) < 5 {
            faults.push(format!("{place}: AWS advises at least 5 tries"));
        }
        if dead["dead_letter_queue"] != Value::Null {
            faults.push(format!("{place}: its dead have a queue for the dead"));
        }
    }
    assert_none(&faults);
}
