#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Origins, Scope};
use lambda::{Body, Boot, EnvError, HeaderValue, Problem, Request, Response, StatusCode, header};
use serde_json::{Value, json};

/// How long others may keep the metadata: it changes with a deployment.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    issuer: String,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let origins = boot.env.required_as("ORIGINS", Origins::parse)?;
    Ok(App { issuer: origins.default_origin() })
}

/// Answers 200 with where the endpoints of OAuth are, and what they can.
pub async fn handle(app: App, _: Request) -> Result<Response<Body>, Problem> {
    let mut response = lambda::json(StatusCode::OK, &metadata(&app.issuer))?;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}

/// RFC 8414, and `OpenID` Connect Discovery 1.0, section 3, which has the same form.
///
/// There are no id tokens: what Discovery requires about them is said of access tokens.
fn metadata(issuer: &str) -> Value {
    let scopes = Scope::ALL.map(Scope::as_str);
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth/authorize"),
        "token_endpoint": format!("{issuer}/oauth/token"),
        "revocation_endpoint": format!("{issuer}/oauth/revoke"),
        "jwks_uri": format!("{issuer}/.well-known/jwks.json"),
        "response_types_supported": ["code"],
        "grant_types_supported":
            ["authorization_code", "password", "refresh_token", "client_credentials"],
        "scopes_supported": scopes,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported":
            ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "code_challenge_methods_supported": ["S256"],
        // RFC 9207: the answers of `start-sign-in` say whose they are.
        "authorization_response_iss_parameter_supported": true,
    })
}
