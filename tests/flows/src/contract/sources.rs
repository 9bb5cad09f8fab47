//! What no source may say.

use std::path::{Path, PathBuf};

use crate::repository::{assert_none, files, read};

/// Where what ships is. What is only for tests and for the laptop is not in it.
pub(super) const PRODUCT: [&str; 12] = [
    "functions",
    "shared/api",
    "shared/domain",
    "shared/guard",
    "shared/lake",
    "shared/lambda",
    "shared/passwords",
    "shared/queue",
    "shared/sso",
    "shared/stats",
    "shared/store",
    "shared/tokens",
];

/// The sources in a folder, without tests.
pub(super) fn product_sources(folder: &str) -> Vec<PathBuf> {
    let is_product = |path: &PathBuf| {
        let is_test = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
        !path.iter().any(is_test)
    };
    files(Path::new(folder), "rs").into_iter().filter(is_product).collect()
}

/// A source without what is only compiled for tests. Tests stand at the end of a file.
fn product_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    text[..end].lines().enumerate().map(|(at, line)| (at + 1, line))
}

fn find(forbidden: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    for source in PRODUCT.iter().chain(&["local"]).flat_map(|folder| product_sources(folder)) {
        let text = read(&source);
        for (number, line) in product_lines(&text) {
            let code = line.split("//").next().unwrap_or_default();
            for word in forbidden.iter().filter(|word| code.contains(**word)) {
                faults.push(format!("{}:{number}: `{word}`", source.display()));
            }
        }
    }
    faults
}

#[test]
fn nothing_scans() {
    // The probe ends every test that scans; this finds what no test calls.
    assert_none(&find(&[".scan(", "\"Scan\"", "operation::scan", ".execute_statement("]));
}

#[test]
fn nothing_unwraps_or_is_left_to_do() {
    assert_none(&find(&[".unwrap()", "todo!(", "unimplemented!(", "dbg!("]));
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let mut faults = Vec::new();
    for folder in PRODUCT.iter().chain(&["local", "shared/embedded", "shared/testkit", "tests"]) {
        for source in files(Path::new(folder), "rs") {
            let text = read(&source);
            if !text.starts_with("//! ") && !text.starts_with("#![doc = ") {
                faults.push(format!("{}: begin with `//!`", source.display()));
            }
            if text.starts_with("//! Stub") {
                faults.push(format!("{}: it is a stub", source.display()));
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn keys_of_rows_are_formatted_in_one_place() {
    // The letters before `#` in the keys of ARCHITECTURE.md's table.
    let keys: Vec<_> = "ABCDEFIJKLMORSTUWX".chars().map(|letter| format!("\"{letter}#")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let elsewhere: Vec<_> = find(&keys)
        .into_iter()
        .filter(|fault| !fault.starts_with("shared/store/src/keys.rs"))
        .collect();
    assert_none(&elsewhere);
}
