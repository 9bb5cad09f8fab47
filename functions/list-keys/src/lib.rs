#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::KeyView;
use domain::Scope;
use lambda::input::Params;
use lambda::{Body, Boot, EnvError, Problem, Request, Response, auth};
use store::{AccountStore, After};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let accounts = AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?);
    Ok(App { accounts })
}

/// Answers with a page of the workspace's API keys, without their secrets.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    let mut params = Params::of(&request);
    let limit = params.limit();
    let cursor = params.optional("cursor", After::parse);
    params.finish()?;
    let page = app.accounts.keys(caller.workspace()?, cursor, limit).await;
    let page = page.map_err(api::unread_account)?;
    api::respond_page(page.items.iter().map(KeyView::new).collect(), page.next)
}
