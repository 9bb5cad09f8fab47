#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use lambda::{
    Body, Boot, EnvError, HeaderValue, Kind, Problem, Request, Response, StatusCode, header,
};
use tokens::Tokens;

/// How long others may keep the keys. A new key signs within that time, so whoever does not know a
/// `kid` asks again.
const CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    tokens: Tokens,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App { tokens: Tokens::load(&boot)? })
}

/// Answers 200 with the public keys of access tokens.
pub async fn handle(app: App, _: Request) -> Result<Response<Body>, Problem> {
    let keys = app.tokens.jwks().await;
    let keys = keys.map_err(|error| Problem::server(Kind::Unavailable, error))?;
    let mut response = lambda::json(StatusCode::OK, &keys)?;
    response.headers_mut().insert(header::CACHE_CONTROL, CACHE);
    Ok(response)
}
