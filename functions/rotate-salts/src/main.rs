//! The salts of days come and go, hour by hour.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_schedule(env!("CARGO_PKG_NAME"), rotate_salts::load, rotate_salts::handle)
}
