//! `GET /api/v1/stats`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), workspace_stats::load, workspace_stats::handle)
}
