//! `POST /oauth/token`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), issue_token::load, issue_token::handle)
}
