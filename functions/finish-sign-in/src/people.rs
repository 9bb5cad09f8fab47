//! Whose an account at the identity provider is: found, linked, or made.

use domain::{
    Action, AuditEvent, Email, Member, Name, Role, SignUp, User, UserId, Workspace, WorkspaceId,
};
use jiff::Timestamp;
use lambda::{Chain, OAuthError};
use sso::{Identity, Settings};
use store::{Journal, LinkIdentityError, ReadAccountError, Unavailable};

use crate::App;

/// How often we look again where somebody else was faster: two tabs, or two first sign-ins.
const TRIES: u32 = 4;

/// In how many workspaces' logs it is written that one of their members was linked.
const LOGGED: usize = 20;

/// Why nobody is signed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Nobody is linked to the account, and the provider vouches for no address.
    #[error("the identity provider vouches for no e-mail address")]
    NoAddress,
    /// Nobody has the address, no rule lets its domain in, and signing up is not open.
    #[error("somebody unknown whom no rule lets in")]
    Unknown,
    /// The operator's rules name a workspace that is not there.
    #[error("`OIDC_MEMBERS` names the workspace `{0}`, which is not there")]
    NoWorkspace(WorkspaceId),
    /// Others are always faster.
    #[error("the account changes all the time")]
    Unsettled,
    /// What is stored makes no sense.
    #[error("reading an account")]
    Unreadable(#[source] ReadAccountError),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl From<ReadAccountError> for Refusal {
    fn from(error: ReadAccountError) -> Self {
        match error {
            ReadAccountError::Unavailable(error) => Self::Unavailable(error),
            ReadAccountError::BadRow(_) => Self::Unreadable(error),
        }
    }
}

impl Refusal {
    /// What the client is told.
    pub(crate) fn told(&self) -> (OAuthError, &'static str) {
        match self {
            Self::NoAddress => (
                OAuthError::AccessDenied,
                "the identity provider has not verified your e-mail address",
            ),
            Self::Unknown => (OAuthError::AccessDenied, "nobody has invited you yet"),
            Self::NoWorkspace(_) | Self::Unreadable(_) => (
                OAuthError::ServerError,
                "signing in with the identity provider does not work; tell the operator",
            ),
            Self::Unsettled | Self::Unavailable(_) => {
                (OAuthError::TemporarilyUnavailable, "try again shortly")
            }
        }
    }

    /// Writes it down, once, as what it is: people are refused, operators and DynamoDB fail.
    pub(crate) fn log(&self) {
        match self {
            Self::NoAddress | Self::Unknown => tracing::info!("refused a sign-in: {self}"),
            Self::NoWorkspace(_) | Self::Unsettled | Self::Unreadable(_) | Self::Unavailable(_) => {
                tracing::error!(error = %Chain(self), "could not finish a sign-in");
            }
        }
    }
}

/// Whose account at the provider this is. Whoever comes for the first time is linked or made, in one
/// transaction.
pub(crate) async fn user_of(
    app: &App,
    settings: &Settings,
    identity: &Identity,
) -> Result<UserId, Refusal> {
    for _ in 0..TRIES {
        if let Some(user) = app.accounts.find_user_by_identity(&identity.id).await? {
            return Ok(user.id);
        }
        let email = identity.verified_email.as_ref().ok_or(Refusal::NoAddress)?;
        let now = app.clock.now();
        let joins: Vec<_> = settings.joins.of(email).collect();
        let outcome = match app.accounts.find_user_by_email(email).await? {
            Some(user) => link(app, identity, &user, &joins, now).await,
            None if joins.is_empty() && app.sign_up != SignUp::Open => {
                return Err(Refusal::Unknown);
            }
            None => create(app, identity, email, &joins, now).await,
        };
        match outcome {
            Ok(user) => return Ok(user),
            Err(Failure::Raced) => {}
            Err(Failure::Refused(refusal)) => return Err(refusal),
        }
    }
    Err(Refusal::Unsettled)
}

/// Why a first sign-in is not done yet.
enum Failure {
    /// Somebody else was faster: look again.
    Raced,
    /// It cannot be done.
    Refused(Refusal),
}

