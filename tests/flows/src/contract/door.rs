//! The front door: where there is a CloudFront distribution, nobody gets around it.

use std::collections::BTreeSet;

use lambda::Kind;
use testkit::{Event, World};

use super::events;
use crate::functions;
use crate::openapi::OpenApi;
use crate::repository::assert_none;

/// What the distribution sends, while it is being changed.
const SETTING: &[(&str, &str)] = &[("ORIGIN_SECRET", "the-new-one, the-old-one")];

#[tokio::test]
async fn every_function_that_a_route_leads_to_refuses_who_went_around_it() {
    let world = World::new().await;
    let mut faults = Vec::new();
    let mut tried = BTreeSet::new();
    for (function, name, event) in events::all() {
        // The authorizer only says who it is, and whom it lets pass comes to such a function.
        if function == "authorize" || event["version"] != "2.0" {
            continue;
        }
        let place = format!("events/{function}/{name}.json");
        let Some(loaded) = functions::NAMES.iter().find(|name| **name == function) else {
            faults.push(format!("{place}: tests/flows/src/functions.rs has no such function"));
            continue;
        };
        let loaded = functions::load(world.boot_with(loaded, SETTING)).await.expect("it starts");
        let event = Event::of(event);
        for around in [event.clone(), event.clone().header("x-origin-secret", "a-guess")] {
            let answer = around.send(&loaded).await;
            answer.assert_problem(Kind::WrongAddress);
            // What no route fits is no operation, and promises nothing more.
            if OpenApi::get().operation(&around).is_some() {
                faults.extend(OpenApi::get().faults(&around, &answer));
            }
        }
        assert!(world.probe.take_calls().is_empty(), "{place}: something is read for them");
        for secret in ["the-new-one", "the-old-one"] {
            let answer = event.clone().header("x-origin-secret", secret).send(&loaded).await;
            if answer.text.contains(Kind::WrongAddress.slug()) {
                faults.push(format!("{place}: `{secret}` is refused"));
            }
        }
        world.probe.take_calls();
        tried.insert(function);
    }
    for operation in &OpenApi::get().operations {
        if !tried.contains(&operation.function) {
            faults.push(format!("`{}` was not tried", operation.function));
        }
    }
    assert_none(&faults);
}
