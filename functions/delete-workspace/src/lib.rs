#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, Principal, Retention, Role, Scope};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{IfMatch, Params};
use lambda::{Body, Boot, Clock, EnvError, Fault, Kind, Problem, Request, Response};
use queue::PurgeQueue;
use store::ledger::{PurgeOrder, Target};
use store::{AccountStore, UpdateWorkspaceError};

/// How often a workspace is deleted anew that somebody else edited meanwhile. Each time that one
/// loses, another one has won: so it prevails over nine edits at once.
const TRIES: usize = 10;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: Guard,
    clicks_table: String,
    purges: PurgeQueue,
    retention: Retention,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: Guard::load(&boot)?,
        clicks_table: boot.env.required("CLICKS_TABLE")?,
        purges: PurgeQueue::new(&boot.aws, boot.env.required("PURGES_QUEUE_URL")?),
        retention: boot.env.parsed("CLICK_RETENTION_DAYS", Retention::DEFAULT)?,
        clock: boot.clock,
    })
}

/// Deletes the caller's workspace, and answers 202: what belongs to it goes after it.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    app.guard.admit(&caller, || delete(&app, &caller, &request)).await
}

async fn delete(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let mut params = Params::of(request);
    let confirmed = params.optional("confirm", |text| Ok::<_, &str>(text.to_owned()));
    params.finish()?;
    let if_match = IfMatch::of(request)?;
    for attempt in 0..TRIES {
        let workspace = api::find_workspace(&app.accounts, caller, request).await?;
        let role = api::manager(&app.accounts, caller).await?;
        if role != Role::Owner {
            return Err(api::too_small_a_role(Role::Owner));
        }
        if confirmed.as_deref() != Some(workspace.name.as_str()) {
            let detail = "this must be the workspace's name: it is deleted for ever";
            return Err(Problem::invalid(vec![Fault::parameter("confirm", detail)]));
        }
        if if_match.as_ref().is_some_and(|wanted| !wanted.admits(&api::workspace_etag(&workspace)))
        {
            let detail = "the workspace has changed; read it again";
            return Err(Problem::client(Kind::PreconditionFailed, detail));
        }
        let (id, now) = (workspace.id, app.clock.now());
        let by: Principal = caller.principal_as()?;
        let order = PurgeOrder::new(Target::Workspace(id), id, by, now, app.retention);
        if attempt == 0 {
            let announced = app.purges.announce(order.target).await;
            announced.map_err(|error| Problem::server(Kind::Unavailable, error))?;
        }
        let journal = app.guard.journal(caller, Action::WorkspaceDeleted, id)?;
        let journal = journal.ordering(&app.clicks_table, &order);
        match app.accounts.delete_workspace(&workspace, &journal).await {
            Ok(()) => {
                tracing::info!(
                    workspace.id = %id,
                    principal = caller.principal(),
                    "deleted the workspace `{id}`"
                );
                return api::respond_purge(&order);
            }
            // Edited meanwhile: what is there now.
            Err(UpdateWorkspaceError::Changed(_)) => {}
            Err(UpdateWorkspaceError::Unavailable(error)) => return Err(api::unavailable(error)),
        }
    }
    Err(Problem::client(Kind::Conflict, "the workspace is edited by many at once; try again"))
}
