//! `DELETE /api/v1/invitations/{id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), delete_invitation::load, delete_invitation::handle)
}
