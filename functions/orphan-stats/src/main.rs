//! `GET /api/v1/stats/orphans`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), orphan_stats::load, orphan_stats::handle)
}
