//! What a member of a workspace may do in it.

use std::fmt;
use std::str::FromStr;

use crate::Scope;

/// The part that a member has in a workspace. Each may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks at links and their numbers.
    Viewer,
    /// Makes and edits links.
    Member,
    /// Manages members, invitations and keys.
    Admin,
    /// Answers for the workspace, and decides who else does.
    Owner,
}

/// A word that names no role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a role is `viewer`, `member`, `admin` or `owner`")]
pub struct RoleError;

impl Role {
    /// All of them, least first.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Member, Self::Admin, Self::Owner];

    /// The name, as rows and tokens carry it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The role of this name.
    pub fn parse(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }

    /// All that the role may do. Those that another one includes are named as well, so what a
    /// token may do now is simply what both it and the role name.
    pub const fn scopes(self) -> &'static [Scope] {
        match self {
            Self::Viewer => &[Scope::LinksRead, Scope::StatsRead, Scope::Account],
            Self::Member => {
                &[Scope::LinksRead, Scope::LinksWrite, Scope::StatsRead, Scope::Account]
            }
            Self::Admin | Self::Owner => &Scope::ALL,
        }
    }

    /// Whether somebody of this role may give a member that other role, or take it away.
    ///
    /// An admin manages everybody but owners: who could make an owner could become one.
    pub fn may_manage(self, other: Self) -> bool {
        match self {
            Self::Viewer | Self::Member => false,
            Self::Admin => other != Self::Owner,
            Self::Owner => true,
        }
    }
}

impl FromStr for Role {
    type Err = RoleError;
    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::parse(text)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.as_str()), Ok(role));
        }
        assert_eq!(Role::parse("Owner"), Err(RoleError));
    }

    #[test]
    fn each_role_may_do_all_that_a_smaller_one_may() {
        assert!(Role::ALL.is_sorted());
        for pair in Role::ALL.windows(2) {
            let (less, more) = (pair[0], pair[1]);
            assert!(less.scopes().iter().all(|scope| more.scopes().contains(scope)));
            assert!(Role::ALL.into_iter().all(|r| more.may_manage(r) || !less.may_manage(r)));
        }
        assert!(!Role::Viewer.scopes().contains(&Scope::LinksWrite));
        assert!(!Role::Member.scopes().contains(&Scope::Admin));
        assert!(Role::ALL.into_iter().all(|role| role.scopes().contains(&Scope::Account)));
    }

    #[test]
    fn only_an_owner_manages_owners() {
        let managers = |other| Role::ALL.map(|role| role.may_manage(other));
        assert_eq!(managers(Role::Owner), [false, false, false, true]);
        for other in [Role::Viewer, Role::Member, Role::Admin] {
            assert_eq!(managers(other), [false, false, true, true], "{other}");
        }
    }
}
