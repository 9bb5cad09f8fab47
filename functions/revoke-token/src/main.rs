//! `POST /oauth/revoke`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), revoke_token::load, revoke_token::handle)
}
