#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::MemberView;
use domain::{Action, Member, Role, Scope};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{Fields, text};
use lambda::{Body, Boot, EnvError, Kind, Problem, Request, Response, StatusCode};
use store::{AccountStore, ChangeMemberError};

/// How often a role is changed anew that somebody else changed meanwhile. Each time that one loses,
/// another one has won: so ten changes at once all succeed.
const TRIES: usize = 10;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: Guard,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: Guard::load(&boot)?,
    })
}

/// Gives a member another role, and answers with the member.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Admin)?;
    app.guard.admit(&caller, || update(&app, &caller, &request)).await
}

async fn update(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let workspace = api::workspace_of(caller, request)?;
    let (user, role) = (api::member_id_of(request)?, read(request)?);
    let manager = api::manager(&app.accounts, caller).await?;
    for _ in 0..TRIES {
        let old = api::find_member(&app.accounts, workspace, user).await?;
        if let Some(other) = [old.role, role].into_iter().find(|other| !manager.may_manage(*other))
        {
            return Err(api::too_small_a_role(other));
        }
        let user = app.accounts.find_user(old.user).await.map_err(api::unread_account)?;
        let user = user.ok_or_else(api::no_member)?;
        let response =
            lambda::json(StatusCode::OK, &MemberView::new(&Member { role, ..old }, &user))?;
        if role == old.role {
            return Ok(response);
        }
        let journal = app
            .guard
            .journal(caller, Action::MemberUpdated, old.user)?
            .with("role", role)
            .with("old_role", old.role);
        match app.accounts.change_role(&old, role, &journal).await {
            Ok(()) => {
                tracing::info!(
                    user.id = %old.user,
                    principal = caller.principal(),
                    "made the {} `{}` a {role}",
                    old.role,
                    old.user
                );
                return Ok(response);
            }
            // Whoever has changed them meanwhile may have made them what this caller may not touch.
            Err(ChangeMemberError::Changed(_)) => {}
            Err(ChangeMemberError::LastOwner(_)) => return Err(api::last_owner()),
            Err(ChangeMemberError::Unavailable(error)) => return Err(api::unavailable(error)),
        }
    }
    Err(Problem::client(Kind::Conflict, "the member is changed by many at once; try again"))
}

fn read(request: &Request) -> Result<Role, Problem> {
    let mut fields = Fields::of(request)?;
    let role = fields.required("role", text(Role::parse));
    fields.finish(role)
}
