//! E-mail addresses: how two spellings of one are recognised.

use std::fmt;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;
use url::Host;

use crate::script::mixes_scripts;
use crate::secret::hex;

/// An e-mail address in its one spelling: lower case, NFC, the domain in its ASCII form.
///
/// The letters before the `@` may differ by case only in theory: two people whose addresses do not
/// differ otherwise would be taken for one another by everybody else, too.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Email(String);

/// Why a string is not an [`Email`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EmailError {
    /// Not the shape of an address.
    #[error("an e-mail address is such as `name@example.com`")]
    Malformed,
    /// More than mail can be sent to.
    #[error("an e-mail address has at most 254 bytes, 64 of them before the `@`")]
    TooLong,
    /// It looks like another address: letters of scripts that people do not mix.
    #[error("an e-mail address does not mix letters of scripts that look alike")]
    MixedScripts,
}

/// The longest address that mail can be sent to (RFC 5321, 4.5.3.1.3).
const MAX_BYTES: usize = 254;
/// The longest part before the `@` (RFC 5321, 4.5.3.1.1).
const MAX_LOCAL_BYTES: usize = 64;
/// The longest label of a domain name.
const MAX_LABEL_BYTES: usize = 63;

impl Email {
    /// Parses an address, and normalises it. Quoted names and bare IP addresses are no addresses of
    /// people.
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        // Lower case is at most three times as long, so nothing longer can become short enough.
        if 4 * MAX_BYTES < text.len() {
            return Err(EmailError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(EmailError::Malformed)?;
        // Such as the sign of kelvin, which would become a `k`: two mailboxes would be one person.
        if local.chars().filter(|letter| !letter.is_ascii()).any(becomes_ascii) {
            return Err(EmailError::Malformed);
        }
        let local: String = local.to_lowercase().nfc().collect();
        if local.split('.').any(str::is_empty) || !local.chars().all(allowed) {
            return Err(EmailError::Malformed);
        }
        if mixes_scripts(&local) {
            return Err(EmailError::MixedScripts);
        }
        let domain = domain_of(domain).ok_or(EmailError::Malformed)?;
        if MAX_LOCAL_BYTES < local.len() || MAX_BYTES < local.len() + 1 + domain.len() {
            return Err(EmailError::TooLong);
        }
        Ok(Self(format!("{local}@{domain}")))
    }

    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part behind the `@`, in ASCII.
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, domain)| domain)
    }

    /// What stands for the address in the keys of rows, which reach logs: its SHA-256 in hex.
    pub fn hash(&self) -> String {
        hex(&Sha256::digest(&self.0))
    }
}

/// Whether something of a letter is ASCII in our spelling.
fn becomes_ascii(letter: char) -> bool {
    letter.to_lowercase().nfc().any(|letter| letter.is_ascii())
}

/// What the part before the `@` is made of (RFC 5322 «dot-atom», and letters of any language).
fn allowed(letter: char) -> bool {
    const MARKS: &str = ".!#$%&'*+-/=?^_`{|}~";
    letter.is_alphanumeric() || MARKS.contains(letter)
}

/// The ASCII form of a domain name that has a dot.
fn domain_of(text: &str) -> Option<String> {
    // The parser of URLs would also decode `%2e`.
    if text.contains('%') {
        return None;
    }
    let Ok(Host::Domain(domain)) = Host::parse(text) else { return None };
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let sound = |label: &str| {
        (1..=MAX_LABEL_BYTES).contains(&label.len())
            && label.bytes().all(plain)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    (domain.contains('.') && domain.split('.').all(sound)).then_some(domain)
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Email(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(text: &str) -> String {
        Email::parse(text).map_or_else(|error| format!("{error:?}"), |email| email.0)
    }

    #[test]
    fn spellings_of_one_address_are_one() {
        assert_eq!(parsed("Ada.Lovelace+x@Example.COM"), "ada.lovelace+x@example.com");
        assert_eq!(parsed("jürgen@münchen.example"), "jürgen@xn--mnchen-3ya.example");
        assert_eq!(parsed("ju\u{308}rgen@MÜNCHEN.example"), "jürgen@xn--mnchen-3ya.example");
        assert_eq!(parsed("o'neil@a-b.example"), "o'neil@a-b.example");
        let email = Email::parse("Ada@Example.com").unwrap();
        assert_eq!(email.domain(), "example.com");
        assert_eq!(email.hash(), Email::parse("ada@example.com").unwrap().hash());
        assert_eq!(email.hash().len(), 64);
    }

    #[test]
    fn what_no_mail_can_be_sent_to_is_no_address() {
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@example.com",
            "a@b",
            "a@localhost",
            "a b@example.com",
            " a@example.com",
            "a@example.com ",
            "a@example.com.",
            "a@.example.com",
            "a@-x.com",
            "a@x-.com",
            "a@a_b.com",
            "a@127.0.0.1",
            "a@[127.0.0.1]",
            "a@[::1]",
            "a@1.2",
            ".a@x.com",
            "a.@x.com",
            "a..b@x.com",
            "\"a b\"@x.com",
            "a@b@x.com",
            "a\u{0}@x.com",
            "a\n@x.com",
            "a@x.com\r\nBcc: b@x.com",
            "a@exa%6dple.com",
            "a@x.com/y",
            "a@x.com:25",
            "<a@x.com>",
            "a,b@x.com",
            "a\u{200b}@x.com",
            "a\u{202e}@x.com",
            // Letters that would become a plain `k` and a plain `i`.
            "\u{212a}@x.com",
            "a\u{130}@x.com",
        ] {
            assert_eq!(parsed(text), "Malformed", "{text:?}");
        }
        assert_eq!(parsed("аda@example.com"), "MixedScripts");
        assert_eq!(parsed(&format!("{}@x.com", "a".repeat(65))), "TooLong");
        let long = format!("a@{}.com", vec!["b".repeat(63); 4].join("."));
        assert_eq!(parsed(&long), "TooLong");
        assert_eq!(parsed(&"a".repeat(5_000)), "TooLong");
    }

    #[test]
    fn debug_output_hides_it() {
        assert_eq!(format!("{:?}", Email::parse("ada@example.com").unwrap()), "Email(***)");
    }

    proptest! {
        #[test]
        fn an_address_has_one_spelling(text in "\\PC{1,12}@[a-zA-Zäß1]{1,8}\\.[a-zA-Z]{2,4}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email));
            }
        }
    }
}
