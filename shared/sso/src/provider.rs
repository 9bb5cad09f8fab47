//! The provider: where it sends people, and who it says they are.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{BrowserSecret, Email, Name, OutsideIdentity, SignInState, sign_in};
use jiff::{SignedDuration, Timestamp};
use lambda::{Clock, OAuthError};
use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreClientAuthMethod, CoreErrorResponseType, CoreIdToken,
    CoreIdTokenClaims, CoreJwsSigningAlgorithm as Algorithm, CoreProviderMetadata,
    CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AccessTokenHash, AuthType, AuthorizationCode, ClaimsVerificationError, ClientId,
    CsrfToken, DiscoveryError, EndUserEmail, EndUserName, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier,
    RedirectUrl, RequestTokenError, Scope, TokenResponse as _, UserInfoError,
};
use tokio::sync::Mutex;

use crate::http::{HttpClient, HttpError, is_private};
use crate::settings::Settings;

/// How long what the provider says of itself is believed. Endpoints hardly ever change; a key that is
/// new is looked for at once.
const FRESH: SignedDuration = SignedDuration::from_hours(1);

/// For how long it is still used where the provider cannot be asked again.
const STALE: SignedDuration = SignedDuration::from_hours(24);

/// A token with an unknown key makes us look for new ones at most this often: anybody can make such
/// a token, but only the provider can hand it to us.
const KEYS_KEPT: SignedDuration = SignedDuration::from_secs(60);

/// After a failure the provider is left alone this long, so that a crowd does not wait for it one
/// by one.
const PAUSE: SignedDuration = SignedDuration::from_secs(2);

/// How far clocks may be apart.
const SKEW: SignedDuration = SignedDuration::from_secs(60);

/// How long a person waits for all calls together: within the function's own time.
const ALL_CALLS: Duration = Duration::from_secs(8);

/// Signatures that only the provider can make. With an `HS…` our own secret would sign, and with
/// `none` everybody could.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];

/// The client that a provider's metadata makes.
type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Who somebody is, as the provider says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Their account there.
    pub id: OutsideIdentity,
    /// Their address, if the provider has looked whether it is theirs.
    pub verified_email: Option<Email>,
    /// What they are called, if it says so.
    pub name: Option<Name>,
}

