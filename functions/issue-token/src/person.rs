//! A person who has proven who they are: in which workspace, with which scopes, and the session
//! that begins.

use domain::{
    Action, Member, Principal, RefreshToken, Role, Scope, Session, SessionId, SessionKey,
    SignInCode, TokenId, User, UserId, WorkspaceId,
};
use jiff::Timestamp;
use lambda::{Body, Response};
use store::{Journal, OpenSessionError};
use tokens::AccessToken;

use crate::{App, Granted, Refused, no_workspace, scopes};

/// What is asked for, whatever the person has proven who they are by.
pub(crate) struct Wish {
    pub(crate) scopes: Option<Vec<Scope>>,
    pub(crate) workspace: Option<WorkspaceId>,
}

/// Where a person is: a workspace, and what they are in it. Nowhere, if they are in none.
pub(crate) type Place = Option<(WorkspaceId, Role)>;

/// How a session begins.
#[derive(Clone, Copy)]
pub(crate) enum By<'a> {
    Password,
    Code(&'a SignInCode),
}

impl App {
    /// Begins a session, and gives its first tokens. The code is used up by it, if there is one.
    ///
    /// `user` is who was read when they proved who they are: whatever has ended their sign-ins since,
    /// such as a new password, ends this one too.
    pub(crate) async fn begin(
        &self,
        user: &User,
        wish: Wish,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<Result<Response<Body>, CodeUsed>, Refused> {
        let place = match wish.workspace {
            Some(asked) => {
                let member = self.accounts.find_member(asked, user.id).await;
                let member = member.map_err(api::unread_account)?;
                Some(placed(member).ok_or_else(|| no_workspace(asked))?)
            }
            None => self.first_place(user.id).await?,
        };
        let granted = scopes(wish.scopes.as_deref(), of_place(place))?;
        let refresh = RefreshToken::new(self.bits());
        let key = SessionKey::new([self.random.u128(), self.random.u128()]);
        let workspace = place.map(|(workspace, _)| workspace);
        // What was asked for is remembered and not what there was: a person who becomes more than
        // they are now need not sign in again.
        let asked = wish.scopes.unwrap_or_else(|| Scope::ALL.to_vec());
        let session = Session::open(user, workspace, asked, &refresh, key, now);
        let token = self.token(user.id, place, granted, session.id, now);
        let response = self.grant(Granted { token, refresh_token: Some(refresh.reveal()) }).await?;
        let (name, code) = match by {
            By::Password => ("password", None),
            By::Code(code) => ("authorization_code", Some(code)),
        };
        let journal = self.journal(&session, Action::SessionOpened).with("grant", name);
        match self.accounts.open_session(&session, code, &journal).await {
            Ok(()) => {
                tracing::info!(session.id = %session.id, "opened `{}` of `{}`", session.id, user.id);
                Ok(Ok(response))
            }
            Err(OpenSessionError::CodeUsed) => Ok(Err(CodeUsed)),
            Err(OpenSessionError::Unavailable(error)) => Err(api::unavailable(error).into()),
        }
    }

    /// Where a person has been for longest.
    pub(crate) async fn first_place(&self, user: UserId) -> Result<Place, Refused> {
        let page = self.accounts.workspaces_of(user, None, 1).await.map_err(api::unread_account)?;
        Ok(placed(page.items.into_iter().next().map(|(_, member)| member)))
    }

    /// A token of a session.
    pub(crate) fn token(
        &self,
        user: UserId,
        place: Place,
        scopes: Vec<Scope>,
        session: SessionId,
        now: Timestamp,
    ) -> AccessToken {
        let id = TokenId::new(now, self.random.u128());
        let workspace = place.map(|(workspace, _)| workspace);
        AccessToken::new(id, Principal::User(user), workspace, scopes, Some(session), now)
    }

    /// An entry of the audit log about a session.
    pub(crate) fn journal(&self, session: &Session, action: Action) -> Journal {
        self.guard.journal_of(session.workspace, session.user, action, session.id)
    }

    fn bits(&self) -> [u128; 3] {
        [self.random.u128(), self.random.u128(), self.random.u128()]
    }
}

/// The code of a sign-in has opened another session.
pub(crate) struct CodeUsed;

/// Where a membership is, and what.
pub(crate) fn placed(member: Option<Member>) -> Place {
    member.map(|member| (member.workspace, member.role))
}

/// What somebody may do there.
pub(crate) fn of_place(place: Place) -> &'static [Scope] {
    place.map_or(&[Scope::Account], |(_, role)| role.scopes())
}