impl<E: Into<Refusal>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// Links the account to somebody who is here already.
async fn link(
    app: &App,
    identity: &Identity,
    user: &User,
    joins: &[(WorkspaceId, Role)],
    now: Timestamp,
) -> Result<UserId, Failure> {
    // Not all of them: whoever waits in somebody's account may have made any number.
    let own = app.accounts.workspaces_of(user.id, None, LOGGED).await?.items;
    let mut new = Vec::new();
    for join in joins {
        if app.accounts.find_member(join.0, user.id).await?.is_none() {
            new.push(*join);
        }
    }
    let members = members(app, user.id, &new, now).await?;
    let verified = user.verified(now);
    let loses_password = user.password.is_some() && verified.password.is_none();
    let journal = linked(app, user.id, &own, loses_password);
    let journal = joined(app, journal, &members);
    let outcome = app.accounts.link_identity(&identity.id, user, &verified, &members, &journal);
    done(outcome.await, user.id, "linked an account at the identity provider to")
}

/// Makes somebody new of the account.
async fn create(
    app: &App,
    identity: &Identity,
    email: &Email,
    joins: &[(WorkspaceId, Role)],
    now: Timestamp,
) -> Result<UserId, Failure> {
    let id = UserId::new(now, app.random.u128());
    let name = identity.name.clone().unwrap_or_else(|| name_of(email));
    let user = User { email_verified: true, ..User::new(id, email.clone(), name, None) };
    let members = members(app, id, joins, now).await?;
    let home = members.first().map(|member| member.workspace);
    let journal = app.guard.journal_of(home, id, Action::UserRegistered, id);
    let journal = journal.and(app.guard.event(home, id, Action::IdentityLinked, id));
    let journal = joined(app, journal, &members);
    let created = app.accounts.create_user_of_identity(&identity.id, &user, &members, &journal);
    done(created.await, id, "registered, as the identity provider knows them,")
}

fn done(
    outcome: Result<(), LinkIdentityError>,
    user: UserId,
    what: &str,
) -> Result<UserId, Failure> {
    match outcome {
        Ok(()) => {
            tracing::info!(user.id = %user, "{what} `{user}`");
            Ok(user)
        }
        Err(LinkIdentityError::Changed(_)) => Err(Failure::Raced),
        Err(LinkIdentityError::Unavailable(error)) => Err(error.into()),
    }
}

/// The memberships that the rules give.
async fn members(
    app: &App,
    user: UserId,
    joins: &[(WorkspaceId, Role)],
    now: Timestamp,
) -> Result<Vec<Member>, Failure> {
    let mut members = Vec::new();
    for &(workspace, role) in joins {
        // One that is deleted before the transaction is written is emptied again afterwards.
        let found: Option<Workspace> = app.accounts.find_workspace(workspace).await?;
        if found.is_none() {
            return Err(Failure::Refused(Refusal::NoWorkspace(workspace)));
        }
        members.push(Member { workspace, user, role, joined_at: now });
    }
    Ok(members)
}

/// That somebody's account was linked: in the logs of the workspaces that they are in, or in their own.
fn linked(app: &App, user: UserId, own: &[(Workspace, Member)], loses_password: bool) -> Journal {
    let detail = |event: AuditEvent| match loses_password {
        true => event.with("password", "removed"),
        false => event,
    };
    let mut homes = own.iter().map(|(workspace, _)| workspace.id);
    let first = app.guard.journal_of(homes.next(), user, Action::IdentityLinked, user);
    let first = if loses_password { first.with("password", "removed") } else { first };
    homes.fold(first, |journal, home| {
        journal.and(detail(app.guard.event(home, user, Action::IdentityLinked, user)))
    })
}

/// The journal with the entries of these memberships.
fn joined(app: &App, journal: Journal, members: &[Member]) -> Journal {
    members.iter().fold(journal, |journal, member| {
        let (home, user) = (member.workspace, member.user);
        let event = app.guard.event(home, user, Action::MemberAdded, user);
        journal.and(event.with("role", member.role))
    })
}

/// What somebody is called of whom only the address is known.
fn name_of(email: &Email) -> Name {
    let address = email.as_str();
    let local = address.split('@').next().unwrap_or_default();
    Name::parse(local).or_else(|_| Name::parse("New member")).expect("the words are a name")
}
