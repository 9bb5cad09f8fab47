//! People, workspaces, members and invitations as the API shows them.
//!
//! None of this is `Debug`: it holds names, addresses and tokens, which no log may have.

use domain::{Invitation, InvitationToken, Member, Role, User, Workspace};
use lambda::{Body, HeaderValue, Kind, Problem, Response, StatusCode, header};
use serde::Serialize;

/// The JSON of a person, as they see themselves.
#[derive(Serialize)]
pub struct UserView {
    id: String,
    email: String,
    email_verified: bool,
    name: String,
    created_at: String,
    workspaces: Vec<OwnWorkspace>,
}

/// A workspace in the list of those that a person is in.
#[derive(Serialize)]
struct OwnWorkspace {
    id: String,
    name: String,
    role: &'static str,
}

/// The JSON of a workspace.
#[derive(Serialize)]
pub struct WorkspaceView {
    id: String,
    name: String,
    role: Option<&'static str>,
    writes_per_minute: Option<u32>,
    created_at: String,
}

/// The JSON of a member.
#[derive(Serialize)]
pub struct MemberView {
    user_id: String,
    name: String,
    email: String,
    role: &'static str,
    joined_at: String,
}

/// The JSON of an invitation.
#[derive(Serialize)]
pub struct InvitationView {
    id: String,
    email: String,
    role: &'static str,
    expires_at: String,
    invited_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

impl UserView {
    /// A person, and what they are in which workspaces.
    pub fn new(user: &User, workspaces: &[(Workspace, Member)]) -> Self {
        let workspaces = workspaces.iter().map(|(workspace, member)| OwnWorkspace {
            id: workspace.id.to_string(),
            name: workspace.name.as_str().to_owned(),
            role: member.role.as_str(),
        });
        Self {
            id: user.id.to_string(),
            email: user.email.as_str().to_owned(),
            email_verified: user.email_verified,
            name: user.name.as_str().to_owned(),
            created_at: user.created_at().to_string(),
            workspaces: workspaces.collect(),
        }
    }
}

impl WorkspaceView {
    /// A workspace, and what the caller is in it; a key is nothing.
    pub fn new(workspace: &Workspace, role: Option<Role>) -> Self {
        Self {
            id: workspace.id.to_string(),
            name: workspace.name.as_str().to_owned(),
            role: role.map(Role::as_str),
            writes_per_minute: workspace.writes_per_minute,
            created_at: workspace.created_at().to_string(),
        }
    }
}

impl MemberView {
    /// A member, and who that is.
    pub fn new(member: &Member, user: &User) -> Self {
        Self {
            user_id: user.id.to_string(),
            name: user.name.as_str().to_owned(),
            email: user.email.as_str().to_owned(),
            role: member.role.as_str(),
            joined_at: member.joined_at.to_string(),
        }
    }
}

impl InvitationView {
    /// An invitation, without its token.
    pub fn new(invitation: &Invitation) -> Self {
        Self {
            id: invitation.id.to_string(),
            email: invitation.email.as_str().to_owned(),
            role: invitation.role.as_str(),
            expires_at: invitation.expires_at.to_string(),
            invited_by: invitation.invited_by.to_string(),
            token: None,
        }
    }

    /// An invitation that was just made, with its token: it is shown this once.
    pub fn made(invitation: &Invitation, token: &InvitationToken) -> Self {
        Self { token: Some(token.reveal()), ..Self::new(invitation) }
    }
}

/// The entity tag of a workspace's name and limit; its members do not change it.
pub fn workspace_etag(workspace: &Workspace) -> String {
    format!("\"{}\"", workspace.revision)
}

/// An answer with a workspace.
pub fn respond_workspace(
    status: StatusCode,
    workspace: &Workspace,
    role: Option<Role>,
) -> Result<Response<Body>, Problem> {
    let mut response = lambda::json(status, &WorkspaceView::new(workspace, role))?;
    let etag = HeaderValue::from_str(&workspace_etag(workspace))
        .map_err(|e| Problem::server(Kind::Internal, e))?;
    response.headers_mut().insert(header::ETAG, etag);
    Ok(response)
}
