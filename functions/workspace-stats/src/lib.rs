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

/// Answers with the counts of the clicks of a workspace's links: as a whole, as a series, and by
/// their dimensions, of which the link is one.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::StatsRead)?;
    let now = app.clock.now();
    let workspace = caller.workspace()?;
    let asked = Asked::read(&request, Params::of(&request), now, &stats::of_workspaces())?;
    stats::answer(&app.reader, &Whose::Workspace(workspace, app.links), &asked, now).await
}
