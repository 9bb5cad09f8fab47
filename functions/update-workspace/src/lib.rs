#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, Name, RateLimit, Scope, Workspace, WorkspaceChange};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{Fields, IfMatch, number, text};
use lambda::{Body, Boot, EnvError, Kind, Problem, Request, Response, StatusCode};
use serde_json::Value;
use store::{AccountStore, UpdateWorkspaceError};

/// How often an edit without `If-Match` is made anew on what somebody else left meanwhile. Each time
/// that one loses, another one has won: so ten edits at once all succeed.
const TRIES: usize = 10;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: Guard,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: Guard::load(&boot)?,
    })
}

/// Edits the caller's workspace by a JSON Merge Patch, and answers with what it is now.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    app.guard.admit(&caller, || update(&app, &caller, &request)).await
}

async fn update(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let if_match = IfMatch::of(request)?;
    let change = read(request)?;
    for _ in 0..TRIES {
        let old = api::find_workspace(&app.accounts, caller, request).await?;
        if if_match.as_ref().is_some_and(|wanted| !wanted.admits(&api::workspace_etag(&old))) {
            let detail = "the workspace has changed; read it again";
            return Err(Problem::client(Kind::PreconditionFailed, detail));
        }
        let new = old.edited(change.clone());
        let response = api::respond_workspace(StatusCode::OK, &new, caller.role()?)?;
        // Another version would fail everybody else's `If-Match` for nothing.
        if new == old {
            return Ok(response);
        }
        let journal = app
            .guard
            .journal(caller, Action::WorkspaceUpdated, new.id)?
            .with("fields", changed(&old, &new));
        match app.accounts.update_workspace(&old, &new, &journal).await {
            Ok(()) => {
                tracing::info!(
                    workspace.id = %new.id,
                    principal = caller.principal(),
                    "edited the workspace `{}`",
                    new.id
                );
                return Ok(response);
            }
            // Edited meanwhile: the same edit on what is there now.
            Err(UpdateWorkspaceError::Changed(_)) => {}
            Err(UpdateWorkspaceError::Unavailable(error)) => return Err(api::unavailable(error)),
        }
    }
    Err(Problem::client(Kind::Conflict, "the workspace is edited by many at once; try again"))
}

fn read(request: &Request) -> Result<WorkspaceChange, Problem> {
    let mut fields = Fields::of(request)?;
    let change = WorkspaceChange {
        name: fields.change("name", text(Name::parse)),
        writes_per_minute: fields.nullable("writes_per_minute", limit),
    };
    fields.finish(Some(change))
}

fn limit(value: &Value) -> Result<u32, String> {
    let limit = u32::try_from(number(value)?).ok().and_then(RateLimit::of_per_minute);
    limit
        .map(RateLimit::per_minute)
        .ok_or_else(|| format!("this must be a number from 1 to {}", RateLimit::MAX_PER_MINUTE))
}

/// The names of the fields that differ, for the audit log.
fn changed(old: &Workspace, new: &Workspace) -> String {
    let fields = [
        ("name", old.name != new.name),
        ("writes_per_minute", old.writes_per_minute != new.writes_per_minute),
    ];
    let names: Vec<_> =
        fields.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name).collect();
    names.join(", ")
}
