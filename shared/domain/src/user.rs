//! People.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use crate::{Email, Name, UserId};

/// What is stored of a password: an Argon2id hash in its PHC string format.
///
/// Only the crate `passwords` makes it and looks into it.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

/// A person who may sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Their id, for ever; its time is their `created_at`.
    pub id: UserId,
    /// Their address: nobody else has it.
    pub email: Email,
    /// Whether somebody whom we trust has said that the address is theirs.
    pub email_verified: bool,
    /// What they are called.
    pub name: Name,
    /// What proves that it is them; nothing where only the company's identity provider may say so.
    pub password: Option<PasswordHash>,
    /// When all that was signed in or issued became worth nothing: a session goes on for as long as
    /// this is what it was when it began.
    pub tokens_valid_from: Timestamp,
    /// Counts the edits.
    pub revision: u64,
}

/// An edit: what is `None` stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UserChange {
    /// Another name.
    pub name: Option<Name>,
    /// Another password.
    pub password: Option<PasswordHash>,
}

impl PasswordHash {
    /// A hash as `passwords` made it, or as it was stored.
    pub fn stored(phc: impl Into<String>) -> Self {
        Self(phc.into())
    }

    /// The PHC string, for whoever checks a password against it, and for the store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl User {
    /// Somebody new.
    pub fn new(id: UserId, email: Email, name: Name, password: Option<PasswordHash>) -> Self {
        Self {
            id,
            email,
            email_verified: false,
            name,
            password,
            tokens_valid_from: id.at(),
            revision: 1,
        }
    }

    /// When they were registered.
    pub fn created_at(&self) -> Timestamp {
        self.id.at()
    }

    /// The person as they will be. A new password ends all that was signed in with the old one:
    /// whoever knew that one is out.
    #[must_use]
    pub fn edited(&self, change: UserChange, now: Timestamp) -> Self {
        let new_password = change.password.is_some();
        Self {
            name: change.name.unwrap_or_else(|| self.name.clone()),
            password: change.password.or_else(|| self.password.clone()),
            tokens_valid_from: if new_password {
                self.put_out(now)
            } else {
                self.tokens_valid_from
            },
            revision: self.revision + 1,
            ..self.clone()
        }
    }

    /// The person whose address the identity provider vouches for.
    ///
    /// Where nobody had vouched for it before, the account may have been made by somebody who only
    /// waited for its owner to come: their password and all that they signed in with are void.
    #[must_use]
    pub fn verified(&self, now: Timestamp) -> Self {
        if self.email_verified {
            return self.clone();
        }
        Self {
            email_verified: true,
            password: None,
            tokens_valid_from: self.put_out(now),
            revision: self.revision + 1,
            ..self.clone()
        }
    }

    /// Another moment than any before, whatever the clock says.
    fn put_out(&self, now: Timestamp) -> Timestamp {
        let next = self.tokens_valid_from.saturating_add(SignedDuration::from_nanos(1));
        now.max(next.unwrap_or(now))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> User {
        User::new(
            UserId::new(Timestamp::UNIX_EPOCH, 1),
            Email::parse("ada@example.com").unwrap(),
            Name::parse("Ada").unwrap(),
            Some(PasswordHash::stored("$argon2id$old")),
        )
    }

    fn later() -> Timestamp {
        Timestamp::from_second(9).unwrap()
    }

    #[test]
    fn a_new_password_ends_what_the_old_one_opened_and_a_new_name_does_not() {
        let name = Some(Name::parse("Ada L.").unwrap());
        let renamed = ada().edited(UserChange { name, ..UserChange::default() }, later());
        assert_eq!((renamed.name.as_str(), renamed.revision), ("Ada L.", 2));
        assert_eq!(renamed.tokens_valid_from, ada().created_at());
        assert_eq!(renamed.password, ada().password);

        let password = Some(PasswordHash::stored("$argon2id$new"));
        let change = UserChange { password: password.clone(), ..UserChange::default() };
        let edited = ada().edited(change, later());
        assert_eq!((edited.tokens_valid_from, edited.password), (later(), password));
        assert_eq!(edited.name, ada().name);
    }

    #[test]
    fn who_waited_in_an_unverified_account_is_out_when_its_owner_comes() {
        let verified = ada().verified(later());
        assert!(verified.email_verified);
        assert_eq!((verified.password.clone(), verified.tokens_valid_from), (None, later()));
        assert_eq!(verified.verified(later() + SignedDuration::from_secs(1)), verified);
    }

    #[test]
    fn debug_output_hides_what_is_private() {
        let shown = format!("{:?}", ada());
        for private in ["ada@", "Ada", "argon2id"] {
            assert!(!shown.contains(private), "{shown}");
        }
    }
}
