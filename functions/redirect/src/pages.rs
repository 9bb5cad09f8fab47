//! The few pages that people see instead of a destination.

use lambda::{Body, HeaderValue, Request, Response, StatusCode, header};

/// Whether a request comes from a browser that shows a page, and not from a program.
pub(crate) fn wanted(request: &Request) -> bool {
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// Nobody may keep this answer: links are edited, and every click is to be counted.
pub(crate) fn never_cached(response: &mut Response<Body>) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("strict-origin-when-cross-origin"),
    );
}

/// `/`: a domain without a slug.
pub(crate) fn root() -> Response<Body> {
    page(StatusCode::OK, "Short links", "This address serves short links.")
}

/// There is no such link.
pub(crate) fn not_found() -> Response<Body> {
    page(StatusCode::NOT_FOUND, "Not found", "There is no link at this address.")
}

/// There was a link.
pub(crate) fn gone() -> Response<Body> {
    page(StatusCode::GONE, "Gone", "This link is no longer there.")
}

/// What link previews get of a link with a click limit: not its destination.
pub(crate) fn limited() -> Response<Body> {
    page(StatusCode::OK, "A short link", "Open this link in a browser to follow it.")
}

/// `/robots.txt`: short links are not for indexes, but previews may look.
pub(crate) fn robots() -> Response<Body> {
    let mut response = Response::new(Body::from("User-agent: *\nDisallow:\n"));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=86400"));
    response
}

/// `/favicon.ico`: there is none, and browsers need not ask again soon.
pub(crate) fn favicon() -> Response<Body> {
    let mut response = lambda::no_content();
    let day = HeaderValue::from_static("public, max-age=86400");
    response.headers_mut().insert(header::CACHE_CONTROL, day);
    response
}

fn page(status: StatusCode, title: &str, text: &str) -> Response<Body> {
    let mut response = lambda::html(
        status,
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<title>{title}</title>\n\
             <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:32rem;\
             margin:20vh auto;padding:0 1rem}}</style>\n<h1>{title}</h1>\n<p>{text}</p>\n</html>\n"
        ),
    );
    never_cached(&mut response);
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        // The page is one string with one style; nothing else may run or load in its name.
        HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'"),
    );
    response
}
