//! `function.yaml`: what AWS demands of it, and what must agree within it.

use std::collections::BTreeSet;

use crate::given::{Given, Resource};
use crate::repository::{assert_none, exists, folders, read};
use crate::workers::Workers;

/// The longest that API Gateway waits for an answer, and for its authorizer's.
const GATEWAY_SECONDS: u32 = 30;
const AUTHORIZER_SECONDS: u32 = 10;

#[test]
fn every_function_says_what_it_is_given() {
    let mut faults = Vec::new();
    for function in folders("functions") {
        let place = Given::place(&function);
        if !exists(&place) {
            faults.push(format!("{place} is missing: memory, timeout, environment, permissions"));
        } else if !read(&place).starts_with(&format!("# What `{function}` is given ")) {
            faults.push(format!("{place}: it begins with another function's name"));
        }
    }
    assert_none(&faults);
}

#[test]
fn memory_and_timeout_are_such_as_aws_takes() {
    let workers = Workers::get().workers;
    let mut faults = Vec::new();
    for function in folders("functions") {
        let (place, given) = (Given::place(&function), Given::to(&function));
        if !(128..=10_240).contains(&given.memory_mb) {
            faults.push(format!("{place}: Lambda has from 128 to 10,240 MB"));
        }
        let most = if function == "authorize" { AUTHORIZER_SECONDS } else { GATEWAY_SECONDS };
        match (given.timeout_seconds, workers.contains_key(&function)) {
            (Some(_), true) => faults.push(format!("{place}: its timeout is in workers.yaml")),
            (None, false) => faults.push(format!("{place}: say `timeout_seconds`")),
            (Some(seconds), false) if most <= seconds => {
                faults.push(format!("{place}: API Gateway gives up after {most} s"));
            }
            (None, true) | (Some(_), false) => {}
        }
    }
    assert_none(&faults);
}

#[test]
fn nothing_is_said_twice_and_actions_are_those_of_what_they_are_allowed_on() {
    let mut faults = Vec::new();
    for function in folders("functions") {
        let (place, given) = (Given::place(&function), Given::to(&function));
        let names = given.environment.required.iter().chain(&given.environment.optional);
        let mut seen = BTreeSet::new();
        for name in names.filter(|name| !seen.insert(name.as_str())) {
            faults.push(format!("{place}: it names `{name}` twice"));
        }
        let mut seen = BTreeSet::new();
        for (resource, action) in given.actions() {
            if !seen.insert((resource, action)) {
                faults.push(format!("{place}: `{resource}` has `{action}` twice"));
            }
            let name = action.strip_prefix(resource.service()).unwrap_or_default();
            // No wildcard: an action is one operation.
            if name.is_empty() || !name.chars().all(|c| c.is_ascii_alphanumeric()) {
                faults.push(format!("{place}: `{action}` is no action of `{resource}`"));
            }
        }
        for (resource, actions) in &given.permissions {
            if actions.is_empty() {
                faults.push(format!("{place}: `{resource}` has no action"));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn a_function_knows_the_name_of_all_that_it_may_use_and_of_nothing_else() {
    let workers = Workers::get().workers;
    let mut faults = Vec::new();
    for function in folders("functions") {
        let (place, given) = (Given::place(&function), Given::to(&function));
        for resource in Resource::ALL {
            // The event source reads the queue for a worker, which is told nothing of it.
            if resource == Resource::ClicksQueue && workers.contains_key(&function) {
                continue;
            }
            let names = |other: &Resource| other.setting() == resource.setting();
            let (allowed, setting) =
                (given.permissions.keys().any(names), resource.setting().to_owned());
            if allowed != given.environment.all().contains(&setting) {
                faults.push(format!("{place}: `{setting}` and `{resource}` belong together"));
            }
        }
    }
    assert_none(&faults);
}
