//! Who is a member of which workspace.
//!
//! A membership is two rows, one in the workspace's list and one in the person's, which are always
//! written together. The workspace counts its owners, so that the last one cannot go: whoever takes
//! one away does so under the condition that there is another.

use std::collections::HashMap;

use domain::{Email, Member, Role, User, UserId, WorkspaceId};
use jiff::Timestamp;

use super::page::{After, List, Page, next};
use super::{AccountStore, ReadAccountError, item};
use crate::commit::{Change, CommitError, Condition};
use crate::journal::Journal;
use crate::keys;
use crate::row::{BadRow, Read};
use crate::unavailable::Unavailable;

/// Why a member was not changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeMemberError {
    /// Somebody changed or removed them since they were read.
    #[error("the member `{0}` has changed")]
    Changed(UserId),
    /// The workspace would have no owner.
    #[error("`{0}` is the last owner")]
    LastOwner(UserId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AccountStore {
    /// What a person is in a workspace. One `GetItem`.
    pub async fn find_member(
        &self,
        workspace: WorkspaceId,
        user: UserId,
    ) -> Result<Option<Member>, ReadAccountError> {
        let doing = format!("reading the member `{user}` of `{workspace}`");
        let row = self.row(&keys::membership(user, workspace), doing).await?;
        Ok(row.as_ref().map(item::read_membership).transpose()?)
    }

    /// Whether the address is a member's. Two `GetItem`, also where nobody has it: how long it takes
    /// tells nothing of who has an account.
    pub async fn is_member(
        &self,
        workspace: WorkspaceId,
        email: &Email,
    ) -> Result<bool, ReadAccountError> {
        let row = self.row(&keys::email(email), "finding a member by e-mail address").await?;
        let user = row.map(|row| row.parse("user_id", |text| UserId::parse(text).ok()));
        let nobody = || UserId::new(Timestamp::UNIX_EPOCH, 0);
        let user = user.transpose()?.unwrap_or_else(nobody);
        Ok(self.find_member(workspace, user).await?.is_some())
    }

    /// A page of at most `limit` (1 to 100) members of a workspace. One `Query` and one
    /// `BatchGetItem`.
    pub async fn members(
        &self,
        workspace: WorkspaceId,
        after: Option<After<UserId>>,
        limit: usize,
    ) -> Result<Page<(Member, User), UserId>, ReadAccountError> {
        let doing = format!("listing the members of `{workspace}`");
        let list = List {
            pk: keys::of_workspace(workspace),
            prefix: keys::MEMBERS,
            after: after.map(|After(user)| keys::member(workspace, user)),
            newest_first: false,
        };
        let (rows, more) = self.list(list, limit, &doing).await?;
        let members =
            rows.iter().map(item::read_member).collect::<Result<Vec<Member>, BadRow>>()?;
        let keys = members.iter().map(|member| keys::user(member.user));
        let mut users = HashMap::new();
        for row in self.rows(keys, &doing).await? {
            let user = item::read_user(&row)?;
            users.insert(user.id, user);
        }
        let next = next(members.last().map(|member| member.user), more);
        let items = members.into_iter();
        let items = items.filter_map(|member| Some((member, users.remove(&member.user)?)));
        Ok(Page { items: items.collect(), next })
    }

    /// Gives a member that was read another role.
    pub async fn change_role(
        &self,
        member: &Member,
        role: Role,
        journal: &Journal,
    ) -> Result<(), ChangeMemberError> {
        let change = |key| {
            let condition = unchanged(member).with(":new", role.as_str());
            Change::Update(key, "SET member_role = :new", condition)
        };
        let mut changes = vec![
            change(keys::member(member.workspace, member.user)),
            change(keys::membership(member.user, member.workspace)),
        ];
        changes.extend(count_owners(member.workspace, member.role, Some(role)));
        self.change_member(member, changes, journal).await
    }

    /// Removes a member that was read.
    pub async fn remove_member(
        &self,
        member: &Member,
        journal: &Journal,
    ) -> Result<(), ChangeMemberError> {
        let delete = |key| Change::Delete(key, Some(unchanged(member)));
        let mut changes = vec![
            delete(keys::member(member.workspace, member.user)),
            delete(keys::membership(member.user, member.workspace)),
        ];
        changes.extend(count_owners(member.workspace, member.role, None));
        self.change_member(member, changes, journal).await
    }

    async fn change_member(
        &self,
        member: &Member,
        changes: Vec<Change>,
        journal: &Journal,
    ) -> Result<(), ChangeMemberError> {
        match self.commit(changes, journal).await {
            Ok(()) => Ok(()),
            // Whose rows have changed may be no owner any more.
            Err(CommitError::Conditions(failed)) if failed.iter().all(|(at, _)| *at == OWNERS) => {
                Err(ChangeMemberError::LastOwner(member.user))
            }
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(ChangeMemberError::Changed(member.user))
            }
            Err(CommitError::Unavailable(source)) => {
                let doing =
                    format!("changing the member `{}` of `{}`", member.user, member.workspace);
                Err(Unavailable::new(doing, source).into())
            }
        }
    }
}

/// The place of the count of owners among the changes of a membership: behind its two rows.
const OWNERS: usize = 2;

/// The rows of a new membership, under the condition that there is none.
pub(super) fn join(member: &Member) -> Vec<Change> {
    let free = || Some(Condition::of("attribute_not_exists(pk)"));
    let mut changes = vec![
        Change::Put(item::member(member), free()),
        Change::Put(item::membership(member), free()),
    ];
    // Somebody who was nothing before was no owner.
    changes.extend(count_owners(member.workspace, Role::Viewer, Some(member.role)));
    changes
}

/// The list of a person's memberships.
pub(super) fn memberships(user: UserId, after: Option<After<WorkspaceId>>) -> List {
    List {
        pk: keys::of_user(user),
        prefix: keys::MEMBERSHIPS,
        after: after.map(|After(workspace)| keys::membership(user, workspace)),
        newest_first: false,
    }
}

/// A membership that is still what was read.
fn unchanged(member: &Member) -> Condition {
    Condition::of("member_role = :role").with(":role", member.role.as_str())
}

/// What becomes of the number of owners: it never becomes zero.
fn count_owners(workspace: WorkspaceId, old: Role, new: Option<Role>) -> Option<Change> {
    let key = keys::workspace(workspace);
    match (old == Role::Owner, new == Some(Role::Owner)) {
        (false, true) => {
            let there = Condition::of("attribute_exists(pk)").with(":one", 1);
            Some(Change::Update(key, "ADD owners :one", there))
        }
        (true, false) => {
            let another = Condition::of("owners > :one").with(":one", 1);
            Some(Change::Update(key, "SET owners = owners - :one", another))
        }
        (true, true) | (false, false) => None,
    }
}
