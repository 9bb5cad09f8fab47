//! A sign-in at the company's identity provider, while it is under way.
//!
//! Two secrets hold it together. The *state* travels with the browser to the provider and back; the
//! *browser's secret* stays in a cookie. Only their hashes are stored, and what the provider is
//! shown (the nonce) or later told (its verifier) is made of both: whoever has read the table, or
//! has seen the address that the provider sends the browser to, can finish nobody's sign-in.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use crate::secret::{Secret, SecretHash, SecretKind};
use crate::{CodeChallenge, CodeVerifier, RedirectUri, Scope, UserId, WorkspaceId};

/// What the provider sends back with the browser: `ss_`, and the rest of a [`Secret`].
pub type SignInState = Secret<Leaving>;

/// What makes a secret the state of a sign-in.
#[derive(Debug)]
pub enum Leaving {}

impl SecretKind for Leaving {
    const PREFIX: &'static str = "ss_";
    const NAME: &'static str = "the state of a sign-in";
}

/// What a browser keeps while it signs somebody in: `sb_`, and the rest of a [`Secret`].
pub type BrowserSecret = Secret<Browsing>;

/// What makes a secret the browser's.
#[derive(Debug)]
pub enum Browsing {}

impl SecretKind for Browsing {
    const PREFIX: &'static str = "sb_";
    const NAME: &'static str = "the secret of a browser";
}

/// What a client gives along with a request, and gets back with the answer to know it by.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientState(String);

/// Why a text cannot be given along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`state` has 1 to 512 printable ASCII characters, and no space")]
pub struct ClientStateError;

/// What a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRequest {
    /// Where the browser goes in the end. The code must be redeemed with the same.
    pub redirect_uri: RedirectUri,
    /// Whose verifier redeems the code.
    pub challenge: CodeChallenge,
    /// What the tokens are to be good for; without any, for all that the person may do.
    pub scopes: Option<Vec<Scope>>,
    /// For which workspace the first token is to be.
    pub workspace: Option<WorkspaceId>,
}

/// A person is at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignIn {
    /// What the client asks for.
    pub request: SignInRequest,
    /// What the client wants back.
    pub state: Option<ClientState>,
    /// The secret of the browser that began it.
    pub browser: SecretHash,
    /// From when on it is too late to come back.
    pub expires_at: Timestamp,
}

/// A person came back, and the client may fetch their tokens: what a code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInGrant {
    /// Who it is.
    pub user: UserId,
    /// What the client asked for.
    pub request: SignInRequest,
    /// From when on the code is worthless.
    pub expires_at: Timestamp,
}

impl ClientState {
    /// Parses what a client gives along.
    pub fn parse(text: &str) -> Result<Self, ClientStateError> {
        match (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            true => Ok(Self(text.to_owned())),
            false => Err(ClientStateError),
        }
    }

    /// The text as it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClientState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By it, a client knows a forged answer from its own.
        f.write_str("ClientState(***)")
    }
}

impl SignIn {
    /// How long a person may take at the provider: passwords are looked for, phones as well.
    pub const LASTS: SignedDuration = SignedDuration::from_mins(10);

    /// A sign-in that begins now.
    pub fn begin(
        request: SignInRequest,
        state: Option<ClientState>,
        browser: &BrowserSecret,
        now: Timestamp,
    ) -> Self {
        let expires_at = now.saturating_add(Self::LASTS).unwrap_or(Timestamp::MAX);
        Self { request, state, browser: browser.hash(), expires_at }
    }
}

impl SignInGrant {
    /// How long a code may be redeemed. The browser has it for one redirect.
    pub const LASTS: SignedDuration = SignedDuration::from_secs(60);

    /// A grant of this moment.
    pub fn new(user: UserId, request: SignInRequest, now: Timestamp) -> Self {
        let expires_at = now.saturating_add(Self::LASTS).unwrap_or(Timestamp::MAX);
        Self { user, request, expires_at }
    }

