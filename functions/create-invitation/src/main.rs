//! `POST /api/v1/invitations`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), create_invitation::load, create_invitation::handle)
}
