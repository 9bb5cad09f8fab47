//! What the redirect needs to know of a slug, and what it decides.

use std::borrow::Cow;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{Destination, Link, LinkId, RedirectStatus, WorkspaceId};

/// One slug's row, as the redirect reads it: a projection of its link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The link behind the slug.
    pub link: LinkId,
    /// Whose link it is.
    pub workspace: WorkspaceId,
    /// Where it leads.
    pub url: Destination,
    /// How it redirects.
    pub status: RedirectStatus,
    /// Not before this moment.
    pub starts_at: Option<Timestamp>,
    /// Not from this moment on.
    pub expires_at: Option<Timestamp>,
    /// Where it leads when it is not there.
    pub fallback_url: Option<Destination>,
    /// Whether a click limit must be spent before the answer.
    pub limited: bool,
    /// Whether the request's query is added.
    pub forward_query: bool,
    /// Among how many shards its clicks are spread.
    pub click_shards: u16,
}

/// What becomes of a request, before any limit is spent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// The link is open: redirect to the destination (after spending, where it is limited).
    Open,
    /// Its time has not come.
    NotYet,
    /// Its time is over.
    Over,
}

impl Route {
    /// The projection of a link.
    pub fn of(link: &Link) -> Self {
        let definition = &link.definition;
        Self {
            link: link.id,
            workspace: link.workspace,
            url: definition.url.clone(),
            status: definition.redirect_status,
            starts_at: definition.starts_at,
            expires_at: definition.expires_at,
            fallback_url: definition.fallback_url.clone(),
            limited: definition.max_clicks.is_some(),
            forward_query: definition.forward_query,
            click_shards: link.click_shards,
        }
    }

    /// Decides by the clock.
    pub fn decide(&self, now: Timestamp) -> Decision {
        if self.starts_at.is_some_and(|start| now < start) {
            Decision::NotYet
        } else if self.expires_at.is_some_and(|end| end <= now) {
            Decision::Over
        } else {
            Decision::Open
        }
    }

    /// The address to answer with: the destination, with the request's query where that is asked.
    ///
    /// `query` is the raw query without the `?`. It is added as it is, before a fragment; bytes
    /// that cannot stand in a header are percent-encoded.
    pub fn location(&self, query: Option<&str>) -> Cow<'_, str> {
        let url = self.url.as_str();
        let Some(query) = query.filter(|query| self.forward_query && !query.is_empty()) else {
            return Cow::Borrowed(url);
        };
        let (base, fragment) = match url.find('#') {
            Some(at) => url.split_at(at),
            None => (url, ""),
        };
        let joint = match base.find('?') {
            None => "?",
            Some(at) if at + 1 == base.len() => "",
            Some(_) => "&",
        };
        Cow::Owned(format!("{base}{joint}{}{fragment}", utf8_percent_encode(query, UNSAFE)))
    }
}

/// What would break out of the header, or start a fragment. Non-ASCII is always encoded.
const UNSAFE: &AsciiSet = &CONTROLS.add(b' ').add(b'#');

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(url: &str) -> Route {
        Route {
            link: LinkId::new(Timestamp::UNIX_EPOCH, 1),
            workspace: WorkspaceId::new(Timestamp::UNIX_EPOCH, 1),
            url: Destination::stored(url),
            status: RedirectStatus::Found,
            starts_at: None,
            expires_at: None,
            fallback_url: None,
            limited: false,
            forward_query: true,
            click_shards: 1,
        }
    }

    #[test]
    fn the_clock_decides_to_the_millisecond() {
        let mut route = route("https://example.com/");
        let start = Timestamp::from_millisecond(1_000).unwrap();
        let end = Timestamp::from_millisecond(2_000).unwrap();
        (route.starts_at, route.expires_at) = (Some(start), Some(end));
        let decide = |ms| route.decide(Timestamp::from_millisecond(ms).unwrap());
        assert_eq!(decide(999), Decision::NotYet);
        assert_eq!(decide(1_000), Decision::Open);
        assert_eq!(decide(1_999), Decision::Open);
        assert_eq!(decide(2_000), Decision::Over);
    }

    #[test]
    fn a_query_is_added_where_it_belongs() {
        let cases = [
            ("https://e.com/", "https://e.com/?a=1&b"),
            ("https://e.com/?x=2", "https://e.com/?x=2&a=1&b"),
            ("https://e.com/?", "https://e.com/?a=1&b"),
            ("https://e.com/#top?", "https://e.com/?a=1&b#top?"),
        ];
        for (url, expected) in cases {
            assert_eq!(route(url).location(Some("a=1&b")), expected);
        }
        let mut off = route("https://e.com/");
        off.forward_query = false;
        assert_eq!(off.location(Some("a=1")), "https://e.com/");
        assert_eq!(route("https://e.com/").location(Some("")), "https://e.com/");
    }

    proptest! {
        #[test]
        fn no_query_can_break_out_of_the_header(query in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let route = route("https://e.com/?x#f");
            let location = route.location(Some(&query)).into_owned();
            prop_assert!(location.bytes().all(|b| (0x21..0x7f).contains(&b)));
            prop_assert!(location.ends_with("#f"));
        }
    }
}
