//! What is true now of whoever holds an access token.

use domain::{
    KeyRecord, Member, Principal, Session, SessionId, TokenId, User, UserId, Workspace, WorkspaceId,
};

use super::sessions::read_session;
use super::{AccountStore, ReadAccountError, api_keys, item};
use crate::keys;
use crate::row::{Item, Read};

/// What an access token says of itself and its holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// The token.
    pub token: TokenId,
    /// Its holder.
    pub principal: Principal,
    /// The sign-in that it comes from.
    pub session: Option<SessionId>,
    /// Where it is good.
    pub workspace: Option<WorkspaceId>,
}

/// What is there of what an access token claims: each as it is now, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Whether the token was revoked.
    pub is_revoked: bool,
    /// The person, if one holds it.
    pub user: Option<User>,
    /// The key, if one holds it.
    pub key: Option<KeyRecord>,
    /// The sign-in.
    pub session: Option<Session>,
    /// What the person is in the workspace.
    pub member: Option<Member>,
    /// The workspace.
    pub workspace: Option<Workspace>,
}

impl AccountStore {
    /// What is true now of all that a token claims. One consistent `BatchGetItem`: whatever was taken
    /// away is not there.
    pub async fn standing(&self, claimed: &Claimed) -> Result<Standing, ReadAccountError> {
        let user = claimed.principal.user();
        let holder = match claimed.principal {
            Principal::User(id) => keys::user(id),
            Principal::Key(id) => keys::key(id),
        };
        let membership = user.zip(claimed.workspace);
        let keys = [holder, keys::revoked_token(claimed.token)]
            .into_iter()
            .chain(claimed.session.map(keys::session))
            .chain(claimed.workspace.map(keys::workspace))
            .chain(membership.map(|(user, workspace)| keys::membership(user, workspace)));
        let doing = format!("reading the standing of `{}`", claimed.principal);
        let mut standing = Standing::default();
        for row in self.rows(keys, &doing).await? {
            standing.take(&row)?;
        }
        Ok(standing)
    }

    /// A person, and what they are in a workspace. One consistent `BatchGetItem`.
    pub async fn find_person(
        &self,
        user: UserId,
        workspace: Option<WorkspaceId>,
    ) -> Result<(Option<User>, Option<Member>), ReadAccountError> {
        let membership = workspace.map(|workspace| keys::membership(user, workspace));
        let keys = std::iter::once(keys::user(user)).chain(membership);
        let mut standing = Standing::default();
        for row in self.rows(keys, &format!("reading the user `{user}`")).await? {
            standing.take(&row)?;
        }
        Ok((standing.user, standing.member))
    }
}

impl Standing {
    /// Puts a row in its place.
    fn take(&mut self, row: &Item) -> Result<(), ReadAccountError> {
        let part = |name| row.text(name).unwrap_or_default();
        match (part(keys::PK), part(keys::SK)) {
            (keys::WORKSPACES, _) => self.workspace = Some(item::read_workspace(row)?),
            (_, "U") => self.user = Some(item::read_user(row)?),
            (_, "K") => {
                let id = row.parse(keys::PK, keys::parse_key)?;
                self.key = Some(api_keys::read_key(id, row)?);
            }
            (_, "F") => self.session = Some(read_session(row)?),
            (_, "J") => self.is_revoked = true,
            (_, _) => self.member = Some(item::read_membership(row)?),
        }
        Ok(())
    }
}
