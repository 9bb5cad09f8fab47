//! What people read: the table of each function, the links of each page, the lists of the contract.

use std::path::Path;

use crate::openapi::OpenApi;
use crate::repository::{assert_none, files, folders, read, root};
use crate::workers::Workers;

/// A row of the table in a function's README.
fn row(function: &str, name: &str) -> String {
    let readme = read(format!("functions/{function}/README.md"));
    let begin = format!("| {name} | ");
    let row = readme.lines().find_map(|line| line.strip_prefix(&begin));
    row.map(|row| row.trim_end_matches([' ', '|']).to_owned()).unwrap_or_default()
}

#[test]
fn the_table_of_a_function_says_what_an_operator_asks() {
    const ROWS: [&str; 6] =
        ["Trigger", "Events", "Reads, writes", "Idempotent by", "On failure", "Given"];
    let mut faults = Vec::new();
    for function in folders("functions") {
        let place = format!("functions/{function}/README.md");
        for name in ROWS.iter().filter(|name| row(&function, name).is_empty()) {
            faults.push(format!("{place}: its table has no row `{name}`"));
        }
        if !row(&function, "Events").contains(&format!("`events/{function}/`")) {
            faults.push(format!("{place}: the row `Events` does not name `events/{function}/`"));
        }
        if !row(&function, "Given").contains("`function.yaml`") {
            faults.push(format!("{place}: the row `Given` does not name `function.yaml`"));
        }
        if !read(&place).starts_with(&format!("# {function}\n")) {
            faults.push(format!("{place}: the heading is not `# {function}`"));
        }
        let library = read(format!("functions/{function}/src/lib.rs"));
        if !library.starts_with("#![doc = include_str!(\"../README.md\")]\n") {
            faults.push(format!("functions/{function}/src/lib.rs: include the README as its page"));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_trigger_of_a_function_is_that_of_the_contract() {
    let mut faults = Vec::new();
    for operation in &OpenApi::get().operations {
        let trigger = row(&operation.function, "Trigger");
        let place = format!("functions/{}/README.md: the row `Trigger`", operation.function);
        if !trigger.contains(&format!("`{}`", operation.route())) {
            faults.push(format!("{place} does not name `{}`", operation.route()));
        }
        let scope = match &operation.scope {
            Some(scope) => format!("scope `{scope}`"),
            None => "public".to_owned(),
        };
        if !trigger.contains(&scope) {
            faults.push(format!("{place} does not say {scope}"));
        }
    }
    for (function, worker) in Workers::get().workers {
        let trigger = row(&function, "Trigger");
        let by = worker.queue.map_or("schedule".to_owned(), |queue| format!("`{queue}`"));
        if !trigger.contains(&by) {
            let place = format!("functions/{function}/README.md: the row `Trigger`");
            faults.push(format!("{place} does not say {by}"));
        }
    }
    assert_none(&faults);
}

#[test]
fn every_link_in_a_document_leads_to_a_file_and_its_heading() {
    let mut faults = Vec::new();
    for page in files(".", "md") {
        let text = read(&page);
        for target in targets(&text) {
            let (path, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = match path {
                "" => root().join(&page),
                path => root().join(page.parent().unwrap_or(Path::new(""))).join(path),
            };
            let place = format!("{}: `{target}`", page.display());
            if !file.exists() {
                faults.push(format!("{place} leads nowhere"));
            } else if !heading.is_empty() && !has_heading(&read(&file), heading) {
                faults.push(format!("{place}: there is no such heading"));
            }
        }
    }
    assert_none(&faults);
}

/// What the links of a page lead to, without other sites.
fn targets(page: &str) -> impl Iterator<Item = &str> {
    let ends = page.split("](").skip(1);
    ends.filter_map(|rest| rest.split(')').next())
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
}

fn has_heading(page: &str, slug: &str) -> bool {
    let slug_of = |heading: &str| -> String {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        text.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    page.lines().filter(|line| line.starts_with('#')).any(|line| slug_of(line) == slug)
}

#[test]
fn the_architecture_can_be_read_in_one_sitting() {
    let lines = read("ARCHITECTURE.md").lines().count();
    assert!(lines <= 300, "ARCHITECTURE.md has {lines} lines");
}
