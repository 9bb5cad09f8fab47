//! `GET /oauth/callback`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), finish_sign_in::load, finish_sign_in::handle)
}
