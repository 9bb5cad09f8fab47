#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use api::UserView;
use domain::{Action, Email, Guesses, Name, PasswordHash, Scope, User, UserChange};
use guard::Guard;
use lambda::auth::{self, Caller};
use lambda::input::{Fields, text};
use lambda::{
    Body, Boot, Clock, EnvError, Fault, Kind, Problem, Random, Request, Response, StatusCode,
};
use passwords::{HashError, Hasher, NewPassword};
use store::{AccountStore, Attempt, UpdateUserError};

/// How often an edit is made anew on what somebody else left meanwhile. Each time that one loses,
/// another one has won: so ten edits at once all succeed.
const TRIES: usize = 10;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: Guard,
    hasher: Hasher,
    clock: Clock,
    random: Random,
}

/// What a request to change oneself says.
struct Wanted {
    name: Option<Name>,
    password: Option<NewPassword>,
    current_password: Option<String>,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: Guard::load(&boot)?,
        hasher: Hasher::new(),
        clock: boot.clock,
        random: boot.random,
    })
}

/// Edits the person who asks by a JSON Merge Patch, and answers with what they are now.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let caller = auth::caller(&request)?.require(Scope::Account)?;
    app.guard.admit(&caller, || update(&app, &caller, &request)).await
}

async fn update(app: &App, caller: &Caller, request: &Request) -> Result<Response<Body>, Problem> {
    let mut old = api::find_person(&app.accounts, caller).await?;
    let wanted = Wanted::read(request, &old.email)?;
    let password = app.new_password(&old, wanted.password, wanted.current_password).await?;
    let proven = old.password.clone();
    // Before the edit: one that is made can be answered.
    let workspaces = app.accounts.all_workspaces_of(old.id).await.map_err(api::unread_account)?;
    for _ in 0..TRIES {
        let change = UserChange { name: wanted.name.clone(), password: password.clone() };
        let new = old.edited(change, app.clock.now());
        let response = lambda::json(StatusCode::OK, &UserView::new(&new, &workspaces))?;
        let fields = changed(&old, &new);
        if fields.is_empty() {
            return Ok(response);
        }
        let journal = app
            .guard
            .journal(caller, Action::UserUpdated, old.id)?
            .with("fields", fields.join(", "));
        match app.accounts.update_user(&old, &new, &journal).await {
            Ok(()) => {
                tracing::info!(user.id = %old.id, "edited the user `{}`", old.id);
                return Ok(response);
            }
            // Edited meanwhile: the same edit on what is there now.
            Err(UpdateUserError::Changed(_)) => {
                old = api::find_person(&app.accounts, caller).await?;
                if password.is_some() && old.password != proven {
                    // What was proven is the password of before.
                    break;
                }
            }
            Err(UpdateUserError::Unavailable(error)) => return Err(api::unavailable(error)),
        }
    }
    Err(Problem::client(Kind::Conflict, "you are edited by many at once; try again"))
}

impl App {
    /// The hash of a new password, once the current one is proven, if there is one.
    async fn new_password(
        &self,
        user: &User,
        new: Option<NewPassword>,
        current: Option<String>,
    ) -> Result<Option<PasswordHash>, Problem> {
        let Some(new) = new else { return Ok(None) };
        if let Some(stored) = &user.password {
            let current = current.ok_or_else(|| wrong("a new password needs the current one"))?;
            self.prove(user, stored, &current).await?;
        }
        let hash = self.hasher.hash(new, self.random.u128()).await.map_err(unhashed)?;
        Ok(Some(hash))
    }

    /// Whoever has found an open browser may not guess the password in it: guesses are counted with
    /// those at the sign-in.
    async fn prove(
        &self,
        user: &User,
        stored: &PasswordHash,
        current: &str,
    ) -> Result<(), Problem> {
        let guesses = Guesses::at_account(&user.email);
        let begun = self.accounts.begin_attempt(&guesses, self.clock.now()).await;
        if let Attempt::TooEarly(wait) = begun.map_err(api::unread_account)? {
            return Err(api::too_early(wait));
        }
        if !self.hasher.verify(current, Some(stored.clone())).await.map_err(unhashed)? {
            return Err(wrong("this is not the current password"));
        }
        self.accounts.forget_attempts(&guesses).await.map_err(api::unavailable)
    }
}

impl Wanted {
    fn read(request: &Request, email: &Email) -> Result<Self, Problem> {
        let mut fields = Fields::of(request)?;
        let name = fields.change("name", text(Name::parse));
        let password = |password: &str| NewPassword::parse(password, email);
        let password = fields.change("password", text(password));
        let current_password = fields.change("current_password", text(typed));
        fields.finish(Some(Self { name, password, current_password }))
    }
}

/// A password that somebody typed. Longer than the longest that can be chosen it is not worth hashing.
fn typed(text: &str) -> Result<String, String> {
    match text.chars().take(passwords::MAX_CHARS + 1).count() {
        0 => Err("this is empty".to_owned()),
        count if passwords::MAX_CHARS < count => {
            Err(format!("a password has at most {} characters", passwords::MAX_CHARS))
        }
        _ => Ok(text.to_owned()),
    }
}

/// The names of the fields that differ, for the audit log.
fn changed(old: &User, new: &User) -> Vec<&'static str> {
    let fields = [("name", old.name != new.name), ("password", old.password != new.password)];
    fields.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect()
}

fn wrong(why: &str) -> Problem {
    Problem::invalid(vec![Fault::at("/current_password", why)])
}

fn unhashed(error: HashError) -> Problem {
    Problem::server(Kind::Internal, error)
}
