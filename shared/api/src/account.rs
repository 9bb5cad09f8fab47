//! What the functions around people and workspaces share: who asks, for which workspace, and how
//! the store's errors reach the caller.

use domain::{Principal, Role, Scope, UserId, Workspace, WorkspaceId};
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

/// As what the caller manages members: a person by their role, a key as an admin, and nobody
/// without the scope.
pub fn manager(caller: &Caller) -> Result<Role, Problem> {
    if !caller.may(Scope::Admin) {
        return Ok(Role::Viewer);
    }
    match caller.principal_as()? {
        Principal::Key(_) => Ok(Role::Admin),
        Principal::User(_) => Ok(caller.role()?.unwrap_or(Role::Viewer)),
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

fn no_workspace() -> Problem {
    Problem::client(Kind::NotFound, "there is no such workspace")
}
