//! Identifiers: a prefix that says what it names, and a ULID that sorts by time.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use ulid::Ulid;

/// Why a string is not an identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id of this kind is `{prefix}` and 26 characters")]
pub struct IdError {
    prefix: &'static str,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Ulid);

        impl $name {
            /// An id of this moment (milliseconds count) and 80 of these random bits.
            pub fn new(at: Timestamp, random: u128) -> Self {
                Self(ulid_at(at, random))
            }

            /// Parses the id in its one canonical form.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                text.strip_prefix($prefix)
                    .and_then(parse_ulid)
                    .map(Self)
                    .ok_or(IdError { prefix: $prefix })
            }

            /// Parses the 26 characters without the prefix, as sort keys hold them.
            pub fn parse_ulid(text: &str) -> Result<Self, IdError> {
                parse_ulid(text).map(Self).ok_or(IdError { prefix: $prefix })
            }

            /// The 26 characters without the prefix.
            pub fn ulid(&self) -> String {
                self.0.to_string()
            }

            /// When it was made, to the millisecond.
            pub fn at(&self) -> Timestamp {
                // 48 bits of milliseconds can lie beyond the last representable year; such an id
                // can only be forged, and then any late time will do.
                i64::try_from(self.0.timestamp_ms())
                    .ok()
                    .and_then(|ms| Timestamp::from_millisecond(ms).ok())
                    .unwrap_or(Timestamp::MAX)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}{}", $prefix, self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }
    };
}

id!(
    /// A link, for as long as it lives, whatever its slugs.
    LinkId,
    "lnk_"
);
id!(
    /// A click. Its time is the click's time.
    ClickId,
    "clk_"
);
id!(
    /// A workspace: the tenant that links, keys and members belong to.
    WorkspaceId,
    "wrk_"
);
id!(
    /// The public part of an API key.
    KeyId,
    "key_"
);
id!(
    /// A person.
    UserId,
    "usr_"
);
id!(
    /// An invitation of somebody to a workspace.
    InvitationId,
    "inv_"
);
id!(
    /// An entry of the audit log. Its time is when it happened.
    AuditId,
    "aud_"
);
id!(
    /// An access token: its `jti`.
    TokenId,
    "tok_"
);

fn ulid_at(at: Timestamp, random: u128) -> Ulid {
    // Before 1970 nothing was clicked.
    Ulid::from_parts(u64::try_from(at.as_millisecond()).unwrap_or(0), random)
}

fn parse_ulid(text: &str) -> Option<Ulid> {
    // The crate also takes lower case, look-alikes and an overflow; an id has one spelling only,
    // or two strings would name one thing.
    Ulid::from_string(text).ok().filter(|ulid| ulid.to_string() == text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_keeps_its_time() {
        let at: Timestamp = "2026-11-22T10:00:00.123Z".parse().unwrap();
        let id = LinkId::new(at, 42);
        assert_eq!(LinkId::parse(&id.to_string()), Ok(id));
        assert_eq!(LinkId::parse_ulid(&id.ulid()), Ok(id));
        assert_eq!(id.at(), at);
    }

    #[test]
    fn ids_of_another_kind_or_spelling_are_refused() {
        let id = ClickId::new(Timestamp::UNIX_EPOCH, u128::MAX).to_string();
        assert!(LinkId::parse(&id).is_err());
        assert!(ClickId::parse(&id.to_lowercase()).is_err());
        assert!(ClickId::parse("clk_8ZZZZZZZZZZZZZZZZZZZZZZZZZ").is_err());
        assert!(ClickId::parse("clk_").is_err());
    }

    #[test]
    fn ids_sort_by_time() {
        let earlier = ClickId::new(Timestamp::from_millisecond(1_000).unwrap(), u128::MAX);
        let later = ClickId::new(Timestamp::from_millisecond(1_001).unwrap(), 0);
        assert!(earlier < later && earlier.ulid() < later.ulid());
    }
}
