//! The proof of the counts, hour by hour.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_schedule(env!("CARGO_PKG_NAME"), verify_ledger::load, verify_ledger::handle)
}
