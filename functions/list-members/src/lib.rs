#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::MemberView;
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
    Ok(App { accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?) })
}

/// Answers with a page of the workspace's members.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksRead)?;
    let workspace = api::workspace_of(&caller, &request)?;
    let mut params = Params::of(&request);
    let limit = params.limit();
    let cursor = params.optional("cursor", After::parse);
    params.finish()?;
    let page = app.accounts.members(workspace, cursor, limit).await;
    let page = page.map_err(api::unread_account)?;
    let items = page.items.iter().map(|(member, user)| MemberView::new(member, user));
    api::respond_page(items.collect(), page.next)
}
