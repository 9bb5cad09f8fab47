//! `POST /api/v1/users`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), register_user::load, register_user::handle)
}
