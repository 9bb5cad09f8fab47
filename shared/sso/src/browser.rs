//! The browser in between: what it keeps, and where it is sent.

use domain::{BrowserSecret, ClientState, RedirectUri, SignInCode};
use lambda::{
    Body, HeaderMap, HeaderValue, Kind, OAuthError, Problem, Response, StatusCode, header,
};

use crate::settings::Settings;

/// The cookie's name where there is TLS: browsers take one of this prefix only from this very host,
/// so that no neighbour of it can put in their own.
const COOKIE: &str = "__Host-signin";

/// The same without TLS, on a developer's machine: there browsers refuse the prefix.
const PLAIN_COOKIE: &str = "signin";

/// Who gets the browser back, and knows it by what.
#[derive(Debug, Clone, Copy)]
pub struct Client<'a> {
    /// Where the browser goes.
    pub redirect_uri: &'a RedirectUri,
    /// What the client gave along.
    pub state: Option<&'a ClientState>,
}

impl Settings {
    /// The secret that the browser of a request keeps, if it has one.
    pub fn browser(&self, headers: &HeaderMap) -> Option<BrowserSecret> {
        let texts = headers.get_all(header::COOKIE).into_iter().filter_map(|it| it.to_str().ok());
        texts
            .flat_map(|text| text.split(';'))
            .filter_map(|cookie| cookie.trim().split_once('='))
            .filter(|(name, _)| *name == self.cookie_name())
            .find_map(|(_, value)| BrowserSecret::parse(value).ok())
    }

    /// The cookie by which a browser keeps its secret, for as long as a sign-in lasts.
    ///
    /// It is not taken back afterwards: another sign-in may be under way in another tab, and alone it
    /// is good for nothing.
    pub fn cookie(&self, browser: &BrowserSecret) -> String {
        let (name, secure) = match self.is_tls() {
            true => (COOKIE, "; Secure"),
            false => (PLAIN_COOKIE, ""),
        };
        let age = domain::SignIn::LASTS.as_secs();
        // `Lax`, because the provider sends the browser back from another site.
        let value = browser.reveal();
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
    }

    /// Sends the browser back with a code.
    pub fn grant(&self, client: Client<'_>, code: &SignInCode) -> Result<Response<Body>, Problem> {
        self.answer(client, [("code", code.reveal())])
    }

    /// Sends the browser back with an error, in words for whoever writes the client.
    pub fn refuse(
        &self,
        client: Client<'_>,
        error: OAuthError,
        description: &str,
    ) -> Result<Response<Body>, Problem> {
        let error = error.as_str().to_owned();
        self.answer(client, [("error", error), ("error_description", description.to_owned())])
    }

    fn answer<const N: usize>(
        &self,
        client: Client<'_>,
        answer: [(&str, String); N],
    ) -> Result<Response<Body>, Problem> {
        let state = client.state.map(|state| ("state", state.as_str()));
        // RFC 9207: a client of several servers knows whose answer it is.
        let issuer = [("iss", self.origin.as_str())];
        let answer = answer.iter().map(|(name, value)| (*name, value.as_str()));
        redirect(&client.redirect_uri.with(answer.chain(state).chain(issuer)))
    }

    fn cookie_name(&self) -> &'static str {
        if self.is_tls() { COOKIE } else { PLAIN_COOKIE }
    }

    fn is_tls(&self) -> bool {
        self.origin.starts_with("https://")
    }
}

/// The answer where the operator has named no identity provider.
pub fn not_here() -> Problem {
    let detail = "there is no identity provider here; sign in by password";
    Problem::client(Kind::NotFound, detail)
}

/// Sends the browser somewhere, once: the address is a secret, and nobody is to keep it or to be
/// told of it.
pub fn redirect(location: &str) -> Result<Response<Body>, Problem> {
    let mut response = Response::new(Body::Empty);
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    let location =
        HeaderValue::from_str(location).map_err(|e| Problem::server(Kind::Internal, e))?;
    headers.insert(header::LOCATION, location);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    Ok(response)
}

#[cfg(test)]
mod tests {
    use lambda::Env;

    use super::*;

    fn settings(origin: &str) -> Settings {
        let env = [
            ("OIDC_ISSUER", "https://id.example.com"),
            ("OIDC_CLIENT_ID", "signpost"),
            ("ORIGINS", origin),
        ];
        let env = Env::fixed(env.map(|(name, value)| (name, value.to_owned())));
        Settings::load(&env).unwrap().unwrap()
    }

    fn headers(cookies: &[&str]) -> HeaderMap {
        let values = cookies.iter().map(|value| HeaderValue::from_str(value).unwrap());
        values.map(|value| (header::COOKIE, value)).collect()
    }

    #[test]
    fn a_browser_is_known_by_its_cookie_and_by_no_other() {
        let (tls, plain) = (settings("https://go.example.com"), settings("http://127.0.0.1:8000"));
        let secret = BrowserSecret::new([1, 2, 3]);
        let set = tls.cookie(&secret);
        assert!(set.starts_with("__Host-signin=sb_"), "{set}");
        for attribute in ["Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600", "Secure"] {
            assert!(set.split("; ").any(|part| part == attribute), "{set}");
        }
        assert!(!plain.cookie(&secret).contains("Secure"));

        let value = secret.reveal();
        let own = format!("a=b; __Host-signin={value}; c=d");
        assert_eq!(tls.browser(&headers(&[&own])), Some(secret.clone()));
        assert_eq!(plain.browser(&headers(&[&own])), None);
        let plain_own = format!("signin={value}");
        assert_eq!(plain.browser(&headers(&["x=y", &plain_own])), Some(secret));
        assert_eq!(tls.browser(&headers(&[&plain_own])), None);
        for bad in ["", "__Host-signin", "__Host-signin=", "__Host-signin=sb_x"] {
            assert_eq!(tls.browser(&headers(&[bad])), None, "{bad}");
        }
        let other = format!("x__Host-signin={value}; __Host-signin2={value}");
        assert_eq!(tls.browser(&headers(&[&other])), None);
    }

    #[test]
    fn a_client_is_told_who_answers_what() {
        let settings = settings("https://go.example.com");
        let uri = RedirectUri::stored("http://127.0.0.1:5000/cb?a=b");
        let state = ClientState::parse("s&t").unwrap();
        let client = Client { redirect_uri: &uri, state: Some(&state) };
        let refused = settings.refuse(client, OAuthError::AccessDenied, "not you").unwrap();
        assert_eq!(refused.status(), 302);
        assert_eq!(
            refused.headers()["location"],
            "http://127.0.0.1:5000/cb?a=b&error=access_denied&error_description=not+you\
             &state=s%26t&iss=https%3A%2F%2Fgo.example.com"
        );
        assert_eq!(refused.headers()["cache-control"], "no-store");
        assert_eq!(refused.headers()["referrer-policy"], "no-referrer");
        let code = SignInCode::new([1, 2, 3]);
        let client = Client { state: None, ..client };
        let granted = settings.grant(client, &code).unwrap();
        let location = granted.headers()["location"].to_str().unwrap();
        let expected = format!("?a=b&code={}&iss=https%3A%2F%2Fgo.example.com", code.reveal());
        assert!(location.ends_with(&expected), "{location}");
    }
}
