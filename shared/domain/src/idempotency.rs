//! The name that a client gives to a request, so that sending it twice does it once.

use std::fmt;

/// An `Idempotency-Key`: 1 to 255 visible ASCII characters of the client's choice, and no comma.
///
/// Gateways write two headers of one name as one with a comma, and two keys are none.
///
/// It is a secret: the first answer is sealed under it.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// A text that is no idempotency key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "an idempotency key is 1 to {} visible ASCII characters, no comma",
    IdempotencyKey::MAX_CHARS
)]
pub struct IdempotencyKeyError;

impl IdempotencyKey {
    /// The longest one.
    pub const MAX_CHARS: usize = 255;

    /// For how long an answer is kept.
    pub const KEPT_SECONDS: i64 = 24 * 60 * 60;

    /// Parses a key.
    pub fn parse(text: &str) -> Result<Self, IdempotencyKeyError> {
        let fits = (1..=Self::MAX_CHARS).contains(&text.len());
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b',');
        (fits && visible).then(|| Self(text.to_owned())).ok_or(IdempotencyKeyError)
    }

    /// The key in clear, to derive others from.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdempotencyKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_empty_long_or_invisible_is_no_key() {
        let long = "x".repeat(256);
        for text in ["", " ", "a b", "a\tb", "ä", "a\u{0}", "\u{7f}", "a,b", &long] {
            assert_eq!(IdempotencyKey::parse(text), Err(IdempotencyKeyError), "{text:?}");
        }
        assert!(IdempotencyKey::parse(&long[1..]).is_ok());
    }

    #[test]
    fn debug_output_hides_it() {
        let key = IdempotencyKey::parse("8e03978e-40d5-43e8-bc93-6894a57f9324").unwrap();
        assert_eq!(format!("{key:?}"), "IdempotencyKey(***)");
    }

    proptest! {
        #[test]
        fn visible_characters_are_kept_as_they_are(text in "[!-+--~]{1,255}") {
            let key = IdempotencyKey::parse(&text).unwrap();
            prop_assert_eq!(key.reveal(), text);
        }

        #[test]
        fn whatever_is_parsed_can_stand_in_a_header(text in "\\PC{0,300}") {
            if let Ok(key) = IdempotencyKey::parse(&text) {
                prop_assert!(key.reveal().bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}
