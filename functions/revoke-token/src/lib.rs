#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, RefreshToken, SessionId};
use guard::PublicGuard;
use lambda::form::Form;
use lambda::viewer::Viewers;
use lambda::{
    Body, Boot, Clock, EnvError, HeaderValue, Kind, OAuthError, Problem, Request, Response, header,
};
use store::AccountStore;
use tokens::{Tokens, VerifyError};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: PublicGuard,
    viewers: Viewers,
    tokens: Tokens,
    clock: Clock,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: PublicGuard::load(&boot)?,
        viewers: Viewers::load(&boot),
        tokens: Tokens::load(&boot)?,
        clock: boot.clock,
    })
}

/// Makes a token worthless. Whoever has it may do so: there is nothing else to prove, since who has
/// found somebody's token and gives it back does what its owner would.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let address = app.viewers.address(&request);
    app.guard.admit(address, || revoke(&app, &request)).await
}

async fn revoke(app: &App, request: &Request) -> Result<Response<Body>, Problem> {
    let form = match Form::of(request) {
        Ok(form) => form,
        Err(error) => return Ok(OAuthError::InvalidRequest.answer(&error.to_string())),
    };
    let Some(text) = form.get("token") else {
        return Ok(OAuthError::InvalidRequest.answer("the parameter `token` is missing"));
    };
    // What it is can be seen, whatever `token_type_hint` says.
    match RefreshToken::parse(text) {
        Ok(token) => app.end_session(SessionId::of(&token)).await?,
        Err(_) => app.end_token(text).await?,
    }
    let mut response = Response::new(Body::Empty);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

impl App {
    /// Ends a session, if there is one, with all its tokens.
    async fn end_session(&self, id: SessionId) -> Result<(), Problem> {
        let found = self.accounts.find_session(id).await.map_err(api::unread_account)?;
        let Some(session) = found else { return Ok(()) };
        let (user, workspace) = (session.user, session.workspace);
        let journal = self.guard.journal_of(workspace, user, Action::SessionRevoked, id);
        let revoked = self.accounts.revoke_session(id, self.clock.now(), &journal).await;
        if revoked.map_err(api::unavailable)? {
            tracing::info!(session.id = %id, "ended `{id}` of `{user}`");
        }
        Ok(())
    }

    /// Ends an access token, if it is one that is still good. Its session goes on.
    async fn end_token(&self, text: &str) -> Result<(), Problem> {
        let token = match self.tokens.verify(text, self.clock.now()).await {
            Ok(token) => token,
            // It is worth nothing already (RFC 7009, 2.2).
            Err(VerifyError::Refused(_)) => return Ok(()),
            Err(VerifyError::Key(error)) => return Err(Problem::server(Kind::Unavailable, error)),
        };
        let (id, principal) = (token.id, token.principal);
        let journal = self.guard.journal_of(token.workspace, principal, Action::TokenRevoked, id);
        let revoked = self.accounts.revoke_token(id, token.expires_at, &journal).await;
        if revoked.map_err(api::unavailable)? {
            tracing::info!(token.id = %id, "ended the token `{id}` of `{principal}`");
        }
        Ok(())
    }
}
