#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use api::KeyView;
use domain::{Action, ApiKey, KeyId, KeyRecord, Name, RateLimit, Role, Scope};
use guard::{Guard, Once};
use jiff::Timestamp;
use lambda::auth::{self, Caller};
use lambda::input::{Fields, number, text};
use lambda::{Body, Boot, Clock, EnvError, Fault, Problem, Random, Request, Response, StatusCode};
use serde_json::Value;
use store::{AccountStore, CreateKeyError};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: Guard,
    clock: Clock,
    random: Random,
}

/// What a request to make a key says.
struct NewKey {
    name: Name,
    scopes: Vec<Scope>,
    expires_at: Option<Timestamp>,
    writes_per_minute: Option<u32>,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: Guard::load(&boot)?,
        clock: boot.clock,
        random: boot.random,
    })
}

/// Makes an API key, and answers 201 with it and, this once, its secret.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    app.guard.admit(&caller, || create(&app, &caller, &request)).await
}

async fn create(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let first = match app.guard.once(caller, request).await? {
        Once::Answered(answer) => return Ok(answer),
        Once::First(first) => first,
    };
    let now = app.clock.now();
    let new = NewKey::read(request, now)?;
    // A key may do what an admin may, and outlives who made it.
    if !api::manager(&app.accounts, caller).await?.may_manage(Role::Admin) {
        return Err(api::too_small_a_role(Role::Admin));
    }
    let id = KeyId::new(now, app.random.u128());
    let key = ApiKey::new(id, [app.random.u128(), app.random.u128()]);
    let record = KeyRecord {
        id,
        hash: key.hash(),
        workspace: caller.workspace()?,
        name: new.name.as_str().to_owned(),
        scopes: new.scopes,
        expires_at: new.expires_at,
        created_by: Some(caller.principal_as()?),
        writes_per_minute: new.writes_per_minute,
        last_used_at: None,
    };
    let response = lambda::json(StatusCode::CREATED, &KeyView::made(&record, &key))?;
    let scopes: Vec<_> = record.scopes.iter().copied().map(Scope::as_str).collect();
    let journal = app
        .guard
        .journal(caller, Action::KeyCreated, id)?
        .with("scopes", scopes.join(" "))
        .answered(first.keep(&response)?);
    match app.accounts.create_key(&record, &journal).await {
        Ok(()) => {
            tracing::info!(key.id = %id, principal = caller.principal(), "made the key `{id}`");
            Ok(response)
        }
        Err(CreateKeyError::Answered) => app.guard.replay(first).await,
        Err(CreateKeyError::Unavailable(error)) => Err(api::unavailable(error)),
    }
}

impl NewKey {
    /// Reads the body of a request. `null` is as good as absent, except for a list.
    fn read(request: &Request, now: Timestamp) -> Result<Self, Problem> {
        let mut fields = Fields::of(request)?;
        let name = fields.required("name", text(Name::parse));
        let scopes = scopes(&mut fields);
        let expires_at = fields.optional("expires_at", |value| end(value, now));
        let writes_per_minute = fields.optional("writes_per_minute", limit);
        let read = name.zip(scopes);
        fields.finish(read.map(|(name, scopes)| Self {
            name,
            scopes,
            expires_at,
            writes_per_minute,
        }))
    }
}

/// At least one, each once. A key that may nothing is a mistake.
fn scopes(fields: &mut Fields) -> Option<Vec<Scope>> {
    let parse = |text: &str| {
        let scope = Scope::parse(text).map_err(|error| error.to_string())?;
        let known = Scope::OF_KEYS.contains(&scope);
        known.then_some(scope).ok_or_else(|| format!("a key cannot have the scope `{scope}`"))
    };
    let scopes = fields.required_list("scopes", Scope::OF_KEYS.len(), parse)?;
    let once: BTreeSet<_> = scopes.iter().collect();
    if scopes.is_empty() {
        fields.fault(Fault::at("/scopes", "a key needs at least one scope"));
    } else if once.len() < scopes.len() {
        fields.fault(Fault::at("/scopes", "each scope stands once"));
    }
    Some(scopes)
}

fn end(value: &Value, now: Timestamp) -> Result<Timestamp, String> {
    let parse = |text: &str| match text.parse::<Timestamp>() {
        Ok(end) if now < end => Ok(end),
        Ok(_) => Err("this time has passed"),
        Err(_) => Err("this must be a time such as `2026-11-22T10:00:00Z`"),
    };
    text(parse)(value)
}

fn limit(value: &Value) -> Result<u32, String> {
    let limit = u32::try_from(number(value)?).ok().and_then(RateLimit::of_per_minute);
    let range = || format!("this must be a number from 1 to {}", RateLimit::MAX_PER_MINUTE);
    limit.map(RateLimit::per_minute).ok_or_else(range)
}
