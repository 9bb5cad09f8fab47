//! Proof Key for Code Exchange (RFC 7636): who redeems a code is who asked for it.

use std::fmt;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// How long a SHA-256 is in Base64 without padding.
const CHALLENGE_CHARS: usize = 43;

/// What a client sends when it begins: the hash of its [`CodeVerifier`]. Only the method `S256`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeChallenge(String);

/// What a client sends when it redeems the code.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeVerifier(String);

/// Why a text is no challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`code_challenge` is 43 characters: the SHA-256 of the verifier in Base64url, unpadded")]
pub struct CodeChallengeError;

/// Why a text is no verifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`code_verifier` is 43 to 128 letters, digits, `-`, `.`, `_` and `~`")]
pub struct CodeVerifierError;

impl CodeChallenge {
    /// The challenge of a verifier.
    pub fn of(verifier: &CodeVerifier) -> Self {
        Self(BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier.0)))
    }

    /// Parses a challenge.
    pub fn parse(text: &str) -> Result<Self, CodeChallengeError> {
        // Decoded as well, because bits that say nothing would make a challenge that nothing meets.
        let decoded = BASE64_URL_SAFE_NO_PAD.decode(text);
        match text.len() == CHALLENGE_CHARS && decoded.is_ok() {
            true => Ok(Self(text.to_owned())),
            false => Err(CodeChallengeError),
        }
    }

    /// Whether it is the challenge of this verifier.
    pub fn admits(&self, verifier: &CodeVerifier) -> bool {
        bool::from(self.0.as_bytes().ct_eq(Self::of(verifier).0.as_bytes()))
    }

    /// The challenge as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl CodeVerifier {
    /// Parses a verifier.
    pub fn parse(text: &str) -> Result<Self, CodeVerifierError> {
        let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        match (43..=128).contains(&text.len()) && text.bytes().all(unreserved) {
            true => Ok(Self(text.to_owned())),
            false => Err(CodeVerifierError),
        }
    }

    /// The verifier in clear, for whoever is to be shown it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for CodeVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeVerifier(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_the_standard_holds() {
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        assert_eq!(CodeChallenge::of(&verifier).as_str(), CHALLENGE);
        let challenge = CodeChallenge::parse(CHALLENGE).unwrap();
        assert!(challenge.admits(&verifier));
        // The method `plain` would admit this.
        assert!(!challenge.admits(&CodeVerifier::parse(CHALLENGE).unwrap()));
        assert!(!challenge.admits(&CodeVerifier::parse(&VERIFIER.replace('d', "e")).unwrap()));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", &CHALLENGE[1..], &format!("{CHALLENGE}="), &"é".repeat(22)] {
            assert_eq!(CodeChallenge::parse(text), Err(CodeChallengeError), "{text}");
        }
        // 43 characters are 258 bits: the last two must be zero.
        assert!(CodeChallenge::parse(&CHALLENGE.replace("cM", "cN")).is_err());
        assert!(CodeChallenge::parse(&CHALLENGE.replace('-', "+")).is_err());
        for text in ["", &"a".repeat(42), &"a".repeat(129), &format!("{}+", "a".repeat(43))] {
            assert_eq!(CodeVerifier::parse(text), Err(CodeVerifierError), "{text}");
        }
        assert!(CodeVerifier::parse(&"~".repeat(128)).is_ok());
    }

    #[test]
    fn debug_output_hides_the_verifier() {
        let verifier = CodeVerifier::parse(VERIFIER).unwrap();
        assert_eq!(format!("{verifier:?}"), "CodeVerifier(***)");
    }
}