/// Why there is no sign-in.
#[derive(Debug, thiserror::Error)]
pub enum SsoError {
    /// The provider is slow, overloaded or away. Trying again later may help.
    #[error("asking the identity provider")]
    Away(#[source] HttpError),
    /// The provider was away a moment ago, or takes too long altogether.
    #[error("the identity provider does not answer")]
    Waiting,
    /// The provider does not take the code: it is old, used, or somebody else's.
    #[error("the identity provider does not take the code")]
    Refused,
    /// The provider does not take this client: an operator must look.
    #[error("the identity provider does not take this client ({0}): see `OIDC_CLIENT_ID`")]
    Misconfigured(&'static str),
    /// Somebody else answers there: an operator must look.
    #[error("the identity provider does not call itself what `OIDC_ISSUER` says")]
    OtherIssuer,
    /// What the provider says makes no sense.
    #[error("the identity provider's {0} cannot be used")]
    Malformed(&'static str),
    /// The ID token is not for us, not for now, or not the provider's.
    #[error("the identity provider's token is refused: {0}")]
    BadToken(TokenFault),
}

impl SsoError {
    /// What the client is told of it. The rest is for the log, and for the operator.
    pub const fn told(&self) -> (OAuthError, &'static str) {
        match self {
            Self::Away(_) | Self::Waiting => (
                OAuthError::TemporarilyUnavailable,
                "the identity provider does not answer; try again shortly",
            ),
            Self::Refused => {
                (OAuthError::AccessDenied, "the identity provider did not confirm the sign-in")
            }
            Self::Misconfigured(_) | Self::OtherIssuer | Self::Malformed(_) | Self::BadToken(_) => {
                (
                    OAuthError::ServerError,
                    "signing in with the identity provider does not work; tell the operator",
                )
            }
        }
    }
}

/// What is wrong with an ID token. No values, because they tell of a person, and logs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    /// There is none.
    #[error("there is none")]
    Missing,
    /// Its time is over, or has not come.
    #[error("expired, or not valid yet")]
    Time,
    /// It was made for somebody else.
    #[error("another audience")]
    Audience,
    /// It was made by somebody else.
    #[error("another issuer")]
    Issuer,
    /// It was made for another sign-in.
    #[error("another sign-in's nonce")]
    Nonce,
    /// No signature of the provider's fits.
    #[error("no valid signature of a known key")]
    Signature,
    /// It came with another access token.
    #[error("another access token's hash")]
    AccessToken,
    /// Something else.
    #[error("it has a form that is not supported")]
    Form,
}

/// The identity provider.
#[derive(Debug, Clone)]
pub struct Provider(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    clock: Clock,
    http: HttpClient,
    known: Mutex<Known>,
}

/// What was found out about the provider.
#[derive(Debug, Default)]
struct Known {
    metadata: Option<Metadata>,
    failed_at: Option<Timestamp>,
}

/// What the provider says of itself, and when it did.
#[derive(Debug, Clone)]
struct Metadata {
    provider: Arc<CoreProviderMetadata>,
    at: Timestamp,
}

impl Provider {
    /// The provider of these settings. It is asked nothing yet.
    pub fn new(settings: Settings, clock: Clock) -> Self {
        let http = HttpClient::default();
        Self(Arc::new(Inner { settings, clock, http, known: Mutex::default() }))
    }

    /// The operator's settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Where the browser goes to be signed in.
    pub async fn sign_in_url(
        &self,
        state: &SignInState,
        browser: &BrowserSecret,
    ) -> Result<String, SsoError> {
        let metadata = in_time(self.0.metadata(FRESH)).await?;
        let client = self.0.client(&metadata)?;
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let verifier = verifier(state, browser);
        let (csrf, nonce) = (CsrfToken::new(state.reveal()), nonce(state, browser));
        let (url, _, _) = client
            .authorize_url(flow, move || csrf, move || nonce)
            .add_scopes(["email", "profile"].map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .url();
        match is_private(&url) {
            true => Ok(url.into()),
            false => Err(SsoError::Malformed("authorization endpoint")),
        }
    }

    /// Who came back with this code.
    pub async fn identify(
        &self,
        code: &str,
        state: &SignInState,
        browser: &BrowserSecret,
    ) -> Result<Identity, SsoError> {
        in_time(async {
            let mut metadata = self.0.metadata(FRESH).await?;
            let tokens = self.0.redeem(&metadata, code, verifier(state, browser)).await?;
            let token = tokens.id_token().ok_or(SsoError::BadToken(TokenFault::Missing))?;
            let nonce = nonce(state, browser);
            let claims = match self.0.verified(&metadata, token, &nonce) {
                // The provider may have new keys.
                Err(SsoError::BadToken(TokenFault::Signature)) => {
                    metadata = self.0.metadata(KEYS_KEPT).await?;
                    self.0.verified(&metadata, token, &nonce)?
                }
                other => other?,
            };
            self.0.check_hash(&metadata, token, &claims, tokens.access_token())?;
            let told = Told::by_token(&claims);
            let told = match told.is_enough() {
                true => told,
                // Many providers keep what they know of a person for those who ask for it.
                false => match self.0.user_info(&metadata, &claims, tokens.access_token()).await {
                    Ok(info) => told.or(info),
                    // A name is worth asking for, but no reason to send somebody away.
                    Err(_) if told.says_whose_address() => told,
                    Err(error) => return Err(error),
                },
            };
            let id = OutsideIdentity::new(&self.0.settings.issuer, claims.subject());
            Ok(told.identity(id, self.0.settings.trusts_email))
        })
        .await
    }
}

impl Inner {
    /// What the provider says of itself, no older than this, where it can be asked.
    ///
    /// One asks for all who wait.
    async fn metadata(&self, max_age: SignedDuration) -> Result<Metadata, SsoError> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        let is_younger = |metadata: &&Metadata, age| now.duration_since(metadata.at) < age;
        if let Some(metadata) = known.metadata.as_ref().filter(|m| is_younger(m, max_age)) {
            return Ok(metadata.clone());
        }
        let stale = known.metadata.clone().filter(|metadata| is_younger(&metadata, STALE));
        let asked = match known.failed_at.is_some_and(|at| now.duration_since(at) < PAUSE) {
            true => Err(SsoError::Waiting),
            false => self.discover().await,
        };
        match (asked, stale) {
            (Ok(provider), _) => {
                let metadata = Metadata { provider: Arc::new(provider), at: now };
                *known = Known { metadata: Some(metadata.clone()), failed_at: None };
                Ok(metadata)
            }
            (Err(error), stale) => {
                if !matches!(error, SsoError::Waiting) {
                    known.failed_at = Some(self.clock.now());
                }
                let metadata = stale.ok_or(error)?;
                tracing::warn!("the identity provider's metadata is old, and could not be renewed");
                Ok(metadata)
            }
        }
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, SsoError> {
        let issuer = IssuerUrl::new(self.settings.issuer.clone());
        let issuer = issuer.map_err(|_| SsoError::Misconfigured("OIDC_ISSUER"))?;
        CoreProviderMetadata::discover_async(issuer, &self.http).await.map_err(|error| {
            match error {
                DiscoveryError::Request(error) => away(error),
                DiscoveryError::Validation(_) => SsoError::OtherIssuer,
                // The last is for variants that the crate may add.
                DiscoveryError::Other(_)
                | DiscoveryError::Parse(_)
                | DiscoveryError::Response(..)
                | DiscoveryError::UrlParse(_)
                | _ => SsoError::Malformed("metadata"),
            }
        })
    }

    fn client(&self, metadata: &Metadata) -> Result<Client, SsoError> {
        let callback = RedirectUrl::new(self.settings.callback.clone());
        let callback = callback.map_err(|_| SsoError::Misconfigured("ORIGINS"))?;
        let secret = self.settings.client_secret.as_ref();
        let secret = secret.map(|s| openidconnect::ClientSecret::new(s.reveal().to_owned()));
        let id = ClientId::new(self.settings.client_id.clone());
        let provider = CoreProviderMetadata::clone(&metadata.provider);
        let auth_type = match takes_basic(&provider) {
            true => AuthType::BasicAuth,
            false => AuthType::RequestBody,
        };
        let client = CoreClient::from_provider_metadata(provider, id, secret);
        Ok(client.set_redirect_uri(callback).set_auth_type(auth_type))
    }

    async fn redeem(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: PkceCodeVerifier,
    ) -> Result<CoreTokenResponse, SsoError> {
        let client = self.client(metadata)?;
        let request = client
            .exchange_code(AuthorizationCode::new(code.to_owned()))
            .map_err(|_| SsoError::Malformed("metadata without a token endpoint"))?
            .set_pkce_verifier(verifier);
        request.request_async(&self.http).await.map_err(|error| match error {
            RequestTokenError::Request(error) => away(error),
            RequestTokenError::ServerResponse(answer) => match answer.error() {
                CoreErrorResponseType::InvalidGrant => SsoError::Refused,
                CoreErrorResponseType::InvalidClient => SsoError::Misconfigured("invalid_client"),
                CoreErrorResponseType::InvalidRequest => SsoError::Misconfigured("invalid_request"),
                CoreErrorResponseType::InvalidScope => SsoError::Misconfigured("invalid_scope"),
                CoreErrorResponseType::UnauthorizedClient => {
                    SsoError::Misconfigured("unauthorized_client")
                }
                CoreErrorResponseType::UnsupportedGrantType => {
                    SsoError::Misconfigured("unsupported_grant_type")
                }
                CoreErrorResponseType::Extension(_) => SsoError::Misconfigured("another error"),
            },
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                SsoError::Malformed("answer to the code")
            }
        })
    }

    /// What a token says, if the provider made it for this sign-in.
    fn verified(
        &self,
        metadata: &Metadata,
        token: &CoreIdToken,
        nonce: &Nonce,
    ) -> Result<CoreIdTokenClaims, SsoError> {
        let client = self.client(metadata)?;
        let offered = metadata.provider.id_token_signing_alg_values_supported();
        let allowed = ALGORITHMS.into_iter().filter(|algorithm| offered.contains(algorithm));
        let now = self.clock.now();
        let (earlier, later) = (utc(now, -SKEW), utc(now, SKEW));
        let not_from_the_future = move |issued: DateTime<Utc>| match issued <= later {
            true => Ok(()),
            false => Err(String::from("it is of the future")),
        };
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(allowed)
            .set_time_fn(move || earlier)
            .set_issue_time_verifier_fn(not_from_the_future);
        let claims = token.claims(&verifier, nonce).map_err(|e| SsoError::BadToken(fault(&e)))?;
        // Made for another client that may also show it to us.
        let party = claims.authorized_party();
        if party.is_some_and(|party| party.as_str() != self.settings.client_id) {
            return Err(SsoError::BadToken(TokenFault::Audience));
        }
        Ok(claims.clone())
    }

    /// That the access token is the one that the ID token came with.
    fn check_hash(
        &self,
        metadata: &Metadata,
        token: &CoreIdToken,
        claims: &CoreIdTokenClaims,
        access: &AccessToken,
    ) -> Result<(), SsoError> {
        let Some(expected) = claims.access_token_hash() else { return Ok(()) };
        let client = self.client(metadata)?;
        let verifier = client.id_token_verifier().set_allowed_algs(ALGORITHMS);
        let algorithm = token.signing_alg().map_err(|_| SsoError::BadToken(TokenFault::Form))?;
        let key = token.signing_key(&verifier).map_err(|_| SsoError::BadToken(TokenFault::Form))?;
        let actual = AccessTokenHash::from_token(access, algorithm, key)
            .map_err(|_| SsoError::BadToken(TokenFault::Form))?;
        match actual == *expected {
            true => Ok(()),
            false => Err(SsoError::BadToken(TokenFault::AccessToken)),
        }
    }

    /// What the provider tells of the token's subject when it is asked, if it can be asked.
    async fn user_info(
        &self,
        metadata: &Metadata,
        claims: &CoreIdTokenClaims,
        access: &AccessToken,
    ) -> Result<Told, SsoError> {
        // The library makes a header of it, and would panic.
        if !access.secret().bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SsoError::Malformed("access token"));
        }
        let client = self.client(metadata)?;
        let Ok(request) = client.user_info(access.clone(), Some(claims.subject().clone())) else {
            return Ok(Told::default());
        };
        let told = request.request_async(&self.http).await;
        told.map(|claims| Told::by_info(&claims)).map_err(|error| match error {
            UserInfoError::Request(error) => away(error),
            // The last is for variants that the crate may add.
            UserInfoError::ClaimsVerification(_)
            | UserInfoError::Parse(_)
            | UserInfoError::Response(..)
            | UserInfoError::Other(_)
            | _ => SsoError::Malformed("answer about the person"),
        })
    }
}

