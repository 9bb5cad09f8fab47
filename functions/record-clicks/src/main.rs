//! The clicks queue.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_sqs(env!("CARGO_PKG_NAME"), record_clicks::load, record_clicks::handle)
}
