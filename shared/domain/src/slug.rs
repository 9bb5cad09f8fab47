//! The path that people type.

use std::fmt;

use unicode_normalization::UnicodeNormalization;

use crate::script::mixes_scripts;

/// The short part of a short link: 1 to 64 letters, digits, `-` and `_`, case-sensitive, NFC.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slug(String);

/// Why a string is not a [`Slug`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlugError {
    /// Nothing was given.
    #[error("a slug needs at least one character")]
    Empty,
    /// More than 64 characters.
    #[error("a slug has at most 64 characters")]
    TooLong,
    /// Something else than letters, digits, `-` and `_`.
    #[error("a slug has only letters, digits, `-` and `_`")]
    BadCharacter,
    /// The service needs the word for itself.
    #[error("this slug is reserved")]
    Reserved,
    /// It looks like another slug: letters of scripts that people do not mix.
    #[error("a slug does not mix letters of scripts that look alike")]
    MixedScripts,
}

/// The longest slug, in characters.
const MAX_CHARS: usize = 64;

/// How long a random slug is: 7 characters of 54 make 1.3 × 10¹² slugs.
const RANDOM_CHARS: usize = 7;

/// What random slugs are made of: no `0`, `O`, `o`, `1`, `I`, `l`, `i` and `L`, which look alike.
const RANDOM_ALPHABET: &[u8; 54] = b"23456789ABCDEFGHJKMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz";

/// First path segments that the service uses, or will: compared without case.
const RESERVED: [&str; 18] = [
    "admin",
    "api",
    "app",
    "assets",
    "dashboard",
    "docs",
    "health",
    "login",
    "logout",
    "metrics",
    "oauth",
    "rest",
    "signup",
    "static",
    "status",
    "web",
    "well-known",
    "www",
];

impl Slug {
    /// Parses a slug that somebody chose, and normalises it to NFC.
    pub fn parse(text: &str) -> Result<Self, SlugError> {
        let slug = Self::of_path(text)?;
        if Self::is_reserved(&slug.0) {
            return Err(SlugError::Reserved);
        }
        if mixes_scripts(&slug.0) {
            return Err(SlugError::MixedScripts);
        }
        Ok(slug)
    }

    /// Parses what stands in a path: whether such a slug *can* exist.
    ///
    /// The redirect answers anything else with 404 and reads nothing. It is the cheap half of
    /// [`Slug::parse`]: what the other half refuses was never stored.
    pub fn of_path(text: &str) -> Result<Self, SlugError> {
        if text.is_empty() {
            return Err(SlugError::Empty);
        }
        // NFC at most merges characters; nothing of 4 bytes × 4 × 64 can become 64 characters.
        if 16 * MAX_CHARS < text.len() {
            return Err(SlugError::TooLong);
        }
        let slug: String = match text.is_ascii() {
            true => text.to_owned(),
            false => text.nfc().collect(),
        };
        if MAX_CHARS < slug.chars().count() {
            return Err(SlugError::TooLong);
        }
        if !slug.chars().all(allowed) {
            return Err(SlugError::BadCharacter);
        }
        Ok(Self(slug))
    }

    /// A slug of 7 characters without look-alikes, from these random bits.
    pub fn random(mut bits: u128) -> Self {
        let base = RANDOM_ALPHABET.len() as u128;
        let mut text = String::with_capacity(RANDOM_CHARS);
        for _ in 0..RANDOM_CHARS {
            // 128 bits over 54⁷: the bias is below 2⁻⁸⁰.
            let at = usize::try_from(bits % base).unwrap_or(0);
            text.push(char::from(RANDOM_ALPHABET[at]));
            bits /= base;
        }
        Self(text)
    }

    /// Whether the service keeps this word for itself: no link ever has it.
    pub fn is_reserved(word: &str) -> bool {
        RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(word))
    }

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn allowed(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => true,
        // Combining marks are part of many scripts' letters, and have no NFC form of their own.
        c => {
            !c.is_ascii()
                && !is_invisible(c)
                && (c.is_alphabetic() || unicode_normalization::char::is_combining_mark(c))
        }
    }
}

/// Letters and marks that show nothing (Unicode's `Default_Ignorable_Code_Point`): with them a slug
/// would look like another one.
const fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{34f}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{ffa0}'
            | '\u{e0100}'..='\u{e01ef}'
    )
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn letters_of_any_one_script_are_fine() {
        for text in ["a", "Spring_2026-x", "été", "мир", "日本", "हिन्दी", "Ärger"]
        {
            assert!(Slug::parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_not_a_slug_is_refused_with_the_reason() {
        let long = "a".repeat(65);
        let cases = [
            ("", SlugError::Empty),
            (long.as_str(), SlugError::TooLong),
            ("a/b", SlugError::BadCharacter),
            ("../x", SlugError::BadCharacter),
            ("a b", SlugError::BadCharacter),
            ("a\u{202e}b", SlugError::BadCharacter),
            ("a\u{200b}b", SlugError::BadCharacter),
            ("a%41", SlugError::BadCharacter),
            ("a\u{fe0f}", SlugError::BadCharacter),
            ("pay\u{34f}pal", SlugError::BadCharacter),
            ("\u{3164}", SlugError::BadCharacter),
            ("🦀", SlugError::BadCharacter),
            ("API", SlugError::Reserved),
            ("pаypal", SlugError::MixedScripts),
        ];
        for (text, error) in cases {
            assert_eq!(Slug::parse(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn two_spellings_of_one_slug_are_one_slug() {
        assert_eq!(Slug::parse("e\u{301}te"), Slug::parse("éte"));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_is_idempotent(text in "\\PC{0,80}") {
            if let Ok(slug) = Slug::parse(&text) {
                prop_assert_eq!(Slug::parse(slug.as_str()), Ok(slug.clone()));
                prop_assert_eq!(Slug::of_path(slug.as_str()), Ok(slug));
            }
        }

        #[test]
        fn random_slugs_are_slugs_of_seven_plain_characters(bits: u128) {
            let slug = Slug::random(bits);
            prop_assert_eq!(slug.as_str().len(), 7);
            prop_assert!(!slug.as_str().contains(['0', 'O', 'o', '1', 'I', 'l', 'i', 'L']));
            prop_assert_eq!(Slug::of_path(slug.as_str()), Ok(slug));
        }
    }
}
