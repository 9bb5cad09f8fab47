#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::InvitationView;
use domain::{Action, Email, Invitation, InvitationId, InvitationToken, Role, Scope};
use guard::{Guard, Once};
use jiff::SignedDuration;
use lambda::auth::{self, Caller};
use lambda::input::{Fields, number, text};
use lambda::{Body, Boot, Clock, EnvError, Kind, Problem, Random, Request, Response, StatusCode};
use serde_json::Value;
use store::{AccountStore, CreateInvitationError};

/// How long an invitation is good for, unless the request says otherwise: a week.
const HOURS: i64 = 7 * 24;
/// The longest that a request can say: 30 days. What lies in a mailbox for longer is found by others.
const MAX_HOURS: i64 = 30 * 24;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: Guard,
    clock: Clock,
    random: Random,
}

/// What a request to invite somebody says.
struct NewInvitation {
    email: Email,
    role: Role,
    hours: i64,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: Guard::load(&boot)?,
        clock: boot.clock,
        random: boot.random,
    })
}

/// Invites somebody, and answers 201 with the invitation and, this once, its token.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    app.guard.admit(&caller, || create(&app, &caller, &request)).await
}

async fn create(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let first = match app.guard.once(caller, request).await? {
        Once::Answered(answer) => return Ok(answer),
        Once::First(first) => first,
    };
    let new = NewInvitation::read(request)?;
    if !api::manager(&app.accounts, caller).await?.may_manage(new.role) {
        return Err(api::too_small_a_role(new.role));
    }
    let workspace = caller.workspace()?;
    // One that is accepted at this moment is found when the invitation is used.
    if app.accounts.is_member(workspace, &new.email).await.map_err(api::unread_account)? {
        let why = "whoever has this e-mail address is a member of the workspace already";
        return Err(Problem::client(Kind::Conflict, why));
    }
    let id = InvitationId::new(app.clock.now(), app.random.u128());
    let token = InvitationToken::of(id, [app.random.u128(), app.random.u128()]);
    let invitation = Invitation {
        id,
        workspace,
        email: new.email,
        role: new.role,
        hash: token.hash(),
        invited_by: caller.principal_as()?,
        expires_at: id.at() + SignedDuration::from_hours(new.hours),
    };
    let view = InvitationView::made(&invitation, &token);
    let response = lambda::json(StatusCode::CREATED, &view)?;
    let journal = app
        .guard
        .journal(caller, Action::InvitationCreated, id)?
        .with("role", invitation.role)
        .answered(first.keep(&response)?);
    match app.accounts.create_invitation(&invitation, &journal).await {
        Ok(()) => {
            tracing::info!(
                invitation.id = %id,
                principal = caller.principal(),
                "invited by `{id}`, as {}",
                invitation.role
            );
            Ok(response)
        }
        Err(CreateInvitationError::Answered) => app.guard.replay(first).await,
        Err(CreateInvitationError::Unavailable(error)) => Err(api::unavailable(error)),
    }
}

impl NewInvitation {
    /// Reads the body of a request. `null` is as good as absent.
    fn read(request: &Request) -> Result<Self, Problem> {
        let mut fields = Fields::of(request)?;
        let email = fields.required("email", text(Email::parse));
        let role = fields.optional("role", text(Role::parse)).unwrap_or(Role::Member);
        let hours = fields.optional("expires_in_hours", hours).unwrap_or(HOURS);
        fields.finish(email.map(|email| Self { email, role, hours }))
    }
}

fn hours(value: &Value) -> Result<i64, String> {
    let hours = i64::try_from(number(value)?).ok();
    hours
        .filter(|hours| (1..=MAX_HOURS).contains(hours))
        .ok_or_else(|| format!("this must be a number from 1 to {MAX_HOURS}"))
}
