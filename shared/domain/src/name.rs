//! What people and workspaces are called.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

/// The longest name, in characters.
const MAX_CHARS: usize = 100;

/// A name: 1 to 100 characters, not all of them invisible, without control characters or spaces at
/// its ends, NFC.
#[derive(Clone, PartialEq, Eq)]
pub struct Name(String);

/// Why a string is not a [`Name`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing was given.
    #[error("a name needs at least one character")]
    Empty,
    /// More than 100 characters.
    #[error("a name has at most 100 characters")]
    TooLong,
    /// Nothing of it shows.
    #[error("a name needs at least one character that shows")]
    Invisible,
    /// Something that does not show, or that turns the text around it.
    #[error("a name has no control characters, and no space at its ends")]
    BadCharacter,
}

impl Name {
    /// Parses a name, and normalises it to NFC.
    pub fn parse(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        let name: String = text.nfc().take(MAX_CHARS + 1).collect();
        if MAX_CHARS < name.chars().count() {
            return Err(NameError::TooLong);
        }
        if name.trim() != name || name.chars().any(is_control) {
            return Err(NameError::BadCharacter);
        }
        if name.chars().all(is_invisible) {
            return Err(NameError::Invisible);
        }
        Ok(Self(name))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Control characters, and those that turn the direction of writing: in a list of members, one
/// name must not change how the next one reads.
fn is_control(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Spaces, and what Unicode says to show nothing of. Between others they have a meaning: a joiner
/// shapes the letters around it.
fn is_invisible(letter: char) -> bool {
    letter.is_whitespace()
        || matches!(letter, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}')
        || matches!(letter, '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}')
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}')
        || matches!(letter, '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}')
        || matches!(letter, '\u{e0000}'..='\u{e0fff}')
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // What a person is called is as private as their address.
        f.write_str("Name(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_text() {
        assert_eq!(Name::parse("Zoe\u{308}").unwrap().as_str(), "Zoë");
        assert!(Name::parse("山田 太郎").is_ok());
        assert!(Name::parse(&"é".repeat(100)).is_ok());
        assert_eq!(Name::parse(""), Err(NameError::Empty));
        assert_eq!(Name::parse(&"é".repeat(101)), Err(NameError::TooLong));
        for text in [" ", " a", "a\n", "a\tb", "a\u{0}b", "a\u{202e}b", "\u{2066}a"] {
            assert_eq!(Name::parse(text), Err(NameError::BadCharacter), "{text:?}");
        }
    }

    #[test]
    fn something_of_a_name_shows() {
        for text in ["\u{200b}", "\u{200d}\u{2060}", "\u{feff}", "\u{3164}", "\u{2800} \u{ad}"] {
            assert_eq!(Name::parse(text), Err(NameError::Invisible), "{text:?}");
        }
        assert!(Name::parse("\u{646}\u{6cc}\u{200c}\u{6a9}").is_ok(), "a letter's shape");
    }

    #[test]
    fn debug_output_hides_it() {
        assert_eq!(format!("{:?}", Name::parse("Ada").unwrap()), "Name(***)");
    }
}
