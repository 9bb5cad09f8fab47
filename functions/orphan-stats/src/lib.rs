#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Origins, Retention, Scope, WorkspaceId};
use lambda::input::Params;
use lambda::{Body, Boot, Clock, EnvError, Problem, Request, Response, auth};
use stats::{Asked, Memory, Reader, Whose};
use store::LedgerStore;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    reader: Reader,
    origins: Origins,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let reader = Reader {
        ledger: LedgerStore::without_links(&boot.aws, boot.env.required("CLICKS_TABLE")?),
        retention: boot.env.parsed("CLICK_RETENTION_DAYS", Retention::DEFAULT)?,
        memory: Memory::default(),
    };
    let origins = boot.env.required_as("ORIGINS", Origins::parse)?;
    Ok(App { reader, origins, clock: boot.clock })
}

/// Answers with the counts of the requests on a domain that led nowhere: as a whole, as a series,
/// and by slug.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::StatsRead)?;
    let now = app.clock.now();
    // Whoever is in none has nothing to read here.
    let _: WorkspaceId = caller.workspace()?;
    let mut params = Params::of(&request);
    let domain = params.optional("domain", |name| {
        app.origins.find(name).cloned().ok_or("this is not a domain of this service")
    });
    let asked = Asked::read(&request, params, now, &stats::of_orphans())?;
    let domain = domain.unwrap_or_else(|| app.origins.default_domain().clone());
    stats::answer(&app.reader, &Whose::Orphans(domain.to_string()), &asked, now).await
}
