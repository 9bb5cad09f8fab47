//! `PATCH /api/v1/links/{id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), update_link::load, update_link::handle)
}
