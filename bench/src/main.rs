//! Figures: `cargo run -p bench --release -- <what>`.
//!
//! Each prints tables and writes `bench/results/<what>.json`. What they mean is in `README.md`.

mod chart;
mod clicks;
mod cost;
mod fill;
mod floor;
mod guard;
mod http;
mod lambda;
mod ledger;
mod load;
mod redirect;
mod report;
mod scale;
mod server;
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
        ("cost", []) => cost::run()?,
        ("http", _) => http::run(more)?,
        ("lambda", _) => lambda::run(more)?,
        ("ledger", []) => ledger::run()?,
        ("scale", []) => scale::run()?,
        ("stats", []) => stats::run()?,
        ("uniques", []) => uniques::run()?,
        ("redirect", _) => redirect::run(more)?,
        ("report", []) => report::run()?,
        ("guard", _) => {
            if !guard::run(more)? {
                return Ok(ExitCode::FAILURE);
            }
        }
        // What `http` starts.
        ("floor", []) => floor::run()?,
        _ => {
            table::say(
                "usage: bench cost | http | lambda | ledger | redirect [BEFORE [NOW]] | scale | stats | uniques\n\
                 BEFORE and NOW are revisions: without them, aee5c6e and what is in this folder.\n\
                 bench http [--only floor,hit,miss,unknown,create,list,stats] [--program LOCAL]\n\
                 bench lambda [--only NAME,…] [--also NAME=PATH] [--runs N] [--output]\n\
                 bench report: puts the results into docs/performance.md\n\
                 bench guard [--renew]: compares with baseline.json, or writes it anew",
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
