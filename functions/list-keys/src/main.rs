//! `GET /api/v1/keys`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), list_keys::load, list_keys::handle)
}
