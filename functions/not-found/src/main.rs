//! `$default`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), not_found::load, not_found::handle)
}
