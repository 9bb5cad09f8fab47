//! `POST /api/v1/workspaces`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), create_workspace::load, create_workspace::handle)
}
