//! This revision's redirect beside an earlier one's, in one run.
//!
//! Both are compiled from the same probe (`probe/`): the earlier one in a worktree of its own, next
//! to the target folder. Instructions are counted by valgrind, which a busy machine does not
//! disturb; the time on the CPU is taken in turns.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::json;

use crate::table::{Table, here, publish, say};

/// The revision before the clicks knew more than their user agent.
const BEFORE: &str = "aee5c6e";

/// The manifest of the probe in an earlier revision.
const MANIFEST: &str = r#"[package]
name = "redirect-probe"
version.workspace = true
edition.workspace = true
rust-version.workspace = true
license.workspace = true
publish.workspace = true

[features]
salts = []

[dependencies]
aws-smithy-runtime-api.workspace = true
aws-smithy-types.workspace = true
domain.workspace = true
jiff.workspace = true
lambda.workspace = true
redirect.workspace = true
serde_json.workspace = true
store.workspace = true
tokio.workspace = true
"#;

/// How many calls are timed at once, and how often in turns.
const CALLS: u32 = 20_000;
const TURNS: usize = 9;

pub(crate) fn run(more: &[String]) -> anyhow::Result<()> {
    let revision = more.first().map_or(BEFORE, String::as_str);
    let before = built_at(revision)?;
    let now = match more.get(1) {
        Some(revision) => built_at(revision)?,
        None => built_here()?,
    };
    let mut table = Table::new(
        format!("The redirect of a remembered link, beside revision {revision}"),
        &["of one call", "before", "now", "now / before"],
    );
    for (what, name) in [("answer", "until the answer"), ("click", "with the click sent")] {
        let (a, b) = (instructions(&before, what)?, instructions(&now, what)?);
        table.row(vec![
            json!(format!("instructions, {name}")),
            json!(a),
            json!(b),
            json!(ratio(b, a)),
        ]);
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for turn in 0..TURNS {
            // Whoever is second may be better off.
            if turn.is_multiple_of(2) {
                a.push(nanoseconds(&before, what)?);
                b.push(nanoseconds(&now, what)?);
            } else {
                b.push(nanoseconds(&now, what)?);
                a.push(nanoseconds(&before, what)?);
            }
        }
        let (a, b) = (median(a), median(b));
        table.row(vec![
            json!(format!("CPU in ns, {name}")),
            json!(a),
            json!(b),
            json!(ratio(b, a)),
        ]);
    }
    publish("redirect", &[table])
}

/// The probe of what is in this folder.
pub(crate) fn built_here() -> anyhow::Result<PathBuf> {
    // By itself: so it has the features that the redirect has where it ships, and not those that
    // others turn on.
    cargo(&here().join(".."), &["build", "--release", "--locked", "-p", "redirect-probe"])?;
    Ok(target()?.join("release/redirect-probe"))
}

/// The probe of a revision, compiled in a worktree beside the target folder.
fn built_at(revision: &str) -> anyhow::Result<PathBuf> {
    let target = target()?;
    let beside = target.parent().context("the target folder is in a folder")?;
    let tree = beside.join(format!("bench-{revision}"));
    if !tree.exists() {
        let tree = tree.to_str().context("the folder's name is UTF-8")?;
        let mut git = Command::new("git");
        git.current_dir(here()).args(["worktree", "add", "--detach", tree, revision]);
        ensure!(git.status()?.success(), "git made no worktree of {revision}");
    }
    let probe = tree.join("tests/redirect-probe");
    std::fs::create_dir_all(probe.join("src"))?;
    std::fs::write(probe.join("Cargo.toml"), MANIFEST)?;
    std::fs::copy(here().join("redirect-probe/src/main.rs"), probe.join("src/main.rs"))?;
    let features = if tree.join("functions/rotate-salts").exists() { "salts" } else { "" };
    // A target folder of its own: Cargo takes crates of the same name and place in two worktrees for
    // the same, and would take one's for the other's.
    let own = tree.join("target");
    let to = own.to_str().context("the folder's name is UTF-8")?;
    let common = ["build", "--release", "--offline", "-p", "redirect-probe", "--target-dir", to];
    cargo(&tree, &[common.as_slice(), &["--features", features]].concat())?;
    Ok(own.join("release/redirect-probe"))
}

/// The target folder of this program.
pub(crate) fn target() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("finding this program")?;
    own.ancestors().nth(2).map(Path::to_path_buf).context("a program is in a target folder")
}

pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> anyhow::Result<()> {
    say(&format!("cargo {}", arguments.join(" ")));
    let status = Command::new("cargo").current_dir(root).args(arguments).status()?;
    ensure!(status.success(), "cargo failed");
    Ok(())
}

/// How many nanoseconds on the CPU a call takes.
fn nanoseconds(probe: &Path, what: &str) -> anyhow::Result<u64> {
    let output = Command::new(probe).args([what, &CALLS.to_string()]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().parse::<u64>()? / u64::from(CALLS))
}

/// How many instructions a call takes: the difference between many calls and few, so that the start is
/// not in it.
pub(crate) fn instructions(probe: &Path, what: &str) -> anyhow::Result<u64> {
    const FEW: u64 = 200;
    const MANY: u64 = 2_200;
    let count = |calls: u64| -> anyhow::Result<u64> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(probe);
        let output = valgrind.args([what, &calls.to_string()]).output();
        let output = output.context("starting valgrind (Debian: `apt-get install valgrind`)")?;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{text}");
        let collected = text.lines().find_map(|line| line.split("Collected : ").nth(1));
        Ok(collected.context("callgrind counts")?.trim().parse()?)
    };
    Ok(count(MANY)?.saturating_sub(count(FEW)?) / (MANY - FEW))
}

fn median(mut all: Vec<u64>) -> u64 {
    all.sort_unstable();
    all.get(all.len() / 2).copied().unwrap_or(0)
}

fn ratio(now: u64, before: u64) -> f64 {
    let part = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    part(now) / part(before.max(1))
}
