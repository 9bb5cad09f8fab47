//! `GET /api/v1/links/{id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), get_link::load, get_link::handle)
}
