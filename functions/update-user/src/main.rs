//! `PATCH /api/v1/users/me`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), update_user::load, update_user::handle)
}
