#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, Name, Role, Scope, Workspace, WorkspaceId};
use guard::{Guard, Once};
use lambda::auth::{self, Caller};
use lambda::input::{Fields, text};
use lambda::{Body, Boot, Clock, EnvError, Problem, Random, Request, Response, StatusCode};
use store::{AccountStore, CreateWorkspaceError};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: Guard,
    clock: Clock,
    random: Random,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: Guard::load(&boot)?,
        clock: boot.clock,
        random: boot.random,
    })
}

/// Makes a workspace that the caller owns, and answers 201 with it.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Account)?;
    app.guard.admit(&caller, || create(&app, &caller, &request)).await
}

async fn create(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let first = match app.guard.once(caller, request).await? {
        Once::Answered(answer) => return Ok(answer),
        Once::First(first) => first,
    };
    let founder = api::person(caller)?;
    let name = read(request)?;
    let id = WorkspaceId::new(app.clock.now(), app.random.u128());
    let workspace = Workspace::new(id, name);
    let response = api::respond_workspace(StatusCode::CREATED, &workspace, Some(Role::Owner))?;
    let response = api::located(response, &format!("/api/v1/workspaces/{id}"))?;
    let journal = app
        .guard
        .journal_of(id, founder, Action::WorkspaceCreated, id)
        .answered(first.keep(&response)?);
    match app.accounts.create_workspace(&workspace, founder, &journal).await {
        Ok(()) => {
            tracing::info!(
                workspace.id = %id,
                principal = caller.principal(),
                "created the workspace `{id}`"
            );
            Ok(response)
        }
        Err(CreateWorkspaceError::Answered) => app.guard.replay(first).await,
        Err(CreateWorkspaceError::Unavailable(error)) => Err(api::unavailable(error)),
    }
}

fn read(request: &Request) -> Result<Name, Problem> {
    let mut fields = Fields::of(request)?;
    let name = fields.required("name", text(Name::parse));
    fields.finish(name)
}
