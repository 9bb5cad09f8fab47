//! The service's own domains.

use std::fmt;

use percent_encoding::{CONTROLS, utf8_percent_encode};
use url::Url;

/// A domain of the service, as links carry it: a host, and a port where it is not the scheme's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Domain(String);

impl Domain {
    /// A domain that the store or a message holds, which was checked when it was written.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a text is not a list of origins.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a list of origins such as `https://go.example.com`")]
pub struct OriginError(String);

/// The origins under which short links are reached; the first is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origins {
    default: Origin,
    others: Vec<Origin>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Origin {
    scheme: String,
    domain: Domain,
}

impl Origins {
    /// Parses a comma-separated list of `http` or `https` origins.
    pub fn parse(text: &str) -> Result<Self, OriginError> {
        let mut all = text
            .split(',')
            .map(|one| Origin::parse(one.trim()).ok_or_else(|| OriginError(one.to_owned())));
        let default = all.next().ok_or_else(|| OriginError(text.to_owned()))??;
        Ok(Self { default, others: all.collect::<Result<_, _>>()? })
    }

    /// The first origin, as a URL without a path: the service's own name to its clients.
    pub fn default_origin(&self) -> String {
        format!("{}://{}", self.default.scheme, self.default.domain)
    }

    /// The domain of links that name none.
    pub fn default_domain(&self) -> &Domain {
        &self.default.domain
    }

    /// The domain of this name, if it is one of ours.
    pub fn find(&self, name: &str) -> Option<&Domain> {
        self.all().map(|origin| &origin.domain).find(|own| own.0.eq_ignore_ascii_case(name))
    }

    /// The domain that a request's `Host` means: a name that is not ours means the default.
    pub fn of_host(&self, host: Option<&str>) -> &Domain {
        host.and_then(|host| self.find(host)).unwrap_or_else(|| self.default_domain())
    }

    /// Whether a URL leads back to this service.
    pub fn owns(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let host = plain_host(host);
        let port = url.port_or_known_default();
        self.all().filter_map(Origin::url).any(|own| {
            own.host_str().map(plain_host) == Some(host) && own.port_or_known_default() == port
                // The other scheme's default port is the same service behind a CDN.
                || own.host_str().map(plain_host) == Some(host)
                    && own.port().is_none()
                    && url.port().is_none()
        })
    }

    /// Whether a URL is under one of the origins, just as it is configured.
    pub fn has(&self, url: &Url) -> bool {
        self.all().filter_map(Origin::url).any(|own| own.origin() == url.origin())
    }

    /// The short URL of a slug; letters beyond ASCII are percent-encoded.
    pub fn short_url(&self, domain: &Domain, slug: &crate::Slug) -> String {
        // A domain that is no longer configured keeps its links; they were made for HTTPS.
        let scheme = self
            .all()
            .find(|origin| origin.domain == *domain)
            .map_or("https", |origin| origin.scheme.as_str());
        format!("{scheme}://{domain}/{}", utf8_percent_encode(slug.as_str(), CONTROLS))
    }

    fn all(&self) -> impl Iterator<Item = &Origin> {
        std::iter::once(&self.default).chain(&self.others)
    }
}

impl Origin {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
        let host = url.host_str().filter(|_| bare)?;
        let domain = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Some(Self { scheme: url.scheme().to_owned(), domain: Domain(domain) })
    }

    fn url(&self) -> Option<Url> {
        Url::parse(&format!("{}://{}", self.scheme, self.domain)).ok()
    }
}

/// Hosts that name the same machine: a trailing dot, and the two names of the loopback.
fn plain_host(host: &str) -> &str {
    match host.trim_end_matches('.') {
        "localhost" | "[::1]" => "127.0.0.1",
        host => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Slug;

    #[test]
    fn a_host_that_is_not_ours_means_the_default() {
        let origins = Origins::parse("https://go.example.com, http://127.0.0.1:8000").unwrap();
        assert_eq!(origins.of_host(Some("127.0.0.1:8000")).as_str(), "127.0.0.1:8000");
        assert_eq!(origins.of_host(Some("GO.example.com")).as_str(), "go.example.com");
        assert_eq!(origins.of_host(Some("abc.execute-api.aws")).as_str(), "go.example.com");
        assert_eq!(origins.of_host(None).as_str(), "go.example.com");
        assert_eq!(origins.default_origin(), "https://go.example.com");
        let slug = Slug::parse("a").unwrap();
        let local = origins.find("127.0.0.1:8000").unwrap();
        assert_eq!(origins.short_url(local, &slug), "http://127.0.0.1:8000/a");
        let slug = Slug::parse("é").unwrap();
        assert_eq!(origins.short_url(local, &slug), "http://127.0.0.1:8000/%C3%A9");
    }

    #[test]
    fn our_own_addresses_are_known_in_all_their_spellings() {
        let origins = Origins::parse("https://go.example.com,http://127.0.0.1:8000").unwrap();
        for own in [
            "https://go.example.com/x",
            "http://go.example.com/x",
            "https://GO.EXAMPLE.COM./x",
            "https://go.example.com:443",
            "http://localhost:8000/",
            "http://[::1]:8000/",
        ] {
            assert!(origins.owns(&Url::parse(own).unwrap()), "{own}");
        }
        for other in ["https://example.com", "http://127.0.0.1:9000", "https://go.example.com:8443"]
        {
            assert!(!origins.owns(&Url::parse(other).unwrap()), "{other}");
        }
    }

    #[test]
    fn what_is_not_an_origin_is_refused() {
        for text in ["", "go.example.com", "ftp://a", "https://a/b", "https://u@a", "https://a,"] {
            assert!(Origins::parse(text).is_err(), "{text:?}");
        }
    }
}
