//! `GET /api/v1/users/me`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), get_user::load, get_user::handle)
}
