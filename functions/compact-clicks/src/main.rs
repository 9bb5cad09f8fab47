//! Raw batches become files of hours.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_schedule(env!("CARGO_PKG_NAME"), compact_clicks::load, compact_clicks::handle)
}
