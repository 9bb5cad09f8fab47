//! The kinds of problems: in the code, in `docs/problems.md` and in the contract.

use std::collections::BTreeSet;

use lambda::Kind;
use serde_json::Value;

use super::sources::{PRODUCT, product_sources};
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

/// What the sources say in quotes. What stands between two of them is also here: it is no text that
/// anybody is answered with, and need not be told apart.
fn quoted() -> Vec<String> {
    let sources = PRODUCT.iter().flat_map(|folder| product_sources(folder));
    let mut texts = Vec::new();
    for source in sources {
        let code = read(&source).replace("\\\"", "'");
        for text in code.split('"') {
            // A line that goes on in the next one.
            let lines = text.split("\\\n").enumerate();
            let lines = lines.map(|(at, line)| if at == 0 { line } else { line.trim_start() });
            texts.push(lines.collect());
        }
    }
    texts
}

/// Whether a text is what a format string can make.
fn is_of(format: &str, text: &str) -> bool {
    let mut pieces = format.split('{').enumerate().map(|(at, piece)| match piece.split_once('}') {
        Some((_, fixed)) if 0 < at => fixed,
        Some(_) | None => piece,
    });
    let first = pieces.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut pieces = pieces.peekable();
    if pieces.peek().is_none() {
        return rest.is_empty();
    }
    let mut fixed = first.len();
    while let Some(piece) = pieces.next() {
        fixed += piece.len();
        let found = match pieces.peek() {
            Some(_) => rest.find(piece).map(|at| &rest[at + piece.len()..]),
            None => rest.strip_suffix(piece),
        };
        let Some(behind) = found else { return false };
        rest = behind;
    }
    // `"{}"` makes every text, and says nothing of any.
    8 <= fixed
}

#[test]
fn a_format_string_makes_its_texts_and_no_others() {
    for (format, text, expected) in [
        ("the slug is taken", "the slug is taken", true),
        ("the slug is taken", "the slug is taken now", false),
        ("the slug `{slug}` is taken", "the slug `spring` is taken", true),
        ("the slug `{slug}` is taken", "the slug `spring` is free", false),
        ("from {} to {}: all", "from 1 to 100: all", true),
        ("{} things are wrong", "3 things are wrong", true),
        ("{}", "anything", false),
    ] {
        assert_eq!(is_of(format, text), expected, "{format}: {text}");
    }
}

#[test]
fn what_the_contracts_examples_say_is_what_the_code_says() {
    fn told<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    if matches!(name.as_str(), "detail" | "error_description") {
                        texts.push(text(field));
                    }
                    told(field, texts);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| told(item, texts)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut texts = Vec::new();
    told(&OpenApi::get().document["components"]["examples"], &mut texts);
    assert!(20 < texts.len(), "{} texts", texts.len());
    let sources = quoted();
    let unsaid = texts.into_iter().filter(|text| !sources.iter().any(|said| is_of(said, text)));
    let fault = |text| format!("openapi.yaml: nothing in the code says «{text}»");
    assert_none(&unsaid.map(fault).collect::<Vec<_>>());
}
