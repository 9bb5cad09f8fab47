//! The kinds of problems: in the code, in `docs/problems.md` and in the contract.

use std::collections::BTreeSet;

use lambda::Kind;
use serde_json::Value;

use crate::openapi::OpenApi;
use crate::repository::{assert_none, read, text};

#[test]
fn code_page_and_contract_name_the_same_kinds() {
    let page = read("docs/problems.md");
    let headings: BTreeSet<_> =
        page.lines().filter_map(|line| line.strip_prefix("## ")).map(str::to_owned).collect();
    let kinds: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.slug().to_owned()).collect();
    let pattern =
        &OpenApi::get().document["components"]["schemas"]["Problem"]["properties"]["type"];
    let alternatives = text(&pattern["pattern"]).split(['(', ')']).nth(1).unwrap_or_default();
    let promised: BTreeSet<_> = alternatives.split('|').map(str::to_owned).collect();
    let mut faults = Vec::new();
    for kind in kinds.symmetric_difference(&headings) {
        faults.push(format!("docs/problems.md and `lambda::Kind` differ in `{kind}`"));
    }
    for kind in kinds.symmetric_difference(&promised) {
        faults.push(format!(
            "openapi.yaml: the pattern of `Problem.type` and `lambda::Kind` differ in `{kind}`"
        ));
    }
    assert_none(&faults);
}

#[test]
fn the_page_tells_each_kinds_status() {
    let page = read("docs/problems.md");
    let mut faults = Vec::new();
    for kind in Kind::ALL {
        let section = page.split(&format!("\n## {}\n", kind.slug())).nth(1).unwrap_or_default();
        if !section.trim_start().starts_with(&format!("**{}.**", kind.status().as_u16())) {
            let status = kind.status();
            faults
                .push(format!("docs/problems.md: `{}` does not begin with {status}", kind.slug()));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_contracts_examples_are_problems_of_their_kind() {
    let examples = &OpenApi::get().document["components"]["examples"];
    let mut faults = Vec::new();
    let mut shown = BTreeSet::new();
    for (name, example) in examples.as_object().into_iter().flatten() {
        let value = &example["value"];
        let Some(slug) = text(&value["type"]).strip_prefix("urn:signpost:problem:") else {
            continue;
        };
        let place = format!("openapi.yaml: example `{name}`");
        let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.slug() == slug) else {
            faults.push(format!("{place}: there is no kind `{slug}`"));
            continue;
        };
        shown.insert(slug);
        if value["title"] != kind.title() {
            faults.push(format!("{place}: the title of `{slug}` is «{}»", kind.title()));
        }
        if value["status"] != kind.status().as_u16() {
            faults.push(format!("{place}: the status of `{slug}` is {}", kind.status()));
        }
        if kind.status().is_server_error() && value["detail"] != Value::Null {
            faults.push(format!("{place}: a 5xx does not explain itself"));
        }
    }
    for kind in Kind::ALL.iter().filter(|kind| !shown.contains(kind.slug())) {
        faults.push(format!("openapi.yaml: there is no example of `{}`", kind.slug()));
    }
    assert_none(&faults);
}
