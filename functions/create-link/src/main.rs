//! `POST /api/v1/links`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), create_link::load, create_link::handle)
}
