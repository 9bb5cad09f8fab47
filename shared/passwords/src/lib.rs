//! Passwords: which may be chosen, and how they are kept and compared.
//!
//! Keeps Argon2 and the list of common passwords out of everything that does not sign people in.

mod common;

use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use argon2::password_hash::phc;
use argon2::{Algorithm, Argon2, Block, Params, Version};
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
/// 19 MiB, and more would not be faster. All hashers of a process share these turns, whichever
/// function they belong to, and what they work in: memory that came and went with each hash stayed
/// with the allocator in pieces, 700 MiB after sixty people had registered at once.
#[derive(Clone)]
pub struct Hasher {
    turns: Arc<Semaphore>,
    /// What the next hashes work in: as many as there were turns at once.
    memory: Arc<Mutex<Vec<Vec<Block>>>>,
}

/// What all hashers are.
static OF_PROCESS: LazyLock<Hasher> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Hasher { turns: Arc::new(Semaphore::new(cores)), memory: Arc::default() }
});

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The memory tells of passwords.
        write!(f, "Hasher({} turns are free)", self.turns.available_permits())
    }
}

impl Default for Hasher {
    fn default() -> Self {
        Self::new()
    }
}

impl Hasher {
    /// For all of a process's passwords: each is the same.
    pub fn new() -> Self {
        OF_PROCESS.clone()
    }

    /// What to store of a password. The random bits are its salt.
    pub async fn hash(
        &self,
        password: NewPassword,
        random: u128,
    ) -> Result<PasswordHash, HashError> {
        self.work(move |memory| {
            let salt = phc::Salt::new(&random.to_be_bytes());
            let salt = salt.map_err(|error| HashError::Failed(error.into()))?;
            let params = params();
            let written = phc::ParamsString::try_from(&params).map_err(HashError::Failed)?;
            let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
            let argon2 = Argon2::new(algorithm, version, params);
            let hash = phc::PasswordHash {
                algorithm: algorithm.ident(),
                version: Some(version.into()),
                params: written,
                salt: Some(salt),
                hash: Some(output(&argon2, password.0.as_bytes(), &salt, memory)?),
            };
            Ok(PasswordHash::stored(hash.to_string()))
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
        self.work(move |memory| {
            let hash = stored.as_ref().map_or(NOBODYS, PasswordHash::as_str);
            let hash = phc::PasswordHash::new(hash).map_err(|_| HashError::Unreadable)?;
            let (Some(salt), Some(expected)) = (hash.salt, hash.hash) else {
                return Err(HashError::Unreadable);
            };
            let algorithm = Algorithm::try_from(hash.algorithm.as_str());
            let version = hash.version.map_or(Ok(Version::default()), Version::try_from);
            let (Ok(algorithm), Ok(version), Ok(params)) =
                (algorithm, version, Params::try_from(&hash))
            else {
                return Err(HashError::Unreadable);
            };
            let argon2 = Argon2::new(algorithm, version, params);
            // These are compared in constant time.
            let right = output(&argon2, password.as_bytes(), &salt, memory)? == expected;
            Ok(right && stored.is_some())
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> Result<T, HashError> + Send + 'static,
    ) -> Result<T, HashError> {
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let free = Arc::clone(&self.memory);
        tokio::task::spawn_blocking(move || {
            // Kept until the work is done, even if nobody waits for it any more.
            let _turn = turn;
            let all = || free.lock().unwrap_or_else(PoisonError::into_inner);
            let known = all().pop();
            let mut memory = known.unwrap_or_default();
            let done = work(&mut memory);
            all().push(memory);
            done
        })
        .await?
    }
}

fn params() -> Params {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    params.expect("the parameters are constants, and tests use them")
}

/// The hash itself. What stands in the memory before does not matter: all of it is written before it
/// is read.
fn output(
    argon2: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    memory: &mut Vec<Block>,
) -> Result<phc::Output, HashError> {
    memory.resize(argon2.params().block_count(), Block::new());
    let mut hash = [0; phc::Output::MAX_LENGTH];
    let length = argon2.params().output_len().unwrap_or(Params::DEFAULT_OUTPUT_LEN);
    let hash = hash.get_mut(..length).ok_or(HashError::Unreadable)?;
    argon2
        .hash_password_into_with_memory(password, salt, hash, memory)
        .map_err(|error| HashError::Failed(error.into()))?;
    phc::Output::new(hash).map_err(|error| HashError::Failed(error.into()))
}

#[cfg(test)]
mod tests;
