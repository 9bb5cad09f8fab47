//! People.

use domain::{Email, Invitation, User, UserId, Workspace};

use super::members::join;
use super::{AccountStore, ReadAccountError, invitations, item, workspaces};
use crate::commit::{Change, CommitError, Condition};
use crate::journal::Journal;
use crate::keys;
use crate::row::Read;
use crate::unavailable::Unavailable;

/// What somebody new is a member of from the beginning.
#[derive(Debug, Clone, Copy)]
pub enum Joining<'a> {
    /// Nothing yet.
    Nothing,
    /// A workspace of their own.
    Founding(&'a Workspace),
    /// The workspace that invited them, which uses the invitation up.
    Invited(&'a Invitation),
}

/// Why a person was not registered.
#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    /// Somebody else has the address.
    #[error("the e-mail address is taken")]
    EmailTaken,
    /// The invitation was used, or withdrawn, at this moment.
    #[error("the invitation is gone")]
    InvitationGone,
    /// The request was answered before, and that answer was kept.
    #[error("the request was answered before")]
    Answered,
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a person was not edited.
#[derive(Debug, thiserror::Error)]
pub enum UpdateUserError {
    /// Somebody edited them since they were read.
    #[error("the user `{0}` has changed")]
    Changed(UserId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AccountStore {
    /// The person of this id. One `GetItem`.
    pub async fn find_user(&self, id: UserId) -> Result<Option<User>, ReadAccountError> {
        let row = self.row(&keys::user(id), format!("reading the user `{id}`")).await?;
        Ok(row.as_ref().map(item::read_user).transpose()?)
    }

    /// The person with this address. Two `GetItem`; one if there is nobody.
    pub async fn find_user_by_email(
        &self,
        email: &Email,
    ) -> Result<Option<User>, ReadAccountError> {
        let row = self.row(&keys::email(email), "finding a user by e-mail address").await?;
        let Some(row) = row else { return Ok(None) };
        self.find_user(row.parse("user_id", |text| UserId::parse(text).ok())?).await
    }

    /// Registers a person, with what they are a member of. At most seven rows in one transaction,
    /// besides the journal's.
    pub async fn create_user(
        &self,
        user: &User,
        joining: Joining<'_>,
        journal: &Journal,
    ) -> Result<(), CreateUserError> {
        let mut changes = new_user(user);
        let own = changes.len();
        match joining {
            Joining::Nothing => {}
            Joining::Founding(workspace) => {
                changes.extend(workspaces::found(workspace, &workspace.founded_by(user.id)));
            }
            Joining::Invited(invitation) => {
                changes.extend(invitations::delete(invitation));
                changes.extend(join(&invitation.accepted_by(user.id, user.created_at())));
            }
        }
        let failed = match self.commit(changes, journal).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conditions(failed)) => failed,
            Err(CommitError::Answered) => return Err(CreateUserError::Answered),
            Err(CommitError::Unavailable(source)) => {
                return Err(Unavailable::new(registering(user.id), source).into());
            }
        };
        let places: Vec<usize> = failed.into_iter().map(|(at, _)| at).collect();
        if places.contains(&EMAIL) {
            return Err(CreateUserError::EmailTaken);
        }
        match joining {
            Joining::Invited(_) if places.contains(&own) => Err(CreateUserError::InvitationGone),
            Joining::Nothing | Joining::Founding(_) | Joining::Invited(_) => {
                Err(Unavailable::new(registering(user.id), "an id is taken").into())
            }
        }
    }

    /// Writes an edited person in the place of the one that was read. Their address stays.
    pub async fn update_user(
        &self,
        old: &User,
        new: &User,
        journal: &Journal,
    ) -> Result<(), UpdateUserError> {
        match self.commit(vec![replace_user(old, new)], journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(UpdateUserError::Changed(old.id))
            }
            Err(CommitError::Unavailable(source)) => {
                Err(Unavailable::new(format!("editing the user `{}`", old.id), source).into())
            }
        }
    }
}

/// The place of the address among the changes of [`new_user`].
const EMAIL: usize = 1;

/// The rows of somebody new, under the condition that nobody has their address.
pub(super) fn new_user(user: &User) -> Vec<Change> {
    let free = || Some(Condition::of("attribute_not_exists(pk)"));
    vec![Change::Put(item::user(user), free()), Change::Put(item::email(user), free())]
}

/// The row of somebody who was edited, under the condition that nobody else did so since.
pub(super) fn replace_user(old: &User, new: &User) -> Change {
    let unchanged = Condition::of("rev = :rev").with(":rev", old.revision);
    Change::Put(item::user(new), Some(unchanged))
}

fn registering(id: UserId) -> String {
    format!("registering the user `{id}`")
}
