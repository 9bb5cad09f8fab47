//! Homographs: letters of scripts that people do not mix.

use unicode_security::restriction_level::RestrictionLevelDetection;
use unicode_security::{MixedScript, RestrictionLevel};

/// Whether a word mixes scripts as no language does (UTS 39, «highly restrictive»).
///
/// `раураl` of Cyrillic and Latin does; `東京タワー` does not, nor does a word of one script. A word
/// that is *wholly* of another script and looks like Latin passes: that is a registrar's business.
pub(crate) fn mixes_scripts(word: &str) -> bool {
    !word.is_single_script()
        && RestrictionLevel::HighlyRestrictive < word.detect_restriction_level()
}
