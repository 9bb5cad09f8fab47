//! `GET /api/v1/workspaces/{id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), get_workspace::load, get_workspace::handle)
}
