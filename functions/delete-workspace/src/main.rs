//! `DELETE /api/v1/workspaces/{id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), delete_workspace::load, delete_workspace::handle)
}
