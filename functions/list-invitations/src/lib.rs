#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::InvitationView;
use domain::Scope;
use lambda::input::Params;
use lambda::{Body, Boot, Clock, EnvError, Problem, Request, Response, auth};
use store::{AccountStore, After};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let accounts = AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?);
    Ok(App { accounts, clock: boot.clock })
}

/// Answers with a page of the workspace's open invitations.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    let mut params = Params::of(&request);
    let limit = params.limit();
    let cursor = params.optional("cursor", After::parse);
    params.finish()?;
    let page = app.accounts.invitations(caller.workspace()?, cursor, limit).await;
    let page = page.map_err(api::unread_account)?;
    let now = app.clock.now();
    // Those that have expired are there until DynamoDB deletes them; a page may be shorter for it.
    let open = page.items.iter().filter(|invitation| invitation.is_open(now));
    api::respond_page(open.map(InvitationView::new).collect(), page.next)
}
