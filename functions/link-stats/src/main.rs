//! `GET /api/v1/links/{id}/stats`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), link_stats::load, link_stats::handle)
}
