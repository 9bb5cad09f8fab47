#![doc = include_str!("../README.md")]

mod capture;
mod orphans;
mod pages;
mod routes;
#[cfg(test)]
mod tests;
mod visitors;

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::{ClickId, Decision, Domain, Origins, Orphan, Route, Slug, bot};
use jiff::Timestamp;
use lambda::viewer::Viewers;
use lambda::{
    After, Body, Boot, Chain, Clock, EnvError, HeaderValue, Kind, Method, Metrics, Problem, Random,
    Request, Response, StatusCode, header, input,
};
use queue::{ClickMessage, ClickQueue};
use store::{Found, RouteStore, SaltReader, Spent};

pub use crate::capture::Followed;
use crate::capture::{Captured, Redirected, text};
use crate::orphans::Orphans;
use crate::routes::Routes;
use crate::visitors::Visitors;

/// The slug's row says that there is a limit, again and again, and there is none.
#[derive(Debug, thiserror::Error)]
#[error("the limit of the link of `{0}` comes and goes")]
struct Unsettled(Slug);

/// What the handler works with. Clones are the same one: each request makes two.
#[derive(Debug, Clone)]
pub struct App(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    routes: Routes,
    clicks: ClickQueue,
    visitors: Visitors,
    orphans: Orphans,
    viewers: Viewers,
    origins: Origins,
    clock: Clock,
    random: Random,
    metrics: Metrics,
}

/// What is left to do when a request has been answered.
#[derive(Debug)]
pub enum Left {
    /// To find out what is told of a click, and whose it was, and to send it. Until the answer is out
    /// nothing of that is done.
    Click(Box<Followed>),
    /// To tell that somebody asked for what is not there.
    Orphan(Domain, Slug, Timestamp),
}

/// What is left to do, as far as only the answer tells.
enum Then {
    Click(Redirected),
    Orphan(Timestamp),
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let routes = RouteStore::new(&boot.aws, boot.env.required("LINKS_TABLE")?);
    let salts = SaltReader::new(&boot.aws, boot.env.required("SALTS_TABLE")?);
    let clicks = ClickQueue::new(&boot.aws, boot.env.required("CLICKS_QUEUE_URL")?);
    let origins = boot.env.required_as("ORIGINS", Origins::parse)?;
    Ok(App(Arc::new(Parts {
        routes: Routes::new(routes, &boot.env)?,
        clicks,
        visitors: Visitors::new(salts),
        orphans: Orphans::new(),
        viewers: Viewers::load(&boot),
        origins,
        clock: boot.clock,
        random: boot.random,
        metrics: boot.metrics,
    })))
}

/// Answers one request, and says which click it was, if it was one.
pub async fn handle(App(app): App, request: Request) -> Result<After<Left>, Problem> {
    let path = input::path(&request, "slug");
    match path.as_str() {
        "" => return Ok(pages::root().into()),
        "robots.txt" => return Ok(pages::robots().into()),
        "favicon.ico" => return Ok(pages::favicon().into()),
        _ => {}
    }
    // What cannot be a slug was never stored: no read.
    let Ok(slug) = Slug::of_path(&path) else { return not_found(&request).map(After::from) };
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let domain = app.origins.of_host(host);
    let now = app.clock.now();
    let found = app.routes.find(domain, &slug, now).await?;
    let After { response, then } = match answer(&app, &request, &found).await? {
        Some(answer) => answer,
        None => {
            let found = app.routes.renew(domain, &slug, now).await?;
            let unsettled = || Problem::server(Kind::Unavailable, Unsettled(slug.clone()));
            answer(&app, &request, &found).await?.ok_or_else(unsettled)?
        }
    };
    let domain = domain.clone();
    let then = then.map(|then| match then {
        Then::Click(to) => Left::Click(Box::new(Followed { request, domain, slug, to })),
        Then::Orphan(at) => Left::Orphan(domain, slug, at),
    });
    Ok(After { response, then })
}

/// Does what is left after the answer: sends the click to the ledger's queue, or tells of what is
/// not there.
pub async fn send_click(App(app): App, left: Left, budget: Duration) {
    match left {
        Left::Click(followed) => {
            let captured = followed.capture(app.viewers.viewer(&followed.request));
            send(&app, captured, budget).await;
        }
        // Boxed: clicks are many, and need no room for it.
        Left::Orphan(domain, slug, at) => Box::pin(tell(&app, domain, &slug, at, budget)).await,
    }
}

