//! What the operator says about the identity provider.

use std::fmt;

use domain::{JoinRules, Origins, RedirectRules};
use lambda::{Env, EnvError};
use url::Url;

use crate::http::is_private;

/// Where the provider sends browsers back to, below the first origin.
const CALLBACK: &str = "/oauth/callback";

/// What the provider knows this service by.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(String);

/// The identity provider, and what follows from a sign-in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The provider's name for itself: `OIDC_ISSUER`.
    pub issuer: String,
    /// Its name for this service: `OIDC_CLIENT_ID`.
    pub client_id: String,
    /// What proves that we are that: `OIDC_CLIENT_SECRET`. A public client has none, only PKCE.
    pub client_secret: Option<ClientSecret>,
    /// This service's address, as it stands in its own tokens: the first of `ORIGINS`.
    pub origin: String,
    /// All addresses of this service: `ORIGINS`.
    pub origins: Origins,
    /// Where the provider sends browsers back to, as it is registered there.
    pub callback: String,
    /// Where clients may have browsers sent: `ORIGINS` and `SIGN_IN_REDIRECTS`.
    pub redirects: RedirectRules,
    /// Who becomes a member of what: `OIDC_MEMBERS`.
    pub joins: JoinRules,
    /// Whether an address counts of which the provider does not say that it was verified:
    /// `OIDC_TRUST_EMAIL`. Right where the company itself gives out the addresses.
    pub trusts_email: bool,
}

impl Settings {
    /// Reads them; none where there is no `OIDC_ISSUER`: then people sign in by password.
    pub fn load(env: &Env) -> Result<Option<Self>, EnvError> {
        let Some(issuer) = env.optional("OIDC_ISSUER") else { return Ok(None) };
        check_issuer(&issuer).map_err(|why| EnvError::Invalid {
            name: "OIDC_ISSUER",
            value: issuer.clone(),
            why: why.to_owned(),
        })?;
        let origins = env.required_as("ORIGINS", Origins::parse)?;
        let origin = origins.default_origin();
        let redirects = env.optional("SIGN_IN_REDIRECTS").unwrap_or_default();
        let redirects = RedirectRules::parse(origins.clone(), &redirects).map_err(|error| {
            let why = error.to_string();
            EnvError::Invalid { name: "SIGN_IN_REDIRECTS", value: redirects, why }
        })?;
        let joins = env.optional("OIDC_MEMBERS").unwrap_or_default();
        let joins = JoinRules::parse(&joins).map_err(|error| {
            let why = error.to_string();
            EnvError::Invalid { name: "OIDC_MEMBERS", value: joins, why }
        })?;
        Ok(Some(Self {
            issuer,
            client_id: env.required("OIDC_CLIENT_ID")?,
            client_secret: env.optional("OIDC_CLIENT_SECRET").map(ClientSecret),
            callback: format!("{origin}{CALLBACK}"),
            origin,
            origins,
            redirects,
            joins,
            trusts_email: env.parsed("OIDC_TRUST_EMAIL", false)?,
        }))
    }
}

/// OIDC Core, 2: an issuer is an https URL without query and fragment.
fn check_issuer(text: &str) -> Result<(), &'static str> {
    const SHAPE: &str = "an issuer is a URL such as `https://id.example.com`, as the provider's \
         `/.well-known/openid-configuration` has it";
    let url = Url::parse(text).map_err(|_| SHAPE)?;
    let bare = url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    match (bare, is_private(&url)) {
        (false, _) => Err(SHAPE),
        (true, false) => Err("it must begin with `https://`; `http://` is for this machine only"),
        (true, true) => Ok(()),
    }
}

impl ClientSecret {
    /// The secret in clear, for the provider.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("OIDC_ISSUER", "https://id.example.com/realms/a"),
        ("OIDC_CLIENT_ID", "signpost"),
        ("OIDC_CLIENT_SECRET", "correct horse"),
        ("ORIGINS", "https://go.example.com,https://l.example.org"),
    ];

    fn load(more: &[(&'static str, &str)]) -> Result<Option<Settings>, EnvError> {
        // The first of a name counts.
        let all = more.iter().chain(&GOOD);
        Settings::load(&Env::fixed(all.map(|(name, value)| (*name, (*value).to_owned()))))
    }

    #[test]
    fn what_the_operator_says_is_taken() {
        let settings = load(&[]).unwrap().unwrap();
        assert_eq!(settings.issuer, "https://id.example.com/realms/a");
        assert_eq!(settings.callback, "https://go.example.com/oauth/callback");
        assert_eq!(settings.origin, "https://go.example.com");
        assert_eq!(settings.client_secret.as_ref().unwrap().reveal(), "correct horse");
        assert!(load(&[("OIDC_CLIENT_SECRET", "")]).unwrap().unwrap().client_secret.is_none());
        assert!(load(&[("OIDC_ISSUER", "")]).unwrap().is_none());
        for issuer in ["http://127.0.0.1:3000", "http://localhost:3000/", "http://[::1]:1"] {
            assert!(load(&[("OIDC_ISSUER", issuer)]).is_ok(), "{issuer}");
        }
    }

    #[test]
    fn each_setting_that_cannot_be_meant_is_named() {
        for (name, value) in [
            ("OIDC_ISSUER", "id.example.com"),
            ("OIDC_ISSUER", "http://id.example.com"),
            ("OIDC_ISSUER", "http://localhost.example.com"),
            ("OIDC_ISSUER", "https://id.example.com?x"),
            ("OIDC_ISSUER", "https://id.example.com#x"),
            ("OIDC_ISSUER", "https://me@id.example.com"),
            ("OIDC_ISSUER", "file:///etc"),
            ("OIDC_ISSUER", "data:,x"),
            ("OIDC_CLIENT_ID", ""),
            ("OIDC_MEMBERS", "example.com=wrk_1:member"),
            ("OIDC_TRUST_EMAIL", "yes"),
            ("SIGN_IN_REDIRECTS", "http://tools.example.com/cb"),
            ("ORIGINS", "go.example.com"),
        ] {
            let error = load(&[(name, value)]).expect_err(value).to_string();
            assert!(error.contains(&format!("`{name}`")), "{error}");
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let shown = format!("{:?}", load(&[]).unwrap());
        assert!(!shown.contains("horse"), "{shown}");
    }
}
