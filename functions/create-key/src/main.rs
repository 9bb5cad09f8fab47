//! `POST /api/v1/keys`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), create_key::load, create_key::handle)
}
