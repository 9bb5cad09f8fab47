//! Where a sign-in may send the browser, and with it the code, when it is done.
//!
//! Whoever gets the code of a flow that they began themselves is signed in as the person at the
//! browser. So a URI is admitted only if the service itself, a program on the person's own
//! machine, or somebody whom the operator has named answers there; and it is compared as text, in
//! its one normal form, because two parsers that read a URI differently are a way past any rule.

use std::fmt;

use url::{Host, Url};

use crate::{Origins, Slug};

/// The longest URI: it is kept while the sign-in is under way, and comes back in a header.
const MAX_BYTES: usize = 2_000;

/// What the answer adds, and so must not be there before.
const ANSWER: [&str; 5] = ["code", "state", "iss", "error", "error_description"];

/// An address to which a sign-in may send the browser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectUri(String);

/// Why the browser may not be sent there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RedirectUriError {
    /// It is no absolute URI, or it could be written in another way.
    #[error(
        "it must be an absolute URI in its normal form: no user, fragment, default port or dot \
         segments, and small letters where case plays no part"
    )]
    NotNormal,
    /// It already has a parameter that the answer adds.
    #[error("its query must not have `code`, `state`, `iss`, `error` or `error_description`")]
    Answered,
    /// It is an address of this service, where a short link could be.
    #[error("an address of this service must be one that no short link can have, such as `/app/`")]
    ShortLink,
    /// Nobody knows it.
    #[error("it is no address of this service, of this machine, or that the operator has named")]
    Unknown,
}

/// A URI in the operator's list that cannot be meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{uri}`: {why}")]
pub struct RegisteredUriError {
    uri: String,
    why: &'static str,
}

/// Which URIs are admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RedirectRules {
    origins: Origins,
    registered: Vec<RedirectUri>,
}

impl RedirectRules {
    /// The rules for these origins and a comma-separated list of further URIs, which may be empty.
    pub fn parse(origins: Origins, registered: &str) -> Result<Self, RegisteredUriError> {
        let texts = registered.split(',').map(str::trim).filter(|uri| !uri.is_empty());
        let registered = texts.map(|uri| {
            let fault = |why| RegisteredUriError { uri: uri.to_owned(), why };
            let url = normal(uri).map_err(|_| fault("this is no URI in its normal form"))?;
            if origins.owns(&url) {
                return Err(fault("addresses of this service are not registered"));
            }
            if !may_be_registered(&url) {
                return Err(fault(
                    "it is neither `https`, nor of this machine, nor of an app (`com.example.app:/`)",
                ));
            }
            Ok(RedirectUri(uri.to_owned()))
        });
        let registered = registered.collect::<Result<_, _>>()?;
        Ok(Self { origins, registered })
    }

    /// The URI, if the browser may be sent there.
    pub fn admit(&self, text: &str) -> Result<RedirectUri, RedirectUriError> {
        let url = normal(text)?;
        if url.query_pairs().any(|(name, _)| ANSWER.contains(&name.as_ref())) {
            return Err(RedirectUriError::Answered);
        }
        let uri = RedirectUri(text.to_owned());
        // First, and in all spellings of our names: a short link would pass the code on to wherever
        // it leads, so no other rule may let one through.
        if self.origins.owns(&url) {
            return match self.origins.has(&url) && no_short_link(&url) {
                true => Ok(uri),
                false => Err(RedirectUriError::ShortLink),
            };
        }
        match is_loopback(&url) || self.registered.contains(&uri) {
            true => Ok(uri),
            false => Err(RedirectUriError::Unknown),
        }
    }
}

impl RedirectUri {
    /// A URI that the store holds, which was admitted when it was written.
    pub fn stored(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The URI as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URI with these parameters behind those that it has.
    pub fn with<'a>(&self, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        match Url::parse(&self.0) {
            Ok(mut url) => {
                url.query_pairs_mut().extend_pairs(parameters);
                url.into()
            }
            // It was parsed when it was admitted.
            Err(_) => self.0.clone(),
        }
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The URL of a text that is written as the URL standard would write it.
///
/// So there are no upper-case hosts, no `\`, tab or line break, no `..`, no octal or shortened IP
/// addresses and no default port left to be read in two ways.
fn normal(text: &str) -> Result<Url, RedirectUriError> {
    let url = Some(text)
        .filter(|text| text.len() <= MAX_BYTES)
        .and_then(|text| Url::parse(text).ok())
        .filter(|url| url.as_str() == text);
    let plain = |url: &Url| {
        url.username().is_empty() && url.password().is_none() && url.fragment().is_none()
            // `https://@host/` has an empty user, which the parser drops; a text with one is not
            // in its normal form. What is left are `@` in paths, which mean nothing.
            && url.as_str().bytes().all(|byte| byte.is_ascii_graphic())
    };
    url.filter(plain).ok_or(RedirectUriError::NotNormal)
}

/// Whether the service has something else than short links there, now and later.
fn no_short_link(url: &Url) -> bool {
    // Gateways differ in when they decode a path, and in whether `//` is `/`.
    let path = url.path();
    let first = path.strip_prefix('/').unwrap_or_default().split('/').next().unwrap_or_default();
    !path.contains('%') && !path.contains("//") && Slug::is_reserved(first)
}

/// A program on the person's own machine listens on whatever port it got (RFC 8252, 7.3). The
/// name `localhost` does not count: it can be made to mean something else (8.3).
fn is_loopback(url: &Url) -> bool {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
        Some(Host::Domain(_)) | None => false,
    };
    is_loopback && url.scheme() == "http"
}

