//! Passwords: which may be chosen, and how they are kept and compared.
//!
//! Keeps Argon2 and the list of common passwords out of everything that does not sign people in.

mod common;

use std::fmt;
use std::sync::Arc;

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use domain::{Email, PasswordHash};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

/// The shortest password, in characters: NIST SP 800-63B asks for 15 where a password is all there
/// is and 8 where it is not; length is what makes guessing dear, so no other rule is set.
pub const MIN_CHARS: usize = 12;

/// The longest password, in characters: any phrase that a person types, and any that a password
/// manager makes.
pub const MAX_CHARS: usize = 256;

/// What a hash costs: 19 MiB, two passes, one lane.
///
/// OWASP's first choice for Argon2id. It takes 32 ms of a core here, and about 110 ms at the CPU
/// share of a 512 MB function. Less memory with more passes (7 MiB, five) would take half of that
/// here, but memory is what keeps graphics cards from guessing side by side. Each hash carries its
/// own parameters, so these may be raised at any time: older hashes stay readable.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// What is compared where there is no hash, so that it takes as long as a real one: of the same
/// parameters (a test says so), of a password that nobody knows.
const NOBODYS: &str = "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCEhIQ$\
                       Zm9yIGEgcGFzc3dvcmQgdGhhdCBub2JvZHkga25vd3M";

/// Why a password may not be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// It is too short.
    #[error("a password has at least {MIN_CHARS} characters")]
    TooShort,
    /// It is too long.
    #[error("a password has at most {MAX_CHARS} characters")]
    TooLong,
    /// It is one of those that are tried first.
    #[error("this password is one of the most common; choose another")]
    Common,
    /// It is the e-mail address that it protects.
    #[error("a password must not be the e-mail address")]
    IsEmail,
}

/// A hash could not be made or compared: what is stored is no hash, or there is no memory.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// What is stored is not a hash of a kind that is known.
    #[error("the stored password hash cannot be read")]
    Unreadable,
    /// The work itself failed.
    #[error("hashing a password")]
    Failed(#[source] argon2::password_hash::Error),
    /// The thread that did the work is gone.
    #[error("hashing a password on another thread")]
    Thread(#[from] tokio::task::JoinError),
}

/// A password that may be chosen. It is never shown, stored or logged.
#[derive(Clone, PartialEq, Eq)]
pub struct NewPassword(String);

impl NewPassword {
    /// Checks a password that somebody chooses for the account of an e-mail address, which may be
    /// none where that has a fault of its own.
    pub fn parse<'a>(text: &str, email: impl Into<Option<&'a Email>>) -> Result<Self, ChoiceError> {
        let password = normalised(text);
        // Of what was typed, so that nobody wonders how one letter counts as three.
        let chars = text.nfc().count();
        if chars < MIN_CHARS {
            return Err(ChoiceError::TooShort);
        }
        if MAX_CHARS < chars {
            return Err(ChoiceError::TooLong);
        }
        if common::contains(&password) {
            return Err(ChoiceError::Common);
        }
        if email.into().is_some_and(|email| Email::parse(password.trim()).as_ref() == Ok(email)) {
            return Err(ChoiceError::IsEmail);
        }
        Ok(Self(password))
    }
}

impl fmt::Debug for NewPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NewPassword(***)")
    }
}

/// Keyboards differ in how they write one and the same letter (NIST SP 800-63B, 3.1.1.2).
fn normalised(text: &str) -> String {
    text.nfkc().collect()
}

/// Hashes and compares passwords, a few at a time.
///
/// The work is done on a thread of its own. In a Lambda function that serves one request at a time
/// such a thread is worth little, but costs only tens of microseconds beside a hundred milliseconds
/// of hashing, and the deadline is still watched meanwhile; in a process that serves many, 32 ms on
/// a worker would be 32 ms for everybody else. There are as many such threads as cores: each needs
/// 19 MiB, and more would not be faster.
#[derive(Debug, Clone)]
pub struct Hasher {
    turns: Arc<Semaphore>,
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// For all of a process's passwords.
    pub fn new() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self { turns: Arc::new(Semaphore::new(cores)) }
    }

    /// What to store of a password. The random bits are its salt.
    pub async fn hash(
        &self,
        password: NewPassword,
        random: u128,
    ) -> Result<PasswordHash, HashError> {
        self.work(move || {
            let (password, salt) = (password.0.as_bytes(), random.to_be_bytes());
            let hash: Result<phc::PasswordHash, _> =
                argon2().hash_password_with_salt(password, &salt);
            hash.map(|hash| PasswordHash::stored(hash.to_string())).map_err(HashError::Failed)
        })
        .await
    }

    /// Whether a password is the one of which `stored` was made.
    ///
    /// Where nothing is stored, since there is no such account or it has no password, the answer is
    /// no after the same work: how long it takes must not tell who has an account.
    pub async fn verify(
        &self,
        password: &str,
        stored: Option<PasswordHash>,
    ) -> Result<bool, HashError> {
        // Nobody has a longer one, so it is not worth more work than any other: one letter is typed as
        // four characters at most.
        let (password, stored) = match password.chars().nth(4 * MAX_CHARS) {
            Some(_) => (String::new(), None),
            None => (normalised(password), stored),
        };
        self.work(move || {
            let hash = stored.as_ref().map_or(NOBODYS, PasswordHash::as_str);
            let hash = phc::PasswordHash::new(hash).map_err(|_| HashError::Unreadable)?;
            match argon2().verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(stored.is_some()),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(HashError::Failed(error)),
            }
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        tokio::task::spawn_blocking(move || {
            // Kept until the work is done, even if nobody waits for it any more.
            let _turn = turn;
            work()
        })
        .await?
    }
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.expect("the parameters are constants, and tests use them");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

#[cfg(test)]
mod tests;
