//! Words that links are filed under.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// A tag: 1 to 50 characters without control characters or spaces at its ends, NFC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// Why a string is not a [`Tag`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing was given.
    #[error("a tag needs at least one character")]
    Empty,
    /// More than 50 characters.
    #[error("a tag has at most 50 characters")]
    TooLong,
    /// A control character, or a space at an end.
    #[error("a tag has no control characters, and no space at its ends")]
    BadCharacter,
}

impl Tag {
    /// Parses a tag, and normalises it to NFC.
    pub fn parse(text: &str) -> Result<Self, TagError> {
        if text.is_empty() {
            return Err(TagError::Empty);
        }
        let tag: String = text.nfc().take(51).collect();
        if 50 < tag.chars().count() {
            return Err(TagError::TooLong);
        }
        if tag.trim() != tag || tag.chars().any(char::is_control) {
            return Err(TagError::BadCharacter);
        }
        Ok(Self(tag))
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_short_plain_text() {
        assert!(Tag::parse("Black Friday").is_ok());
        assert_eq!(Tag::parse(""), Err(TagError::Empty));
        assert_eq!(Tag::parse(&"x".repeat(51)), Err(TagError::TooLong));
        assert_eq!(Tag::parse(" a"), Err(TagError::BadCharacter));
        assert_eq!(Tag::parse("a\nb"), Err(TagError::BadCharacter));
    }
}
