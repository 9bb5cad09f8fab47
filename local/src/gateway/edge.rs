//! What CloudFront is in the cloud, as far as functions see it: the headers that it adds, and the
//! secret by which they are believed.
//!
//! Nobody else's are passed on. There is no table of addresses here, so where a viewer is stays
//! unknown, unless they say so themselves: `X-Local-Place: DE/BE/Berlin`, `X-Local-Address:
//! 203.0.113.9` and `X-Local-Network: 24940` become what CloudFront would say of such a viewer.

use std::net::IpAddr;

use anyhow::Context;
use http::{HeaderMap, HeaderName, HeaderValue};

/// What proves that a request came through the front door.
const SECRET: &str = "x-origin-secret";

/// What viewers may say of themselves here.
const PLACE: &str = "x-local-place";
const ADDRESS: &str = "x-local-address";
const NETWORK: &str = "x-local-network";

/// CloudFront's headers for the parts of a place, in their order.
const PARTS: [&str; 3] =
    ["cloudfront-viewer-country", "cloudfront-viewer-country-region", "cloudfront-viewer-city"];

/// The front door of one gateway.
#[derive(Clone)]
pub(super) struct Edge {
    secret: HeaderValue,
}

impl Edge {
    /// `setting`: what functions are told as `ORIGIN_SECRET`. Of several secrets the first is the
    /// newest.
    pub(super) fn new(setting: &str) -> anyhow::Result<Self> {
        let newest = setting.split(',').next().unwrap_or_default().trim();
        let secret = HeaderValue::from_str(newest);
        Ok(Self { secret: secret.context("`ORIGIN_SECRET` must be good for a header")? })
    }

    /// Adds the headers to those of an event, and takes out what viewers say of themselves.
    pub(super) fn fill(&self, headers: &mut HeaderMap, source: &str) {
        let [address, place, network] = [ADDRESS, PLACE, NETWORK].map(|name| headers.remove(name));
        let mut tell = |name: &'static str, value: &str| {
            // What is no header's value was none in the request, either.
            if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        let address = said(&address).filter(|it| it.parse::<IpAddr>().is_ok()).unwrap_or(source);
        // CloudFront adds the viewer's port. It says nothing of a viewer.
        tell("cloudfront-viewer-address", &[address, ":0"].concat());
        if let Some(place) = said(&place) {
            let parts = place.splitn(PARTS.len(), '/').map(str::trim);
            for (name, part) in PARTS.into_iter().zip(parts).filter(|(_, part)| !part.is_empty()) {
                tell(name, part);
            }
        }
        if let Some(network) = said(&network) {
            tell("cloudfront-viewer-asn", network);
        }
        headers.insert(HeaderName::from_static(SECRET), self.secret.clone());
    }
}

/// What a header says, if it says something.
fn said(value: &Option<HeaderValue>) -> Option<&str> {
    let text = std::str::from_utf8(value.as_ref()?.as_bytes()).ok()?.trim();
    (!text.is_empty()).then_some(text)
}

impl std::fmt::Debug for Edge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Edge(***)")
    }
}

/// Whether only the front door may say this.
pub(super) fn is_only_ours(name: &HeaderName) -> bool {
    name == SECRET || name.as_str().starts_with("cloudfront-")
}
