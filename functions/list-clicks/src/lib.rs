#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Device, RecordedClick, Scope};
use lambda::input::Params;
use lambda::{Body, Boot, EnvError, Problem, Request, Response, StatusCode, auth};
use serde::Serialize;
use store::ledger::ClickCursor;
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

/// A click. What is unknown is `null`.
#[derive(Serialize)]
struct Click {
    id: String,
    at: String,
    slug: String,
    domain: String,
    status: u16,
    destination: Option<String>,
    referrer: Option<String>,
    referrer_url: Option<String>,
    user_agent: Option<String>,
    browser: Option<String>,
    os: Option<String>,
    device: Option<&'static str>,
    bot: Option<String>,
    bot_why: Option<&'static str>,
    language: Option<String>,
    country: Option<String>,
    region: Option<String>,
    city: Option<String>,
    utm: Utm,
    asked_utm: Utm,
    visitor: Option<String>,
}

#[derive(Serialize)]
struct Utm {
    source: Option<String>,
    medium: Option<String>,
    campaign: Option<String>,
    term: Option<String>,
    content: Option<String>,
}

impl From<domain::Utm> for Utm {
    fn from(utm: domain::Utm) -> Self {
        let domain::Utm { source, medium, campaign, term, content } = utm;
        Self { source, medium, campaign, term, content }
    }
}

impl From<RecordedClick> for Click {
    fn from(RecordedClick { click, agent, bot }: RecordedClick) -> Self {
        let (bot, bot_why) = bot.map(|bot| (bot.name, bot.why.as_str())).unzip();
        Self {
            id: click.id.to_string(),
            at: click.id.at().to_string(),
            slug: click.slug,
            domain: click.domain,
            status: click.status,
            destination: click.destination,
            referrer: click.referrer,
            referrer_url: click.referrer_url,
            user_agent: click.user_agent,
            browser: agent.browser,
            os: agent.os,
            device: agent.device.map(Device::as_str),
            bot,
            bot_why,
            language: click.language,
            country: click.place.country,
            region: click.place.region,
            city: click.place.city,
            utm: click.utm.into(),
            asked_utm: click.asked_utm.into(),
            visitor: click.visitor.map(|visitor| visitor.to_string()),
        }
    }
}
