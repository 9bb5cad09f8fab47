#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::UserView;
use domain::{
    Action, Email, Invitation, InvitationToken, Member, Name, SignUp, User, UserId, Workspace,
    WorkspaceId,
};
use guard::{Once, PublicGuard};
use jiff::Timestamp;
use lambda::input::{Fields, text};
use lambda::viewer::Viewers;
use lambda::{
    Body, Boot, Clock, EnvError, Fault, Kind, Problem, Random, Request, Response, StatusCode,
};
use passwords::{Hasher, NewPassword};
use store::{AccountStore, CreateUserError, Joining, Journal};

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: PublicGuard,
    viewers: Viewers,
    hasher: Hasher,
    sign_up: SignUp,
    clock: Clock,
    random: Random,
}

/// What a request to register says.
struct NewUser {
    email: Email,
    name: Name,
    password: NewPassword,
    home: Home,
}

/// Where somebody new wants to be.
enum Home {
    Nowhere,
    OwnWorkspace(Name),
    Invited(InvitationToken),
}

/// Where somebody new is from the beginning.
enum Joined {
    Nowhere,
    Founder(Workspace),
    Invited(Invitation, Workspace),
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: PublicGuard::load(&boot)?,
        viewers: Viewers::load(&boot),
        hasher: Hasher::new(),
        sign_up: boot.env.parsed("SIGNUP", SignUp::default())?,
        clock: boot.clock,
        random: boot.random,
    })
}

/// Registers a person, and answers 201 with them. There are no credentials yet: what is counted is
/// the address that the request comes from.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let address = app.viewers.address(&request);
    app.guard.admit(address, || register(&app, &request)).await
}

async fn register(app: &App, request: &Request) -> Result<Response<Body>, Problem> {
    if !app.sign_up.admits(true) {
        return Err(refused("nobody can sign up here"));
    }
    let first = match app.guard.once(request).await? {
        Once::Answered(answer) => return Ok(answer),
        Once::First(first) => first,
    };
    let new = NewUser::read(request)?;
    if !app.sign_up.admits(matches!(new.home, Home::Invited(_))) {
        return Err(refused("signing up needs an invitation"));
    }
    let now = app.clock.now();
    // Before the address is looked at: without an invitation, where one is needed, nobody learns who
    // has an account.
    let joined = match app.join(new.home, &new.email, now).await {
        Ok(joined) => joined,
        Err(problem) => return app.guard.replay_or(first, problem).await,
    };
    let hash = app.hasher.hash(new.password, app.random.u128()).await;
    let hash = hash.map_err(|error| Problem::server(Kind::Internal, error))?;
    let id = UserId::new(now, app.random.u128());
    let user = User::new(id, new.email, new.name, Some(hash));
    let response = created(&user, &joined)?;
    let journal = app.journal(id, &joined).answered(first.keep(&response)?);
    match app.accounts.create_user(&user, joined.joining(), &journal).await {
        Ok(()) => {
            tracing::info!(user.id = %id, "registered `{id}`");
            Ok(response)
        }
        Err(CreateUserError::EmailTaken) => Err(taken()),
        Err(CreateUserError::InvitationGone) => Err(bad_invitation()),
        Err(CreateUserError::Answered) => app.guard.replay(first).await,
        Err(CreateUserError::Unavailable(error)) => Err(api::unavailable(error)),
    }
}

impl App {
    /// Finds or makes the workspace in which somebody new is.
    async fn join(&self, home: Home, email: &Email, now: Timestamp) -> Result<Joined, Problem> {
        let token = match home {
            Home::Nowhere => return Ok(Joined::Nowhere),
            Home::OwnWorkspace(name) => {
                let id = WorkspaceId::new(now, self.random.u128());
                return Ok(Joined::Founder(Workspace::new(id, name)));
            }
            Home::Invited(token) => token,
        };
        let found = self.accounts.invitation_of(&token).await.map_err(api::unread_account)?;
        let invitation = found
            .filter(|invitation| invitation.admits(&token, email, now))
            .ok_or_else(bad_invitation)?;
        if !api::is_still_meant(&self.accounts, &invitation).await? {
            return Err(bad_invitation());
        }
        let found = self.accounts.find_workspace(invitation.workspace).await;
        let workspace = found.map_err(api::unread_account)?.ok_or_else(bad_invitation)?;
        Ok(Joined::Invited(invitation, workspace))
    }

