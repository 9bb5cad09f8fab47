#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use domain::{
    BrowserSecret, ClientState, CodeChallenge, OWN_CLIENT, RedirectUri, Scope, SignIn,
    SignInRequest, SignInState, WorkspaceId,
};
use guard::PublicGuard;
use lambda::form::Form;
use lambda::viewer::Viewers;
use lambda::{
    Body, Boot, Chain, Clock, EnvError, HeaderValue, Kind, OAuthError, Problem, Random, Request,
    Response, header,
};
use sso::{Client, Provider, Settings, SsoError};
use store::AccountStore;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    accounts: AccountStore,
    guard: PublicGuard,
    viewers: Viewers,
    /// None where the operator has configured none.
    provider: Option<Provider>,
    clock: Clock,
    random: Random,
}

/// Something that the client is told at its redirect URI.
type Refusal = (OAuthError, &'static str);

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let settings = Settings::load(&boot.env)?;
    Ok(App {
        accounts: AccountStore::new(&boot.aws, boot.env.required("ACCOUNTS_TABLE")?),
        guard: PublicGuard::load(&boot)?,
        viewers: Viewers::load(&boot),
        provider: settings.map(|settings| Provider::new(settings, boot.clock.clone())),
        clock: boot.clock,
        random: boot.random,
    })
}

/// Sends a browser on to the identity provider. There are no credentials yet: what is counted is the
/// address that the request comes from.
pub async fn handle(app: App, request: Request) -> Result<Response<Body>, Problem> {
    let provider = app.provider.as_ref().ok_or_else(sso::not_here)?;
    let address = app.viewers.address(&request);
    app.guard.admit(address, || start(&app, provider, &request)).await
}

async fn start(
    app: &App,
    provider: &Provider,
    request: &Request,
) -> Result<Response<Body>, Problem> {
    let settings = provider.settings();
    if let Some(elsewhere) = at_first_origin(settings, request) {
        return sso::redirect(&elsewhere);
    }
    let query = match Form::of_query(request) {
        Ok(query) => query,
        Err(error) => return Ok(OAuthError::InvalidRequest.answer(&error.to_string())),
    };
    // Before it is known where the browser may be sent, it is sent nowhere.
    let redirect_uri = match redirect_uri(settings, &query) {
        Ok(redirect_uri) => redirect_uri,
        Err((error, description)) => return Ok(error.answer(&description)),
    };
    let state = match query.get("state").map(ClientState::parse) {
        Some(Ok(state)) => state,
        Some(Err(error)) => return Ok(OAuthError::InvalidRequest.answer(&error.to_string())),
        None => return Ok(OAuthError::InvalidRequest.answer("`state` is missing")),
    };
    let client = Client { redirect_uri: &redirect_uri, state: Some(&state) };
    let asked = match asked(&query, redirect_uri.clone()) {
        Ok(asked) => asked,
        Err((error, description)) => return settings.refuse(client, error, description),
    };

    let browser = settings.browser(request.headers()).unwrap_or_else(|| app.new_browser());
    let outside = SignInState::new(app.bits());
    let location = match provider.sign_in_url(&outside, &browser).await {
        Ok(location) => location,
        Err(error) => return refuse(settings, client, &error),
    };
    let sign_in = SignIn::begin(asked, Some(state.clone()), &browser, app.clock.now());
    if let Err(error) = app.accounts.begin_sign_in(&outside, &sign_in).await {
        tracing::error!(error = %Chain(&error), "could not begin a sign-in");
        let description = "try again shortly";
        return settings.refuse(client, OAuthError::TemporarilyUnavailable, description);
    }
    let mut response = sso::redirect(&location)?;
    let cookie = HeaderValue::from_str(&settings.cookie(&browser));
    let cookie = cookie.map_err(|error| Problem::server(Kind::Internal, error))?;
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(response)
}

impl App {
    fn bits(&self) -> [u128; 3] {
        [self.random.u128(), self.random.u128(), self.random.u128()]
    }

    fn new_browser(&self) -> BrowserSecret {
        BrowserSecret::new(self.bits())
    }
}

/// Where the provider will send the browser back to is the first origin, and the browser must have
/// its cookie there. So it begins there too.
fn at_first_origin(settings: &Settings, request: &Request) -> Option<String> {
    let host = request.headers().get(header::HOST)?.to_str().ok()?;
    let domain = settings.origins.find(host)?;
    if domain == settings.origins.default_domain() {
        return None;
    }
    let query = request.uri().query().unwrap_or_default();
    Some(format!("{}/oauth/authorize?{query}", settings.origin))
}

/// Where the browser may be sent, or what the browser itself is told.
fn redirect_uri(settings: &Settings, query: &Form) -> Result<RedirectUri, (OAuthError, String)> {
    match query.get("client_id") {
        Some(OWN_CLIENT) => {}
        Some(_) => {
            let description = format!("`client_id` is `{OWN_CLIENT}`");
            return Err((OAuthError::UnauthorizedClient, description));
        }
        None => {
            return Err((OAuthError::InvalidRequest, "`client_id` is missing".to_owned()));
        }
    }
    let text = query.get("redirect_uri");
    let text = text.ok_or((OAuthError::InvalidRequest, "`redirect_uri` is missing".to_owned()))?;
    settings.redirects.admit(text).map_err(|error| {
        let description = format!("`redirect_uri` is refused: {error}");
        (OAuthError::InvalidRequest, description)
    })
}

/// What the client asks for.
fn asked(query: &Form, redirect_uri: RedirectUri) -> Result<SignInRequest, Refusal> {
    match query.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err((OAuthError::UnsupportedResponseType, "`response_type` is `code`"));
        }
        None => return Err((OAuthError::InvalidRequest, "`response_type` is missing")),
    }
    // Without a method `plain` would be meant, which proves nothing to who has seen the request.
    if query.get("code_challenge_method") != Some("S256") {
        return Err((OAuthError::InvalidRequest, "`code_challenge_method` is `S256`"));
    }
    let challenge = query.get("code_challenge").and_then(|text| CodeChallenge::parse(text).ok());
    let challenge = challenge.ok_or((
        OAuthError::InvalidRequest,
        "`code_challenge` is the SHA-256 of the verifier in Base64url, unpadded",
    ))?;
    let scopes = query.get("scope").map(|text| text.split(' ').map(Scope::parse).collect());
    let scopes = scopes
        .transpose()
        .map_err(|_| (OAuthError::InvalidScope, "`scope` has words that name no scope"))?;
    let workspace = query.get("workspace").map(WorkspaceId::parse);
    let workspace = workspace
        .transpose()
        .map_err(|_| (OAuthError::InvalidRequest, "`workspace` is the id of a workspace"))?;
    Ok(SignInRequest { redirect_uri, challenge, scopes, workspace })
}

/// What the client learns when the provider cannot be used. The log has the rest.
fn refuse(
    settings: &Settings,
    client: Client<'_>,
    error: &SsoError,
) -> Result<Response<Body>, Problem> {
    tracing::error!(error = %Chain(error), "could not begin a sign-in");
    let (error, description) = error.told();
    settings.refuse(client, error, description)
}
