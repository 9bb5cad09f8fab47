//! The rows of people, workspaces, members and invitations, and the values that they stand for.
//!
//! Attributes are named so that expressions can say them: DynamoDB reserves `name` and `role`.

use domain::{
    Email, Invitation, Member, Name, PasswordHash, Principal, Role, SecretHash, User, Workspace,
    WorkspaceId,
};
use jiff::Timestamp;

use crate::keys::{self, Key};
use crate::row::{BadRow, Item, Read, Write, row};

/// A person.
pub(super) fn user(user: &User) -> Item {
    let mut item = row(&keys::user(user.id));
    item.set("email", user.email.as_str());
    item.set("email_verified", user.email_verified);
    item.set("title", user.name.as_str());
    item.set_some("password", user.password.as_ref().map(PasswordHash::as_str));
    item.set("tokens_valid_from", user.tokens_valid_from.to_string());
    item.set("rev", user.revision);
    item
}

/// Whose an e-mail address is.
pub(super) fn email(user: &User) -> Item {
    let mut item = row(&keys::email(&user.email));
    item.set("user_id", user.id.to_string());
    item
}

/// A new workspace with its first owner.
pub(super) fn workspace(workspace: &Workspace) -> Item {
    let mut item = row(&keys::workspace(workspace.id));
    item.set("title", workspace.name.as_str());
    item.set_some("writes_per_minute", workspace.writes_per_minute.map(u64::from));
    item.set("owners", 1);
    item.set("rev", workspace.revision);
    item
}

/// A membership, as the workspace lists it.
pub(super) fn member(member: &Member) -> Item {
    membership_at(&keys::member(member.workspace, member.user), member)
}

/// A membership, as the person lists it.
pub(super) fn membership(member: &Member) -> Item {
    membership_at(&keys::membership(member.user, member.workspace), member)
}

fn membership_at(key: &Key, member: &Member) -> Item {
    let mut item = row(key);
    item.set("member_role", member.role.as_str());
    item.set("joined_at", member.joined_at.to_string());
    item
}

/// An invitation.
pub(super) fn invitation(invitation: &Invitation) -> Item {
    let mut item = row(&keys::invitation(invitation.workspace, invitation.id));
    item.set("email", invitation.email.as_str());
    item.set("member_role", invitation.role.as_str());
    item.set("hash", invitation.hash.to_hex());
    item.set("invited_by", invitation.invited_by.to_string());
    item.set("expires_at", invitation.expires_at.to_string());
    item.set("expires", expires(invitation));
    item
}

/// Where an invitation is to be found.
pub(super) fn invitation_place(invitation: &Invitation) -> Item {
    let mut item = row(&keys::invitation_place(invitation.id));
    item.set("workspace", invitation.workspace.to_string());
    item.set("expires", expires(invitation));
    item
}

/// The second from which on DynamoDB may delete an invitation. Whether it is open is judged by
/// `expires_at`.
fn expires(invitation: &Invitation) -> u64 {
    u64::try_from(invitation.expires_at.as_second()).unwrap_or(0)
}

/// Reads a person's row.
pub(super) fn read_user(item: &Item) -> Result<User, BadRow> {
    Ok(User {
        id: item.parse(keys::PK, keys::parse_of_user)?,
        email: item.parse("email", |text| Email::parse(text).ok())?,
        email_verified: item.is_set("email_verified"),
        name: item.parse("title", |text| Name::parse(text).ok())?,
        password: item.text("password").map(PasswordHash::stored),
        tokens_valid_from: item.parse("tokens_valid_from", time)?,
        revision: revision(item)?,
    })
}

/// Reads a workspace's row.
pub(super) fn read_workspace(item: &Item) -> Result<Workspace, BadRow> {
    Ok(Workspace {
        id: item.parse(keys::SK, |text| WorkspaceId::parse(text).ok())?,
        name: item.parse("title", |text| Name::parse(text).ok())?,
        writes_per_minute: item.number("writes_per_minute")?,
        revision: item.number("rev")?.unwrap_or(1),
    })
}

/// Reads a membership from the workspace's list.
pub(super) fn read_member(item: &Item) -> Result<Member, BadRow> {
    Ok(Member {
        workspace: item.parse(keys::PK, keys::parse_of_workspace)?,
        user: item.parse(keys::SK, keys::parse_member)?,
        role: role(item)?,
        joined_at: item.parse("joined_at", time)?,
    })
}

/// Reads a membership from the person's list.
pub(super) fn read_membership(item: &Item) -> Result<Member, BadRow> {
    Ok(Member {
        workspace: item.parse(keys::SK, keys::parse_membership)?,
        user: item.parse(keys::PK, keys::parse_of_user)?,
        role: role(item)?,
        joined_at: item.parse("joined_at", time)?,
    })
}

/// Reads an invitation's row.
pub(super) fn read_invitation(item: &Item) -> Result<Invitation, BadRow> {
    Ok(Invitation {
        id: item.parse(keys::SK, keys::parse_invitation)?,
        workspace: item.parse(keys::PK, keys::parse_of_workspace)?,
        email: item.parse("email", |text| Email::parse(text).ok())?,
        role: role(item)?,
        hash: item.parse("hash", SecretHash::from_hex)?,
        invited_by: item.parse("invited_by", |text| Principal::parse(text).ok())?,
        expires_at: item.parse("expires_at", time)?,
    })
}

fn role(item: &Item) -> Result<Role, BadRow> {
    item.parse("member_role", |text| Role::parse(text).ok())
}

fn revision(item: &Item) -> Result<u64, BadRow> {
    item.number("rev")?.ok_or_else(|| BadRow::new(item, "rev"))
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}
