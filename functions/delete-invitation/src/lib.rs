#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, InvitationId, Scope};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{self, Params};
use lambda::{Body, Boot, EnvError, Kind, Problem, Request, Response};
use store::{AccountStore, DeleteInvitationError};

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

/// Withdraws an invitation, and answers 204.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    app.guard.admit(&caller, || delete(&app, &caller, &request)).await
}

async fn delete(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    Params::of(request).finish()?;
    let id = InvitationId::parse(&input::path(request, "id")).map_err(|_| no_invitation())?;
    let found = app.accounts.find_invitation(caller.workspace()?, id).await;
    let invitation = found.map_err(api::unread_account)?.ok_or_else(no_invitation)?;
    // Any admin may: it takes nothing from anybody, and an invitation in wrong hands cannot wait.
    let journal =
        app.guard.journal(caller, Action::InvitationDeleted, id)?.with("role", invitation.role);
    match app.accounts.delete_invitation(&invitation, &journal).await {
        Ok(()) => {
            tracing::info!(
                invitation.id = %id,
                principal = caller.principal(),
                "withdrew the invitation `{id}`"
            );
            Ok(lambda::no_content())
        }
        Err(DeleteInvitationError::Gone(_)) => Err(no_invitation()),
        Err(DeleteInvitationError::Unavailable(error)) => Err(api::unavailable(error)),
    }
}

fn no_invitation() -> Problem {
    Problem::client(Kind::NotFound, "there is no such invitation")
}