/// What an operator can sensibly name: a site by `https`, or an app by a scheme that is a domain
/// turned round (RFC 8252, 7.1), which keeps out `javascript:` and its kind.
fn may_be_registered(url: &Url) -> bool {
    match url.scheme() {
        // A `*` would stand for nothing but itself.
        "https" => url.host_str().is_some_and(|host| !host.contains('*')),
        "http" => is_loopback(url),
        scheme => scheme.contains('.'),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rules() -> RedirectRules {
        let origins = "https://go.example.com,https://l.example.org:8443,http://127.0.0.1:8000,http://plain.example";
        let registered = "https://tools.example.com/cb?x=1, com.example.app:/signed-in,https://tools.example.com";
        let origins = Origins::parse(origins).unwrap();
        // The last has no path, and so is not in its normal form.
        assert!(RedirectRules::parse(origins.clone(), registered).is_err());
        let registered = registered.rsplit_once(',').unwrap().0;
        RedirectRules::parse(origins, registered).unwrap()
    }

    fn refused(text: &str) -> RedirectUriError {
        rules().admit(text).expect_err(text)
    }

    #[test]
    fn own_loopback_and_registered_addresses_are_admitted() {
        for text in [
            "https://go.example.com/app/",
            "https://go.example.com/app/signed-in?theme=dark",
            "https://go.example.com/login",
            "https://l.example.org:8443/dashboard/",
            "http://127.0.0.1:8000/app/",
            "http://plain.example/app/",
            "http://127.0.0.1/cb",
            "http://127.0.0.1:51234/",
            "http://127.0.0.1:51234/a/b?c=d",
            "http://[::1]:51234/cb",
            "https://tools.example.com/cb?x=1",
            "com.example.app:/signed-in",
        ] {
            assert_eq!(rules().admit(text).map(|uri| uri.0), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_two_parsers_could_read_in_two_ways_is_refused() {
        for text in [
            "",
            "/app/",
            "app",
            "//go.example.com/app/",
            "https:go.example.com/app/",
            "https:/go.example.com/app/",
            "https:///go.example.com/app/",
            "HTTPS://go.example.com/app/",
            "https://GO.example.com/app/",
            "https://go.example.com",
            "https://go.example.com:443/app/",
            "https://go.example.com:/app/",
            "https://@go.example.com/app/",
            "https://user@go.example.com/app/",
            "https://user:word@go.example.com/app/",
            "https://go.example.com@evil.example/app/",
            "https://go.example.com:x@evil.example/app/",
            "https://evil.example\\@go.example.com/app/",
            "https:\\\\go.example.com\\app\\",
            "https://go.example.com\\app",
            "https://go.example.com/app/#",
            "https://go.example.com/app/#x",
            "https://go.example.com/app/../spring",
            "https://go.example.com/app/./",
            "https://go.example.com/app/%2e%2e/spring",
            "https://go.example.com/app/ x",
            "https://go.example.com/app/\tx",
            "https://go.example.com/app/\n",
            " https://go.example.com/app/",
            "https://go.example.com/app/\u{0}",
            "https://go.example.com/app/é",
            "https://gö.example.com/app/",
            "https://go%2eexample.com/app/",
            "http://127.1/cb",
            "http://0x7f.0.0.1/cb",
            "http://2130706433/cb",
            "http://127.0.0.1:80/cb",
            "http://[0:0:0:0:0:0:0:1]/cb",
        ] {
            assert_eq!(refused(text), RedirectUriError::NotNormal, "{text}");
        }
        assert_eq!(
            refused(&format!("http://127.0.0.1/{}", "x".repeat(MAX_BYTES))),
            RedirectUriError::NotNormal
        );
    }

    #[test]
    fn where_a_short_link_could_be_nobody_is_sent() {
        for text in [
            "https://go.example.com/",
            "https://go.example.com/spring",
            "https://go.example.com/spring/",
            "https://go.example.com/spring/app/",
            "https://go.example.com//app/",
            "https://go.example.com/app//spring",
            "https://go.example.com/%61pp/",
            "https://go.example.com/app%2F..%2Fspring",
            "https://go.example.com/application",
            "http://127.0.0.1:8000/spring",
            "http://[::1]:8000/spring",
            "http://localhost:8000/spring",
            // Ours by name, but not as it is configured.
            "http://go.example.com/app/",
            "https://go.example.com./app/",
            "http://localhost:8000/app/",
            "http://[::1]:8000/app/",
            "https://plain.example/app/",
        ] {
            assert_eq!(refused(text), RedirectUriError::ShortLink, "{text}");
        }
    }

    #[test]
    fn everybody_else_is_unknown() {
        for text in [
            "https://evil.example/",
            "https://go.example.com.evil.example/app/",
            "https://evilgo.example.com/app/",
            "https://sub.go.example.com/app/",
            "https://go.example.com:8443/app/",
            "https://l.example.org/app/",
            "https://127.0.0.1:51234/cb",
            "http://127.0.0.2:51234/cb",
            "http://localhost:51234/cb",
            "http://127.0.0.1.evil.example/cb",
            "http://[::ffff:7f00:1]/cb",
            "http://[::]/cb",
            "http://0.0.0.0/cb",
            "https://tools.example.com/cb",
            "https://tools.example.com/cb?x=1&y=2",
            "https://tools.example.com/cb/?x=1",
            "com.example.app:/signed-in/",
            "com.example.other:/signed-in",
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "ftp://127.0.0.1/cb",
        ] {
            assert_eq!(refused(text), RedirectUriError::Unknown, "{text}");
        }
    }

    #[test]
    fn an_address_that_is_answered_already_is_refused() {
        for text in [
            "http://127.0.0.1/cb?code=1",
            "http://127.0.0.1/cb?a=b&state=1",
            "https://go.example.com/app/?%65rror=x",
            "https://go.example.com/app/?iss",
        ] {
            assert_eq!(refused(text), RedirectUriError::Answered, "{text}");
        }
    }

    #[test]
    fn parameters_come_behind_those_that_are_there() {
        let with = |text: &str| {
            rules().admit(text).unwrap().with([("code", "sc_1"), ("state", "a&b=c #é")])
        };
        let more = "code=sc_1&state=a%26b%3Dc+%23%C3%A9";
        assert_eq!(with("http://127.0.0.1/cb"), format!("http://127.0.0.1/cb?{more}"));
        assert_eq!(with("http://127.0.0.1/cb?"), format!("http://127.0.0.1/cb?{more}"));
        assert_eq!(
            with("https://tools.example.com/cb?x=1"),
            format!("https://tools.example.com/cb?x=1&{more}")
        );
        assert_eq!(
            with("com.example.app:/signed-in"),
            format!("com.example.app:/signed-in?{more}")
        );
    }

    #[test]
    fn an_operator_cannot_name_what_would_undo_the_rules() {
        let origins = Origins::parse("https://go.example.com").unwrap();
        assert!(RedirectRules::parse(origins.clone(), "").is_ok());
        assert!(RedirectRules::parse(origins.clone(), " , ").is_ok());
        for text in [
            "https://go.example.com/spring",
            "http://tools.example.com/cb",
            "javascript:alert(1)",
            "https://tools.example.com/cb#x",
            "https://*.example.com/cb",
            "tools.example.com/cb",
        ] {
            let error = RedirectRules::parse(origins.clone(), text).unwrap_err();
            assert!(error.to_string().contains(text), "{error}");
        }
    }

    proptest! {
        /// Whatever stands around our name, the browser ends at an origin that is ours, at this
        /// machine, or at a registered URI.
        #[test]
        fn no_text_leads_anywhere_else(
            text in "(https?|HTTPS|ftp)?[:/\\\\]{0,4}[a-z@.:#?%\\\\]{0,6}(go\\.example\\.com|127\\.0\\.0\\.1)?[a-z@.:#?%/\\\\0-9]{0,12}",
        ) {
            if let Ok(uri) = rules().admit(&text) {
                let url = Url::parse(&uri.with([("code", "c")])).unwrap();
                let ours = rules().origins.has(&url);
                prop_assert!(ours || is_loopback(&url), "{text}");
                prop_assert!(!ours || no_short_link(&url), "{text}");
            }
        }
    }
}
