//! `GET /oauth/authorize`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), start_sign_in::load, start_sign_in::handle)
}
