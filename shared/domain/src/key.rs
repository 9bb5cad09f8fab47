//! API keys: `sp_`, an id, a secret and a checksum.

use std::fmt;

use jiff::Timestamp;

use crate::secret::{Secret, SecretHash, SecretKind};
use crate::{KeyId, Principal, Scope, WorkspaceId};

/// An API key as its holder has it: `sp_`, and the rest of a [`Secret`]. Its handle is the id.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey {
    id: KeyId,
    secret: Secret<Opening>,
}

/// What makes a secret an API key.
enum Opening {}

impl SecretKind for Opening {
    const PREFIX: &'static str = "sp_";
    const NAME: &'static str = "an API key";
}

/// A string that is no API key, whatever is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an API key")]
pub struct KeyError;

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
    /// Who made it; nobody for the one that a platform makes at its first start.
    pub created_by: Option<Principal>,
    /// How much it may write in a minute, where that is not what its workspace may.
    pub writes_per_minute: Option<u32>,
    /// When it was used last, as far as that was written down: [`KeyRecord::last_used`].
    pub last_used_at: Option<Timestamp>,
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
        Self { id, secret: Secret::with_handle(id.ulid(), random) }
    }

    /// Parses a key, and checks its checksum.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let secret = Secret::parse(text).map_err(|_| KeyError)?;
        let id = KeyId::parse_ulid(secret.handle()).map_err(|_| KeyError)?;
        Ok(Self { id, secret })
    }

    /// Its id, which is no secret.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What to store of its secret.
    pub fn hash(&self) -> SecretHash {
        self.secret.hash()
    }

    /// The whole key in clear: shown once, when it is made.
    pub fn reveal(&self) -> String {
        self.secret.reveal()
    }
}

/// The beginning of an hour.
fn hour(at: Timestamp) -> Timestamp {
    const SECONDS: i64 = 60 * 60;
    Timestamp::from_second(at.as_second().div_euclid(SECONDS) * SECONDS).unwrap_or(at)
}

impl KeyRecord {
    /// When it was made, to the millisecond.
    pub fn created_at(&self) -> Timestamp {
        self.id.at()
    }

    /// The hour in which it was used last.
    pub fn last_used(&self) -> Option<Timestamp> {
        self.last_used_at.map(hour)
    }

    /// Whether a use at this moment is to be written down: one write an hour, and not one a request.
    pub fn use_is_news(&self, now: Timestamp) -> bool {
        self.last_used().is_none_or(|last| last < hour(now))
    }

    /// Whether a key is the one recorded, at this moment.
    pub fn admits(&self, key: &ApiKey, now: Timestamp) -> Result<(), Refusal> {
        if !self.hash.matches(&key.hash()) {
            return Err(Refusal::WrongSecret);
        }
        if self.expires_at.is_some_and(|end| end <= now) {
            return Err(Refusal::Expired);
        }
        Ok(())
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKey({}, ***)", self.id)
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
            created_by: None,
            writes_per_minute: None,
            last_used_at: None,
        }
    }

    #[test]
    fn a_key_reads_back_and_opens_its_record() {
        let text = key().reveal();
        let parsed = ApiKey::parse(&text).unwrap();
        assert_eq!(parsed, key());
        assert_eq!(record().admits(&parsed, Timestamp::UNIX_EPOCH), Ok(()));
    }

    #[test]
    fn the_text_of_keys_never_changes() {
        // Those that people hold were made by it.
        assert_eq!(
            key().reveal(),
            "sp_00000000000000000000000005NXE5NIGivNF\
             vDp1S5PL1bawNt9qF17JOXWm0CBkZ071QpF6r4"
        );
    }

    #[test]
    fn a_secret_whose_handle_is_no_id_is_no_key() {
        let secret = Secret::<Opening>::with_handle("z".repeat(26), [1, 2]);
        assert_eq!(ApiKey::parse(&secret.reveal()), Err(KeyError));
    }

    #[test]
    fn a_wrong_secret_and_a_late_key_open_nothing() {
        let other = ApiKey::new(key().id(), [1, 2]);
        assert_eq!(record().admits(&other, Timestamp::UNIX_EPOCH), Err(Refusal::WrongSecret));
        let late = KeyRecord { expires_at: Some(Timestamp::UNIX_EPOCH), ..record() };
        assert_eq!(late.admits(&key(), Timestamp::UNIX_EPOCH), Err(Refusal::Expired));
    }

    #[test]
    fn a_use_is_news_once_an_hour() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert!(record().use_is_news(at(0)));
        let used = KeyRecord { last_used_at: Some(at(100)), ..record() };
        assert_eq!(used.last_used(), Some(at(0)));
        assert!(!used.use_is_news(at(100)) && !used.use_is_news(at(3_599)));
        assert!(used.use_is_news(at(3_600)));
        // Another clock was ahead.
        assert!(!used.use_is_news(at(50)) && !used.use_is_news(at(-50)));
    }

    #[test]
    fn debug_output_hides_the_secret() {
        let shown = format!("{:?} {:?}", key(), record());
        assert!(!shown.contains(&key().reveal()[29..72]), "{shown}");
        assert!(!shown.contains(&record().hash.to_hex()), "{shown}");
    }
}
