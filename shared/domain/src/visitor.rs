//! Who clicked, for a day: a number that says whether two clicks of one UTC day and workspace are
//! of the same visitor, and nothing else.

use std::fmt;

/// A visitor of a workspace on one UTC day. Displays as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Visitor(u64);

impl Visitor {
    /// The visitor with this number.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Its number: evenly spread, because it is a piece of a hash.
    pub const fn number(self) -> u64 {
        self.0
    }

    /// Parses what it displays as.
    pub fn parse(text: &str) -> Option<Self> {
        let canonical =
            text.len() == 16 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !canonical {
            return None;
        }
        u64::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Visitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_reads_back_and_has_one_form() {
        for number in [0, 7, u64::MAX] {
            let visitor = Visitor::new(number);
            assert_eq!(Visitor::parse(&visitor.to_string()), Some(visitor));
        }
        for text in ["", "7", "000000000000000A", "+00000000000000f", "00000000000000000"] {
            assert_eq!(Visitor::parse(text), None, "{text}");
        }
    }
}
