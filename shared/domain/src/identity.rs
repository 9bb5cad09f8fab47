//! Who somebody is at the company's identity provider.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::secret::hex;

/// Somebody's account at an identity provider: what stands for it in the keys of rows.
///
/// It is a hash of the provider's name for itself and of its name for the person. An e-mail address
/// is not in it: addresses change hands, subjects do not.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct OutsideIdentity(String);

impl OutsideIdentity {
    /// The account of this subject at this issuer.
    pub fn new(issuer: &str, subject: &str) -> Self {
        // An issuer is a URL and has no line break, so no two pairs make the same text.
        Self(hex(&Sha256::digest(format!("{issuer}\n{subject}"))))
    }

    /// 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for OutsideIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for OutsideIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OutsideIdentity({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_a_subject_of_an_issuer() {
        let ada = OutsideIdentity::new("https://id.example.com", "ada");
        assert_eq!(ada, OutsideIdentity::new("https://id.example.com", "ada"));
        assert_ne!(ada, OutsideIdentity::new("https://id.example.com/", "ada"));
        assert_ne!(ada, OutsideIdentity::new("https://id.example.com", "Ada"));
        assert_eq!(ada.as_str().len(), 64);
        assert!(!format!("{ada:?} {ada}").contains("ada"));
    }
}
