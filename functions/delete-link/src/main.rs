//! `DELETE /api/v1/links/{id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), delete_link::load, delete_link::handle)
}
