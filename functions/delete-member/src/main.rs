//! `DELETE /api/v1/workspaces/{id}/members/{user_id}`, and `…/members/me`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), delete_member::load, delete_member::handle)
}
