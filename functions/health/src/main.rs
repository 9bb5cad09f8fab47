//! `GET /api/v1/health`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), health::load, health::handle)
}
