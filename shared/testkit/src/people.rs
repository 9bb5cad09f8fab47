//! The people of the events, and what they hold: the same values as in `events/`.

use domain::{
    ApiKey, AuditEvent, Email, Invitation, InvitationToken, KeyRecord, Name, PasswordHash,
    Principal, RefreshToken, Role, Scope, Session, SessionKey, User, UserId, Workspace,
    WorkspaceId,
};
use jiff::SignedDuration;
use store::{Joining, Journal};

use crate::world::{OTHER_WORKSPACE, WORKSPACE, World, now};

/// Ada, the owner of the events' workspace.
pub const ADA: &str = "usr_01K9Z0000000000000000000TA";

/// Ada's e-mail address.
pub const ADA_EMAIL: &str = "ada@example.com";

/// Grace, a member of the events' workspace.
pub const GRACE: &str = "usr_01K9Z0000000000000000000TB";

/// Grace's e-mail address.
pub const GRACE_EMAIL: &str = "grace@example.com";

/// Alan, the owner of the stranger's workspace.
pub const ALAN: &str = "usr_01K9Z0000000000000000000TC";

/// Alan's e-mail address.
pub const ALAN_EMAIL: &str = "alan@example.com";

/// Somebody with an invitation and without an account.
pub const LINUS_EMAIL: &str = "linus@example.com";

/// Everybody's password.
pub const PASSWORD: &str = "an example of four words";

/// What is stored of it.
pub const PASSWORD_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c2FsdCBvZiBleGFtcGxlcw\
     $e29qVQ7l6r1ul5bFcKPPXsClTq/0uI12wHiXkfedIZo";

/// The invitation of Linus.
pub const INVITATION: &str = "inv_01M7WJW2A00000000000000001";

/// What Linus accepts it with.
pub const INVITATION_TOKEN: &str =
    "si_01M7WJW2A0000000000000000180zZHH4xUC3F6sSHliFk0kJjGOXbBgN5H7iGrxLVeX5fKpOT7";

/// The invitation of Alan.
pub const INVITATION_OF_ALAN: &str = "inv_01M7WJW2A00000000000000002";

/// What Alan accepts it with.
pub const INVITATION_TOKEN_OF_ALAN: &str =
    "si_01M7WJW2A00000000000000002zSqtq207AHxIEOj9DhIECJXqAo4ZNtrwjAcG5iKRXh6xuh7uR";

/// The events' API key.
pub const KEY: &str = "key_01K9Z0000000000000000000KA";

/// The same, as its holder has it.
pub const API_KEY: &str =
    "sp_01K9Z0000000000000000000KAkUjuRc4NZVlQI6JWhEWVd0ZshSQC3d9E16g6s98jgT57paBRY";

/// Ada's session.
pub const SESSION: &str = "ses_2PTPE1SH950JDNAGHB3X514K9M";

/// The refresh token of Ada's session.
pub const REFRESH_TOKEN: &str =
    "sr_baCpayXXWa22CPneoJEefrfgsuz3cQS0NJt9YyYNf8ESb8ukeHxiGISSi7v3ICnpPeH47EwS8fo";

/// Ada as she is stored.
pub fn ada() -> User {
    user(ADA, ADA_EMAIL, "Ada Example")
}

/// Grace as she is stored.
pub fn grace() -> User {
    user(GRACE, GRACE_EMAIL, "Grace Example")
}

/// Alan as he is stored.
pub fn alan() -> User {
    user(ALAN, ALAN_EMAIL, "Alan Example")
}

/// The events' workspace as it is stored.
pub fn workspace() -> Workspace {
    Workspace::new(workspace_id(WORKSPACE), name("Example Shop"))
}

/// The stranger's workspace as it is stored.
pub fn other_workspace() -> Workspace {
    Workspace::new(workspace_id(OTHER_WORKSPACE), name("Another Shop"))
}

/// The invitation of Linus, as a member.
pub fn invitation() -> Invitation {
    invited(INVITATION_TOKEN, LINUS_EMAIL)
}

/// The invitation of Alan, as a member.
pub fn invitation_of_alan() -> Invitation {
    invited(INVITATION_TOKEN_OF_ALAN, ALAN_EMAIL)
}

