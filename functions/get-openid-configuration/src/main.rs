//! `GET /.well-known/openid-configuration`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(
        env!("CARGO_PKG_NAME"),
        get_openid_configuration::load,
        get_openid_configuration::handle,
    )
}
