//! The passwords that everybody tries first.

/// One a line, in lower case, sorted by bytes. `NOTICE.md` says where it comes from.
const LIST: &str = include_str!("common.txt");

/// Whether a password is on the list, in whatever case.
///
/// The text is searched where it lies in the binary: 14 steps, and nothing to build at the start
/// of a process that may never look at a new password.
pub(crate) fn contains(password: &str) -> bool {
    let wanted = password.to_lowercase();
    let (mut low, mut high) = (0, LIST.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let (begin, end) = line(middle);
        let found = &LIST.as_bytes()[begin..end];
        match found.cmp(wanted.as_bytes()) {
            std::cmp::Ordering::Less => low = end + 1,
            std::cmp::Ordering::Equal => return true,
            std::cmp::Ordering::Greater => high = begin,
        }
    }
    false
}

/// Where the line with this byte begins and ends, without its line break.
fn line(at: usize) -> (usize, usize) {
    let bytes = LIST.as_bytes();
    let begin = bytes[..at].iter().rposition(|byte| *byte == b'\n').map_or(0, |before| before + 1);
    let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |n| at + n);
    (begin, end)
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    #[test]
    fn every_line_is_found_and_nothing_between_two_is() {
        for password in LIST.lines() {
            assert!(contains(password), "{password}");
            assert!(!contains(&format!("{password}\u{1}")), "{password}");
        }
        for other in ["", "\n", "\u{0}", "~~~~~~~~~~~~~", "correct horse battery staple"] {
            assert!(!contains(other), "{other:?}");
        }
    }

    #[test]
    fn the_case_does_not_matter() {
        assert!(contains("QwertyQwerty") && contains("qwertyqwerty"));
    }

    #[test]
    fn the_list_is_as_the_search_needs_it() {
        let lines: Vec<_> = LIST.lines().collect();
        assert!(lines.windows(2).all(|pair| pair[0].as_bytes() < pair[1].as_bytes()));
        assert!(10_000 < lines.len() && LIST.len() <= 200_000);
        for line in lines {
            assert!(crate::MIN_CHARS <= line.chars().count(), "{line} could not be chosen");
            assert!(line.nfkc().eq(line.chars()) && line.to_lowercase() == line, "{line}");
            assert!(!line.contains('@'), "an address of somebody's has no place here");
        }
    }
}
