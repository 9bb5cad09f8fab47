//! What must not get worse: figures that are the same in every run, beside those of the last revision
//! that was content with them.
//!
//! Nothing here is timed. Instructions are counted by valgrind, calls and units by the probe at the
//! functions' AWS clients, bytes by the file system.

use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;

use anyhow::{Context, ensure};
use lambda::Clock;
use local::{Data, Options};
use serde_json::{Value, json};

use crate::ledger;
use crate::load::Connection;
use crate::redirect::{built_here, instructions};
use crate::scale::Asked;
use crate::table::{Table, here, say};

/// Figures by their names.
type Figures = BTreeMap<String, f64>;

/// What is measured, and by how many per cent it may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    /// Another version of the C library copies and compares in another way.
    Instructions,
    /// The folder of the checkout is in a program, where it panics.
    Bytes,
    Calls,
    Units,
}

impl Unit {
    const ALL: [Self; 4] = [Self::Instructions, Self::Bytes, Self::Calls, Self::Units];

    fn name(self) -> &'static str {
        match self {
            Self::Instructions => "instructions",
            Self::Bytes => "bytes",
            Self::Calls => "calls",
            Self::Units => "units",
        }
    }

    fn percent(self) -> f64 {
        match self {
            Self::Instructions => 3.0,
            Self::Bytes => 2.0,
            Self::Calls => 0.0,
            // Counts are compressed, and a row may be a byte longer than a unit.
            Self::Units => 0.5,
        }
    }

    /// The unit at the end of a figure's name.
    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|unit| name.ends_with(unit.name()))
    }
}

/// What is said of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Same,
    /// Within the bound.
    Near,
    /// By more than the bound: the baseline guards nothing until it is renewed.
    Better,
    Worse,
    /// The baseline does not have it.
    New,
    /// It is in the baseline only.
    Gone,
}

impl Verdict {
    fn of(before: Option<f64>, now: Option<f64>, percent: f64) -> Self {
        let (before, now) = match (before, now) {
            (Some(before), Some(now)) => (before, now),
            (None, _) => return Self::New,
            (Some(_), None) => return Self::Gone,
        };
        // Exact figures are whole or half: they have no rounding error.
        let most = before + before * percent / 100.0;
        let least = before - before * percent / 100.0;
        if most < now {
            Self::Worse
        } else if now < least {
            Self::Better
        } else if before.total_cmp(&now).is_eq() {
            Self::Same
        } else {
            Self::Near
        }
    }

    fn fails(self) -> bool {
        match self {
            Self::Worse | Self::New | Self::Gone => true,
            Self::Same | Self::Near | Self::Better => false,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "",
            Self::Near => "within the bound",
            Self::Better => "better",
            Self::Worse => "WORSE",
            Self::New => "NEW",
            Self::Gone => "GONE",
        })
    }
}

/// Compares, or with `--renew` writes the baseline anew. Says whether all is well.
pub(crate) fn run(more: &[String]) -> anyhow::Result<bool> {
    let renew = match more {
        [] => false,
        [flag] if flag == "--renew" => true,
        _ => anyhow::bail!("usage: bench guard [--renew]"),
    };
    let path = here().join("baseline.json");
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build();
    let mut now = Figures::new();
    // The cheap ones first.
    now.extend(runtime()?.block_on(endpoints())?);
    now.extend(figures("record-clicks", &runtime()?.block_on(ledger::cost(0))?));
    now.extend(redirect()?);
    if renew {
        let text = serde_json::to_string_pretty(&json!({ "figures": now }))?;
        std::fs::write(&path, text + "\n").context("writing the baseline")?;
        say(&format!("wrote {}", path.display()));
        return Ok(true);
    }
    let text = std::fs::read_to_string(&path).context("reading the baseline")?;
    let before: BTreeMap<String, Figures> = serde_json::from_str(&text)?;
    let before = before.get("figures").context("a baseline has figures")?;
    let (table, is_well) = compared(before, &now);
    table.print();
    if !is_well {
        say("\nguard: something got worse, or is not in the baseline. If that is meant: \
             `cargo run -p bench -- guard --renew`, and say why in the commit.");
    }
    Ok(is_well)
}

