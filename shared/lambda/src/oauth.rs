//! Errors as OAuth 2.0 wants them.

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};

/// What may be wrong with a request to an OAuth endpoint (RFC 6749, 4.1.2.1 and 5.2; RFC 7009).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OAuthError {
    /// A parameter is missing, comes twice, or makes no sense.
    InvalidRequest,
    /// The client is unknown, or did not prove who it is.
    InvalidClient,
    /// The password, code, or refresh token is wrong, over, or somebody else's.
    InvalidGrant,
    /// The client may not ask so.
    UnauthorizedClient,
    /// There is no such grant.
    UnsupportedGrantType,
    /// There is no such way to answer.
    UnsupportedResponseType,
    /// A scope is unknown, or more than may be had.
    InvalidScope,
    /// The person, or the identity provider, said no.
    AccessDenied,
    /// A bug of ours, or a fault of the operator's.
    ServerError,
    /// Something is slow or away.
    TemporarilyUnavailable,
}

impl OAuthError {
    /// The word for it in an answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::AccessDenied => "access_denied",
            Self::ServerError => "server_error",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
        }
    }

    /// The answer of an endpoint, in words for whoever writes the client: 401 where the client did
    /// not prove who it is, else 400.
    pub fn answer(self, description: &str) -> Response<Body> {
        let body = serde_json::json!({
            "error": self.as_str(),
            // RFC 6749 allows ASCII without `"` and `\` here.
            "error_description": description.replace(['"', '\\'], "'"),
        });
        let mut response = Response::new(Body::from(body.to_string()));
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        *response.status_mut() = match self {
            Self::InvalidClient => {
                let challenge = HeaderValue::from_static(r#"Basic realm="signpost""#);
                headers.insert(header::WWW_AUTHENTICATE, challenge);
                StatusCode::UNAUTHORIZED
            }
            Self::InvalidRequest
            | Self::InvalidGrant
            | Self::UnauthorizedClient
            | Self::UnsupportedGrantType
            | Self::UnsupportedResponseType
            | Self::InvalidScope
            | Self::AccessDenied
            | Self::ServerError
            | Self::TemporarilyUnavailable => StatusCode::BAD_REQUEST,
        };
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_and_why_and_is_never_kept() {
        let answer = OAuthError::InvalidGrant.answer("the \"code\" is over");
        assert_eq!(answer.status(), 400);
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert_eq!(answer.headers()["pragma"], "no-cache");
        let body: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
        let expected = serde_json::json!({
            "error": "invalid_grant", "error_description": "the 'code' is over",
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn only_an_unknown_client_is_challenged() {
        let unknown = OAuthError::InvalidClient.answer("who are you?");
        assert_eq!(unknown.status(), 401);
        assert!(unknown.headers()["www-authenticate"].as_bytes().starts_with(b"Basic "));
        let invalid = OAuthError::InvalidRequest.answer("what do you mean?");
        assert!(!invalid.headers().contains_key("www-authenticate"));
    }
}
