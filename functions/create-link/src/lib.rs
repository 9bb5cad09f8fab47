#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::NewLink;
use domain::rollup::Counts;
use domain::{Action, HostRules, Link, LinkId, Origins, Scope, Slug};
use guard::{Guard, Once};
use lambda::auth::{self, Caller};
use lambda::{
    Body, Boot, Clock, EnvError, HeaderValue, Kind, Problem, Random, Request, Response, StatusCode,
    header,
};
use store::{CreateError, LinkStore};

/// How often another random slug is tried when one is taken. With 10⁹ links of 1.3 × 10¹²
/// possible ones, five in a row are taken once in 10¹⁵ times.
const SLUG_TRIES: usize = 5;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    guard: Guard,
    links: LinkStore,
    rules: HostRules,
    clock: Clock,
    random: Random,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let origins = boot.env.required_as("ORIGINS", Origins::parse)?;
    let blocked = boot.env.optional("BLOCKED_HOSTS").unwrap_or_default();
    Ok(App {
        guard: Guard::load(&boot)?,
        links: LinkStore::new(&boot.aws, boot.env.required("LINKS_TABLE")?),
        rules: HostRules::new(origins, &blocked),
        clock: boot.clock,
        random: boot.random,
    })
}

/// Creates a link, and answers 201 with it.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::LinksWrite)?;
    app.guard.admit(&caller, || create(&app, &caller, &request)).await
}

async fn create(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let first = match app.guard.once(caller, request).await? {
        Once::Answered(answer) => return Ok(answer),
        Once::First(first) => first,
    };
    let new = NewLink::read(request, &app.rules)?;
    let now = app.clock.now();
    let id = LinkId::new(now, app.random.u128());
    let chosen = new.slug;
    let mut link = Link {
        id,
        workspace: caller.workspace()?,
        domain: new.domain,
        slug: chosen.clone().unwrap_or_else(|| Slug::random(app.random.u128())),
        aliases: new.aliases,
        definition: new.definition,
        updated_at: id.at(),
        revision: 1,
        click_shards: 1,
    };
    let faults = link.faults(now);
    if !faults.is_empty() {
        return Err(api::faulty(faults));
    }
    let mut tries = SLUG_TRIES;
    loop {
        tries -= 1;
        let response = created(&link, &app.rules.origins)?;
        let journal = app.guard.journal(caller, Action::LinkCreated, link.id)?;
        match app.links.create(&link, &journal.answered(first.keep(&response)?)).await {
            Ok(()) => {
                tracing::info!(
                    link.id = %link.id,
                    link.slug = %link.slug,
                    principal = caller.principal(),
                    "created `{}`",
                    link.slug
                );
                return Ok(response);
            }
            // The same request, sent twice at once.
            Err(CreateError::Answered) => return app.guard.replay(first).await,
            Err(CreateError::SlugTaken(taken))
                if chosen.is_none() && taken == link.slug && 0 < tries =>
            {
                link.slug = Slug::random(app.random.u128());
            }
            Err(CreateError::SlugTaken(slug)) => return Err(api::slug_taken(&link, &slug)),
            Err(CreateError::Unavailable(error)) => return Err(api::unavailable(error)),
        }
    }
}

fn created(link: &Link, origins: &Origins) -> Result<Response<Body>, Problem> {
    let mut response = api::respond(StatusCode::CREATED, link, Counts::default(), origins)?;
    let location = HeaderValue::from_str(&format!("/api/v1/links/{}", link.id))
        .map_err(|e| Problem::server(Kind::Internal, e))?;
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}
