#![doc = include_str!("../README.md")]

mod pages;
mod routes;
#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::{Click, ClickId, Decision, Domain, Origins, Place, Route, Slug, Utm, bot};
use lambda::{
    After, Body, Boot, Chain, Clock, EnvError, HeaderValue, Kind, Method, Metrics, Problem, Random,
    Request, Response, StatusCode, header, input,
};
use queue::{ClickMessage, ClickQueue};
use store::{Found, LinkStore, Spent};
use url::Url;

use crate::routes::Routes;

/// The slug's row says that there is a limit, again and again, and there is none.
#[derive(Debug, thiserror::Error)]
#[error("the limit of the link of `{0}` comes and goes")]
struct Unsettled(Slug);

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    routes: Routes,
    clicks: ClickQueue,
    origins: Origins,
    clock: Clock,
    random: Random,
    metrics: Metrics,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let links = LinkStore::new(&boot.aws, boot.env.required("LINKS_TABLE")?);
    let clicks = ClickQueue::new(&boot.aws, boot.env.required("CLICKS_QUEUE_URL")?);
    let origins = boot.env.required_as("ORIGINS", Origins::parse)?;
    Ok(App {
        routes: Routes::new(links, &boot.env)?,
        clicks,
        origins,
        clock: boot.clock,
        random: boot.random,
        metrics: boot.metrics,
    })
}

/// Answers one request, and says which click it was, if it was one.
pub async fn handle(app: App, request: Request) -> Result<After<Click>, Problem> {
    let text = input::path(&request, "slug");
    match text.as_str() {
        "" => return Ok(pages::root().into()),
        "robots.txt" => return Ok(pages::robots().into()),
        "favicon.ico" => return Ok(pages::favicon().into()),
        _ => {}
    }
    // What cannot be a slug was never stored: no read.
    let Ok(slug) = Slug::of_path(&text) else { return not_found(&request) };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let domain = app.origins.of_host(host);
    let now = app.clock.now();
    let found = app.routes.find(domain, &slug, now).await?;
    if let Some(answer) = answer(&app, &request, domain, &slug, &found).await? {
        return Ok(answer);
    }
    let found = app.routes.renew(domain, &slug, now).await?;
    let unsettled = || Problem::server(Kind::Unavailable, Unsettled(slug.clone()));
    answer(&app, &request, domain, &slug, &found).await?.ok_or_else(unsettled)
}

/// Sends the click to the ledger's queue. If that fails, the click is in the log, whole.
pub async fn send_click(app: App, click: Click, budget: Duration) {
    let why = match tokio::time::timeout(budget, app.clicks.send(&click)).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(_) => format!("not sent within {} ms", budget.as_millis()),
    };
    // `docs/runbook.md` says how this line is sent again.
    let lost = serde_json::to_string(&ClickMessage::from(&click)).unwrap_or_default();
    tracing::error!(lost_click = lost, error = why, "the click `{}` was not sent", click.id);
    app.metrics.count("ClickNotSent");
}

/// The answer for what a slug leads to; none if that turns out to be older than an edit.
async fn answer(
    app: &App,
    request: &Request,
    domain: &Domain,
    slug: &Slug,
    found: &Found,
) -> Result<Option<After<Click>>, Problem> {
    match found {
        Found::Route(route) => follow(app, request, domain, slug, route).await,
        Found::Deleted => gone(request).map(Some),
        Found::Nothing => not_found(request).map(Some),
    }
}

async fn follow(
    app: &App,
    request: &Request,
    domain: &Domain,
    slug: &Slug,
    route: &Route,
) -> Result<Option<After<Click>>, Problem> {
    let now = app.clock.now();
    match route.decide(now) {
        Decision::Open => {}
        Decision::NotYet => return closed(route, || not_found(request)).map(Some),
        Decision::Over => return closed(route, || gone(request)).map(Some),
    }
    let is_head = request.method() == Method::HEAD;
    let user_agent = text(request, header::USER_AGENT);
    if route.limited {
        // Whoever only looks must neither use up the limit nor learn what it guards.
        if is_head || bot::find(user_agent).is_some_and(bot::Bot::only_looks) {
            return Ok(Some(pages::limited().into()));
        }
        match app.routes.spend(route.link, app.random.u128()).await? {
            Spent::Granted => {}
            Spent::UsedUp => return closed(route, || gone(request)).map(Some),
            Spent::Unlimited => return Ok(None),
        }
    }
    let status = route.status.code();
    let response = redirect(status, &route.location(request.uri().query()))?;
    if is_head {
        return Ok(Some(response.into()));
    }
    let id = ClickId::new(now, app.random.u128());
    let click = Click {
        id,
        link: route.link,
        workspace: route.workspace,
        domain: domain.as_str().to_owned(),
        slug: slug.as_str().to_owned(),
        shard: Click::shard_of(id, route.click_shards),
        status,
        referrer: text(request, header::REFERER).and_then(host_of),
        user_agent: user_agent.map(Click::trim_user_agent),
        destination: None,
        referrer_url: None,
        language: None,
        purpose: None,
        place: Place::default(),
        network: None,
        utm: Utm::default(),
        asked_utm: Utm::default(),
        visitor: None,
    };
    Ok(Some(After { response, then: Some(click) }))
}

/// A link that is not open leads to its fallback, if it has one.
fn closed(
    route: &Route,
    otherwise: impl FnOnce() -> Result<After<Click>, Problem>,
) -> Result<After<Click>, Problem> {
    match &route.fallback_url {
        // The link may open, or be edited, so this is never permanent.
        Some(url) => Ok(redirect(StatusCode::FOUND.as_u16(), url.as_str())?.into()),
        None => otherwise(),
    }
}

fn redirect(status: u16, location: &str) -> Result<Response<Body>, Problem> {
    let location =
        HeaderValue::from_str(location).map_err(|e| Problem::server(Kind::Internal, e))?;
    let mut response = Response::new(Body::Empty);
    *response.status_mut() =
        StatusCode::from_u16(status).map_err(|e| Problem::server(Kind::Internal, e))?;
    response.headers_mut().insert(header::LOCATION, location);
    pages::never_cached(&mut response);
    Ok(response)
}

fn not_found(request: &Request) -> Result<After<Click>, Problem> {
    if pages::wanted(request) {
        return Ok(pages::not_found().into());
    }
    Err(Problem::client(Kind::NotFound, "there is no link here"))
}

fn gone(request: &Request) -> Result<After<Click>, Problem> {
    if pages::wanted(request) {
        return Ok(pages::gone().into());
    }
    Err(Problem::client(Kind::Gone, "this link is no longer there"))
}

/// A header that is text.
fn text(request: &Request, name: header::HeaderName) -> Option<&str> {
    request.headers().get(name).and_then(|value| value.to_str().ok())
}

/// The longest name that DNS knows.
const MAX_HOST_BYTES: usize = 253;

/// The host of a referrer: its path may hold what is nobody's business.
fn host_of(referrer: &str) -> Option<String> {
    let url = Url::parse(referrer).ok()?;
    let host = url.host_str().filter(|host| !host.is_empty() && host.len() <= MAX_HOST_BYTES)?;
    Some(host.to_owned())
}
