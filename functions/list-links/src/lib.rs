#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::LinkView;
use domain::{LinkId, Origins, Scope, Slug, SlugError, Tag};
use lambda::input::Params;
use lambda::{Body, Boot, EnvError, Problem, Request, Response, StatusCode, auth};
use serde::Serialize;
use store::{Cursor, Filter, LedgerStore, LinkStore};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    links: LinkStore,
    ledger: LedgerStore,
    origins: Origins,
}

#[derive(Serialize)]
struct Page {
    items: Vec<LinkView>,
    next: Option<String>,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = boot.env.required("LINKS_TABLE")?;
    Ok(App {
        ledger: LedgerStore::new(&boot.aws, boot.env.required("CLICKS_TABLE")?, &links),
        links: LinkStore::new(&boot.aws, links),
        origins: boot.env.required_as("ORIGINS", Origins::parse)?,
    })
}

/// Answers with a page of links and their clicks.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksRead)?;
    let mut params = Params::of(&request);
    let limit = params.limit();
    let tag = params.optional("tag", Tag::parse);
    let prefix = params.optional("q", prefix);
    let filter = Filter { tag, prefix };
    let cursor = params.optional("cursor", |text| Cursor::parse(text, &filter));
    params.finish()?;
    let page = app
        .links
        .page(caller.workspace()?, &filter, cursor.as_ref(), limit)
        .await
        .map_err(api::unreadable)?;
    let ids: Vec<LinkId> = page.links.iter().map(|link| link.id).collect();
    let clicks = app.ledger.totals_of(&ids).await.map_err(api::unread)?;
    let items = page.links.iter().map(|link| {
        let clicks = clicks.get(&link.id).copied().unwrap_or_default();
        LinkView::new(link, clicks, &app.origins)
    });
    let page = Page { items: items.collect(), next: page.next.map(|next| next.to_text()) };
    lambda::json(StatusCode::OK, &page)
}

/// The beginning of a slug: a slug itself, but it may be a reserved word, as `ap` leads to `api`.
fn prefix(text: &str) -> Result<String, SlugError> {
    Slug::of_path(text).map(|slug| slug.as_str().to_owned())
}
