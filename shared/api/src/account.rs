//! What the functions around people and workspaces share: who asks, for which workspace, and how
//! the store's errors reach the caller.

use domain::{Invitation, Member, Principal, Role, User, UserId, Workspace, WorkspaceId};
use jiff::SignedDuration;
use lambda::auth::Caller;
use lambda::{Kind, Problem, Request, input};
use store::{AccountStore, ReadAccountError};

use crate::fail::unavailable;

/// An account could not be read.
pub fn unread_account(error: ReadAccountError) -> Problem {
    match error {
        ReadAccountError::Unavailable(error) => unavailable(error),
        ReadAccountError::BadRow(error) => Problem::server(Kind::Internal, error),
    }
}

/// The person who asks; a key is none.
pub fn person(caller: &Caller) -> Result<UserId, Problem> {
    let principal: Principal = caller.principal_as()?;
    principal.user().ok_or_else(|| Problem::client(Kind::Forbidden, "this is for people, not keys"))
}

/// The same, read. Whoever is gone has no credentials.
pub async fn find_person(accounts: &AccountStore, caller: &Caller) -> Result<User, Problem> {
    let found = accounts.find_user(person(caller)?).await.map_err(unread_account)?;
    found.ok_or_else(Problem::unauthorized)
}

/// As what the caller gives and takes away power now: a person by their role, a key as an admin. 401
/// for whoever is gone. One `GetItem`.
///
/// The gateway keeps what the authorizer said for a minute. Whoever was removed or demoted in that
/// minute must not by it make themselves again what they were, or leave a key or an invitation behind.
pub async fn manager(accounts: &AccountStore, caller: &Caller) -> Result<Role, Problem> {
    let now = role_now(accounts, caller.workspace()?, caller.principal_as()?).await?;
    let said: Option<Role> = caller.role()?;
    let now = now.ok_or_else(Problem::unauthorized)?;
    Ok(said.map_or(now, |said| now.min(said)))
}

/// Whether whoever made an invitation could make it now as well. One `GetItem`.
///
/// It is good for a month: nobody who was removed or demoted comes back by one that they have made for
/// themselves, and a key that was revoked lets nobody in.
pub async fn is_still_meant(
    accounts: &AccountStore,
    invitation: &Invitation,
) -> Result<bool, Problem> {
    let by = role_now(accounts, invitation.workspace, invitation.invited_by).await?;
    Ok(by.is_some_and(|by| by.may_manage(invitation.role)))
}

/// As what somebody manages a workspace now, a key as an admin; nothing if they are gone from it.
async fn role_now(
    accounts: &AccountStore,
    workspace: WorkspaceId,
    who: Principal,
) -> Result<Option<Role>, Problem> {
    match who {
        Principal::Key(id) => {
            let key = accounts.find_key(id).await.map_err(unread_account)?;
            Ok(key.filter(|key| key.workspace == workspace).map(|_| Role::Admin))
        }
        Principal::User(id) => {
            let member = accounts.find_member(workspace, id).await.map_err(unread_account)?;
            Ok(member.map(|member| member.role))
        }
    }
}

/// The caller's role is too small for what they want to do to somebody of this role.
pub fn too_small_a_role(other: Role) -> Problem {
    let detail = match other {
        Role::Owner => "this needs the role `owner`",
        Role::Viewer | Role::Member | Role::Admin => "this needs the role `admin` or `owner`",
    };
    Problem::client(Kind::Forbidden, detail)
}

/// Whoever guesses passwords has to wait.
pub fn too_early(wait: SignedDuration) -> Problem {
    // Whole seconds, and none too few.
    let seconds = u64::try_from(wait.as_millis()).unwrap_or(0).div_ceil(1_000);
    Problem::rate_limited(seconds.max(1))
}

/// The workspace in the path, if it is the caller's. Every other one does not exist.
pub fn workspace_of(caller: &Caller, request: &Request) -> Result<WorkspaceId, Problem> {
    let named = WorkspaceId::parse(&input::path(request, "id")).ok();
    let own: Option<WorkspaceId> = caller.some_workspace()?;
    own.filter(|own| named == Some(*own)).ok_or_else(no_workspace)
}

/// The same, read.
pub async fn find_workspace(
    accounts: &AccountStore,
    caller: &Caller,
    request: &Request,
) -> Result<Workspace, Problem> {
    let id = workspace_of(caller, request)?;
    accounts.find_workspace(id).await.map_err(unread_account)?.ok_or_else(no_workspace)
}

/// The person in the path of a member. What is no id names nobody.
pub fn member_id_of(request: &Request) -> Result<UserId, Problem> {
    UserId::parse(&input::path(request, "user_id")).map_err(|_| no_member())
}

/// A member, who must be there.
pub async fn find_member(
    accounts: &AccountStore,
    workspace: WorkspaceId,
    user: UserId,
) -> Result<Member, Problem> {
    let found = accounts.find_member(workspace, user).await;
    found.map_err(unread_account)?.ok_or_else(no_member)
}

/// Somebody is not a member of the workspace, or nobody at all.
pub fn no_member() -> Problem {
    Problem::client(Kind::NotFound, "there is no such member")
}

/// A workspace must have an owner.
pub fn last_owner() -> Problem {
    Problem::client(Kind::Conflict, "this is the last owner; make somebody else one first")
}

fn no_workspace() -> Problem {
    Problem::client(Kind::NotFound, "there is no such workspace")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_to_wait_waits_long_enough() {
        for (millis, seconds) in [(1, "1"), (1_000, "1"), (1_001, "2"), (900_000, "900")] {
            let problem = too_early(SignedDuration::from_millis(millis));
            assert_eq!(problem.kind(), Kind::RateLimited);
            let response = problem.into_response("r");
            assert_eq!(response.headers()["retry-after"], seconds, "{millis}");
        }
    }

    #[test]
    fn who_is_in_the_way_says_which_role_is_needed() {
        let detail = |role| {
            let response = too_small_a_role(role).into_response("r");
            String::from_utf8_lossy(response.body()).into_owned()
        };
        assert!(detail(Role::Owner).contains("the role `owner`"));
        assert!(detail(Role::Viewer).contains("`admin` or `owner`"));
    }
}
