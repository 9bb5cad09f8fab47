#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::convert::Infallible;

use domain::Slug;
use lambda::{
    Body, Boot, HeaderValue, Kind, Method, Problem, Request, RequestExt, Response, StatusCode,
    header,
};
use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};

/// It needs nothing.
#[derive(Debug, Clone)]
pub struct App;

/// Builds the [`App`], once per process.
pub async fn load(_boot: Boot) -> Result<App, Infallible> {
    Ok(App)
}

/// Answers what no route answers: `/{slug}/` leads to `/{slug}`, anything else is a 404.
pub async fn handle(_app: App, request: Request) -> Result<Response<Body>, Problem> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    match without_slash(request.raw_http_path()).filter(|_| reads) {
        Some(slug) => to_slug(&slug, request.uri().query()),
        None => Err(Problem::client(Kind::NotFound, "there is nothing at this address")),
    }
}

/// The slug of a path that is one segment and a slash. More segments than one must never match:
/// `//evil.example/` without its last slash would be another site's address.
fn without_slash(path: &str) -> Option<Slug> {
    let segment = path.strip_prefix('/')?.strip_suffix('/')?;
    Slug::of_path(&percent_decode_str(segment).decode_utf8().ok()?).ok()
}

fn to_slug(slug: &Slug, query: Option<&str>) -> Result<Response<Body>, Problem> {
    let mut location = format!("/{}", utf8_percent_encode(slug.as_str(), CONTROLS));
    if let Some(query) = query {
        location.push('?');
        location.push_str(query);
    }
    let location =
        HeaderValue::from_str(&location).map_err(|e| Problem::server(Kind::Internal, e))?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, location);
    let uncached = HeaderValue::from_static("private, no-store");
    response.headers_mut().insert(header::CACHE_CONTROL, uncached);
    Ok(response)
}
