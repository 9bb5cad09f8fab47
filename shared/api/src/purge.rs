//! A purge as the API shows it.

use lambda::{Body, Problem, Response, StatusCode};
use serde::Serialize;
use store::ledger::PurgeOrder;

/// The JSON of a purge.
#[derive(Debug, Serialize)]
struct PurgeView {
    id: String,
    ordered_at: String,
    purged_at: Option<String>,
}

/// Answers 202: it was ordered, and where there is proof of it, done.
pub fn respond_purge(order: &PurgeOrder) -> Result<Response<Body>, Problem> {
    let view = PurgeView {
        id: order.target.to_string(),
        ordered_at: order.ordered_at.to_string(),
        purged_at: order.proof.map(|proof| proof.first_at.to_string()),
    };
    lambda::json(StatusCode::ACCEPTED, &view)
}
