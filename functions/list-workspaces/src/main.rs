//! `GET /api/v1/workspaces`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), list_workspaces::load, list_workspaces::handle)
}
