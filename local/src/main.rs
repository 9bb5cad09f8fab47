//! The platform on one machine: `cargo run -p local`.

use std::process::ExitCode;

/// Requests allocate on one thread and free on another, which is what this one is made for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    local::main()
}
