//! The Lambda authorizer.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_authorizer(env!("CARGO_PKG_NAME"), authorize::load, authorize::handle)
}
