//! `password`: for the service's own tools. Guesses are slowed down before the password is looked
//! at, and nothing in answer, time or calls tells who has an account.

use std::net::IpAddr;

use domain::{Email, Guesses, PasswordHash, User, UserId};
use lambda::{Body, OAuthError, Response};
use store::Attempt;

use crate::ask::Ask;
use crate::person::{By, Wish};
use crate::{App, Refused, refused, unhashed};

impl App {
    pub(crate) async fn by_password(
        &self,
        ask: &Ask<'_>,
        address: IpAddr,
    ) -> Result<Response<Body>, Refused> {
        ask.require_own_client()?;
        let (name, password) = (ask.need("username")?, ask.need("password")?);
        let wish = Wish { scopes: ask.scopes()?, workspace: ask.workspace()? };
        // What is no address is nobody's, as everybody can see.
        let email = Email::parse(name).map_err(|_| wrong())?;
        let (from, at) = (Guesses::from_address(address), Guesses::at_account(&email));
        self.begin_attempt(&from).await?;
        if let Err(too_early) = self.begin_attempt(&at).await {
            // It came to no guess.
            self.take_back(&from).await?;
            return Err(too_early);
        }
        let user = self.prove(&email, password).await?.ok_or_else(wrong)?;
        // Of the address only this one is forgotten: whoever has an account could guess at all the
        // others, and sign in from time to time.
        self.take_back(&from).await?;
        self.accounts.forget_attempts(&at).await.map_err(api::unavailable)?;
        match self.begin(&user, wish, By::Password, self.clock.now()).await? {
            Ok(response) => Ok(response),
            Err(_) => Err(wrong()),
        }
    }

    /// Who has this address and this password.
    async fn prove(&self, email: &Email, password: &str) -> Result<Option<User>, Refused> {
        let found = self.accounts.find_user_by_email(email).await.map_err(api::unread_account)?;
        if found.is_none() {
            // What is read of somebody who is there.
            let nobody = UserId::new(self.clock.now(), self.random.u128());
            self.accounts.find_user(nobody).await.map_err(api::unread_account)?;
        }
        let stored: Option<PasswordHash> = found.as_ref().and_then(|user| user.password.clone());
        let right = self.hasher.verify(password, stored).await.map_err(unhashed)?;
        Ok(found.filter(|_| right))
    }

    async fn begin_attempt(&self, guesses: &Guesses) -> Result<(), Refused> {
        let attempt = self.accounts.begin_attempt(guesses, self.clock.now()).await;
        match attempt.map_err(api::unread_account)? {
            Attempt::Begun => Ok(()),
            Attempt::TooEarly(wait) => Err(api::too_early(wait).into()),
        }
    }

    async fn take_back(&self, guesses: &Guesses) -> Result<(), Refused> {
        Ok(self.accounts.take_attempt_back(guesses).await.map_err(api::unavailable)?)
    }
}

fn wrong() -> Refused {
    refused(OAuthError::InvalidGrant, "the e-mail address or the password is wrong")
}
