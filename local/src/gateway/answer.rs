//! What a function answers, as an HTTP response.

use bytes::Bytes;
use http::{HeaderName, Response, header};
use http_body_util::Full;
use lambda::Body;

use super::is_hop_by_hop;

/// The response to an answer. The connection is the gateway's business, and so is how long the body
/// is.
pub(super) fn response(answer: Response<Body>) -> Response<Full<Bytes>> {
    let (mut parts, body) = answer.into_parts();
    let ours = |name: &&HeaderName| is_hop_by_hop(name) || **name == header::CONTENT_LENGTH;
    let ours: Vec<_> = parts.headers.keys().filter(ours).cloned().collect();
    for name in ours {
        parts.headers.remove(name);
    }
    let body = match body {
        Body::Text(text) => Bytes::from(text),
        Body::Binary(bytes) => Bytes::from(bytes),
        Body::Empty | _ => Bytes::new(),
    };
    Response::from_parts(parts, Full::new(body))
}
