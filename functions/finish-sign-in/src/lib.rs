#![doc = include_str!("../README.md")]

mod people;
#[cfg(test)]
mod tests;

use domain::{SignIn, SignInCode, SignInGrant, SignInState, SignUp, UserId};
use guard::PublicGuard;
use lambda::form::Form;
use lambda::viewer::Viewers;
use lambda::{Body, Boot, Chain, Clock, EnvError, OAuthError, Problem, Random, Request, Response};
use sso::{Client, Provider, Settings};
use store::{AccountStore, ReadAccountError};

use crate::people::Refusal;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: PublicGuard,
    viewers: Viewers,
    /// None where the operator has configured none.
    provider: Option<Provider>,
    sign_up: SignUp,
    clock: Clock,
    random: Random,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let settings = Settings::load(&boot.env)?;
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: PublicGuard::load(&boot)?,
        viewers: Viewers::load(&boot),
        provider: settings.map(|settings| Provider::new(settings, boot.clock.clone())),
        sign_up: boot.env.parsed("SIGNUP", SignUp::default())?,
        clock: boot.clock,
        random: boot.random,
    })
}

/// Takes a browser that comes back from the identity provider, and sends it on to the client. There
/// are no credentials yet: what is counted is the address that the request comes from.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let provider = app.provider.as_ref().ok_or_else(sso::not_here)?;
    let address = app.viewers.address(&request);
    app.guard.admit(address, || finish(&app, provider, &request)).await
}

async fn finish(
    app: &App,
    provider: &Provider,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    let settings = provider.settings();
    let query = match Form::of_query(request) {
        Ok(query) => query,
        Err(error) => return Ok(OAuthError::InvalidRequest.answer(&error.to_string())),
    };
    let Some(Ok(state)) = query.get("state").map(SignInState::parse) else {
        return Ok(OAuthError::InvalidRequest.answer("`state` is none of ours"));
    };
    // Who brings a sign-in to an end must be who began it: else one could be made to sign in as
    // somebody else, and hand them what one does there.
    let Some(browser) = settings.browser(request.headers()) else {
        return Ok(nothing_to_finish());
    };
    let (taker, now) = (app.random.u128(), app.clock.now());
    let taken = app.accounts.take_sign_in(&state, &browser, taker, now).await;
    let Some(sign_in) = taken.map_err(unread)? else {
        return Ok(nothing_to_finish());
    };
    let client =
        Client { redirect_uri: &sign_in.request.redirect_uri, state: sign_in.state.as_ref() };
    let code = match confirmed(settings, &query) {
        Ok(code) => code,
        Err((error, description)) => return settings.refuse(client, error, description),
    };
    let identity = match provider.identify(code, &state, &browser).await {
        Ok(identity) => identity,
        Err(error) => {
            tracing::error!(error = %Chain(&error), "could not finish a sign-in");
            let (error, description) = error.told();
            return settings.refuse(client, error, description);
        }
    };
    match people::user_of(app, settings, &identity).await {
        Ok(user) => grant(app, settings, &sign_in, user).await,
        Err(refusal) => {
            refusal.log();
            let (error, description) = refusal.told();
            settings.refuse(client, error, description)
        }
    }
}

/// Sends the browser back with a code for this person.
async fn grant(
    app: &App,
    settings: &Settings,
    sign_in: &SignIn,
    user: UserId,
) -> Result<Response<Body>, Problem> {
    let client =
        Client { redirect_uri: &sign_in.request.redirect_uri, state: sign_in.state.as_ref() };
    let code = SignInCode::new([app.random.u128(), app.random.u128(), app.random.u128()]);
    let grant = SignInGrant::new(user, sign_in.request.clone(), app.clock.now());
    match app.accounts.put_code(&code, &grant).await {
        Ok(()) => {
            tracing::info!(user.id = %user, "`{user}` came back from the identity provider");
            settings.grant(client, &code)
        }
        Err(error) => {
            let refusal = Refusal::Unavailable(error);
            refusal.log();
            let (error, description) = refusal.told();
            settings.refuse(client, error, description)
        }
    }
}

/// The code that the provider sends, or why it sends none.
fn confirmed<'a>(
    settings: &Settings,
    query: &'a Form,
) -> Result<&'a str, (OAuthError, &'static str)> {
    // RFC 9207. A provider that says nothing of it may be an older one.
    if query.get("iss").is_some_and(|issuer| issuer != settings.issuer) {
        tracing::error!("another identity provider has answered");
        return Err((OAuthError::ServerError, "another identity provider has answered"));
    }
    let error = match (query.get("error"), query.get("code")) {
        (None, Some(code)) => return Ok(code),
        (Some(error), _) => error,
        (None, None) => "",
    };
    match error {
        "access_denied"
        | "login_required"
        | "interaction_required"
        | "consent_required"
        | "account_selection_required" => {
            Err((OAuthError::AccessDenied, "the identity provider said no"))
        }
        "temporarily_unavailable" => Err((
            OAuthError::TemporarilyUnavailable,
            "the identity provider cannot answer now; try again shortly",
        )),
        _ => {
            // It comes by way of the browser, so anybody may have written it.
            let word: String =
                error.chars().filter(|c| matches!(c, 'a'..='z' | '_')).take(40).collect();
            tracing::error!("the identity provider refused a sign-in: `{word}`");
            Err((OAuthError::ServerError, "the identity provider could not sign anybody in"))
        }
    }
}

/// The same whatever is missing: a sign-in that is over, was finished already, never was, or was
/// begun in another browser.
fn nothing_to_finish() -> Response<Body> {
    OAuthError::InvalidRequest.answer(
        "this sign-in is over, or was begun in another browser; begin again where you came from",
    )
}

fn unread(error: ReadAccountError) -> Problem {
    api::unread_account(error)
}
