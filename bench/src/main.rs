//! Figures: `cargo run -p bench --release -- ledger|redirect|stats|uniques`.
//!
//! Each prints a table and writes `bench/results/<what>.json`. What they mean is in `README.md`.

mod clicks;
mod ledger;
mod redirect;
mod stats;
mod table;
mod uniques;

use std::process::ExitCode;

fn main() -> anyhow::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, more) = match arguments.split_first() {
        Some((what, more)) => (what.as_str(), more),
        None => ("", [].as_slice()),
    };
    match (what, more) {
        ("ledger", []) => ledger::run()?,
        ("stats", []) => stats::run()?,
        ("uniques", []) => uniques::run()?,
        ("redirect", _) => redirect::run(more)?,
        _ => {
            table::say(
                "usage: bench ledger | stats | uniques | redirect [BEFORE [NOW]]\n\
                 BEFORE and NOW are revisions: without them, aee5c6e and what is in this folder.",
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
