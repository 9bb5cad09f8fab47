//! Crates as firewalls: who may know whom, and what must not reach whom.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::given::Given;
use crate::repository::{assert_none, folders, list, members, metadata, text};

/// What one package depends on when it ships: not for its tests, not for its build.
struct Graph {
    names: BTreeMap<&'static str, &'static str>,
    edges: BTreeMap<&'static str, Vec<&'static str>>,
    ids: BTreeMap<String, &'static str>,
}

impl Graph {
    fn read() -> Self {
        let metadata = metadata();
        let mut graph =
            Self { names: BTreeMap::new(), edges: BTreeMap::new(), ids: BTreeMap::new() };
        for package in list(&metadata["packages"]) {
            graph.names.insert(text(&package["id"]), text(&package["name"]));
        }
        for member in members() {
            graph.ids.insert(member.name, text(&member.package["id"]));
        }
        for node in list(&metadata["resolve"]["nodes"]) {
            let ships = |kind: &Value| kind["kind"].is_null();
            let dependencies = list(&node["deps"])
                .iter()
                .filter(|dependency| list(&dependency["dep_kinds"]).iter().any(ships))
                .map(|dependency| text(&dependency["pkg"]));
            graph.edges.insert(text(&node["id"]), dependencies.collect());
        }
        graph
    }

    /// The names of what a member depends on by itself.
    fn direct(&self, member: &str) -> BTreeSet<&'static str> {
        let id = self.ids.get(member).unwrap_or_else(|| panic!("there is no crate `{member}`"));
        self.edges[id].iter().map(|id| self.names[id]).collect()
    }

    /// The names of everything that gets into what a member ships as.
    fn all(&self, member: &str) -> BTreeSet<&'static str> {
        let mut seen = BTreeSet::new();
        let mut next = vec![self.ids[member]];
        while let Some(id) = next.pop() {
            if seen.insert(id) {
                next.extend(&self.edges[id]);
            }
        }
        seen.remove(self.ids[member]);
        seen.into_iter().map(|id| self.names[id]).collect()
    }
}

/// Whom of ours a crate may know. Functions are one kind.
fn may_know(name: &str, is_function: bool) -> &'static [&'static str] {
    match name {
        _ if is_function => &[
            "agents",
            "api",
            "archive",
            "domain",
            "guard",
            "lake",
            "lambda",
            "passwords",
            "queue",
            "sso",
            "stats",
            "store",
            "tokens",
        ],
        "store" | "queue" => &["aws-json", "domain"],
        "agents" | "lake" | "passwords" => &["domain"],
        "archive" => &["domain", "lake"],
        "guard" => &["domain", "lambda", "store"],
        "sso" | "tokens" => &["domain", "lambda"],
        "api" => &["domain", "lambda", "store"],
        "stats" => &["api", "domain", "lambda", "store"],
        "testkit" => &["domain", "embedded", "lambda", "store"],
        // `aws-json`, `domain`, `lambda` and `embedded` know nobody; `flows` has tests only.
        _ => &[],
    }
}

