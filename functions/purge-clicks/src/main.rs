//! The queue `purges`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_sqs(env!("CARGO_PKG_NAME"), purge_clicks::load, purge_clicks::handle)
}
