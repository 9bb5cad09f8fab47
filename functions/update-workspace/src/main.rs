//! `PATCH /api/v1/workspaces/{id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), update_workspace::load, update_workspace::handle)
}
