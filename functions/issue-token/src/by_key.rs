//! `client_credentials`: an API key is exchanged for a token of its own.

use domain::{ApiKey, KeyId, Principal, TokenId};
use lambda::{Body, Chain, Response};
use tokens::AccessToken;

use crate::ask::{Ask, unknown_client};
use crate::{App, Granted, Refused, no_workspace, scopes};

impl App {
    pub(crate) async fn by_key(&self, ask: &Ask<'_>) -> Result<Response<Body>, Refused> {
        let (id, secret) = ask.secret()?;
        let (Ok(id), Ok(key)) = (KeyId::parse(id), ApiKey::parse(secret)) else {
            return Err(unknown_client());
        };
        if key.id() != id {
            return Err(unknown_client());
        }
        let now = self.clock.now();
        let record = self.accounts.find_key(id).await.map_err(api::unread_account)?;
        let record = record.ok_or_else(unknown_client)?;
        if let Err(refusal) = record.admits(&key, now) {
            tracing::info!(key.id = %id, "refused the key `{id}`: {refusal}");
            return Err(unknown_client());
        }
        if let Some(other) = ask.workspace()?.filter(|asked| *asked != record.workspace) {
            return Err(no_workspace(other));
        }
        let scopes = match ask.scopes()? {
            Some(asked) => scopes(Some(&asked), &record.scopes)?,
            None => record.scopes.clone(),
        };
        if record.use_is_news(now)
            && let Err(error) = self.accounts.touch_key(&record, now).await
        {
            tracing::warn!(error = %Chain(&error), "could not note the use of `{id}`");
        }
        let token = TokenId::new(now, self.random.u128());
        let workspace = Some(record.workspace);
        let token = AccessToken::new(token, Principal::Key(id), workspace, scopes, None, now)
            .until(record.expires_at);
        self.grant(Granted { token, refresh_token: None }).await
    }
}
