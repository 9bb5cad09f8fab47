//! `GET /api/v1/audit`.

fn main() -> Result<(), lambda::Error> {
    lambda::serve_http(env!("CARGO_PKG_NAME"), list_audit_events::load, list_audit_events::handle)
}
