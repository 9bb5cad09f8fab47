//! `GET /api/v1/invitations`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), list_invitations::load, list_invitations::handle)
}
