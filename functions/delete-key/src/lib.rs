#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, KeyId, Scope};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{self, Params};
use lambda::{Body, Boot, EnvError, Kind, Problem, Request, Response};
use store::{AccountStore, DeleteKeyError};

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

/// Revokes an API key, and answers 204.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    app.guard.admit(&caller, || delete(&app, &caller, &request)).await
}

async fn delete(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    Params::of(request).finish()?;
    let id = KeyId::parse(&input::path(request, "id")).map_err(|_| no_key())?;
    let journal = app.guard.journal(caller, Action::KeyDeleted, id)?;
    match app.accounts.delete_key(caller.workspace()?, id, &journal).await {
        Ok(()) => {
            tracing::info!(key.id = %id, principal = caller.principal(), "revoked the key `{id}`");
            Ok(lambda::no_content())
        }
        Err(DeleteKeyError::NotFound(_)) => Err(no_key()),
        Err(DeleteKeyError::Unavailable(error)) => Err(api::unavailable(error)),
    }
}

fn no_key() -> Problem {
    Problem::client(Kind::NotFound, "there is no such key")
}
