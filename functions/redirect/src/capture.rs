//! What is told of a click: what the request says, as far as it may be kept.

use std::fmt;
use std::net::IpAddr;

use domain::{Click, ClickId, Domain, LinkId, Place, Purpose, Slug, Utm, WorkspaceId};
use lambda::viewer::Viewer;
use lambda::{HeaderName, Request, header};

/// By which browsers say that they only fetch in advance, or for a preview.
static PURPOSES: [HeaderName; 4] = [
    HeaderName::from_static("sec-purpose"),
    HeaderName::from_static("purpose"),
    HeaderName::from_static("x-purpose"),
    HeaderName::from_static("x-moz"),
];

/// A request that was redirected, and of which nothing has been looked at but that.
pub struct Followed {
    pub(crate) request: Request,
    pub(crate) domain: Domain,
    pub(crate) slug: Slug,
    pub(crate) to: Redirected,
}

impl fmt::Debug for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The request has the address of whoever sent it.
        f.debug_struct("Followed").field("id", &self.to.id).finish_non_exhaustive()
    }
}

/// Where a request was redirected to.
pub(crate) struct Redirected {
    pub(crate) id: ClickId,
    pub(crate) link: LinkId,
    pub(crate) workspace: WorkspaceId,
    pub(crate) click_shards: u16,
    pub(crate) status: u16,
    /// Where it leads.
    pub(crate) location: String,
}

/// A click, and what is known of its visitor until it is sent.
pub(crate) struct Captured {
    pub(crate) click: Click,
    /// It goes into the visitor's hash and is forgotten: never stored, queued or logged.
    pub(crate) address: Option<IpAddr>,
}

impl Followed {
    /// Captures the click. The visitor is found out when it is sent.
    pub(crate) fn capture(&self, viewer: Viewer<'_>) -> Captured {
        let Self { request, domain, slug, to } = self;
        let referrer = text(request, &header::REFERER).map(Click::trim_referrer);
        let (referrer, referrer_url) = referrer.unwrap_or_default();
        let purposes =
            PURPOSES.iter().filter_map(|name| request.headers().get(name)?.to_str().ok());
        let click = Click {
            id: to.id,
            link: to.link,
            workspace: to.workspace,
            domain: domain.as_str().to_owned(),
            slug: slug.as_str().to_owned(),
            shard: Click::shard_of(to.id, to.click_shards),
            status: to.status,
            destination: Some(Click::trim_destination(&to.location)),
            referrer,
            referrer_url,
            user_agent: text(request, &header::USER_AGENT).map(Click::trim_user_agent),
            language: text(request, &header::ACCEPT_LANGUAGE).and_then(Click::first_language),
            purpose: purposes.filter_map(Purpose::told).next(),
            place: Place::told(viewer.country(), viewer.region(), viewer.city()),
            network: viewer.network(),
            utm: Utm::of_address(&to.location),
            asked_utm: request.uri().query().map(Utm::of_query).unwrap_or_default(),
            visitor: None,
        };
        Captured { click, address: viewer.address() }
    }
}

/// A header that is text.
pub(crate) fn text<'r>(request: &'r Request, name: &HeaderName) -> Option<&'r str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}