    /// Whether who presents its code is who asked for it.
    pub fn admits(&self, redirect_uri: &str, verifier: &CodeVerifier) -> bool {
        self.request.redirect_uri.as_str() == redirect_uri
            && self.request.challenge.admits(verifier)
    }
}

/// What the provider puts into the token that it makes for this sign-in, and for no other.
pub fn nonce(state: &SignInState, browser: &BrowserSecret) -> String {
    derived("nonce", state, browser)
}

/// What the provider must be told before it makes a token.
pub fn provider_verifier(state: &SignInState, browser: &BrowserSecret) -> CodeVerifier {
    CodeVerifier::parse(&derived("verifier", state, browser))
        .expect("43 characters of Base64url are a verifier")
}

/// 256 bits that only who has both secrets can make; one use tells nothing of another's.
fn derived(of: &str, state: &SignInState, browser: &BrowserSecret) -> String {
    // Both have a fixed length and hold 250 random bits, so a plain hash will do.
    let text = format!("signpost sign-in {of}\n{}\n{}", state.reveal(), browser.reveal());
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> SignInRequest {
        SignInRequest {
            redirect_uri: RedirectUri::stored("http://127.0.0.1:5000/cb"),
            challenge: CodeChallenge::of(&verifier('a')),
            scopes: None,
            workspace: None,
        }
    }

    fn verifier(letter: char) -> CodeVerifier {
        CodeVerifier::parse(&letter.to_string().repeat(43)).unwrap()
    }

    #[test]
    fn a_code_is_redeemed_by_who_asked_for_it_and_at_the_same_address() {
        let user = UserId::new(Timestamp::UNIX_EPOCH, 1);
        let grant = SignInGrant::new(user, request(), Timestamp::UNIX_EPOCH);
        assert_eq!(grant.expires_at.as_second(), 60);
        assert!(grant.admits("http://127.0.0.1:5000/cb", &verifier('a')));
        assert!(!grant.admits("http://127.0.0.1:5000/cb", &verifier('b')));
        for other in ["", "http://127.0.0.1:5000/cb/", "http://127.0.0.1:5001/cb"] {
            assert!(!grant.admits(other, &verifier('a')), "{other}");
        }
    }

    #[test]
    fn what_the_provider_learns_depends_on_both_secrets_and_on_its_use() {
        let (state, browser) = (SignInState::new([1, 2, 3]), BrowserSecret::new([1, 2, 3]));
        let (other_state, other_browser) =
            (SignInState::new([1, 2, 4]), BrowserSecret::new([1, 2, 4]));
        let first = nonce(&state, &browser);
        assert_eq!(first.len(), 43);
        assert_eq!(nonce(&state, &browser), first);
        assert_ne!(nonce(&other_state, &browser), first);
        assert_ne!(nonce(&state, &other_browser), first);
        let verifier = provider_verifier(&state, &browser);
        assert_ne!(verifier, provider_verifier(&other_state, &browser));
        assert_ne!(verifier, provider_verifier(&state, &other_browser));
        assert_ne!(verifier, CodeVerifier::parse(&first).unwrap());
    }

    #[test]
    fn a_sign_in_may_take_ten_minutes_and_shows_no_secret() {
        let browser = BrowserSecret::new([1, 2, 3]);
        let state = ClientState::parse("client-state").unwrap();
        let sign_in = SignIn::begin(request(), Some(state), &browser, Timestamp::UNIX_EPOCH);
        assert_eq!(sign_in.expires_at.as_second(), 600);
        let shown = format!("{sign_in:?} {browser:?}");
        assert!(!shown.contains("client-state"), "{shown}");
        assert!(!shown.contains(&browser.hash().to_hex()), "{shown}");
    }

    #[test]
    fn a_clients_state_is_printable_and_short() {
        for text in ["", "a\nb", "é", "\u{7f}", "a b", &"a".repeat(513)] {
            assert_eq!(ClientState::parse(text), Err(ClientStateError), "{text:?}");
        }
        assert_eq!(ClientState::parse("a&c=d~").unwrap().as_str(), "a&c=d~");
    }
}