/// Sends a click. If that fails, it is in the log, whole.
async fn send(app: &Parts, Captured { mut click, address }: Captured, budget: Duration) {
    let begin = Instant::now();
    if let Some(address) = address {
        // Half of the time at most: who it was may stay unknown, and the click may not be lost.
        let visitor = app.visitors.find(&click, address, app.clock.now(), budget / 2);
        click.visitor = visitor.await;
    }
    let budget = budget.saturating_sub(begin.elapsed());
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

/// Tells of a request for what is not there, as often as this process may. What is not told is
/// counted, and told with the next one. What may have arrived is told again first, and is the same.
async fn tell(app: &Parts, domain: Domain, slug: &Slug, at: Timestamp, budget: Duration) {
    let begin = Instant::now();
    while let Some(earlier) = app.orphans.unsure() {
        if !tell_of(app, earlier, budget.saturating_sub(begin.elapsed())).await {
            return app.orphans.add(&domain);
        }
    }
    let Some(count) = app.orphans.count(&domain, at) else { return };
    let orphan = Orphan {
        id: ClickId::new(at, app.random.u128()),
        domain: domain.as_str().to_owned(),
        slug: Orphan::trim_slug(slug.as_str()),
        count,
    };
    tell_of(app, orphan, budget.saturating_sub(begin.elapsed())).await;
}

/// Sends an orphan; says whether it has arrived for sure. If not it is kept.
async fn tell_of(app: &Parts, orphan: Orphan, budget: Duration) -> bool {
    let why = match tokio::time::timeout(budget, app.clicks.send_orphan(&orphan)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => Chain(&error).to_string(),
        Err(_) => format!("not sent within {} ms", budget.as_millis()),
    };
    let count = orphan.count;
    tracing::warn!(error = why, count, "{count} requests for what is not there were not told of");
    app.orphans.keep(orphan);
    false
}

/// The answer for what a slug leads to; none if that turns out to be older than an edit.
async fn answer(
    app: &Parts,
    request: &Request,
    found: &Found,
) -> Result<Option<After<Then>>, Problem> {
    match found {
        Found::Route(route) => follow(app, request, route).await,
        Found::Deleted => gone(request).map(|response| Some(response.into())),
        Found::Nothing => {
            let orphan = || Then::Orphan(app.clock.now());
            let then = (request.method() != Method::HEAD).then(orphan);
            Ok(Some(After { response: not_found(request), then }))
        }
    }
}

async fn follow(
    app: &Parts,
    request: &Request,
    route: &Route,
) -> Result<Option<After<Then>>, Problem> {
    let now = app.clock.now();
    let closed = |otherwise: fn(&Request) -> Result<Response<Body>, Problem>| {
        closed(route, || otherwise(request)).map(|response| Some(response.into()))
    };
    match route.decide(now) {
        Decision::Open => {}
        Decision::NotYet => return closed(not_found),
        Decision::Over => return closed(gone),
    }
    let is_head = request.method() == Method::HEAD;
    if route.limited {
        // Whoever only looks must neither use up the limit nor learn what it guards.
        let user_agent = text(request, &header::USER_AGENT);
        if is_head || bot::find(user_agent).is_some_and(bot::Bot::only_looks) {
            return Ok(Some(pages::limited().into()));
        }
        match app.routes.spend(route.link, app.random.u128()).await? {
            Spent::Granted => {}
            Spent::UsedUp => return closed(gone),
            Spent::Unlimited => return Ok(None),
        }
    }
    let status = route.status.code();
    let location = route.location(request.uri().query());
    let response = redirect(status, &location)?;
    if is_head {
        return Ok(Some(response.into()));
    }
    let to = Redirected {
        id: ClickId::new(now, app.random.u128()),
        link: route.link,
        workspace: route.workspace,
        click_shards: route.click_shards,
        status,
        location: location.into_owned(),
    };
    Ok(Some(After { response: Ok(response), then: Some(Then::Click(to)) }))
}

/// A link that is not open leads to its fallback, if it has one.
fn closed(
    route: &Route,
    otherwise: impl FnOnce() -> Result<Response<Body>, Problem>,
) -> Result<Response<Body>, Problem> {
    match &route.fallback_url {
        // The link may open, or be edited, so this is never permanent.
        Some(url) => redirect(StatusCode::FOUND.as_u16(), url.as_str()),
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

fn not_found(request: &Request) -> Result<Response<Body>, Problem> {
    if pages::wanted(request) {
        return Ok(pages::not_found());
    }
    Err(Problem::client(Kind::NotFound, "there is no link here"))
}

fn gone(request: &Request) -> Result<Response<Body>, Problem> {
    if pages::wanted(request) {
        return Ok(pages::gone());
    }
    Err(Problem::client(Kind::Gone, "this link is no longer there"))
}
