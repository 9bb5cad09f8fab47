#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Origins, Scope};
use lambda::input::Params;
use lambda::{Body, Boot, EnvError, Problem, Request, Response, StatusCode, auth};
use store::ledger::Subject;
use store::{LedgerStore, LinkStore};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    links: LinkStore,
    ledger: LedgerStore,
    origins: Origins,
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

/// Answers with a link and its clicks.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksRead)?;
    Params::of(&request).finish()?;
    let link = api::found(&app.links, caller.workspace()?, &request).await?;
    let clicks = app.ledger.totals(Subject::Link(link.id)).await.map_err(api::unread)?;
    api::respond(StatusCode::OK, &link, clicks, &app.origins)
}
