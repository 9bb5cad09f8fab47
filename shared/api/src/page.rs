//! A page of a list, and where something that was made is to be found.

use std::fmt::Display;
use std::str::FromStr;

use lambda::{Body, HeaderValue, Kind, Problem, Response, StatusCode, header};
use serde::Serialize;
use store::After;

#[derive(Serialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// An answer with a page of a list.
pub fn respond_page<T: Serialize, I: FromStr + Display>(
    items: Vec<T>,
    next: Option<After<I>>,
) -> Result<Response<Body>, Problem> {
    let page = Page { items, next: next.map(|next| next.to_text()) };
    lambda::json(StatusCode::OK, &page)
}

/// The answer with the place of what was made.
pub fn located(mut response: Response<Body>, path: &str) -> Result<Response<Body>, Problem> {
    let location = HeaderValue::from_str(path).map_err(|e| Problem::server(Kind::Internal, e))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
