//! The routes of `cargo lambda watch`: they are those of the contract.

use std::collections::BTreeMap;

use crate::openapi::OpenApi;
use crate::repository::{assert_none, list, metadata, text};

const PLACE: &str = "Cargo.toml: [workspace.metadata.lambda.watch.router]";

/// Route and function.
type Routes = BTreeMap<String, String>;

fn in_manifest() -> Routes {
    let router = &metadata()["metadata"]["lambda"]["watch"]["router"];
    let mut routes = Routes::new();
    for (path, methods) in router.as_object().expect(PLACE) {
        for method in list(methods) {
            let route = format!("{} {path}", text(&method["method"]));
            routes.insert(route, text(&method["function"]).to_owned());
        }
    }
    routes
}

#[test]
fn cargo_lambda_watch_has_the_routes_of_the_contract() {
    let operations = OpenApi::get().operations.iter();
    let wanted: Routes = operations.map(|it| (it.route(), it.function.clone())).collect();
    let found = in_manifest();
    let mut faults = Vec::new();
    for (route, function) in &wanted {
        if found.get(route) != Some(function) {
            faults.push(format!("{PLACE}: `{route}` is answered by `{function}`"));
        }
    }
    for route in found.keys().filter(|route| !wanted.contains_key(*route)) {
        faults.push(format!("{PLACE}: openapi.yaml has no `{route}`"));
    }
    assert_none(&faults);
}

#[test]
fn a_binary_that_is_only_named_is_found() {
    // `cargo lambda watch` and `sam build` say `--bin create-link`, and no package.
    let members = list(&metadata()["workspace_default_members"]);
    assert!(
        members.iter().any(|id| text(id).contains("functions/create-link")),
        "Cargo.toml: the functions are no `default-members`"
    );
}
