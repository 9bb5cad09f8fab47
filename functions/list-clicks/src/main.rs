//! `GET /api/v1/links/{id}/clicks`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), list_clicks::load, list_clicks::handle)
}
