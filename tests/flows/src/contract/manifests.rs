//! What every manifest says, and that the lints are those that hold the architecture.

use serde_json::Value;

use crate::repository::{assert_none, folders, list, members, read, text};

#[test]
fn every_crate_obeys_the_lints_of_the_workspace() {
    let faults: Vec<_> = members()
        .iter()
        .map(|member| member.folder.join("Cargo.toml"))
        .filter(|manifest| !read(manifest).contains("\n[lints]\nworkspace = true\n"))
        .map(|manifest| format!("{}: say `[lints] workspace = true`", manifest.display()))
        .collect();
    assert_none(&faults);
}

#[test]
fn every_crate_inherits_what_all_have_in_common() {
    const INHERITED: [&str; 5] = ["version", "edition", "rust-version", "license", "publish"];
    let mut faults = Vec::new();
    for member in members() {
        let manifest = member.folder.join("Cargo.toml");
        let text = read(&manifest);
        for key in INHERITED {
            if !text.contains(&format!("\n{key}.workspace = true\n")) {
                faults.push(format!("{}: say `{key}.workspace = true`", manifest.display()));
            }
        }
        // One place for versions: the root.
        for line in text.lines().filter(|line| line.contains("version = \"")) {
            faults.push(format!("{}: `{line}` belongs into /Cargo.toml", manifest.display()));
        }
    }
    assert_none(&faults);
}

#[test]
fn no_function_links_a_test_binary_or_a_doc_test_for_nothing() {
    let mut faults = Vec::new();
    for member in members().iter().filter(|member| member.folder.starts_with("functions")) {
        let manifest = member.folder.join("Cargo.toml");
        for target in list(&member.package["targets"]) {
            let is = |kind: &str| list(&target["kind"]).iter().any(|own| own == kind);
            if is("lib") && target["doctest"] != Value::Bool(false) {
                faults.push(format!("{}: say `[lib] doctest = false`", manifest.display()));
            }
            if is("bin") && target["test"] != Value::Bool(false) {
                faults.push(format!("{}: say `[[bin]] test = false`", manifest.display()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn the_lints_that_hold_the_architecture_are_on() {
    let (manifest, clippy) = (read("Cargo.toml"), read("clippy.toml"));
    let mut faults = Vec::new();
    for lint in [
        "unsafe_code",
        "missing_docs",
        "unwrap_used",
        "panic",
        "todo",
        "print_stdout",
        "allow_attributes",
        "wildcard_enum_match_arm",
        "cast_possible_truncation",
    ] {
        if !manifest.lines().any(|line| line.starts_with(&format!("{lint} = \""))) {
            faults.push(format!("Cargo.toml: the lint `{lint}` is not on"));
        }
    }
    for path in [
        "std::env::var",
        "std::time::SystemTime::now",
        "jiff::Timestamp::now",
        "getrandom::fill",
        "aws_sdk_dynamodb::Client::scan",
    ] {
        if !clippy.contains(&format!("path = \"{path}\"")) {
            faults.push(format!("clippy.toml: `{path}` is allowed"));
        }
    }
    assert_none(&faults);
}

#[test]
fn a_panic_costs_a_request_and_not_the_process() {
    // cargo-lambda builds with `abort` unless it is said here.
    assert!(read("Cargo.toml").contains("\npanic = \"unwind\"\n"), "Cargo.toml: [profile.release]");
}

#[test]
fn the_main_of_a_function_is_one_call() {
    let mut faults = Vec::new();
    for name in folders("functions") {
        let place = format!("functions/{name}/src/main.rs");
        let main = read(&place);
        let calls = main.matches("lambda::serve_").count();
        if calls != 1 || !main.contains("env!(\"CARGO_PKG_NAME\")") {
            faults.push(format!("{place}: call `lambda::serve_…(env!(\"CARGO_PKG_NAME\"), …)`"));
        }
        let lines = main.lines().filter(|line| !line.trim().is_empty()).count();
        if 11 < lines {
            faults.push(format!("{place}: {lines} lines; the rest belongs into lib.rs"));
        }
    }
    assert_none(&faults);
}

#[test]
fn what_a_crate_is_called_is_what_its_folder_is_called() {
    let faults: Vec<_> = members()
        .iter()
        .filter(|member| !member.folder.ends_with(text(&member.package["name"])))
        .map(|member| format!("{}: it is called `{}`", member.folder.display(), member.name))
        .collect();
    assert_none(&faults);
}
