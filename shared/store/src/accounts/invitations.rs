//! Invitations: a row in the list of the workspace, and one by which a token finds it.

use domain::{Invitation, InvitationId, InvitationToken, Member, WorkspaceId};

use super::members::join;
use super::page::{After, List, Page, next};
use super::{AccountStore, ReadAccountError, item};
use crate::commit::{Change, CommitError, Condition};
use crate::journal::Journal;
use crate::keys;
use crate::row::{BadRow, Read};
use crate::unavailable::Unavailable;

/// Why nobody was invited.
#[derive(Debug, thiserror::Error)]
pub enum CreateInvitationError {
    /// The request was answered before, and that answer was kept.
    #[error("the request was answered before")]
    Answered,
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why an invitation was not withdrawn.
#[derive(Debug, thiserror::Error)]
pub enum DeleteInvitationError {
    /// It was used, or withdrawn, since it was read.
    #[error("the invitation `{0}` is gone")]
    Gone(InvitationId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why an invitation was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// It was used, or withdrawn, since it was read.
    #[error("the invitation `{0}` is gone")]
    Gone(InvitationId),
    /// The person is a member already, and the invitation is still open.
    #[error("whom the invitation `{0}` is for is a member already")]
    Member(InvitationId),
    /// The request was answered before, and that answer was kept.
    #[error("the request was answered before")]
    Answered,
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AccountStore {
    /// The invitation of this id. One `GetItem`.
    pub async fn find_invitation(
        &self,
        workspace: WorkspaceId,
        id: InvitationId,
    ) -> Result<Option<Invitation>, ReadAccountError> {
        let doing = format!("reading the invitation `{id}`");
        let row = self.row(&keys::invitation(workspace, id), doing).await?;
        Ok(row.as_ref().map(item::read_invitation).transpose()?)
    }

    /// The invitation that a token says it is of; whether that is so, [`Invitation::admits`] tells.
    /// Two `GetItem`; one if there is none.
    pub async fn invitation_of(
        &self,
        token: &InvitationToken,
    ) -> Result<Option<Invitation>, ReadAccountError> {
        let Some(id) = token.invitation() else { return Ok(None) };
        let doing = format!("finding the invitation `{id}`");
        let Some(row) = self.row(&keys::invitation_place(id), doing).await? else {
            return Ok(None);
        };
        let workspace = row.parse("workspace", |text| WorkspaceId::parse(text).ok())?;
        self.find_invitation(workspace, id).await
    }

    /// A page of at most `limit` (1 to 100) invitations of a workspace, newest first. Those that
    /// have expired stay until DynamoDB deletes them. One `Query`.
    pub async fn invitations(
        &self,
        workspace: WorkspaceId,
        after: Option<After<InvitationId>>,
        limit: usize,
    ) -> Result<Page<Invitation, InvitationId>, ReadAccountError> {
        let list = List {
            pk: keys::of_workspace(workspace),
            prefix: keys::INVITATIONS,
            after: after.map(|After(id)| keys::invitation(workspace, id)),
            newest_first: true,
        };
        let doing = format!("listing the invitations of `{workspace}`");
        let (rows, more) = self.list(list, limit, doing).await?;
        let items =
            rows.iter().map(item::read_invitation).collect::<Result<Vec<Invitation>, BadRow>>()?;
        let next = next(items.last().map(|invitation| invitation.id), more);
        Ok(Page { items, next })
    }

    /// Invites somebody. Two rows in one transaction, besides the journal's.
    pub async fn create_invitation(
        &self,
        invitation: &Invitation,
        journal: &Journal,
    ) -> Result<(), CreateInvitationError> {
        let free = || Some(Condition::of("attribute_not_exists(pk)"));
        let changes = vec![
            Change::Put(item::invitation(invitation), free()),
            Change::Put(item::invitation_place(invitation), free()),
        ];
        let doing = || format!("making the invitation `{}`", invitation.id);
        match self.commit(changes, journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Answered) => Err(CreateInvitationError::Answered),
            Err(CommitError::Conditions(_)) => {
                Err(Unavailable::new(doing(), "its id is taken").into())
            }
            Err(CommitError::Unavailable(source)) => Err(Unavailable::new(doing(), source).into()),
        }
    }

    /// Withdraws an invitation that was read.
    pub async fn delete_invitation(
        &self,
        invitation: &Invitation,
        journal: &Journal,
    ) -> Result<(), DeleteInvitationError> {
        match self.commit(delete(invitation), journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(DeleteInvitationError::Gone(invitation.id))
            }
            Err(CommitError::Unavailable(source)) => {
                let doing = format!("withdrawing the invitation `{}`", invitation.id);
                Err(Unavailable::new(doing, source).into())
            }
        }
    }

    /// Makes somebody a member by an invitation that was read, which uses it up. At most five rows
    /// in one transaction, besides the journal's.
    pub async fn accept_invitation(
        &self,
        invitation: &Invitation,
        member: &Member,
        journal: &Journal,
    ) -> Result<(), AcceptError> {
        let mut changes = delete(invitation);
        changes.extend(join(member));
        match self.commit(changes, journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(failed)) if failed.iter().any(|(at, _)| *at == 0) => {
                Err(AcceptError::Gone(invitation.id))
            }
            Err(CommitError::Conditions(_)) => Err(AcceptError::Member(invitation.id)),
            Err(CommitError::Answered) => Err(AcceptError::Answered),
            Err(CommitError::Unavailable(source)) => {
                let doing = format!("accepting the invitation `{}`", invitation.id);
                Err(Unavailable::new(doing, source).into())
            }
        }
    }
}

/// The rows of an invitation that is no more, under the condition that it was there: the first one
/// says so.
pub(super) fn delete(invitation: &Invitation) -> Vec<Change> {
    let there = Some(Condition::of("attribute_exists(pk)"));
    vec![
        Change::Delete(keys::invitation(invitation.workspace, invitation.id), there),
        Change::Delete(keys::invitation_place(invitation.id), None),
    ]
}
