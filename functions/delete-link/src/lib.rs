#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, Scope};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{IfMatch, Params};
use lambda::{Body, Boot, Clock, EnvError, Kind, Problem, Request, Response};
use store::{DeleteError, LinkStore};

/// How often a link is deleted anew that somebody else edited meanwhile. Each time that one loses,
/// another one has won: so it prevails over nine edits at once.
const TRIES: usize = 10;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    guard: Guard,
    links: LinkStore,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = LinkStore::new(&boot.aws, boot.env.required("LINKS_TABLE")?);
    Ok(App { guard: Guard::load(&boot)?, links, clock: boot.clock })
}

/// Deletes a link, and answers 204.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksWrite)?;
    app.guard.admit(&caller, || delete(&app, &caller, &request)).await
}

async fn delete(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    Params::of(request).finish()?;
    let workspace = caller.workspace()?;
    let if_match = IfMatch::of(request)?;
    for _ in 0..TRIES {
        let link = api::found(&app.links, workspace, request).await?;
        if if_match.as_ref().is_some_and(|wanted| !wanted.admits(&api::etag(&link))) {
            return Err(api::changed());
        }
        let journal = app.guard.journal(caller, Action::LinkDeleted, link.id)?;
        match app.links.delete(&link, app.clock.now(), &journal).await {
            Ok(()) => {
                tracing::info!(
                    link.id = %link.id,
                    link.slug = %link.slug,
                    principal = caller.principal(),
                    "deleted `{}`",
                    link.slug
                );
                return Ok(lambda::no_content());
            }
            Err(DeleteError::Changed(_)) => {}
            Err(DeleteError::Unavailable(error)) => return Err(api::unavailable(error)),
        }
    }
    Err(Problem::client(Kind::Conflict, "the link is edited by many at once; try again"))
}
