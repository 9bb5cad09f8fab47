//! `GET /.well-known/jwks.json`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), get_jwks::load, get_jwks::handle)
}
