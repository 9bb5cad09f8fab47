//! Opaque secrets: a prefix that says what they open, a handle, random characters and a checksum.

use std::fmt;
use std::marker::PhantomData;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const HANDLE_CHARS: usize = 26;
const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What a kind of secret is for.
pub trait SecretKind {
    /// What its text begins with. It tells people, and secret scanners, what they have found.
    const PREFIX: &'static str;
    /// Its name in words, with its article.
    const NAME: &'static str;
}

/// A secret of 250 random bits as its holder has it.
///
/// Prefix + 26 characters of handle + 43 of secret + 6 of checksum, all base 62. The handle finds
/// what is stored of it, and only a [`SecretHash`] is stored. The checksum tells a mistyped secret,
/// and a string that a secret scanner found, from a real one without a read.
pub struct Secret<K> {
    handle: String,
    secret: String,
    kind: PhantomData<fn() -> K>,
}

/// What an invited person accepts an invitation with: `si_`, and the rest of a [`Secret`].
pub type InvitationToken = Secret<Inviting>;

/// What makes a secret the token of an invitation.
#[derive(Debug)]
pub enum Inviting {}

impl SecretKind for Inviting {
    const PREFIX: &'static str = "si_";
    const NAME: &'static str = "the token of an invitation";
}

/// What a sign-in at an identity provider ends with, and what is exchanged for tokens: `sc_`, and
/// the rest of a [`Secret`].
pub type SignInCode = Secret<SigningIn>;

/// What makes a secret a code.
#[derive(Debug)]
pub enum SigningIn {}

impl SecretKind for SigningIn {
    const PREFIX: &'static str = "sc_";
    const NAME: &'static str = "a code of a sign-in";
}

/// A string that is no secret of the kind that it should be, whatever is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not {0}")]
pub struct SecretError(&'static str);

/// What is stored of a secret: its SHA-256.
///
/// A fast hash is right here: there are 250 random bits to guess, not a person's password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

impl<K: SecretKind> Secret<K> {
    /// A secret of these random bits; the first are its handle's.
    pub fn new(random: [u128; 3]) -> Self {
        let [handle, first, second] = random;
        Self::with_handle(base62(handle, HANDLE_CHARS), [first, second])
    }

    /// A secret whose handle has a meaning of its own: the 26 characters of a ULID.
    pub(crate) fn with_handle(handle: String, random: [u128; 2]) -> Self {
        debug_assert_eq!(handle.len(), HANDLE_CHARS);
        Self { handle, secret: secret(random), kind: PhantomData }
    }

    /// Parses a secret, and checks its checksum.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        Self::parts(text).ok_or(SecretError(K::NAME))
    }

    fn parts(text: &str) -> Option<Self> {
        let body = text.strip_prefix(K::PREFIX)?;
        if body.len() != HANDLE_CHARS + SECRET_CHARS + CHECKSUM_CHARS
            || !body.bytes().all(|byte| byte.is_ascii_alphanumeric())
        {
            return None;
        }
        let (payload, check) = body.split_at(HANDLE_CHARS + SECRET_CHARS);
        if checksum(payload) != check {
            return None;
        }
        let (handle, secret) = payload.split_at(HANDLE_CHARS);
        Some(Self { handle: handle.to_owned(), secret: secret.to_owned(), kind: PhantomData })
    }

    /// The characters that find what is stored of it.
    pub fn handle(&self) -> &str {
        &self.handle
    }

    /// What to store of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(&self.secret).into())
    }

    /// The whole secret in clear: shown once, when it is made.
    pub fn reveal(&self) -> String {
        let payload = format!("{}{}", self.handle, self.secret);
        format!("{}{payload}{}", K::PREFIX, checksum(&payload))
    }

    /// The secret that follows this one, of the same handle. Who knows this one and the key, and
    /// nobody else, can make it, again and again.
    pub(crate) fn next(&self, key: &[u8; 32]) -> Self {
        let mac = hmac_sha256(key, self.secret.as_bytes());
        let half = |at: usize| {
            let mut bytes = [0; 16];
            bytes.copy_from_slice(&mac[at..at + 16]);
            u128::from_be_bytes(bytes)
        };
        Self::with_handle(self.handle.clone(), [half(0), half(16)])
    }
}

impl<K> Clone for Secret<K> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone(), secret: self.secret.clone(), kind: PhantomData }
    }
}

