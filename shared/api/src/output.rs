//! A link as the API shows it.

use domain::rollup::Counts;
use domain::{Destination, Link, Origins, Slug, Tag, Title};
use lambda::{Body, HeaderValue, Kind, Problem, Response, StatusCode, header};
use serde::Serialize;

/// The JSON of a link.
#[derive(Debug, Serialize)]
pub struct LinkView {
    id: String,
    domain: String,
    slug: String,
    short_url: String,
    url: String,
    title: Option<String>,
    tags: Vec<String>,
    redirect_status: u16,
    starts_at: Option<String>,
    expires_at: Option<String>,
    fallback_url: Option<String>,
    max_clicks: Option<u64>,
    forward_query: bool,
    aliases: Vec<String>,
    created_at: String,
    updated_at: String,
    clicks: CountsView,
}

#[derive(Debug, Serialize)]
struct CountsView {
    total: u64,
    human: u64,
    bot: u64,
}

impl LinkView {
    /// A link and its clicks.
    pub fn new(link: &Link, clicks: Counts, origins: &Origins) -> Self {
        let definition = &link.definition;
        Self {
            id: link.id.to_string(),
            domain: link.domain.to_string(),
            slug: link.slug.to_string(),
            short_url: origins.short_url(&link.domain, &link.slug),
            url: definition.url.to_string(),
            title: definition.title.as_ref().map(Title::as_str).map(str::to_owned),
            tags: definition.tags.iter().map(Tag::to_string).collect(),
            redirect_status: definition.redirect_status.code(),
            starts_at: definition.starts_at.map(|at| at.to_string()),
            expires_at: definition.expires_at.map(|at| at.to_string()),
            fallback_url: definition.fallback_url.as_ref().map(Destination::to_string),
            max_clicks: definition.max_clicks,
            forward_query: definition.forward_query,
            aliases: link.aliases.iter().map(Slug::to_string).collect(),
            created_at: link.created_at().to_string(),
            updated_at: link.updated_at.to_string(),
            clicks: CountsView { total: clicks.total(), human: clicks.human, bot: clicks.bot },
        }
    }
}

/// The entity tag of a link's definition; its clicks do not change it.
pub fn etag(link: &Link) -> String {
    format!("\"{}\"", link.revision)
}

/// An answer with a link.
pub fn respond(
    status: StatusCode,
    link: &Link,
    clicks: Counts,
    origins: &Origins,
) -> Result<Response<Body>, Problem> {
    let mut response = lambda::json(status, &LinkView::new(link, clicks, origins))?;
    let etag =
        HeaderValue::from_str(&etag(link)).map_err(|e| Problem::server(Kind::Internal, e))?;
    response.headers_mut().insert(header::ETAG, etag);
    Ok(response)
}
