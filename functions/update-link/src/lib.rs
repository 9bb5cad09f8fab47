#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, HostRules, Origins, Scope};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::IfMatch;
use lambda::{Body, Boot, Clock, EnvError, Kind, Problem, Request, Response, StatusCode};
use store::ledger::Subject;
use store::{LedgerStore, LinkStore, UpdateError};

/// How often an edit without `If-Match` is made anew on what somebody else left meanwhile. Each time
/// that one loses, another one has won: so ten edits at once all succeed.
const TRIES: usize = 10;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    guard: Guard,
    links: LinkStore,
    ledger: LedgerStore,
    rules: HostRules,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = boot.env.required("LINKS_TABLE")?;
    let origins = boot.env.required_as("ORIGINS", Origins::parse)?;
    let blocked = boot.env.optional("BLOCKED_HOSTS").unwrap_or_default();
    Ok(App {
        guard: Guard::load(&boot)?,
        ledger: LedgerStore::new(&boot.aws, boot.env.required("CLICKS_TABLE")?, &links),
        links: LinkStore::new(&boot.aws, links),
        rules: HostRules::new(origins, &blocked),
        clock: boot.clock,
    })
}

/// Edits a link by a JSON Merge Patch, and answers with what it is now.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksWrite)?;
    app.guard.admit(&caller, || update(&app, &caller, &request)).await
}

async fn update(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let workspace = caller.workspace()?;
    let if_match = IfMatch::of(request)?;
    let change = api::link_change(request, &app.rules)?;
    for _ in 0..TRIES {
        let old = api::found(&app.links, workspace, request).await?;
        if if_match.as_ref().is_some_and(|wanted| !wanted.admits(&api::etag(&old))) {
            return Err(api::changed());
        }
        let new = old.edited(change.clone(), app.clock.now()).map_err(api::faulty)?;
        // Before the edit: one that is made can be answered.
        let clicks = app.ledger.totals(Subject::Link(new.id)).await.map_err(api::unread)?;
        let changed = new.changed_since(&old);
        // Another version would fail everybody else's `If-Match` for nothing.
        if changed.is_empty() {
            return api::respond(StatusCode::OK, &old, clicks, &app.rules.origins);
        }
        let journal = app.guard.journal(caller, Action::LinkUpdated, new.id)?;
        match app.links.update(&old, &new, &journal.with("fields", changed.join(" "))).await {
            Ok(()) => {
                tracing::info!(
                    link.id = %new.id,
                    link.slug = %new.slug,
                    principal = caller.principal(),
                    "edited `{}`",
                    new.slug
                );
                return api::respond(StatusCode::OK, &new, clicks, &app.rules.origins);
            }
            // Edited or spread over more shards meanwhile: the same edit on what is there now.
            Err(UpdateError::Changed(_)) => {}
            Err(UpdateError::SlugTaken(slug)) => return Err(api::slug_taken(&new, &slug)),
            Err(UpdateError::Unavailable(error)) => return Err(api::unavailable(error)),
        }
    }
    Err(Problem::client(Kind::Conflict, "the link is edited by many at once; try again"))
}
