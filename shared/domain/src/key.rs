//! API keys: `sp_`, an id, a secret and a checksum.

use std::fmt;

use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{KeyId, Scope, WorkspaceId};

const PREFIX: &str = "sp_";
const ID_CHARS: usize = 26;
const SECRET_CHARS: usize = 43;
const CHECKSUM_CHARS: usize = 6;
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// An API key as its holder has it.
///
/// `sp_` + 26 characters of id + 43 of secret (about 250 random bits) + 6 of checksum, all base 62. The
/// checksum tells a mistyped key, and a string that a secret scanner found, from a real one
/// without a read.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: KeyId,
    secret: String,
}

/// A string that is no API key, whatever is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an API key")]
pub struct KeyError;

/// What is stored of a secret: its SHA-256.
///
/// A fast hash is right here: there are 250 random bits to guess, not a person's password.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretHash([u8; 32]);

/// What is stored of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// Its id.
    pub id: KeyId,
    /// The hash of its secret.
    pub hash: SecretHash,
    /// The workspace that it opens.
    pub workspace: WorkspaceId,
    /// What it is for, in its owner's words.
    pub name: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// From when on it is worthless.
    pub expires_at: Option<Timestamp>,
}

/// Why a key opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The secret is not that of the record.
    #[error("wrong secret")]
    WrongSecret,
    /// Its time is over.
    #[error("expired")]
    Expired,
}

impl ApiKey {
    /// A key of this id and these random bits.
    pub fn new(id: KeyId, random: [u128; 2]) -> Self {
        let mut secret = base62(random[0], SECRET_CHARS / 2);
        secret.push_str(&base62(random[1], SECRET_CHARS - SECRET_CHARS / 2));
        Self { id, secret }
    }

    /// Parses a key, and checks its checksum.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let body = text.strip_prefix(PREFIX).ok_or(KeyError)?;
        if body.len() != ID_CHARS + SECRET_CHARS + CHECKSUM_CHARS || !body.is_ascii() {
            return Err(KeyError);
        }
        let (payload, check) = body.split_at(ID_CHARS + SECRET_CHARS);
        if checksum(payload) != check {
            return Err(KeyError);
        }
        let (id, secret) = payload.split_at(ID_CHARS);
        let id = KeyId::parse_ulid(id).map_err(|_| KeyError)?;
        Ok(Self { id, secret: secret.to_owned() })
    }

    /// Its id, which is no secret.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What to store of its secret.
    pub fn hash(&self) -> SecretHash {
        SecretHash(Sha256::digest(&self.secret).into())
    }

    /// The whole key in clear: shown once, when it is made.
    pub fn reveal(&self) -> String {
        let payload = format!("{}{}", self.id.ulid(), self.secret);
        format!("{PREFIX}{payload}{}", checksum(&payload))
    }
}

impl KeyRecord {
    /// Whether a key is the one recorded, at this moment.
    pub fn admits(&self, key: &ApiKey, now: Timestamp) -> Result<(), Refusal> {
        // In constant time: how long it takes must not say how much of a guess was right.
        if !bool::from(self.hash.0.ct_eq(&key.hash().0)) {
            return Err(Refusal::WrongSecret);
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

impl SecretHash {
    /// The hash as 64 hex digits, as the store keeps it.
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut hash = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (at, byte) in hash.iter_mut().enumerate() {
            *byte = u8::from_str_radix(text.get(2 * at..2 * at + 2)?, 16).ok()?;
        }
        Some(Self(hash))
    }
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

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, ***)", self.id)
    }
}

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ApiKey {
        ApiKey::new(KeyId::new(Timestamp::UNIX_EPOCH, 5), [u128::MAX / 3, u128::MAX / 7])
    }

    fn record() -> KeyRecord {
        KeyRecord {
            id: key().id(),
            hash: key().hash(),
            workspace: WorkspaceId::new(Timestamp::UNIX_EPOCH, 1),
            name: "test".to_owned(),
            scopes: vec![Scope::LinksRead],
            expires_at: None,
        }
    }

    #[test]
    fn a_key_reads_back_and_opens_its_record() {
        let text = key().reveal();
        assert_eq!(text.len(), 78);
        let parsed = ApiKey::parse(&text).unwrap();
        assert_eq!(parsed, key());
        assert_eq!(record().admits(&parsed, Timestamp::UNIX_EPOCH), Ok(()));
        assert_eq!(SecretHash::from_hex(&record().hash.to_hex()), Some(record().hash));
    }

    #[test]
    fn one_wrong_character_anywhere_is_no_key() {
        let text = key().reveal();
        for at in 0..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'7' { b'8' } else { b'7' };
            assert_eq!(ApiKey::parse(std::str::from_utf8(&wrong).unwrap()), Err(KeyError), "{at}");
        }
        assert_eq!(ApiKey::parse(""), Err(KeyError));
        assert_eq!(ApiKey::parse(&format!("{text}x")), Err(KeyError));
    }

    #[test]
    fn a_wrong_secret_and_a_late_key_open_nothing() {
        let other = ApiKey::new(key().id(), [1, 2]);
        assert_eq!(record().admits(&other, Timestamp::UNIX_EPOCH), Err(Refusal::WrongSecret));
        let late = KeyRecord { expires_at: Some(Timestamp::UNIX_EPOCH), ..record() };
        assert_eq!(late.admits(&key(), Timestamp::UNIX_EPOCH), Err(Refusal::Expired));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let shown = format!("{:?} {:?}", key(), record());
        assert!(!shown.contains(&key().secret), "{shown}");
        assert!(!shown.contains(&record().hash.to_hex()), "{shown}");
    }
}