/// The figures beside those of the baseline, and whether all is well.
fn compared(before: &Figures, now: &Figures) -> (Table, bool) {
    let mut table =
        Table::new("What must not get worse", &["figure", "baseline", "now", "may grow by %", ""]);
    let mut names: Vec<&String> = before.keys().chain(now.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let mut is_well = true;
    for name in names {
        let (was, is) = (before.get(name).copied(), now.get(name).copied());
        let percent = Unit::of(name).map_or(0.0, Unit::percent);
        let verdict = Verdict::of(was, is, percent);
        is_well &= !verdict.fails();
        let number = |it: Option<f64>| it.map_or(Value::Null, plain);
        table.row(vec![
            json!(name),
            number(was),
            number(is),
            json!(percent),
            json!(verdict.to_string()),
        ]);
    }
    (table, is_well)
}

/// A number without a fraction that is none.
fn plain(number: f64) -> Value {
    format!("{number}").parse::<u64>().map_or_else(|_| json!(number), |whole| json!(whole))
}

/// The redirect: instructions and package.
fn redirect() -> anyhow::Result<Figures> {
    let probe = built_here()?;
    let mut figures = Figures::new();
    for (what, name) in [("answer", "until the answer"), ("click", "with the click sent")] {
        let counted = u32::try_from(instructions(&probe, what)?)?;
        figures.insert(format!("redirect, {name}: instructions"), f64::from(counted));
    }
    let folder = tempfile::tempdir().context("making a folder")?;
    let root = here().join("..");
    let mut package = Command::new(root.join("scripts/package"));
    package.current_dir(&root).arg("--out").arg(folder.path()).arg("redirect");
    ensure!(package.status()?.success(), "scripts/package failed");
    let bytes = std::fs::metadata(folder.path().join("redirect.zip"))?.len();
    figures.insert("redirect, package: bytes".to_owned(), f64::from(u32::try_from(bytes)?));
    Ok(figures)
}

/// The numbers of a table, by what its rows and columns are called.
fn figures(what: &str, table: &Table) -> Figures {
    let mut figures = Figures::new();
    for row in table.rows() {
        let of = row.iter().filter_map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(", ");
        for (column, value) in row {
            let Some(number) = value.as_f64() else { continue };
            if column.ends_with("per click") {
                continue;
            }
            let unit = if Unit::of(column).is_some() { "" } else { " calls" };
            figures.insert(format!("{what}, {of}: {column}{unit}"), number);
        }
    }
    figures
}

/// A request for each endpoint that people wait for, through the whole platform in memory: what its
/// function asks of AWS.
async fn endpoints() -> anyhow::Result<Figures> {
    let (platform, asked) = Asked::with(Options::new(Data::Memory), Clock::system().now()).await?;
    let mut connection = Connection::open(asked.address).await?;
    let api =
        |method: &str, path: &str, body: &str| asked.api(method, &format!("/api/v1/{path}"), body);
    let create = |slug: &str| {
        let url = format!("https://example.com/{slug}");
        api("POST", "links", &json!({ "url": url, "slug": slug, "tags": ["guard"] }).to_string())
    };
    let follow = |slug: &str| format!("GET /{slug} HTTP/1.1\r\nHost: {}\r\n\r\n", asked.address);
    // From here on the authorizer knows the key, and the redirect the salt of today.
    asked.calls(&mut connection, &create("first"), 201).await?;
    let made: Value = serde_json::from_slice(connection.body())?;
    asked.calls(&mut connection, &follow("first"), 302).await?;
    for number in 0..30 {
        asked.calls(&mut connection, &create(&format!("s{number}")), 201).await?;
    }
    platform.work_off().await?;
    let id = made["id"].as_str().context("a link has an id")?;
    let (of_it, stats) = (format!("links/{id}"), format!("links/{id}/stats"));
    let by_value = format!("{stats}?dimensions=country,device,referrer");
    let mut figures = Figures::new();
    for (name, request, status) in [
        ("redirect, link that is read", follow("s7"), 302),
        ("redirect, remembered link", follow("s7"), 302),
        ("redirect, no such link", follow("none"), 404),
        ("create-link", create("last"), 201),
        ("get-link", api("GET", &of_it, ""), 200),
        ("list-links, 20", api("GET", "links?limit=20", ""), 200),
        ("list-links, 20 by tag", api("GET", "links?limit=20&tag=guard", ""), 200),
        ("list-links, 20 by slug", api("GET", "links?limit=20&q=s", ""), 200),
        ("update-link", api("PATCH", &of_it, r#"{"title":"new"}"#), 200),
        ("link-stats, first question", api("GET", &stats, ""), 200),
        ("link-stats, by value, to be remembered", api("GET", &by_value, ""), 200),
        ("link-stats, by value, remembered", api("GET", &by_value, ""), 200),
        ("workspace-stats", api("GET", "stats", ""), 200),
        ("list-clicks", api("GET", &format!("links/{id}/clicks"), ""), 200),
        ("delete-link", api("DELETE", &of_it, ""), 204),
    ] {
        let calls = asked.calls(&mut connection, &request, status).await?;
        let units: f64 = calls.iter().map(|call| call.capacity).sum();
        let number = f64::from(u32::try_from(calls.len())?);
        figures.insert(format!("{name}: calls"), number);
        figures.insert(format!("{name}: units"), units);
    }
    platform.stop().await;
    Ok(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(figures: &[(&str, f64)]) -> Figures {
        figures.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
    }

    #[test]
    fn what_grows_by_more_than_its_bound_fails() {
        for (name, before, well, worse) in [
            ("redirect: instructions", 100_000.0, 103_000.0, 103_001.0),
            ("redirect: bytes", 1_000_000.0, 1_020_000.0, 1_020_001.0),
            ("get-link: calls", 1.0, 1.0, 2.0),
            ("get-link: units", 1.0, 1.0, 1.5),
        ] {
            let baseline = of(&[(name, before)]);
            assert!(compared(&baseline, &of(&[(name, before)])).1, "{name}");
            assert!(compared(&baseline, &of(&[(name, well)])).1, "{name}");
            assert!(!compared(&baseline, &of(&[(name, worse)])).1, "{name}");
            assert!(compared(&baseline, &of(&[(name, before / 2.0)])).1, "{name}");
        }
    }

    #[test]
    fn what_is_not_in_both_fails() {
        let (one, both) = (of(&[("a: calls", 1.0)]), of(&[("a: calls", 1.0), ("b: calls", 1.0)]));
        assert!(!compared(&one, &both).1);
        assert!(!compared(&both, &one).1);
        assert!(compared(&both, &both).1);
    }

    #[test]
    fn the_baseline_has_only_figures_with_a_unit() {
        let text = std::fs::read_to_string(here().join("baseline.json")).unwrap();
        let baseline: BTreeMap<String, Figures> = serde_json::from_str(&text).unwrap();
        assert!(20 < baseline["figures"].len());
        for name in baseline["figures"].keys() {
            assert!(Unit::of(name).is_some(), "{name}");
        }
    }
}
