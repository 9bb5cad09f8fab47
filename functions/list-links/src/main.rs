//! `GET /api/v1/links`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), list_links::load, list_links::handle)
}
