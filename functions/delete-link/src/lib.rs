#![doc = include_str!("../README.md")]

mod purge;
#[cfg(test)]
mod tests;

use domain::{Action, Link, LinkId, Retention, Scope, WorkspaceId};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{IfMatch, Params};
use lambda::{Body, Boot, Clock, EnvError, Kind, Problem, Request, Response};
use queue::PurgeQueue;
use store::{DeleteError, Journal, LedgerStore, LinkStore};

/// How often a link is deleted anew that somebody else edited meanwhile. Each time that one loses,
/// another one has won: so it prevails over nine edits at once.
const TRIES: usize = 10;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    guard: Guard,
    links: LinkStore,
    ledger: LedgerStore,
    clicks_table: String,
    purges: PurgeQueue,
    retention: Retention,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = boot.env.required("LINKS_TABLE")?;
    let clicks = boot.env.required("CLICKS_TABLE")?;
    Ok(App {
        guard: Guard::load(&boot)?,
        links: LinkStore::new(&boot.aws, links.clone()),
        ledger: LedgerStore::new(&boot.aws, clicks.clone(), links),
        clicks_table: clicks,
        purges: PurgeQueue::new(&boot.aws, boot.env.required("PURGES_QUEUE_URL")?),
        retention: boot.env.parsed("CLICK_RETENTION_DAYS", Retention::DEFAULT)?,
        clock: boot.clock,
    })
}

/// Deletes a link, and answers 204; or all that is stored of its clicks as well, and answers 202.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksWrite)?;
    app.guard.admit(&caller, || delete(&app, &caller, &request)).await
}

async fn delete(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let mut params = Params::of(request);
    let wants_purge = params.optional("purge", truth).unwrap_or(false);
    params.finish()?;
    let workspace = caller.workspace()?;
    let if_match = IfMatch::of(request)?;
    let id = api::id_of(request)?;
    for attempt in 0..TRIES {
        let link = match app.find(workspace, id).await? {
            Some(link) => link,
            // A link that was deleted before can be purged still.
            None if wants_purge && if_match.is_none() => {
                return purge::of_deleted(app, caller, (workspace, id)).await;
            }
            None => return Err(api::no_link()),
        };
        if if_match.as_ref().is_some_and(|wanted| !wanted.admits(&api::etag(&link))) {
            return Err(api::changed());
        }
        let journal = app.guard.journal(caller, Action::LinkDeleted, link.id)?;
        if wants_purge {
            if attempt == 0 {
                purge::announce(app, id).await?;
            }
            let (order, journal) = purge::order(app, caller, (workspace, id), journal)?;
            if app.delete(&link, caller, &journal).await? {
                return api::respond_purge(&order);
            }
        } else if app.delete(&link, caller, &journal).await? {
            return Ok(lambda::no_content());
        }
    }
    Err(Problem::client(Kind::Conflict, "the link is edited by many at once; try again"))
}

impl App {
    async fn find(&self, workspace: WorkspaceId, id: LinkId) -> Result<Option<Link>, Problem> {
        self.links.find(workspace, id).await.map_err(api::unreadable)
    }

    /// Deletes a link that was read, or says that it is another by now.
    async fn delete(
        &self,
        link: &Link,
        caller: &Caller,
        journal: &Journal,
    ) -> Result<bool, Problem> {
        match self.links.delete(link, self.clock.now(), journal).await {
            Ok(()) => {
                tracing::info!(
                    link.id = %link.id,
                    link.slug = %link.slug,
                    principal = caller.principal(),
                    "deleted `{}`",
                    link.slug
                );
                Ok(true)
            }
            Err(DeleteError::Changed(_)) => Ok(false),
            Err(DeleteError::Unavailable(error)) => Err(api::unavailable(error)),
        }
    }
}

fn truth(text: &str) -> Result<bool, &'static str> {
    match text {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err("this must be `true` or `false`"),
    }
}
