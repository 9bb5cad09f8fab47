//! Settings: what a function reads, what its README names, and what `.env.example` shows.

use std::collections::BTreeSet;

use lambda::Env;
use testkit::World;

use super::documents::row;
use super::sources::product_sources;
use crate::functions;
use crate::repository::{assert_none, read};

/// What a README says of its function's settings.
#[derive(Debug, Default)]
struct Settings {
    required: BTreeSet<String>,
    optional: BTreeSet<String>,
}

impl Settings {
    /// The names of the row `Environment`. What stands behind «optional», or has its default behind
    /// it in brackets, is optional.
    fn of(function: &str) -> Self {
        let row = row(function, "Environment");
        let mut settings = Self::default();
        for part in row.split(';') {
            let all_optional = part.trim_start().starts_with("optional");
            let pieces: Vec<_> = part.split('`').collect();
            for (at, name) in pieces.iter().enumerate().filter(|(_, name)| is_name(name)) {
                let has_default = pieces.get(at + 1).is_some_and(|rest| rest.starts_with(" ("));
                let list = match all_optional || has_default {
                    true => &mut settings.optional,
                    false => &mut settings.required,
                };
                list.insert((*name).to_owned());
            }
        }
        settings
    }

    fn all(&self) -> BTreeSet<String> {
        self.required.union(&self.optional).cloned().collect()
    }
}

/// Whether a text is the name of a setting.
fn is_name(text: &str) -> bool {
    4 < text.len() && text.chars().all(|c| c.is_ascii_uppercase() || c == '_')
}

/// What shared crates read for a function that calls this.
const READERS: [(&str, &[&str]); 6] = [
    ("lambda::serve_http_then", &["CLICK_SEND"]),
    (" Guard::load(", &["ACCOUNTS_TABLE", "WRITES_PER_MINUTE"]),
    (" PublicGuard::load(", &["ACCOUNTS_TABLE", "SIGN_IN_PER_MINUTE"]),
    (" Viewers::load(", &["ORIGIN_SECRET"]),
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
    let page: &'static str = read(".env.example").leak();
    let line =
        |line: &'static str| line.split_once('=').map(|(name, value)| (name, value.to_owned()));
    page.lines().filter(|line| !line.starts_with('#')).filter_map(line).collect()
}

/// Loads a function with these of the settings in `.env.example`.
async fn load(
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
async fn a_function_starts_with_what_its_readme_names_and_not_with_less() {
    let world = World::new().await;
    let mut faults = Vec::new();
    for function in functions::NAMES {
        let place = format!("functions/{function}/README.md: the row `Environment`");
        let settings = Settings::of(function);
        for names in [&settings.all(), &settings.required] {
            if let Err(error) = load(&world, function, names).await {
                faults.push(format!("{place}: with {names:?} it does not start: {error}"));
            }
        }
        for name in &settings.required {
            let mut fewer = settings.required.clone();
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
fn a_readme_names_what_the_source_reads() {
    let mut faults = Vec::new();
    for function in functions::NAMES {
        let (named, read) = (Settings::of(function).all(), in_source(function));
        let place = format!("functions/{function}/README.md: the row `Environment`");
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
    let mut read: BTreeSet<_> =
        functions::NAMES.iter().flat_map(|function| Settings::of(function).all()).collect();
    // How much is logged, for all of them.
    read.insert("RUST_LOG".to_owned());
    let faults: Vec<_> = shown
        .symmetric_difference(&read)
        .map(|name| format!(".env.example and the READMEs of the functions differ in `{name}`"))
        .collect();
    assert_none(&faults);
}
