#![doc = include_str!("../README.md")]

mod routes;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;

use domain::Slug;
use lambda::{
    Body, Boot, HeaderValue, Kind, Method, Problem, Request, RequestExt, Response, StatusCode,
    header,
};
use percent_encoding::{CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::routes::Routes;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    routes: Arc<Routes>,
}

/// Builds the [`App`], once per process.
pub async fn load(_boot: Boot) -> Result<App, Infallible> {
    Ok(App { routes: Arc::new(Routes::read()) })
}

/// Answers what no route answers: `/{slug}/` leads to `/{slug}`, an address with other methods says
/// so, anything else is a 404.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let path = request.raw_http_path();
    if let Some(slug) = without_slash(path).filter(|_| reads) {
        return to_slug(&slug, request.uri().query());
    }
    let Some(allowed) = app.routes.others(request.method(), path) else {
        return Err(Problem::client(Kind::NotFound, "there is nothing at this address"));
    };
    let detail = format!("this address has only {allowed}");
    let allowed = HeaderValue::from_str(&allowed);
    let allowed = allowed.map_err(|e| Problem::server(Kind::Internal, e))?;
    Err(Problem::client(Kind::MethodNotAllowed, detail).with_header(header::ALLOW, allowed))
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
