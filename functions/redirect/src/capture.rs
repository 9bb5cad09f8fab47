//! What is told of a click: what the request says, as far as it may be kept.

use std::fmt;
use std::net::IpAddr;

use domain::{Click, ClickId, Domain, Place, Purpose, Route, Slug, Utm};
use lambda::viewer::Viewer;
use lambda::{HeaderName, Request, header};

/// By which browsers say that they only fetch in advance, or for a preview.
const PURPOSES: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];

/// A click, and what is known of its visitor until it is sent.
pub struct Captured {
    pub(crate) click: Click,
    /// It goes into the visitor's hash and is forgotten: never stored, queued or logged.
    pub(crate) address: Option<IpAddr>,
}

impl fmt::Debug for Captured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Captured").field("click", &self.click).finish_non_exhaustive()
    }
}

/// What a redirect knows besides the request.
pub(crate) struct Redirected<'a> {
    pub(crate) id: ClickId,
    pub(crate) domain: &'a Domain,
    pub(crate) slug: &'a Slug,
    pub(crate) route: &'a Route,
    pub(crate) status: u16,
    /// Where it leads.
    pub(crate) location: &'a str,
}

/// Captures a click. The visitor is found out when it is sent.
pub(crate) fn capture(request: &Request, viewer: Viewer<'_>, to: &Redirected<'_>) -> Captured {
    let Redirected { id, domain, slug, route, status, location } = *to;
    let referrer = text(request, &header::REFERER).map(Click::trim_referrer);
    let (referrer, referrer_url) = referrer.unwrap_or_default();
    let purposes = PURPOSES.iter().filter_map(|name| request.headers().get(*name)?.to_str().ok());
    let click = Click {
        id,
        link: route.link,
        workspace: route.workspace,
        domain: domain.as_str().to_owned(),
        slug: slug.as_str().to_owned(),
        shard: Click::shard_of(id, route.click_shards),
        status,
        destination: Some(Click::trim_destination(location)),
        referrer,
        referrer_url,
        user_agent: text(request, &header::USER_AGENT).map(Click::trim_user_agent),
        language: text(request, &header::ACCEPT_LANGUAGE).and_then(Click::first_language),
        purpose: purposes.filter_map(Purpose::told).next(),
        place: Place::told(viewer.country(), viewer.region(), viewer.city()),
        network: viewer.network(),
        utm: Utm::of_address(location),
        asked_utm: request.uri().query().map(Utm::of_query).unwrap_or_default(),
        visitor: None,
    };
    Captured { click, address: viewer.address() }
}

/// A header that is text.
pub(crate) fn text<'r>(request: &'r Request, name: &HeaderName) -> Option<&'r str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}
