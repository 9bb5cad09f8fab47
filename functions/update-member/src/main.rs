//! `PATCH /api/v1/workspaces/{id}/members/{user_id}`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), update_member::load, update_member::handle)
}
