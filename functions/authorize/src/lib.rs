#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{
    ApiKey, KeyRecord, Principal, Role, Scope, Session, SessionId, Workspace, WorkspaceId,
};
use jiff::Timestamp;
use lambda::{Boot, Chain, Clock, EnvError, Kind, Problem};
use serde_json::{Map, Value};
use store::{AccountStore, Claimed, ReadAccountError, Standing};
use tokens::{AccessToken, Tokens, VerifyError};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    tokens: Tokens,
    clock: Clock,
}

/// Somebody with good credentials, and what they may do now.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Holder {
    principal: Principal,
    workspace: Option<WorkspaceId>,
    role: Option<Role>,
    scopes: Vec<Scope>,
    session: Option<SessionId>,
    writes_per_minute: Option<u32>,
}

/// Why a token is worth nothing although we have signed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Void {
    #[error("revoked")]
    Revoked,
    #[error("its session is over")]
    SessionOver,
    #[error("its holder is no member of the workspace")]
    NoMember,
    #[error("its workspace is deleted")]
    NoWorkspace,
    #[error("its key is revoked")]
    NoKey,
    #[error("its key has expired")]
    KeyExpired,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let accounts = AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?);
    Ok(App { accounts, tokens: Tokens::load(&boot)?, clock: boot.clock })
}

/// Finds out who is asking.
///
/// Bad credentials are not denied here, since API Gateway would answer a bare 403: the context says
/// so, and the function answers 401. The answer depends on the credentials alone, never on the
/// route, because API Gateway keeps it for all routes.
pub async fn handle(app: App, event: Value) -> Result<Value, Problem> {
    let credentials = event["identitySource"][0].as_str().and_then(bearer);
    let holder = match credentials {
        None => None,
        Some(text) => match ApiKey::parse(text) {
            Ok(key) => app.holder_of_key(&key).await?,
            Err(_) => app.holder_of_token(text).await?,
        },
    };
    let context = match holder {
        Some(holder) => holder.context(),
        None => Map::from_iter([("auth".to_owned(), "invalid".into())]),
    };
    Ok(Map::from_iter([
        ("isAuthorized".to_owned(), true.into()),
        ("context".to_owned(), context.into()),
    ])
    .into())
}

impl App {
    async fn holder_of_key(&self, key: &ApiKey) -> Result<Option<Holder>, Problem> {
        let (id, now) = (key.id(), self.clock.now());
        let Some(record) = self.accounts.find_key(id).await.map_err(to_problem)? else {
            return Ok(None);
        };
        if let Err(refusal) = record.admits(key, now) {
            tracing::info!(key.id = %id, "refused the key `{id}`: {refusal}");
            return Ok(None);
        }
        let workspace = self.accounts.find_workspace(record.workspace).await.map_err(to_problem)?;
        let Some(workspace) = workspace else {
            tracing::info!(key.id = %id, "refused the key `{id}`: its workspace is deleted");
            return Ok(None);
        };
        self.note_use(&record, now).await;
        Ok(Some(Holder::key(&record, record.scopes.clone(), &workspace)))
    }

    async fn holder_of_token(&self, text: &str) -> Result<Option<Holder>, Problem> {
        let now = self.clock.now();
        let token = match self.tokens.verify(text, now).await {
            Ok(token) => token,
            Err(VerifyError::Refused(refusal)) => {
                tracing::info!("refused a token: {refusal}");
                return Ok(None);
            }
            Err(VerifyError::Key(error)) => return Err(Problem::server(Kind::Unavailable, error)),
        };
        let claimed = Claimed {
            token: token.id,
            principal: token.principal,
            session: token.session,
            workspace: token.workspace,
        };
        let standing = self.accounts.standing(&claimed).await.map_err(to_problem)?;
        match holder(&token, &standing, now) {
            Ok(holder) => {
                if let Some(key) = &standing.key {
                    self.note_use(key, now).await;
                }
                Ok(Some(holder))
            }
            Err(void) => {
                let (id, principal) = (token.id, token.principal);
                tracing::info!(token.id = %id, "refused the token `{id}` of `{principal}`: {void}");
                Ok(None)
            }
        }
    }

    /// Writes down that a key is used, at most once an hour. Nobody is turned away for it.
    async fn note_use(&self, key: &KeyRecord, now: Timestamp) {
        if key.use_is_news(now)
            && let Err(error) = self.accounts.touch_key(key, now).await
        {
            tracing::warn!(error = %Chain(&error), "could not note the use of `{}`", key.id);
        }
    }
}

/// What the holder of a token may do now: never more than the token says, and never more than what
/// it was made for has still.
fn holder(token: &AccessToken, standing: &Standing, now: Timestamp) -> Result<Holder, Void> {
    if standing.is_revoked {
        return Err(Void::Revoked);
    }
    match token.principal {
        Principal::User(_) => holder_of_session(token, standing, now),
        Principal::Key(_) => {
            let key = standing.key.as_ref().ok_or(Void::NoKey)?;
            match key.expires_at {
                Some(end) if end <= now => return Err(Void::KeyExpired),
                Some(_) | None => {}
            }
            if token.workspace != Some(key.workspace) {
                return Err(Void::NoKey);
            }
            let workspace = standing.workspace.as_ref().ok_or(Void::NoWorkspace)?;
            let scopes = Scope::granted(&token.scopes, &key.scopes);
            Ok(Holder::key(key, scopes, workspace))
        }
    }
}

fn holder_of_session(
    token: &AccessToken,
    standing: &Standing,
    now: Timestamp,
) -> Result<Holder, Void> {
    let user = standing.user.as_ref().ok_or(Void::SessionOver)?;
    let goes_on = |session: &&Session| session.is_alive(now) && session.is_of(user);
    let session = standing.session.as_ref().filter(goes_on).ok_or(Void::SessionOver)?;
    let role = match token.workspace {
        None => None,
        // What belongs to a workspace that is deleted goes a little later.
        Some(_) if standing.workspace.is_none() => return Err(Void::NoWorkspace),
        Some(_) => Some(standing.member.as_ref().ok_or(Void::NoMember)?.role),
    };
    let own = role.map_or([Scope::Account].as_slice(), Role::scopes);
    Ok(Holder {
        principal: token.principal,
        workspace: token.workspace,
        role,
        scopes: Scope::granted(&token.scopes, own),
        session: Some(session.id),
        writes_per_minute: standing.workspace.as_ref().and_then(|it| it.writes_per_minute),
    })
}

impl Holder {
    fn key(record: &KeyRecord, scopes: Vec<Scope>, workspace: &Workspace) -> Self {
        // Its own limit is what counts, whatever the workspace has.
        Self {
            principal: Principal::Key(record.id),
            workspace: Some(record.workspace),
            role: None,
            scopes,
            session: None,
            writes_per_minute: record.writes_per_minute.or(workspace.writes_per_minute),
        }
    }

    /// API Gateway passes on strings only.
    fn context(self) -> Map<String, Value> {
        let scopes: Vec<&str> = self.scopes.iter().map(|scope| scope.as_str()).collect();
        let fields = [
            ("auth", Some("ok".to_owned())),
            ("principal", Some(self.principal.to_string())),
            ("scopes", Some(scopes.join(" "))),
            ("workspace", self.workspace.map(|id| id.to_string())),
            ("role", self.role.map(|role| role.to_string())),
            ("session", self.session.map(|id| id.to_string())),
            ("writes_per_minute", self.writes_per_minute.map(|limit| limit.to_string())),
        ];
        let there = |(name, value): (&str, Option<String>)| Some((name.to_owned(), value?.into()));
        fields.into_iter().filter_map(there).collect()
    }
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
