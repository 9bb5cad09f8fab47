#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, InvitationToken, Role, Scope, Workspace};
use guard::{Guard, Once};
use lambda::auth::{self, Caller};
use lambda::input::{Fields, text};
use lambda::{Body, Boot, Clock, EnvError, Kind, Problem, Request, Response, StatusCode};
use serde::Serialize;
use store::{AcceptError, AccountStore};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: Guard,
    clock: Clock,
}

/// The JSON of a membership.
#[derive(Serialize)]
struct Joined {
    workspace: JoinedWorkspace,
    role: &'static str,
}

#[derive(Serialize)]
struct JoinedWorkspace {
    id: String,
    name: String,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: Guard::load(&boot)?,
        clock: boot.clock,
    })
}

/// Makes the caller a member of the workspace that invited them, and answers 201.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Account)?;
    app.guard.admit(&caller, || accept(&app, &caller, &request)).await
}

async fn accept(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let first = match app.guard.once(caller, request).await? {
        Once::Answered(answer) => return Ok(answer),
        Once::First(first) => first,
    };
    let token = read(request)?;
    let user = api::find_person(&app.accounts, caller).await?;
    let now = app.clock.now();
    let found = app.accounts.invitation_of(&token).await.map_err(api::unread_account)?;
    let Some(invitation) = found.filter(|it| it.admits(&token, &user.email, now)) else {
        return app.guard.replay_or(first, no_invitation()).await;
    };
    if !api::is_still_meant(&app.accounts, &invitation).await? {
        return Err(no_invitation());
    }
    let found = app.accounts.find_workspace(invitation.workspace).await;
    let workspace = found.map_err(api::unread_account)?.ok_or_else(no_invitation)?;
    let response = joined(&workspace, invitation.role)?;
    let journal = app
        .guard
        .journal_of(workspace.id, user.id, Action::InvitationAccepted, invitation.id)
        .with("role", invitation.role)
        .answered(first.keep(&response)?);
    let member = invitation.accepted_by(user.id, now);
    match app.accounts.accept_invitation(&invitation, &member, &journal).await {
        Ok(()) => {
            tracing::info!(
                invitation.id = %invitation.id,
                workspace.id = %workspace.id,
                principal = caller.principal(),
                "became a {} of `{}`",
                member.role,
                workspace.id
            );
            Ok(response)
        }
        Err(AcceptError::Gone(_)) => Err(no_invitation()),
        Err(AcceptError::Member(_)) => {
            Err(Problem::client(Kind::Conflict, "you are a member of this workspace already"))
        }
        Err(AcceptError::Answered) => app.guard.replay(first).await,
        Err(AcceptError::Unavailable(error)) => Err(api::unavailable(error)),
    }
}

fn read(request: &Request) -> Result<InvitationToken, Problem> {
    let mut fields = Fields::of(request)?;
    let token = fields.required("token", text(InvitationToken::parse));
    fields.finish(token)
}

fn joined(workspace: &Workspace, role: Role) -> Result<Response<Body>, Problem> {
    let name = workspace.name.as_str().to_owned();
    let joined = Joined {
        workspace: JoinedWorkspace { id: workspace.id.to_string(), name },
        role: role.as_str(),
    };
    let response = lambda::json(StatusCode::CREATED, &joined)?;
    api::located(response, &format!("/api/v1/workspaces/{}", workspace.id))
}

/// The same whatever is wrong: nobody shall learn which tokens there are, and for whom.
fn no_invitation() -> Problem {
    Problem::client(Kind::NotFound, "there is no such invitation for you")
}
