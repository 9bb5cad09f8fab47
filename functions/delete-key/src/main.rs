//! `DELETE /api/v1/keys/{id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), delete_key::load, delete_key::handle)
}
