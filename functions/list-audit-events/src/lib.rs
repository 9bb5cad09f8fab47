#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use domain::{AuditEvent, Scope};
use lambda::input::Params;
use lambda::{Body, Boot, EnvError, Problem, Request, Response, auth};
use serde::Serialize;
use store::{AccountStore, After};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
}

/// The JSON of an event.
#[derive(Debug, Serialize)]
struct EventView<'a> {
    id: String,
    at: String,
    actor: String,
    action: &'static str,
    subject: &'a str,
    details: &'a BTreeMap<String, String>,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let accounts = AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?);
    Ok(App { accounts })
}

/// Answers with a page of the workspace's audit log.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    let mut params = Params::of(&request);
    let limit = params.limit();
    let cursor = params.optional("cursor", After::parse);
    params.finish()?;
    let page = app.accounts.audit(caller.workspace()?, cursor, limit).await;
    let page = page.map_err(api::unread_account)?;
    api::respond_page(page.items.iter().map(EventView::new).collect(), page.next)
}

impl<'a> EventView<'a> {
    fn new(event: &'a AuditEvent) -> Self {
        Self {
            id: event.id.to_string(),
            at: event.at().to_string(),
            actor: event.actor.to_string(),
            action: event.action.as_str(),
            subject: &event.subject,
            details: &event.details,
        }
    }
}
