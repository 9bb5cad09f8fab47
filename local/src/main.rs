//! The platform on one machine: `cargo run -p local`.

use std::process::ExitCode;

fn main() -> ExitCode {
    local::main()
}
