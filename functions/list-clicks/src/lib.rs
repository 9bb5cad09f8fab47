#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::Scope;
use lambda::input::Params;
use lambda::{Body, Boot, EnvError, Problem, Request, Response, StatusCode, auth};
use serde::Serialize;
use store::ledger::{ClickCursor, RecordedClick};
use store::{LedgerStore, LinkStore};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    links: LinkStore,
    ledger: LedgerStore,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = boot.env.required("LINKS_TABLE")?;
    Ok(App {
        ledger: LedgerStore::new(&boot.aws, boot.env.required("CLICKS_TABLE")?, &links),
        links: LinkStore::new(&boot.aws, links),
    })
}

/// Answers with a page of a link's clicks, newest first.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::StatsRead)?;
    let id = api::id_of(&request)?;
    let mut params = Params::of(&request);
    let limit = params.limit();
    let cursor = params.optional("cursor", |text| ClickCursor::parse(text, id));
    params.finish()?;
    let link = api::found(&app.links, caller.workspace()?, &request).await?;
    let page = app
        .ledger
        .page_of_clicks(link.id, link.click_shards, cursor.as_ref(), limit)
        .await
        .map_err(api::unread)?;
    let page = Page {
        items: page.clicks.into_iter().map(Click::from).collect(),
        next: page.next.map(|next| next.to_text()),
    };
    lambda::json(StatusCode::OK, &page)
}

#[derive(Serialize)]
struct Page {
    items: Vec<Click>,
    next: Option<String>,
}

#[derive(Serialize)]
struct Click {
    id: String,
    at: String,
    slug: String,
    domain: String,
    status: u16,
    referrer: Option<String>,
    user_agent: Option<String>,
    bot: Option<String>,
}

impl From<RecordedClick> for Click {
    fn from(click: RecordedClick) -> Self {
        let RecordedClick { id, domain, slug, status, referrer, user_agent, bot } = click;
        let at = id.at().to_string();
        Self { id: id.to_string(), at, slug, domain, status, referrer, user_agent, bot }
    }
}