/// What was told of a person.
#[derive(Default)]
struct Told {
    email: Option<EndUserEmail>,
    email_verified: Option<bool>,
    name: Option<EndUserName>,
}

impl Told {
    fn by_token(claims: &CoreIdTokenClaims) -> Self {
        Self {
            email: claims.email().cloned(),
            email_verified: claims.email_verified(),
            name: claims.name().and_then(|name| name.get(None)).cloned(),
        }
    }

    fn by_info(claims: &CoreUserInfoClaims) -> Self {
        Self {
            email: claims.email().cloned(),
            email_verified: claims.email_verified(),
            name: claims.name().and_then(|name| name.get(None)).cloned(),
        }
    }

    fn is_enough(&self) -> bool {
        self.says_whose_address() && self.name.is_some()
    }

    fn says_whose_address(&self) -> bool {
        self.email.is_some() && self.email_verified.is_some()
    }

    /// What is missing here, from there. An address and whether it was verified belong together.
    fn or(self, other: Self) -> Self {
        let name = self.name.clone().or(other.name.clone());
        let of_address =
            if self.says_whose_address() || other.email.is_none() { self } else { other };
        Self { name, ..of_address }
    }

    /// Whom this is about. Where the provider is `trusted`, an address counts of which it says
    /// nothing; of which it says that it is not verified, never.
    fn identity(&self, id: OutsideIdentity, trusted: bool) -> Identity {
        let email = self.email.as_ref().filter(|_| self.email_verified.unwrap_or(trusted));
        Identity {
            id,
            verified_email: email.and_then(|email| Email::parse(email).ok()),
            name: self.name.as_ref().and_then(|name| Name::parse(name.trim()).ok()),
        }
    }
}

