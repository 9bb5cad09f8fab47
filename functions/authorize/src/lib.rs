#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{ApiKey, KeyRecord, Scope};
use lambda::{Boot, Clock, EnvError, Kind, Problem};
use serde_json::{Value, json};
use store::{AccountStore, ReadAccountError};

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

/// Finds out who is asking.
///
/// Bad credentials are not denied here, since API Gateway would answer a bare 403: the context says
/// so, and the function answers 401. The answer depends on the credentials alone, never on the
/// route, because API Gateway keeps it for all routes.
pub async fn handle(app: App, event: Value) -> Result<Value, Problem> {
    let credentials = event["identitySource"][0].as_str().and_then(bearer);
    let record = match credentials.map(ApiKey::parse) {
        Some(Ok(key)) => admitted(&app, &key).await?,
        // Other credentials than keys have their place here.
        Some(Err(_)) | None => None,
    };
    Ok(json!({ "isAuthorized": true, "context": context(record.as_ref()) }))
}

/// The record of a key that opens something now.
async fn admitted(app: &App, key: &ApiKey) -> Result<Option<KeyRecord>, Problem> {
    let record = app.accounts.find_key(key.id()).await.map_err(to_problem)?;
    Ok(record.filter(|record| match record.admits(key, app.clock.now()) {
        Ok(()) => true,
        Err(refusal) => {
            tracing::info!(key.id = %key.id(), "refused the key `{}`: {refusal}", key.id());
            false
        }
    }))
}

/// API Gateway passes on strings only.
fn context(record: Option<&KeyRecord>) -> Value {
    let Some(record) = record else { return json!({ "auth": "invalid" }) };
    let scopes: Vec<&str> = record.scopes.iter().copied().map(Scope::as_str).collect();
    json!({
        "auth": "ok",
        "workspace": record.workspace.to_string(),
        "principal": record.id.to_string(),
        "scopes": scopes.join(" "),
    })
}

/// The credentials of `Authorization: Bearer …`; the scheme's name has no case (RFC 9110, 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, credentials) = header.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
}

fn to_problem(error: ReadAccountError) -> Problem {
    match error {
        ReadAccountError::Unavailable(error) => Problem::server(Kind::Unavailable, error),
        ReadAccountError::BadRow(error) => Problem::server(Kind::Internal, error),
    }
}
