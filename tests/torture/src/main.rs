//! `just torture`: a run at full size.

use std::io::{self, Write};
use std::process::ExitCode;

use lambda::Env;
use torture::{Plan, run};

fn main() -> ExitCode {
    let env = Env::process();
    let seed = env.parsed("TORTURE_SEED", 1_u64);
    let clicks = env.parsed("TORTURE_CLICKS", 200_000_usize);
    let (seed, clicks) = match (seed, clicks) {
        (Ok(seed), Ok(clicks)) => (seed, clicks),
        (Err(error), _) | (_, Err(error)) => return fail(&error.to_string()),
    };
    say(&format!("TORTURE_SEED={seed} TORTURE_CLICKS={clicks}"));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.to_string()),
    };
    let report = runtime.block_on(run(Plan::full(seed, clicks), &say));
    say(&report.to_string());
    if report.is_exact() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn say(line: &str) {
    // Nobody is told that nobody listens.
    let _ = writeln!(io::stdout(), "{line}");
}

fn fail(error: &str) -> ExitCode {
    say(&format!("error: {error}"));
    ExitCode::FAILURE
}
