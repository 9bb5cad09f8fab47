#![doc = include_str!("../README.md")]

mod ask;
mod by_code;
mod by_key;
mod by_password;
mod by_refresh;
mod person;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use domain::{Scope, WorkspaceId};
use guard::PublicGuard;
use lambda::form::Form;
use lambda::viewer::Viewers;
use lambda::{
    Body, Boot, Clock, EnvError, HeaderValue, Kind, OAuthError, Problem, Random, Request, Response,
    StatusCode, header,
};
use passwords::{HashError, Hasher};
use serde::Serialize;
use store::AccountStore;
use tokens::{AccessToken, KeyError, Tokens};

use crate::ask::Ask;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: PublicGuard,
    viewers: Viewers,
    tokens: Tokens,
    hasher: Hasher,
    clock: Clock,
    random: Random,
}

/// Why there is no token.
enum Refused {
    /// What the client is told, as OAuth wants it.
    Grant(OAuthError, String),
    /// All else.
    Problem(Problem),
}

/// What the client gets (RFC 6749, 5.1).
struct Granted {
    token: AccessToken,
    /// The next refresh token, in clear. Keys need none.
    refresh_token: Option<String>,
}

#[derive(Serialize)]
struct Wire {
    access_token: String,
    token_type: &'static str,
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    workspace: Option<String>,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: PublicGuard::load(&boot)?,
        viewers: Viewers::load(&boot),
        tokens: Tokens::load(&boot)?,
        hasher: Hasher::new(),
        clock: boot.clock,
        random: boot.random,
    })
}

/// Gives a client the token that its grant is worth. There are no credentials but those in the
/// request: what is counted is the address that it comes from.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let address = app.viewers.address(&request);
    app.guard.admit(address, || answer(&app, &request, address)).await
}

async fn answer(app: &App, request: &Request, address: IpAddr) -> Result<Response<Body>, Problem> {
    match app.issue(request, address).await {
        Ok(response) => Ok(response),
        Err(Refused::Grant(error, description)) => Ok(error.answer(&description)),
        Err(Refused::Problem(problem)) => Err(problem),
    }
}

impl App {
    async fn issue(&self, request: &Request, address: IpAddr) -> Result<Response<Body>, Refused> {
        let form = Form::of(request)
            .map_err(|error| Refused::Grant(OAuthError::InvalidRequest, error.to_string()))?;
        let ask = Ask::read(request, &form)?;
        match ask.need("grant_type")? {
            "password" => self.by_password(&ask, address).await,
            "refresh_token" => self.by_refresh(&ask).await,
            "client_credentials" => self.by_key(&ask).await,
            "authorization_code" => self.by_code(&ask).await,
            _ => Err(refused(OAuthError::UnsupportedGrantType, "there is no such grant")),
        }
    }

    /// Signs a token, and makes the answer of it. Nothing that this token is worth may be written
    /// before: without an answer, its holder would have nothing of it.
    async fn grant(&self, granted: Granted) -> Result<Response<Body>, Refused> {
        let Granted { token, refresh_token } = granted;
        let access_token = self.tokens.sign(&token).await.map_err(unsigned)?;
        let wire = Wire {
            access_token,
            token_type: "Bearer",
            expires_in: token.seconds(),
            refresh_token,
            scope: token.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>().join(" "),
            workspace: token.workspace.map(|id| id.to_string()),
        };
        let mut response = lambda::json(StatusCode::OK, &wire)?;
        // For caches that are older than `Cache-Control` (RFC 6749, 5.1).
        response.headers_mut().insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
        Ok(response)
    }
}

/// What a token may do: what is asked for, if that is not more than there is to give; and all that
/// there is, if nothing is asked for.
fn scopes(asked: Option<&[Scope]>, own: &[Scope]) -> Result<Vec<Scope>, Refused> {
    let scopes = Scope::granted(asked.unwrap_or(&Scope::ALL), own);
    match asked.and_then(|asked| asked.iter().find(|scope| !scopes.contains(scope))) {
        Some(more) => {
            let description = format!("`{more}` is more than there is to give");
            Err(Refused::Grant(OAuthError::InvalidScope, description))
        }
        None => Ok(scopes),
    }
}

fn refused(error: OAuthError, description: &str) -> Refused {
    Refused::Grant(error, description.to_owned())
}

fn no_workspace(id: WorkspaceId) -> Refused {
    let description = format!("there is no workspace `{id}` for this token");
    Refused::Grant(OAuthError::InvalidRequest, description)
}

fn unsigned(error: KeyError) -> Problem {
    match error {
        error @ KeyError::Unavailable { .. } => Problem::server(Kind::Unavailable, error),
        error @ (KeyError::NotP256(_) | KeyError::Failed | KeyError::Claims(_)) => {
            Problem::server(Kind::Internal, error)
        }
    }
}

fn unhashed(error: HashError) -> Problem {
    Problem::server(Kind::Internal, error)
}

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}
