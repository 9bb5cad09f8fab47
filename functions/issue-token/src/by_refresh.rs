//! `refresh_token`: the next tokens of a session. Each refresh token is good for one use.

use domain::{Action, Presented, RefreshToken, Scope, Session, SessionId, WorkspaceId};
use jiff::Timestamp;
use lambda::{Body, OAuthError, Response};
use store::RotateError;

use crate::ask::Ask;
use crate::person::{Place, of_place, placed};
use crate::{App, Granted, Refused, no_workspace, refused, scopes};

/// How often a session is read that others refresh at the same moment. The second time it is found
/// as they left it, and this token in its grace.
const TRIES: u32 = 3;

impl App {
    pub(crate) async fn by_refresh(&self, ask: &Ask<'_>) -> Result<Response<Body>, Refused> {
        ask.require_own_client_or_none()?;
        let token = RefreshToken::parse(ask.need("refresh_token")?).map_err(|_| worthless())?;
        let (asked, workspace) = (ask.scopes()?, ask.workspace()?);
        let id = SessionId::of(&token);
        for _ in 0..TRIES {
            let found = self.accounts.find_session(id).await.map_err(api::unread_account)?;
            let session = found.ok_or_else(worthless)?;
            let now = self.clock.now();
            let presented = session.presented(&token, now);
            match presented {
                Presented::Current | Presented::Grace => {}
                Presented::Reused => return Err(self.reused(&session, now).await?),
                Presented::Expired | Presented::Revoked => return Err(worthless()),
            }
            let place = self.place(&session, workspace).await?;
            let granted = of_session(asked.as_deref(), &session, place)?;
            let successor = session.successor(&token);
            let access = self.token(session.user, place, granted, session.id, now);
            let refresh_token = Some(successor.reveal());
            let response = self.grant(Granted { token: access, refresh_token }).await?;
            if presented == Presented::Grace {
                return Ok(response);
            }
            let new = session.rotated(&successor, place.map(|(workspace, _)| workspace), now);
            match self.accounts.rotate_session(&session, &new).await {
                Ok(()) => return Ok(response),
                Err(RotateError::Changed(_)) => {}
                Err(RotateError::Unavailable(error)) => return Err(api::unavailable(error).into()),
            }
        }
        Err(worthless())
    }

    /// Ends a session of which somebody has a copy, and says so in the audit log.
    pub(crate) async fn reused(
        &self,
        session: &Session,
        now: Timestamp,
    ) -> Result<Refused, Refused> {
        let (id, user) = (session.id, session.user);
        let journal = self.journal(session, Action::SessionReused);
        let revoked = self.accounts.revoke_session(id, now, &journal).await;
        if revoked.map_err(api::unavailable)? {
            tracing::warn!(session.id = %id, "a used token of `{id}` of `{user}` came again: it is ended");
        }
        Ok(worthless())
    }

    /// Where the next token is good: in the workspace that is asked for, or in that of the session.
    /// Who is not in that one any more is not moved to another unasked: a client that is told nothing
    /// would go on writing, somewhere else. Who was in none is in their first one once they have it.
    async fn place(&self, session: &Session, asked: Option<WorkspaceId>) -> Result<Place, Refused> {
        let wanted = asked.or(session.workspace);
        let found = self.accounts.find_person(session.user, wanted).await;
        let (user, member) = found.map_err(api::unread_account)?;
        if !user.is_some_and(|user| session.is_of(&user)) {
            return Err(worthless());
        }
        match (placed(member), asked, session.workspace) {
            (Some(place), _, _) => Ok(Some(place)),
            (None, Some(asked), _) => Err(no_workspace(asked)),
            (None, None, Some(_)) => Err(worthless()),
            (None, None, None) => self.first_place(session.user).await,
        }
    }
}

/// What a token of a session may do: never more than was asked for when the session began.
fn of_session(
    asked: Option<&[Scope]>,
    session: &Session,
    place: Place,
) -> Result<Vec<Scope>, Refused> {
    let own = Scope::granted(&session.scopes, of_place(place));
    match asked {
        Some(asked) => scopes(Some(asked), &own),
        None => Ok(own),
    }
}

fn worthless() -> Refused {
    refused(OAuthError::InvalidGrant, "the refresh token is unknown, used or over")
}