    /// What the audit log says of it: in the log of the workspace, if there is one.
    fn journal(&self, user: UserId, joined: &Joined) -> Journal {
        let workspace = joined.workspace().map(|workspace| workspace.id);
        let journal = self.guard.journal_of(workspace, user, Action::UserRegistered, user);
        match joined {
            Joined::Nowhere => journal,
            Joined::Founder(own) => {
                journal.and(self.guard.event(workspace, user, Action::WorkspaceCreated, own.id))
            }
            Joined::Invited(invitation, _) => {
                let accepted = Action::InvitationAccepted;
                let event = self.guard.event(workspace, user, accepted, invitation.id);
                journal.and(event.with("role", invitation.role))
            }
        }
    }
}

impl NewUser {
    /// Reads the body of a request. `null` is as good as absent.
    fn read(request: &Request) -> Result<Self, Problem> {
        let mut fields = Fields::of(request)?;
        let email = fields.required("email", text(Email::parse));
        let name = fields.required("name", text(Name::parse));
        let password = |password: &str| NewPassword::parse(password, email.as_ref());
        let password = fields.required("password", text(password));
        let invitation = fields.optional("invitation", text(InvitationToken::parse));
        let workspace = fields.optional("workspace", text(Name::parse));
        let home = match (invitation, workspace) {
            (None, None) => Home::Nowhere,
            (None, Some(name)) => Home::OwnWorkspace(name),
            (Some(token), None) => Home::Invited(token),
            (Some(token), Some(_)) => {
                let detail = "with an invitation one joins its workspace; leave this out";
                fields.fault(Fault::at("/workspace", detail));
                Home::Invited(token)
            }
        };
        let read = email.zip(name).zip(password);
        fields.finish(read.map(|((email, name), password)| Self { email, name, password, home }))
    }
}

impl Joined {
    fn workspace(&self) -> Option<&Workspace> {
        match self {
            Self::Nowhere => None,
            Self::Founder(workspace) | Self::Invited(_, workspace) => Some(workspace),
        }
    }

    fn joining(&self) -> Joining<'_> {
        match self {
            Self::Nowhere => Joining::Nothing,
            Self::Founder(workspace) => Joining::Founding(workspace),
            Self::Invited(invitation, _) => Joining::Invited(invitation),
        }
    }

    /// The new person's membership.
    fn member(&self, user: &User) -> Option<Member> {
        match self {
            Self::Nowhere => None,
            Self::Founder(workspace) => Some(workspace.founded_by(user.id)),
            Self::Invited(invitation, _) => {
                Some(invitation.accepted_by(user.id, user.created_at()))
            }
        }
    }
}

fn created(user: &User, joined: &Joined) -> Result<Response<Body>, Problem> {
    let home = joined.workspace().cloned().zip(joined.member(user));
    let view = UserView::new(user, home.as_slice());
    api::located(lambda::json(StatusCode::CREATED, &view)?, "/api/v1/users/me")
}

fn refused(why: &str) -> Problem {
    Problem::client(Kind::Forbidden, why)
}

fn taken() -> Problem {
    const TAKEN: &str = "there is an account with this e-mail address";
    Problem::client(Kind::Conflict, TAKEN).at(Fault::at("/email", TAKEN))
}

/// The same whatever is wrong: nobody shall learn which tokens there are, and for whom.
fn bad_invitation() -> Problem {
    let detail = "this invitation is not, or no longer, good for this e-mail address";
    Problem::invalid(vec![Fault::at("/invitation", detail)])
}