#[test]
fn crates_know_only_whom_they_may() {
    let (graph, functions) = (Graph::read(), folders("functions"));
    let mut faults = Vec::new();
    for member in members() {
        let is_function = functions.contains(&member.name);
        let mut allowed: BTreeSet<&str> =
            may_know(&member.name, is_function).iter().copied().collect();
        if member.name == "local" {
            // It is everything in one process; what is for tests must not ship in it either.
            allowed.extend(graph.ids.keys().map(String::as_str));
            for name in ["testkit", "flows", "torture", "bench", "redirect-probe"] {
                allowed.remove(name);
            }
        }
        if ["torture", "bench", "redirect-probe"].contains(&member.name.as_str()) {
            // They run the functions, and nobody depends on them.
            allowed.extend(graph.ids.keys().map(String::as_str));
        }
        for known in graph.direct(&member.name) {
            if graph.ids.contains_key(known) && !allowed.contains(known) {
                let manifest = member.folder.join("Cargo.toml");
                faults.push(format!("{}: it must not know `{known}`", manifest.display()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn dependencies_stay_behind_their_firewalls() {
    let graph = Graph::read();
    let cases = [
        ("domain", ["aws-", "lambda", "http", "hyper", "tokio"].as_slice()),
        ("aws-json", &["aws-sdk-", "lambda_"]),
        ("lambda", &["aws-sdk-"]),
        ("store", &["aws-sdk-sqs", "aws-sdk-s3", "lambda_"]),
        ("queue", &["aws-sdk-dynamodb", "aws-sdk-s3", "lambda_"]),
        ("lake", &["aws-sdk-dynamodb", "aws-sdk-sqs", "lambda_", "parquet"]),
        ("archive", &["arrow", "aws-sdk-dynamodb", "aws-sdk-sqs", "lambda_"]),
        ("api", &["aws-sdk-sqs", "aws-sdk-s3"]),
        ("guard", &["aws-sdk-kms", "argon2", "openidconnect"]),
        ("record-clicks", &["api", "archive", "guard", "parquet"]),
        ("redirect", &["agents", "aws-sdk-kms", "argon2", "guard", "openidconnect"]),
    ];
    let mut faults = Vec::new();
    // Only by itself: the graph has the features that all members turn on together, and others'
    // ciphers want random bits from crates that `domain` has for their hashes.
    if graph.direct("domain").contains("getrandom") {
        faults.push("`domain` has got `getrandom`: random bits are handed in".to_owned());
    }
    for (member, kept_out) in cases {
        for name in graph.all(member) {
            let exact = kept_out.contains(&name);
            let by_prefix =
                |prefix: &&str| prefix.ends_with(['-', '_']) && name.starts_with(*prefix);
            if exact || kept_out.iter().any(by_prefix) {
                faults.push(format!(
                    "`{member}` has got `{name}`: `cargo tree -p {member} -i {name}`"
                ));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn a_function_has_the_sdks_of_its_permissions_and_no_others() {
    let graph = Graph::read();
    let mut faults = Vec::new();
    for name in folders("functions") {
        let given = Given::to(&name);
        let all = graph.all(&name);
        for (service, sdk) in [
            ("dynamodb:", "aws-sdk-dynamodb"),
            ("sqs:", "aws-sdk-sqs"),
            ("s3:", "aws-sdk-s3"),
            ("kms:", "aws-sdk-kms"),
        ] {
            let is_needed = given.actions().any(|(_, action)| action.starts_with(service));
            match (is_needed, all.contains(sdk)) {
                (true, false) => faults.push(format!(
                    "functions/{name}/function.yaml: it has permissions of `{service}` but not the SDK"
                )),
                (false, true) => faults.push(format!(
                    "functions/{name}/Cargo.toml: it has got `{sdk}` but needs no permission of it"
                )),
                (true, true) | (false, false) => {}
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn nothing_for_tests_and_nothing_embedded_ships_in_a_function() {
    const KEPT_OUT: [&str; 8] =
        ["anyhow", "clap", "dynoxide-rs", "embedded", "rusqlite", "s3s", "serde-saphyr", "testkit"];
    let graph = Graph::read();
    let mut faults = Vec::new();
    for name in folders("functions") {
        let all = graph.all(&name);
        for kept_out in KEPT_OUT.iter().filter(|kept_out| all.contains(*kept_out)) {
            faults
                .push(format!("`{name}` has got `{kept_out}`: cargo tree -p {name} -i {kept_out}"));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_heavy_https_defaults_of_the_sdks_are_off() {
    // Why: docs/adr/0003-lean-aws-clients.md.
    let graph = Graph::read();
    let mut faults = Vec::new();
    for name in folders("functions") {
        let all = graph.all(&name);
        for heavy in ["aws-lc-rs", "aws-lc-sys", "aws-config", "openssl", "native-tls"] {
            if all.contains(heavy) {
                faults.push(format!("`{name}` has got `{heavy}`: cargo tree -p {name} -i {heavy}"));
            }
        }
    }
    assert_none(&faults);
}
