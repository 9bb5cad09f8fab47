#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Retention, Scope};
use lambda::input::Params;
use lambda::{Body, Boot, Clock, EnvError, Problem, Request, Response, auth};
use stats::{Asked, Memory, Reader, Whose};
use store::{LedgerStore, LinkStore};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    reader: Reader,
    links: LinkStore,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = boot.env.required("LINKS_TABLE")?;
    let reader = Reader {
        ledger: LedgerStore::new(&boot.aws, boot.env.required("CLICKS_TABLE")?, &links),
        retention: boot.env.parsed("CLICK_RETENTION_DAYS", Retention::DEFAULT)?,
        memory: Memory::default(),
    };
    Ok(App { reader, links: LinkStore::new(&boot.aws, links), clock: boot.clock })
}

/// Answers with the counts of a link's clicks: as a whole, as a series, and by their dimensions.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::StatsRead)?;
    let now = app.clock.now();
    let asked = Asked::read(&request, Params::of(&request), now, &stats::of_links())?;
    let link = api::found(&app.links, caller.workspace()?, &request).await?;
    stats::answer(&app.reader, &Whose::Link(Box::new(link)), &asked, now).await
}
