//! What a key or a token may do.

use std::fmt;

/// One permission of an API key or of a person's token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Read and list links.
    LinksRead,
    /// Create, edit and delete links.
    LinksWrite,
    /// Read clicks and statistics.
    StatsRead,
    /// Everything in a workspace: manage it, and all of the above.
    Admin,
    /// What a person does for themselves, in whatever workspace. Only people have it, and
    /// [`Scope::Admin`] does not include it: no key changes somebody's password.
    Account,
}

/// A word that names no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a scope")]
pub struct ScopeError(String);

impl Scope {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::LinksRead, Self::LinksWrite, Self::StatsRead, Self::Admin, Self::Account];

    /// Those that an API key can have.
    pub const OF_KEYS: [Self; 4] =
        [Self::LinksRead, Self::LinksWrite, Self::StatsRead, Self::Admin];

    /// Whether somebody who has this scope may do what needs another one.
    pub fn includes(self, other: Self) -> bool {
        self == other || self == Self::Admin && other != Self::Account
    }

    /// Those of the scopes that are asked for which somebody with these has, each once.
    pub fn granted(asked: &[Self], own: &[Self]) -> Vec<Self> {
        let has = |scope: &Self| own.iter().any(|own| own.includes(*scope));
        Self::ALL.into_iter().filter(|scope| asked.contains(scope) && has(scope)).collect()
    }

    /// The name, as keys and tokens carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LinksRead => "links:read",
            Self::LinksWrite => "links:write",
            Self::StatsRead => "stats:read",
            Self::Admin => "admin",
            Self::Account => "account",
        }
    }

    /// The scope of this name.
    pub fn parse(text: &str) -> Result<Self, ScopeError> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| ScopeError(text.to_owned()))
    }
}

impl AsRef<str> for Scope {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Ok(scope));
        }
        assert!(Scope::parse("links:*").is_err());
    }

    #[test]
    fn admin_includes_all_but_what_belongs_to_people() {
        let of_admin: Vec<_> =
            Scope::ALL.into_iter().filter(|scope| Scope::Admin.includes(*scope)).collect();
        assert_eq!(of_admin, Scope::OF_KEYS);
        for scope in Scope::ALL.into_iter().filter(|scope| *scope != Scope::Admin) {
            assert!(Scope::ALL.into_iter().all(|other| scope.includes(other) == (scope == other)));
        }
    }

    #[test]
    fn what_is_granted_is_what_is_asked_for_and_had() {
        use Scope::{Account, Admin, LinksRead, LinksWrite};
        assert_eq!(Scope::granted(&[LinksWrite, LinksRead], &[LinksRead]), [LinksRead]);
        assert_eq!(Scope::granted(&[LinksRead, LinksRead, Account], &[Admin]), [LinksRead]);
        assert_eq!(Scope::granted(&[Admin], &[LinksRead, LinksWrite]), []);
        assert_eq!(Scope::granted(&Scope::ALL, &Scope::ALL), Scope::ALL);
    }

    #[test]
    fn a_key_can_have_all_but_what_belongs_to_people() {
        let people: Vec<_> =
            Scope::ALL.into_iter().filter(|scope| !Scope::OF_KEYS.contains(scope)).collect();
        assert_eq!(people, [Scope::Account]);
    }
}
