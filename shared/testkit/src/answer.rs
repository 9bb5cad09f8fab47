//! An HTTP answer, checked for the manners that all answers have.

use std::collections::BTreeMap;

use lambda::Kind;
use serde_json::Value;

/// What an HTTP function answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The cookies that it sets, with their attributes.
    pub cookies: Vec<String>,
    /// The body as text.
    pub text: String,
}

impl Answer {
    /// Reads API Gateway's payload 2.0, and ends the test where an answer breaks the rules.
    pub(crate) fn read(payload: &[u8]) -> Self {
        let payload: Value = serde_json::from_slice(payload).expect("an answer is JSON");
        assert_eq!(payload["isBase64Encoded"], false, "{payload}");
        let headers = payload["headers"].as_object().into_iter().flatten();
        let text = |value: &Value| value.as_str().expect("a header is a string").to_owned();
        let answer = Self {
            status: payload["statusCode"].as_u64().and_then(|n| n.try_into().ok()).unwrap_or(0),
            headers: headers.map(|(name, value)| (name.to_lowercase(), text(value))).collect(),
            cookies: payload["cookies"].as_array().into_iter().flatten().map(text).collect(),
            text: payload["body"].as_str().unwrap_or_default().to_owned(),
        };
        answer.check();
        answer
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|error| panic!("the body is no JSON ({error}): {}", self.text))
    }

    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The pointers, parameters and headers that a 400 names.
    pub fn faults(&self) -> Vec<String> {
        let body = self.json();
        let errors = body["errors"].as_array().cloned().unwrap_or_default();
        let place = |error: &Value| {
            ["pointer", "parameter", "header"]
                .iter()
                .find_map(|name| error[*name].as_str())
                .map(str::to_owned)
        };
        errors.iter().filter_map(place).collect()
    }

    /// Asserts that it is a problem of this kind.
    #[track_caller]
    pub fn assert_problem(&self, kind: Kind) {
        assert_eq!(self.status, kind.status().as_u16(), "{self:?}");
        let expected = format!("urn:signpost:problem:{}", kind.slug());
        assert_eq!(self.json()["type"], expected, "{self:?}");
    }

    fn check(&self) {
        assert!((200..600).contains(&self.status), "no status: {self:?}");
        assert_eq!(self.header("x-content-type-options"), "nosniff", "{self:?}");
        assert!(self.headers.contains_key("x-request-id"), "{self:?}");
        let media_type = self.header("content-type");
        if media_type.starts_with("application/json") {
            self.json();
            // Everybody may know the public keys and where the endpoints are.
            let kept = self.header("cache-control");
            assert!(matches!(kept, "no-store" | "public, max-age=300"), "{self:?}");
        }
        if (400..500).contains(&self.status) && media_type == "application/json" {
            self.check_oauth_error();
        } else if 400 <= self.status && !media_type.starts_with("text/html") {
            assert_eq!(media_type, "application/problem+json", "{self:?}");
            self.check_problem();
        }
        // What belongs to a status comes with it.
        assert_eq!(self.status == 401, self.headers.contains_key("www-authenticate"), "{self:?}");
        let says_when = self.headers.contains_key("retry-after");
        assert_eq!(matches!(self.status, 429 | 503), says_when, "{self:?}");
        self.check_rate_limit();
        // Keys and invitations are made, and can only be listed: they have no address to be read at.
        let has_location = self.headers.contains_key("location");
        assert!(
            self.status == 201 || has_location == (300..400).contains(&self.status),
            "{self:?}"
        );
    }

    /// What is left of a limit comes with the limit. Where the answer is a 429 and something is left,
    /// it is passwords that were guessed: those have a pace of their own.
    fn check_rate_limit(&self) {
        let (policy, rest) = (self.header("ratelimit-policy"), self.header("ratelimit"));
        if rest.is_empty() {
            return;
        }
        let name = policy.split(';').next().unwrap_or_default();
        assert!(name.starts_with('"') && rest.starts_with(&format!("{name};r=")), "{self:?}");
        let left = rest.split(";r=").nth(1).and_then(|rest| rest.split(';').next());
        assert!(left.is_some_and(|left| left.parse::<u32>().is_ok()), "{self:?}");
    }

    /// The operations under `/oauth` say what is wrong in OAuth's own form (RFC 6749, 5.2).
    fn check_oauth_error(&self) {
        let body = self.json();
        let known =
            |text: &str| !text.is_empty() && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'_'));
        assert!(body["error"].as_str().is_some_and(known), "{self:?}");
        let plain =
            |text: &str| text.bytes().all(|b| matches!(b, b' '..=b'~') && b != b'"' && b != b'\\');
        assert!(body["error_description"].as_str().is_some_and(plain), "{self:?}");
        assert_eq!(body.as_object().map(serde_json::Map::len), Some(2), "{self:?}");
        assert_eq!(self.header("pragma"), "no-cache", "{self:?}");
    }

    fn check_problem(&self) {
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        for name in ["type", "title", "instance"] {
            assert!(body[name].is_string(), "no {name}: {self:?}");
        }
        let known = Kind::ALL.iter().any(|kind| {
            body["type"] == format!("urn:signpost:problem:{}", kind.slug())
                && body["title"] == kind.title()
        });
        assert!(known, "unknown kind: {self:?}");
        if 500 <= self.status {
            assert!(body.get("detail").is_none(), "a 5xx must not explain itself: {self:?}");
        }
        let allowed = ["type", "title", "status", "detail", "instance", "errors"];
        let fields = body.as_object().expect("a problem is an object");
        assert!(fields.keys().all(|name| allowed.contains(&name.as_str())), "{self:?}");
    }
}
