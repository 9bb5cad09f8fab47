//! Settings: what a function reads, what its `function.yaml` names, and what `.env.example` shows.

use std::collections::{BTreeMap, BTreeSet};

use lambda::Env;
use serde_json::Value;
use testkit::World;

use super::sources::product_sources;
use crate::functions;
use crate::given::Given;
use crate::repository::{assert_none, read};
use crate::template::{self, Shown};

/// Whether a text is the name of a setting.
fn is_name(text: &str) -> bool {
    4 < text.len() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// What shared crates read for a function that calls this.
const READERS: [(&str, &[&str]); 6] = [
    ("lambda::serve_http", &["ORIGIN_SECRET"]),
    ("lambda::serve_http_then", &["CLICK_SEND"]),
    (" Guard::load(", &["ACCOUNTS_TABLE", "WRITES_PER_MINUTE"]),
    (" PublicGuard::load(", &["ACCOUNTS_TABLE", "SIGN_IN_PER_MINUTE"]),
    (" Tokens::load(", &["ORIGINS", "TOKEN_KEYS"]),
    (
        // The company's identity provider.
        " Settings::load(",
        &[
            "OIDC_CLIENT_ID",
            "OIDC_CLIENT_SECRET",
            "OIDC_ISSUER",
            "OIDC_MEMBERS",
            "OIDC_TRUST_EMAIL",
            "ORIGINS",
            "SIGN_IN_REDIRECTS",
        ],
    ),
];

/// The names in a function's source, and those that are read for it.
fn in_source(function: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for source in product_sources(&format!("functions/{function}/src")) {
        let text = read(&source);
        names.extend(text.split('"').filter(|piece| is_name(piece)).map(str::to_owned));
        for (_, read) in READERS.iter().filter(|(call, _)| text.contains(call)) {
            names.extend(read.iter().map(|name| (*name).to_owned()));
        }
    }
    // The name of the crate, for `env!`.
    names.remove("CARGO_PKG_NAME");
    names.remove("CARGO_PKG_VERSION");
    names
}

/// The settings that `.env.example` shows.
fn in_example() -> Vec<(&'static str, String)> {
    let setting =
        |setting: Shown| -> (&'static str, String) { (String::leak(setting.name), setting.value) };
    template::shown().into_iter().map(setting).collect()
}

/// Loads a function with these of the settings in `.env.example`.
pub(super) async fn load(
    world: &World,
    function: &'static str,
    names: &BTreeSet<String>,
) -> Result<(), String> {
    let world = world.boot(function);
    let settings = in_example().into_iter().filter(|(name, _)| names.contains(*name));
    let settings = settings.map(|(name, value)| match name {
        // The key must be there, and nobody keeps one in a repository.
        "TOKEN_KEYS" => (name, world.env.optional(name).unwrap_or_default()),
        _ => (name, value),
    });
    let boot = lambda::Boot { env: Env::fixed(settings), ..world.clone() };
    functions::load(boot).await.map(drop)
}

#[tokio::test]
async fn a_function_starts_with_what_it_is_given_and_not_with_less() {
    let world = World::new().await;
    let mut faults = Vec::new();
    for function in functions::NAMES {
        let (place, given) = (Given::place(function), Given::to(function).environment);
        let required = given.required();
        for names in [&given.all(), &required] {
            if let Err(error) = load(&world, function, names).await {
                faults.push(format!("{place}: with {names:?} it does not start: {error}"));
            }
        }
        for name in &required {
            let mut fewer = required.clone();
            fewer.remove(name);
            match load(&world, function, &fewer).await {
                Ok(()) => faults.push(format!("{place}: `{name}` is optional")),
                Err(error) if !error.contains(name.as_str()) => {
                    faults.push(format!("functions/{function}: without `{name}`: {error}"));
                }
                Err(_) => {}
            }
        }
    }
    assert_none(&faults);
}

#[test]
fn a_function_is_given_what_its_source_reads() {
    let mut faults = Vec::new();
    for function in functions::NAMES {
        let (named, read) = (Given::to(function).environment.all(), in_source(function));
        let place = Given::place(function);
        for name in read.difference(&named) {
            faults.push(format!("{place} does not name `{name}`"));
        }
        for name in named.difference(&read) {
            faults.push(format!("{place} names `{name}`, which nobody reads"));
        }
    }
    assert_none(&faults);
}

#[test]
fn the_example_shows_every_setting() {
    let shown: BTreeSet<_> = in_example().into_iter().map(|(name, _)| name.to_owned()).collect();
    let mut read: BTreeSet<_> = functions::NAMES
        .iter()
        .flat_map(|function| Given::to(function).environment.all())
        .collect();
    // How much is logged, for all of them.
    read.insert("RUST_LOG".to_owned());
    let faults: Vec<_> = shown
        .symmetric_difference(&read)
        .map(|name| format!("`.env.example` and the files `function.yaml` differ in `{name}`"))
        .collect();
    assert_none(&faults);
}

#[test]
fn the_example_says_what_each_setting_is() {
    let silent = template::shown().into_iter().filter(|setting| setting.says.is_empty());
    let faults: Vec<_> =
        silent.map(|it| format!(".env.example: say above `{}` what it is", it.name)).collect();
    assert_none(&faults);
}

#[test]
fn sam_local_finds_what_the_local_platform_has() {
    const PLACE: &str = "events/environment.json";
    let file: Value = serde_json::from_str(&read(PLACE)).expect(PLACE);
    let shown: BTreeMap<_, _> = in_example().into_iter().collect();
    let mut faults = Vec::new();
    for (name, value) in file["Parameters"].as_object().expect(PLACE) {
        match shown.get(name.as_str()) {
            None => faults.push(format!("{PLACE}: nobody reads `{name}`")),
            // There is no file in the container, and nobody asks a key that is not needed.
            Some(_) if name == "TOKEN_KEYS" => {}
            Some(example) if value != example => {
                faults.push(format!("{PLACE}: `{name}` differs from .env.example"));
            }
            Some(_) => {}
        }
    }
    assert_none(&faults);
}
