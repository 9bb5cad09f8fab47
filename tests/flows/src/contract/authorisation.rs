//! Who may do what: the contract says it, and the functions keep it.

use domain::Scope;
use lambda::Kind;
use serde_json::{Value, json};
use testkit::{Answer, Event, WORKSPACE};

use super::{events, worlds};
use crate::openapi::{OpenApi, Operation};
use crate::repository::assert_none;
use crate::service::Service;

/// An event of an operation that succeeds.
fn sample(operation: &Operation) -> Value {
    let route = operation.route();
    let mut own = events::all()
        .into_iter()
        .filter(|(function, _, event)| {
            *function == operation.function && event["routeKey"] == route
        })
        .collect::<Vec<_>>();
    // `minimal` where it is of this operation.
    own.sort_by_key(|(_, name, _)| name != "minimal");
    let (_, _, event) = own.into_iter().next().unwrap_or_else(|| panic!("no event of `{route}`"));
    event
}

/// Sends an event of an operation in which the authorizer says this.
async fn ask(operation: &Operation, context: Option<Value>) -> Answer {
    let mut event = sample(operation);
    match context {
        Some(context) => event["requestContext"]["authorizer"] = json!({ "lambda": context }),
        None => {
            event["requestContext"].as_object_mut().unwrap().remove("authorizer");
        }
    }
    let service = Service::only(&operation.function, worlds::of(&operation.function).await).await;
    let answer = service.send(&operation.function, Event::of(event)).await;
    if matches!(answer.status, 401 | 403) {
        let calls = service.world.probe.take_calls();
        assert!(calls.is_empty(), "`{}` reads for whoever may not: {calls:?}", operation.id);
    }
    answer
}

/// What the authorizer says of the caller of an operation's event, with other scopes.
fn with_scopes(operation: &Operation, scopes: &str) -> Option<Value> {
    let mut context = sample(operation)["requestContext"]["authorizer"]["lambda"].take();
    context["scopes"] = json!(scopes);
    Some(context)
}

/// Whether a scope is one that `admin` includes.
fn is_of_admin(scope: &str) -> bool {
    scope != Scope::Account.as_str()
}

/// All scopes but one, and those that include it.
fn all_but(scope: &str) -> String {
    let others = Scope::ALL.into_iter().map(Scope::as_str);
    let includes = |own: &&str| *own == scope || (*own == "admin" && is_of_admin(scope));
    let others: Vec<_> = others.filter(|own| !includes(own)).collect();
    others.join(" ")
}

#[test]
fn every_secured_operation_names_a_scope_that_exists_and_no_other_one_does() {
    let mut faults = Vec::new();
    for operation in &OpenApi::get().operations {
        let place = format!("openapi.yaml: `{}`", operation.id);
        match (&operation.scope, operation.secured) {
            (None, true) => faults.push(format!("{place}: say `x-scope`, or `security: []`")),
            (Some(_), false) => faults.push(format!("{place}: it is public, but names a scope")),
            (Some(scope), true) if Scope::parse(scope).is_err() => {
                faults.push(format!("{place}: `{scope}` is no scope"));
            }
            (Some(_), true) | (None, false) => {}
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn a_secured_operation_asks_for_its_scope_before_anything_else() {
    let mut faults = Vec::new();
    for operation in OpenApi::get().operations.iter().filter(|operation| operation.secured) {
        let scope = operation.scope.clone().unwrap_or_default();
        let place = format!(
            "functions/{}/src/lib.rs: `auth::caller(&request)?.require(…)?` of `{scope}`",
            operation.function
        );
        for context in [None, Some(json!({})), Some(json!({ "auth": "invalid" }))] {
            let answer = ask(operation, context.clone()).await;
            if answer.status != 401 {
                faults.push(format!(
                    "{place}: {} where the authorizer says {context:?}",
                    answer.status
                ));
            }
        }
        let answer = ask(operation, with_scopes(operation, &all_but(&scope))).await;
        if answer.status != 403 || !answer.text.contains(&format!("`{scope}`")) {
            faults.push(format!("{place}: {} without it: {}", answer.status, answer.text));
        }
        for scopes in [scope.as_str(), "admin"] {
            if scopes == "admin" && !is_of_admin(&scope) {
                continue;
            }
            let answer = ask(operation, with_scopes(operation, scopes)).await;
            if !(200..300).contains(&answer.status) {
                faults.push(format!("{place}: {} with `{scopes}`: {}", answer.status, answer.text));
            }
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn a_public_operation_asks_nobody_who_they_are() {
    let mut faults = Vec::new();
    for operation in OpenApi::get().operations.iter().filter(|operation| !operation.secured) {
        let answer = ask(operation, None).await;
        if matches!(answer.status, 401 | 403) {
            let place = format!("functions/{}", operation.function);
            faults.push(format!("{place}: `{}` answers {}", operation.id, answer.status));
        }
    }
    assert_none(&faults);
}

#[tokio::test]
async fn a_context_that_makes_no_sense_lets_nobody_in() {
    for context in [
        json!({ "auth": "ok" }),
        json!({ "auth": "ok", "scopes": "admin account", "principal": "key_1" }),
        json!({ "auth": "ok", "scopes": "admin account", "principal": "key_1", "workspace": "wrk_?" }),
        json!({ "auth": "ok", "scopes": ["admin"], "principal": "key_1", "workspace": WORKSPACE }),
    ] {
        for operation in OpenApi::get().operations.iter().filter(|operation| operation.secured) {
            ask(operation, Some(context.clone())).await.assert_problem(Kind::Internal);
        }
    }
}
