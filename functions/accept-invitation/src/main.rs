//! `POST /api/v1/invitations/accept`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), accept_invitation::load, accept_invitation::handle)
}