/// The events' API key as it is stored.
pub fn key() -> KeyRecord {
    let key = ApiKey::parse(API_KEY).expect("this is a key");
    KeyRecord {
        id: key.id(),
        hash: key.hash(),
        workspace: workspace_id(WORKSPACE),
        name: "newsletter".to_owned(),
        scopes: vec![Scope::LinksRead, Scope::LinksWrite, Scope::StatsRead],
        expires_at: None,
        created_by: Some(Principal::User(ada().id)),
        writes_per_minute: None,
        last_used_at: None,
    }
}

/// Ada's session as it is stored: she signed in a moment ago, for all that she may do.
pub fn session() -> Session {
    let token = RefreshToken::parse(REFRESH_TOKEN).expect("this is a refresh token");
    let (user, shop) = (ada(), workspace_id(WORKSPACE));
    let key = SessionKey::new([1, 2]);
    Session::open(&user, Some(shop), Scope::ALL.to_vec(), &token, key, now())
}

impl World {
    /// A world with the people, workspaces, invitations and the session that the events name.
    pub async fn with_people() -> Self {
        let world = Self::new().await;
        world.add_people().await;
        world
    }

    /// Adds the people, workspaces, invitations and the key that the events name, unseen by the probe.
    pub async fn add_people(&self) {
        const MADE: &str = "nobody was here before";
        let accounts = self.accounts();
        let nothing = Journal::none();
        let (shop, other) = (workspace(), other_workspace());
        accounts.create_user(&ada(), Joining::Founding(&shop), &nothing).await.expect(MADE);
        accounts.create_user(&alan(), Joining::Founding(&other), &nothing).await.expect(MADE);
        let of_grace = Invitation { email: grace().email, ..invitation() };
        accounts.create_invitation(&of_grace, &nothing).await.expect(MADE);
        accounts.create_user(&grace(), Joining::Invited(&of_grace), &nothing).await.expect(MADE);
        for invitation in [invitation(), invitation_of_alan()] {
            accounts.create_invitation(&invitation, &nothing).await.expect(MADE);
        }
        accounts.put_key(&key()).await.expect(MADE);
        accounts.open_session(&session(), None, &nothing).await.expect(MADE);
    }

    /// Makes Grace the owner of the events' workspace and Ada this, unseen by the probe.
    pub async fn demote_ada(&self, role: Role) {
        const DONE: &str = "nobody else is here";
        let (accounts, nothing, shop) = (self.accounts(), Journal::none(), workspace_id(WORKSPACE));
        for (user, role) in [(grace().id, Role::Owner), (ada().id, role)] {
            let member = accounts.find_member(shop, user).await.expect(DONE).expect(DONE);
            accounts.change_role(&member, role, &nothing).await.expect(DONE);
        }
    }

    /// The audit log of a workspace, newest first: action, actor, subject, and the details.
    pub async fn audit_log(&self, workspace: &str) -> Vec<String> {
        let page = self.accounts().audit(workspace_id(workspace), None, 100).await;
        let line = |event: AuditEvent| {
            let details = event.details.iter().map(|(name, value)| format!(" {name}={value}"));
            let details: String = details.collect();
            format!("{} {} {}{details}", event.action, event.actor, event.subject)
        };
        page.expect("the log can be read").items.into_iter().map(line).collect()
    }
}

fn user(id: &str, email: &str, called: &str) -> User {
    let id = UserId::parse(id).expect("this is an id");
    let email = Email::parse(email).expect("this is an address");
    User::new(id, email, name(called), Some(PasswordHash::stored(PASSWORD_HASH)))
}

fn invited(token: &str, email: &str) -> Invitation {
    let token = InvitationToken::parse(token).expect("this is a token");
    Invitation {
        id: token.invitation().expect("this is the token of an invitation"),
        workspace: workspace_id(WORKSPACE),
        email: Email::parse(email).expect("this is an address"),
        role: Role::Member,
        hash: token.hash(),
        invited_by: Principal::User(ada().id),
        expires_at: now() + SignedDuration::from_hours(168),
    }
}

fn workspace_id(text: &str) -> WorkspaceId {
    WorkspaceId::parse(text).expect("this is an id")
}

fn name(text: &str) -> Name {
    Name::parse(text).expect("this is a name")
}
