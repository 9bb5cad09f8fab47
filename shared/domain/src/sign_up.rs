//! Who may register.

use std::str::FromStr;

/// Who may register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SignUp {
    /// Everybody.
    Open,
    /// Who was invited.
    #[default]
    Invite,
    /// Nobody: people come by the company's identity provider, or not at all.
    Closed,
}

/// A word that names no way to register.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this must be `open`, `invite` or `closed`")]
pub struct SignUpError;

impl SignUp {
    /// Whether somebody may register, who has an invitation or none.
    pub fn admits(self, invited: bool) -> bool {
        match self {
            Self::Open => true,
            Self::Invite => invited,
            Self::Closed => false,
        }
    }
}

impl FromStr for SignUp {
    type Err = SignUpError;
    fn from_str(text: &str) -> Result<Self, SignUpError> {
        match text {
            "open" => Ok(Self::Open),
            "invite" => Ok(Self::Invite),
            "closed" => Ok(Self::Closed),
            _ => Err(SignUpError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_invited_may_register_unless_nobody_may() {
        let admits = |word: &str| {
            let sign_up: SignUp = word.parse().unwrap();
            [sign_up.admits(false), sign_up.admits(true)]
        };
        assert_eq!(admits("open"), [true, true]);
        assert_eq!(admits("invite"), [false, true]);
        assert_eq!(admits("closed"), [false, false]);
        assert_eq!(SignUp::default(), SignUp::Invite);
        assert_eq!("Open".parse::<SignUp>(), Err(SignUpError));
    }
}