fn nonce(state: &SignInState, browser: &BrowserSecret) -> Nonce {
    Nonce::new(sign_in::nonce(state, browser))
}

fn verifier(state: &SignInState, browser: &BrowserSecret) -> PkceCodeVerifier {
    PkceCodeVerifier::new(sign_in::provider_verifier(state, browser).reveal().to_owned())
}

/// Whether the provider takes the secret in a header, as it does unless it says otherwise
/// (OIDC Discovery, 3).
fn takes_basic(provider: &CoreProviderMetadata) -> bool {
    let methods = provider.token_endpoint_auth_methods_supported();
    methods.is_none_or(|methods| {
        methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
            || !methods.contains(&CoreClientAuthMethod::ClientSecretPost)
    })
}

fn away(error: HttpError) -> SsoError {
    match error {
        HttpError::Insecure => SsoError::Malformed("endpoint"),
        HttpError::TooLarge => SsoError::Malformed("endless answer"),
        HttpError::NoRoots(_)
        | HttpError::Timeout
        | HttpError::Send(_)
        | HttpError::Read(_)
        | HttpError::Busy(_) => SsoError::Away(error),
    }
}

fn fault(error: &ClaimsVerificationError) -> TokenFault {
    match error {
        ClaimsVerificationError::Expired(_) | ClaimsVerificationError::InvalidAuthTime(_) => {
            TokenFault::Time
        }
        ClaimsVerificationError::InvalidAudience(_) => TokenFault::Audience,
        ClaimsVerificationError::InvalidIssuer(_) => TokenFault::Issuer,
        ClaimsVerificationError::InvalidNonce(_) => TokenFault::Nonce,
        ClaimsVerificationError::SignatureVerification(_) => TokenFault::Signature,
        // The last is for variants that the crate may add.
        ClaimsVerificationError::InvalidAuthContext(_)
        | ClaimsVerificationError::InvalidSubject(_)
        | ClaimsVerificationError::Other(_)
        | ClaimsVerificationError::Unsupported(_)
        | _ => TokenFault::Form,
    }
}

/// A time as `openidconnect` wants it, moved by so much.
fn utc(at: Timestamp, by: SignedDuration) -> DateTime<Utc> {
    let seconds = at.as_second().saturating_add(by.as_secs());
    DateTime::from_timestamp(seconds, 0).unwrap_or_default()
}

/// The outcome, unless it takes longer than a person waits.
async fn in_time<T>(asked: impl Future<Output = Result<T, SsoError>>) -> Result<T, SsoError> {
    tokio::time::timeout(ALL_CALLS, asked).await.unwrap_or(Err(SsoError::Waiting))
}