impl<K> PartialEq for Secret<K> {
    fn eq(&self, other: &Self) -> bool {
        let same = self.secret.as_bytes().ct_eq(other.secret.as_bytes());
        self.handle == other.handle && bool::from(same)
    }
}

impl<K> Eq for Secret<K> {}

impl<K: SecretKind> fmt::Debug for Secret<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}***", K::PREFIX)
    }
}

impl SecretHash {
    /// Whether two are the same, in constant time: how long it takes must not say how much of a
    /// guess was right.
    pub fn matches(&self, other: &Self) -> bool {
        bool::from(self.0.ct_eq(&other.0))
    }

    /// The hash as 64 hex digits, as the store keeps it.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(***)")
    }
}

/// Bytes as hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads 64 hex digits.
pub(crate) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(bytes)
}

pub(crate) fn hmac_sha256(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of any length will do");
    mac.update(message);
    mac.finalize().into_bytes().into()
}

fn secret(random: [u128; 2]) -> String {
    let mut secret = base62(random[0], SECRET_CHARS / 2);
    secret.push_str(&base62(random[1], SECRET_CHARS - SECRET_CHARS / 2));
    secret
}

fn checksum(payload: &str) -> String {
    let hash = Sha256::digest(payload);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    base62(u128::from_be_bytes(bytes), CHECKSUM_CHARS)
}

fn base62(mut bits: u128, chars: usize) -> String {
    let mut text = String::with_capacity(chars);
    for _ in 0..chars {
        let at = usize::try_from(bits % 62).unwrap_or(0);
        text.push(char::from(BASE62[at]));
        bits /= 62;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Test {}
    impl SecretKind for Test {
        const PREFIX: &'static str = "st_";
        const NAME: &'static str = "a test";
    }

    fn one() -> Secret<Test> {
        Secret::new([u128::MAX / 5, u128::MAX / 3, u128::MAX / 7])
    }

    #[test]
    fn a_secret_reads_back() {
        let text = one().reveal();
        assert_eq!(text.len(), 78);
        assert_eq!(Secret::parse(&text), Ok(one()));
        assert_eq!(SecretHash::from_hex(&one().hash().to_hex()), Some(one().hash()));
        assert!(one().hash().matches(&one().hash()));
        for text in ["", "0", &"+".repeat(64), &"é".repeat(32)] {
            assert_eq!(SecretHash::from_hex(text), None, "{text}");
        }
    }

    #[test]
    fn one_wrong_character_anywhere_is_no_secret() {
        let text = one().reveal();
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'7' { b'8' } else { b'7' };
            let wrong = String::from_utf8(wrong).unwrap();
            assert_eq!(Secret::<Test>::parse(&wrong), Err(SecretError("a test")), "{at}");
        }
        for wrong in ["", "st_", &format!("{text}x"), &text.to_lowercase(), &"é".repeat(39)] {
            assert!(Secret::<Test>::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_alphanumeric_is_no_secret_even_with_its_checksum() {
        let payload = "/".repeat(HANDLE_CHARS + SECRET_CHARS);
        let text = format!("st_{payload}{}", checksum(&payload));
        assert!(Secret::<Test>::parse(&text).is_err());
    }

    #[test]
    fn the_next_secret_depends_on_the_key_and_on_this_one() {
        let next = one().next(&[1; 32]);
        assert_eq!(next, one().next(&[1; 32]));
        assert_eq!(next.handle(), one().handle());
        assert_ne!(next, one());
        assert_ne!(next, one().next(&[2; 32]));
        assert_ne!(next.next(&[1; 32]), next);
        assert_eq!(Secret::parse(&next.reveal()), Ok(next));
    }

    #[test]
    fn a_secret_of_one_kind_is_none_of_another() {
        let text = InvitationToken::new([1, 2, 3]).reveal();
        assert!(text.starts_with("si_") && InvitationToken::parse(&text).is_ok());
        assert!(SignInCode::parse(&text).is_err());
        let code = SignInCode::new([1, 2, 3]).reveal();
        assert!(SignInCode::parse(&code).is_ok() && InvitationToken::parse(&code).is_err());
    }

    #[test]
    fn debug_output_hides_it() {
        assert_eq!(format!("{:?} {:?}", one(), one().hash()), "st_*** SecretHash(***)");
    }
}
