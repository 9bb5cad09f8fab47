//! One name everywhere: folder, package, binary, operation or worker, events, README.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::functions;
use crate::openapi::OpenApi;
use crate::repository::{assert_none, exists, folders, list, members, read, text};
use crate::workers::Workers;

/// The authorizer: no route starts it, the gateway does.
const AUTHORIZER: &str = "authorize";

/// Every function that something starts, and what that is.
fn started() -> BTreeMap<String, String> {
    let api = OpenApi::get();
    let mut started = BTreeMap::new();
    for operation in &api.operations {
        let starter = format!("openapi.yaml: operation `{}`", operation.id);
        started.insert(operation.function.clone(), starter);
    }
    let default = "openapi.yaml: x-default-function".to_owned();
    started.insert(api.default_function().to_owned(), default);
    for name in Workers::get().workers.into_keys() {
        let starter = format!("workers.yaml: worker `{name}`");
        started.insert(name, starter);
    }
    started.insert(AUTHORIZER.to_owned(), "the gateway's authorizer".to_owned());
    started
}

#[test]
fn every_function_is_started_by_something_and_everything_that_is_started_is_there() {
    let (folders, started) = (folders("functions"), started());
    let mut faults: Vec<_> = folders
        .iter()
        .filter(|name| !started.contains_key(*name))
        .map(|name| format!("functions/{name}: no operation of openapi.yaml and no worker of workers.yaml starts it"))
        .collect();
    for (name, starter) in &started {
        if !folders.contains(name) {
            faults.push(format!("{starter}: there is no functions/{name}"));
        }
    }
    assert_none(&faults);
}

#[test]
fn folder_package_library_and_binary_of_a_function_have_its_name() {
    let members = members();
    let mut faults = Vec::new();
    for folder in folders("functions") {
        let place = format!("functions/{folder}/Cargo.toml");
        let here = members.iter().find(|member| member.folder.ends_with(&folder));
        let Some(member) = here else {
            faults.push(format!("{place}: this is no member of the workspace"));
            continue;
        };
        if member.name != folder {
            faults.push(format!("{place}: the package is called `{}`", member.name));
        }
        let targets = |kind: &str| -> Vec<&str> {
            let is_kind = |target: &&Value| list(&target["kind"]).iter().any(|own| own == kind);
            let targets = list(&member.package["targets"]).iter().filter(is_kind);
            targets.map(|target| text(&target["name"])).collect()
        };
        if targets("bin") != [folder.as_str()] {
            faults.push(format!("{place}: the binaries are {:?}", targets("bin")));
        }
        let library = folder.replace('-', "_");
        if targets("lib") != [library.as_str()] {
            faults.push(format!("{place}: the libraries are {:?}", targets("lib")));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_tests_the_local_platform_and_the_readme_know_every_function() {
    let folders = folders("functions");
    let known: BTreeSet<String> = functions::NAMES.iter().map(|name| (*name).to_owned()).collect();
    let (registry, readme) = (read("local/src/registry.rs"), read("README.md"));
    let manifest = read("Cargo.toml");
    let mut faults = Vec::new();
    for name in known.symmetric_difference(&folders) {
        faults.push(format!("tests/flows/src/functions.rs and functions/ differ in `{name}`"));
    }
    for name in &folders {
        let is_authorizer = name == AUTHORIZER && registry.contains("authorize::load");
        if !registry.contains(&format!("\"{name}\"")) && !is_authorizer {
            faults.push(format!("local/src/registry.rs: `{name}` is not in it"));
        }
        if !readme.contains(&format!("| [{name}](functions/{name}/README.md) |")) {
            faults.push(format!("README.md: the table of functions has no row for `{name}`"));
        }
        if !manifest.contains(&format!("\n{name} = {{ path = \"functions/{name}\" }}\n")) {
            faults.push(format!("Cargo.toml: `{name}` is not in [workspace.dependencies]"));
        }
    }
    assert_none(&faults);
}

#[test]
fn events_are_filed_under_functions() {
    let (functions, events) = (folders("functions"), folders("events"));
    let mut faults = Vec::new();
    for name in functions.symmetric_difference(&events) {
        faults.push(format!("functions/ and events/ differ in `{name}`"));
    }
    for name in &functions {
        if !exists(format!("events/{name}/minimal.json")) {
            faults.push(format!("events/{name}: there is no minimal.json"));
        }
    }
    assert_none(&faults);
}

#[test]
fn an_operation_has_one_name() {
    let mut seen = BTreeSet::new();
    let operations = &OpenApi::get().operations;
    let twice = operations.iter().filter(|operation| !seen.insert(operation.id.as_str()));
    let faults: Vec<_> =
        twice.map(|it| format!("openapi.yaml: `{}` is the id of two operations", it.id)).collect();
    assert_none(&faults);
}
