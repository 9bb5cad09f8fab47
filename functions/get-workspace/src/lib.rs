#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::Scope;
use lambda::input::Params;
use lambda::{Body, Boot, EnvError, Problem, Request, Response, StatusCode, auth};
use store::AccountStore;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App { accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?) })
}

/// Answers with the caller's workspace, and its version in `ETag`.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksRead)?;
    Params::of(&request).finish()?;
    let workspace = api::find_workspace(&app.accounts, &caller, &request).await?;
    api::respond_workspace(StatusCode::OK, &workspace, caller.role()?)
}
