#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{Action, Scope};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{self, Params};
use lambda::{Body, Boot, EnvError, Kind, Problem, Request, Response};
use store::{AccountStore, ChangeMemberError};

/// How often a member is removed anew that somebody else changed meanwhile. Each time that one loses,
/// another one has won: so it prevails over nine changes at once.
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

/// Removes a member, and answers 204: on `…/members/me` whoever asks, since everybody may go; on
/// `…/members/{user_id}` whom an admin, person or key, sends away.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let leaves = input::path(&request, "user_id").is_empty();
    let scope = if leaves { Scope::Account } else { Scope::Admin };
    let caller = auth::caller(&request)?.require(scope)?;
    app.guard.admit(&caller, || delete(&app, &caller, &request, leaves)).await
}

async fn delete(
    app: &App,
    caller: &Caller,
    request: &Request,
    leaves: bool,
) -> Result<Response<Body>, Problem> {
    Params::of(request).finish()?;
    let workspace = api::workspace_of(caller, request)?;
    let (user, manager) = match leaves {
        true => (api::person(caller)?, None),
        false => {
            let user = api::member_id_of(request)?;
            (user, Some(api::manager(&app.accounts, caller).await?))
        }
    };
    for _ in 0..TRIES {
        let member = api::find_member(&app.accounts, workspace, user).await?;
        if manager.is_some_and(|manager| !manager.may_manage(member.role)) {
            return Err(api::too_small_a_role(member.role));
        }
        let journal = app
            .guard
            .journal(caller, Action::MemberRemoved, member.user)?
            .with("role", member.role);
        match app.accounts.remove_member(&member, &journal).await {
            Ok(()) => {
                tracing::info!(
                    user.id = %member.user,
                    principal = caller.principal(),
                    "removed the {} `{}`",
                    member.role,
                    member.user
                );
                return Ok(lambda::no_content());
            }
            // Whoever has changed them meanwhile may have made them what this caller may not touch.
            Err(ChangeMemberError::Changed(_)) => {}
            Err(ChangeMemberError::LastOwner(_)) => return Err(api::last_owner()),
            Err(ChangeMemberError::Unavailable(error)) => return Err(api::unavailable(error)),
        }
    }
    Err(Problem::client(Kind::Conflict, "the member is changed by many at once; try again"))
}
