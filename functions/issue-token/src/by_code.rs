//! `authorization_code`: what a sign-in with the company's identity provider ends with.

use domain::{CodeVerifier, SessionId, SignInCode};
use lambda::{Body, OAuthError, Response};

use crate::ask::Ask;
use crate::person::{By, Wish};
use crate::{App, Refused, refused};

impl App {
    pub(crate) async fn by_code(&self, ask: &Ask<'_>) -> Result<Response<Body>, Refused> {
        ask.require_own_client()?;
        let (code, redirect_uri) = (ask.need("code")?, ask.need("redirect_uri")?);
        let verifier = ask.need("code_verifier")?;
        let code = SignInCode::parse(code).map_err(|_| worthless())?;
        let verifier = CodeVerifier::parse(verifier).map_err(|_| worthless())?;
        let found = self.accounts.find_code(&code).await.map_err(api::unread_account)?;
        let found = found.ok_or_else(worthless)?;
        if let Some(opened) = found.opened {
            return Err(self.used_twice(opened).await?);
        }
        let (grant, now) = (found.grant, self.clock.now());
        if grant.expires_at <= now || !grant.admits(redirect_uri, &verifier) {
            return Err(worthless());
        }
        let user = self.accounts.find_user(grant.user).await.map_err(api::unread_account)?;
        let user = user.ok_or_else(worthless)?;
        let wish = Wish { scopes: grant.request.scopes, workspace: grant.request.workspace };
        match self.begin(&user, wish, By::Code(&code), now).await? {
            Ok(response) => Ok(response),
            Err(_) => {
                // Another request was faster by a moment.
                let found = self.accounts.find_code(&code).await.map_err(api::unread_account)?;
                match found.and_then(|found| found.opened) {
                    Some(opened) => Err(self.used_twice(opened).await?),
                    None => Err(worthless()),
                }
            }
        }
    }

    /// Ends the session that a code has opened which is shown again: one of the two who have it
    /// should not (RFC 6749, 4.1.2).
    async fn used_twice(&self, opened: SessionId) -> Result<Refused, Refused> {
        let found = self.accounts.find_session(opened).await.map_err(api::unread_account)?;
        if let Some(session) = found {
            self.reused(&session, self.clock.now()).await?;
        }
        Ok(worthless())
    }
}

fn worthless() -> Refused {
    refused(OAuthError::InvalidGrant, "the code is unknown, used, over, or another client's")
}
