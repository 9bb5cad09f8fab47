//! Where a link leads.

use std::fmt;

use url::{Host, Url, quirks};

use crate::Origins;
use crate::script::mixes_scripts;

/// The longest destination, in bytes, before and after normalising.
const MAX_BYTES: usize = 8 * 1024;

/// An absolute `http` or `https` URL, normalised: ASCII, without credentials.
///
/// So it can stand in a `Location` header as it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination(String);

/// Why a string is not a [`Destination`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    /// More than 8 KB.
    #[error("a destination has at most 8192 bytes")]
    TooLong,
    /// A control character or a space, which URL parsers drop in silence.
    #[error("a URL has no spaces and no control characters")]
    BadCharacter,
    /// Not an absolute URL.
    #[error("this is not an absolute URL such as `https://example.com/page`")]
    NotAbsolute,
    /// `javascript:`, `data:` and the like.
    #[error("a destination starts with `http://` or `https://`")]
    Scheme,
    /// `user:password@`.
    #[error("a URL with a user name or password cannot be a destination")]
    Credentials,
    /// The host imitates another by letters of scripts that people do not mix.
    #[error("the host mixes letters of scripts that look alike")]
    Homograph,
    /// It would redirect to itself, at once or in the end.
    #[error("a link cannot lead back to this service")]
    Loop,
    /// The operator does not allow it.
    #[error("this host is blocked here")]
    Blocked,
}

/// What a deployment says about destinations' hosts.
#[derive(Debug, Clone)]
pub struct HostRules {
    /// The service's own origins: no loops.
    pub origins: Origins,
    /// Hosts that are refused, with all below them; as they stand in normalised URLs.
    pub blocked: Vec<String>,
}

impl HostRules {
    /// Rules from the service's origins and a comma-separated block-list.
    pub fn new(origins: Origins, blocked: &str) -> Self {
        let blocked = blocked
            .split(',')
            .map(|host| host.trim().trim_end_matches('.'))
            .filter(|host| !host.is_empty())
            // As URLs have them: `böse.example` stands in a destination as `xn--bse-sna.example`.
            .map(|host| Host::parse(host).map_or_else(|_| host.to_owned(), |host| host.to_string()))
            .collect();
        Self { origins, blocked }
    }

    fn blocks(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.');
        self.blocked.iter().any(|blocked| {
            host.strip_suffix(blocked.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        })
    }
}

impl Destination {
    /// Parses, checks and normalises a destination.
    pub fn parse(text: &str, rules: &HostRules) -> Result<Self, DestinationError> {
        if MAX_BYTES < text.len() {
            return Err(DestinationError::TooLong);
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(DestinationError::BadCharacter);
        }
        let url = Url::parse(text).map_err(|_| DestinationError::NotAbsolute)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(DestinationError::Scheme);
        }
        // `http:example.com` is read as `http://example.com`; people who write it made a mistake.
        if !text.get(url.scheme().len()..).is_some_and(|rest| rest.starts_with("://")) {
            return Err(DestinationError::NotAbsolute);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(DestinationError::Credentials);
        }
        let host = url.host_str().ok_or(DestinationError::NotAbsolute)?;
        if matches!(url.host(), Some(Host::Domain(name)) if imitates(name)) {
            return Err(DestinationError::Homograph);
        }
        if rules.origins.owns(&url) {
            return Err(DestinationError::Loop);
        }
        if rules.blocks(host) {
            return Err(DestinationError::Blocked);
        }
        let normal = String::from(url);
        // Percent-encoding makes non-ASCII longer.
        if MAX_BYTES < normal.len() {
            return Err(DestinationError::TooLong);
        }
        Ok(Self(normal))
    }

    /// A destination that the store holds, which was checked when it was written.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The URL as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether a label of the host mixes scripts.
fn imitates(host: &str) -> bool {
    // The parser has already turned Unicode into punycode, and refused what is not valid.
    quirks::domain_to_unicode(host).split('.').any(mixes_scripts)
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> HostRules {
        let origins = Origins::parse("https://go.example.com").unwrap();
        HostRules::new(origins, "evil.example, Bad.Example., böse.example")
    }

    fn parse(text: &str) -> Result<Destination, DestinationError> {
        Destination::parse(text, &rules())
    }

    #[test]
    fn a_destination_is_normalised() {
        let cases = [
            ("HTTPS://Example.COM", "https://example.com/"),
            ("https://example.com:443/a/../b?x=1#top", "https://example.com/b?x=1#top"),
            ("https://münchen.example/straße", "https://xn--mnchen-3ya.example/stra%C3%9Fe"),
            ("http://192.0.2.7:8080/x", "http://192.0.2.7:8080/x"),
        ];
        for (text, normal) in cases {
            assert_eq!(parse(text).unwrap().as_str(), normal);
        }
    }

    #[test]
    fn what_cannot_be_a_destination_is_refused_with_the_reason() {
        use DestinationError::*;
        let long = format!("https://example.com/{}", "a".repeat(8200));
        let umlauts = format!("https://example.com/{}", "ü".repeat(3000));
        let cases = [
            (long.as_str(), TooLong),
            (umlauts.as_str(), TooLong),
            ("https://example.com/\r\nSet-Cookie: a=b", BadCharacter),
            ("https://exam\tple.com", BadCharacter),
            (" https://example.com", BadCharacter),
            ("", NotAbsolute),
            ("example.com", NotAbsolute),
            ("/path", NotAbsolute),
            ("//example.com", NotAbsolute),
            ("http:example.com", NotAbsolute),
            ("https://", NotAbsolute),
            ("https://xn--zzzzzzzzzz-.example", NotAbsolute),
            ("javascript:alert(1)", Scheme),
            ("JavaScript:alert(1)", Scheme),
            ("data:text/html,hi", Scheme),
            ("ftp://example.com", Scheme),
            ("mailto:a@example.com", Scheme),
            ("https://user:secret@example.com", Credentials),
            ("https://user@example.com", Credentials),
            ("https://pаypal.com", Homograph),
            ("https://xn--pypal-4ve.com", Homograph),
            ("https://go.example.com/a", Loop),
            ("http://GO.example.com./a", Loop),
            ("https://evil.example", Blocked),
            ("https://a.bad.example./x", Blocked),
            ("https://xn--bse-sna.example", Blocked),
            ("https://böse.example", Blocked),
        ];
        for (text, error) in cases {
            assert_eq!(parse(text), Err(error), "{text:?}");
        }
        assert!(parse("https://notevil.example").is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_can_stand_in_a_header(text in "(https?://)?\\PC{0,60}") {
            if let Ok(destination) = parse(&text) {
                prop_assert!(destination.as_str().bytes().all(|b| (0x21..0x7f).contains(&b)));
                prop_assert_eq!(parse(destination.as_str()), Ok(destination));
            }
        }
    }
}
