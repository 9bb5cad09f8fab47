//! `GET /api/v1/workspaces/{id}/members`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), list_members::load, list_members::handle)
}
