//! Who asks: a person or a key.

use std::fmt;
use std::str::FromStr;

use crate::{KeyId, UserId};

/// Whoever did something, or wants to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// A person.
    User(UserId),
    /// An API key, and so whatever program holds it.
    Key(KeyId),
}

/// A string that names neither a person nor a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a principal is the id of a user or of a key")]
pub struct PrincipalError;

impl Principal {
    /// Parses the id of either; their prefixes tell them apart.
    pub fn parse(text: &str) -> Result<Self, PrincipalError> {
        let user = || UserId::parse(text).map(Self::User);
        let key = || KeyId::parse(text).map(Self::Key);
        user().or_else(|_| key()).map_err(|_| PrincipalError)
    }

    /// The person, if it is one.
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::User(id) => Some(id),
            Self::Key(_) => None,
        }
    }
}

impl From<UserId> for Principal {
    fn from(id: UserId) -> Self {
        Self::User(id)
    }
}

impl From<KeyId> for Principal {
    fn from(id: KeyId) -> Self {
        Self::Key(id)
    }
}

impl FromStr for Principal {
    type Err = PrincipalError;
    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        Self::parse(text)
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => fmt::Display::fmt(id, f),
            Self::Key(id) => fmt::Display::fmt(id, f),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn people_and_keys_read_back_and_nothing_else_does() {
        let user = UserId::new(Timestamp::UNIX_EPOCH, 1);
        let key = KeyId::new(Timestamp::UNIX_EPOCH, 1);
        assert_eq!(Principal::parse(&user.to_string()), Ok(Principal::User(user)));
        assert_eq!(Principal::parse(&key.to_string()), Ok(Principal::Key(key)));
        assert_eq!(Principal::from(user).user(), Some(user));
        assert_eq!(Principal::from(key).user(), None);
        let link = crate::LinkId::new(Timestamp::UNIX_EPOCH, 1).to_string();
        for text in ["", "usr_", "usr_key_", &link] {
            assert_eq!(Principal::parse(text), Err(PrincipalError), "{text}");
        }
    }
}
