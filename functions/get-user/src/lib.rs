#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::UserView;
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

/// Answers with the person who asks, and their workspaces.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Account)?;
    Params::of(&request).finish()?;
    let user = api::find_person(&app.accounts, &caller).await?;
    let workspaces = app.accounts.all_workspaces_of(user.id).await.map_err(api::unread_account)?;
    lambda::json(StatusCode::OK, &UserView::new(&user, &workspaces))
}
