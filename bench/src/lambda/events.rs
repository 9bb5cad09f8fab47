//! What the programs are asked, as CloudFront and API Gateway hand it on.

use lambda::Clock;
use serde_json::{Value, json};

use super::process::Kind;
use super::{ORIGIN_SECRET, SLUG};
use crate::clicks::{Clicks, batch};

/// So many clicks are in a batch.
pub(super) const BATCH: usize = 10;

/// An event; with a number for a link that no cache knows.
pub(super) fn event(kind: Kind, other: Option<usize>) -> Vec<u8> {
    match kind {
        Kind::Hello | Kind::Redirect => follow(other),
        Kind::Create => create(),
        Kind::Record => {
            let mut clicks = Clicks::new(1);
            let now = Clock::system().now();
            let clicks: Vec<_> = (0..BATCH).map(|_| clicks.on(1, now)).collect();
            batch(&clicks)
        }
    }
}

/// The status that the answer must have; none where an answer says nothing.
pub(super) fn status(name: &str, kind: Kind) -> Option<u16> {
    match (name, kind) {
        (_, Kind::Hello) => Some(200),
        (_, Kind::Redirect) => Some(302),
        (_, Kind::Create) => Some(201),
        (_, Kind::Record) => None,
    }
}

fn follow(other: Option<usize>) -> Vec<u8> {
    let slug = other.map_or_else(|| SLUG.to_owned(), |number| format!("{SLUG}-{number}"));
    let mut event = sample(include_str!("../../../events/redirect/minimal.json"));
    event["rawPath"] = json!(format!("/{slug}"));
    event["requestContext"]["http"]["path"] = json!(format!("/{slug}"));
    event["pathParameters"]["slug"] = json!(slug);
    event["rawQueryString"] = json!("utm_source=newsletter");
    for (name, value) in [
        (
            "user-agent",
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        ),
        ("accept-language", "de-DE,de;q=0.9,en;q=0.8"),
        ("referer", "https://news.example.org/item?id=4711"),
        ("cloudfront-viewer-address", "203.0.113.7:50123"),
        ("cloudfront-viewer-country", "DE"),
        ("cloudfront-viewer-country-region", "BE"),
        ("cloudfront-viewer-city", "Berlin"),
        ("cloudfront-viewer-asn", "64500"),
    ] {
        event["headers"][name] = json!(value);
    }
    event.to_string().into_bytes()
}

fn create() -> Vec<u8> {
    sample(include_str!("../../../events/create-link/minimal.json")).to_string().into_bytes()
}

fn sample(text: &str) -> Value {
    let mut event: Value = serde_json::from_str(text).expect("an event is JSON");
    event["headers"]["x-origin-secret"] = json!(ORIGIN_SECRET);
    event
}
