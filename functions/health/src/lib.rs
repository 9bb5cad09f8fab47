#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::convert::Infallible;

use lambda::{Body, Boot, Problem, Request, Response, StatusCode};
use serde_json::json;

/// It needs nothing.
#[derive(Debug, Clone)]
pub struct App;

/// Builds the [`App`], once per process.
pub async fn load(_boot: Boot) -> Result<App, Infallible> {
    Ok(App)
}

/// Says that requests reach a function, and which version answers.
pub async fn handle(_app: App, _request: Request) -> Result<Response<Body>, Problem> {
    lambda::json(StatusCode::OK, &json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}
