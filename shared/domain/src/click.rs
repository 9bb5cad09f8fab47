//! A click: one answered redirect.

use url::Url;

use crate::{Agent, ClickId, LinkId, Place, Purpose, Utm, Visitor, WorkspaceId};

/// The longest user agent that is kept, in bytes.
const MAX_USER_AGENT_BYTES: usize = 512;

/// The longest address that is kept, in bytes.
const MAX_ADDRESS_BYTES: usize = 200;

/// The longest name that DNS knows.
const MAX_HOST_BYTES: usize = 253;

/// The longest language tag that is kept, in bytes: what BCP 47 asks to have room for.
const MAX_LANGUAGE_BYTES: usize = 35;

/// One answered redirect to a link's destination: what the redirect knows of it.
///
/// It holds what is counted, and nothing that says who clicked: no address is in it. What is
/// unknown is `None`, and is counted as unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Click {
    /// Its id; the id's time is the click's time.
    pub id: ClickId,
    /// The link that was followed.
    pub link: LinkId,
    /// The link's workspace.
    pub workspace: WorkspaceId,
    /// The domain that was asked.
    pub domain: String,
    /// The slug that was typed: the link's own or an alias.
    pub slug: String,
    /// Which of the link's click partitions it belongs to, fixed when it was clicked: every
    /// delivery of it meets the same row.
    pub shard: u16,
    /// The status that was answered.
    pub status: u16,
    /// Where it led, without query and fragment: at most 200 bytes.
    pub destination: Option<String>,
    /// The host that it came from.
    pub referrer: Option<String>,
    /// The address that it came from, without path: `https://news.example.org:8443/`, at most
    /// 200 bytes.
    pub referrer_url: Option<String>,
    /// What the client calls itself: at most 512 bytes.
    pub user_agent: Option<String>,
    /// The language that the client likes best, as a tag of BCP 47: `de-AT`, at most 35 bytes.
    pub language: Option<String>,
    /// What it was fetched for, where the client says that nobody is looking at it.
    pub purpose: Option<Purpose>,
    /// Where it came from.
    pub place: Place,
    /// The number of the autonomous system that it came from.
    pub network: Option<u32>,
    /// The UTM parameters of the destination that was answered, each at most 100 bytes.
    pub utm: Utm,
    /// The UTM parameters of the request itself, each at most 100 bytes.
    pub asked_utm: Utm,
    /// Who clicked, for the click's day.
    pub visitor: Option<Visitor>,
}

/// A click, and what was made of it: as it is recorded, put into the lake, counted and listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedClick {
    /// The click.
    pub click: Click,
    /// What its user agent says.
    pub agent: Agent,
    /// The program that it was, if it was no person.
    pub bot: Option<BotLabel>,
}

/// A program, and what gave it away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BotLabel {
    /// The name under which its clicks are counted.
    pub name: String,
    /// Why it is taken for a program.
    pub why: BotWhy,
}

/// Why a click is taken for one of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BotWhy {
    /// Its user agent is one of a program.
    UserAgent,
    /// It has no user agent: browsers have one.
    NoUserAgent,
    /// A browser fetched it in advance.
    Prefetch,
    /// A browser fetched it for a preview.
    Preview,
    /// It came from a network of rented computers.
    DataCentre,
}

impl BotWhy {
    const ALL: [Self; 5] =
        [Self::UserAgent, Self::NoUserAgent, Self::Prefetch, Self::Preview, Self::DataCentre];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UserAgent => "user-agent",
            Self::NoUserAgent => "no-user-agent",
            Self::Prefetch => "prefetch",
            Self::Preview => "preview",
            Self::DataCentre => "data-centre",
        }
    }

    /// What has this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.as_str() == name)
    }
}

impl Click {
    /// How it was asked for: `HEAD` is answered like `GET`, and is no click.
    pub const METHOD: &str = "GET";

    /// The most shards that a link's clicks can be spread over.
    pub const MAX_SHARDS: u8 = 64;

    /// The shard of a click among `count`: the same for the same click and count.
    pub fn shard_of(id: ClickId, count: u16) -> u16 {
        use sha2::{Digest, Sha256};
        if count <= 1 {
            return 0;
        }
        let hash = Sha256::digest(id.to_string());
        u16::from_be_bytes([hash[0], hash[1]]) % count
    }

    /// A user agent, cut to what is kept, without control characters.
    pub fn trim_user_agent(text: &str) -> String {
        clean(text, MAX_USER_AGENT_BYTES).unwrap_or_default()
    }

    /// A destination, as it is kept: without query and fragment, which may hold what is nobody's
    /// business, and cut.
    pub fn trim_destination(address: &str) -> String {
        let end = address.find(['?', '#']).unwrap_or(address.len());
        cut(&address[..end], MAX_ADDRESS_BYTES).to_owned()
    }

    /// The host of a referrer, and its address without path: both hold nothing that is between two
    /// people. No address where it would be too long, and neither where there is no host.
    pub fn trim_referrer(referrer: &str) -> (Option<String>, Option<String>) {
        if let Some((scheme, host)) = plain_origin(referrer) {
            return (Some(host.to_owned()), Some([scheme, "://", host, "/"].concat()));
        }
        let Ok(url) = Url::parse(referrer) else { return (None, None) };
        let named = |host: &&str| !host.is_empty() && host.len() <= MAX_HOST_BYTES;
        let Some(host) = url.host_str().filter(named) else { return (None, None) };
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let address = format!("{}://{host}{port}/", url.scheme());
        (Some(host.to_owned()), Some(address).filter(|it| it.len() <= MAX_ADDRESS_BYTES))
    }

    /// The language that somebody likes best, by their `Accept-Language`.
    ///
    /// Browsers put it first. It is written as BCP 47 recommends, so that `de-at` and `de-AT` are
    /// one.
    pub fn first_language(accept: &str) -> Option<String> {
        let end = accept.find([',', ';']).unwrap_or(accept.len());
        let tag = accept[..end].trim();
        let sound = (2..=MAX_LANGUAGE_BYTES).contains(&tag.len())
            && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !sound {
            return None;
        }
        let mut parts = tag.split('-');
        let primary = parts.next().filter(|it| {
            (2..=8).contains(&it.len()) && it.bytes().all(|byte| byte.is_ascii_alphabetic())
        })?;
        let mut language = primary.to_ascii_lowercase();
        for part in parts {
            language.push('-');
            match part.len() {
                2 => language.push_str(&part.to_ascii_uppercase()),
                4 if part.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    language.push_str(&part[..1].to_ascii_uppercase());
                    language.push_str(&part[1..].to_ascii_lowercase());
                }
                _ => language.push_str(&part.to_ascii_lowercase()),
            }
        }
        Some(language)
    }
}

/// Scheme and host of an address that is as almost all are: nothing in them that a parser would change
/// or refuse. To parse it takes longer than all else that is looked at of a click.
fn plain_origin(address: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let host = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    // What ends with a number is read as an IP address, and `xn--` has to be what it says.
    let ends_as_a_name = host.ends_with(|last: char| last.is_ascii_lowercase())
        && !host.rsplit('.').next().is_some_and(|label| label.starts_with("0x"));
    (matches!(scheme, "https" | "http")
        && host.len() <= MAX_HOST_BYTES.min(MAX_ADDRESS_BYTES - "https:///".len())
        && host.bytes().all(is_plain)
        && ends_as_a_name
        && !host.contains("xn--"))
    .then_some((scheme, host))
}

/// A text without control characters and without space around it, cut to so many bytes; none if
/// nothing is left.
pub(crate) fn clean(text: &str, most: usize) -> Option<String> {
    let text = text.trim();
    let plain = if text.contains(char::is_control) {
        let plain: String = text.chars().filter(|c| !c.is_control()).collect();
        cut(plain.trim(), most).to_owned()
    } else {
        cut(text, most).to_owned()
    };
    (!plain.is_empty()).then_some(plain)
}

/// The beginning of a text, whole characters of at most so many bytes.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn clicks_spread_over_all_shards_and_stay_there() {
        let mut seen = [0; 8];
        for random in 0..800 {
            let id = ClickId::new(Timestamp::UNIX_EPOCH, random);
            let shard = Click::shard_of(id, 8);
            assert_eq!(shard, Click::shard_of(id, 8));
            seen[usize::from(shard)] += 1;
        }
        assert!(seen.iter().all(|n| 50 < *n), "{seen:?}");
    }

    #[test]
    fn every_reason_has_a_name_of_its_own() {
        for why in BotWhy::ALL {
            assert_eq!(BotWhy::parse(why.as_str()), Some(why));
        }
        assert_eq!(BotWhy::parse(""), None);
    }

    #[test]
    fn a_long_user_agent_is_cut_between_characters() {
        let cut = Click::trim_user_agent(&"é".repeat(400));
        assert_eq!(cut.len(), 512);
        assert_eq!(Click::trim_user_agent("a\r\nb"), "ab");
    }

    #[test]
    fn of_a_destination_neither_query_nor_fragment_is_kept() {
        for (address, kept) in [
            ("https://example.com/a?token=1#b", "https://example.com/a"),
            ("https://example.com/#token?1", "https://example.com/"),
            ("https://example.com/", "https://example.com/"),
        ] {
            assert_eq!(Click::trim_destination(address), kept);
        }
        let long = format!("https://example.com/{}", "a".repeat(300));
        assert_eq!(Click::trim_destination(&long), long[..200]);
    }

    #[test]
    fn a_referrer_is_its_host_and_its_address_without_path() {
        let long = format!("https://{}example.org/", "a.".repeat(90));
        let longer = format!("https://{}example.org/", "a.".repeat(130));
        for (referrer, host, address) in [
            (
                "https://News.example.org:8443/story?id=7#top",
                Some("news.example.org"),
                Some("https://news.example.org:8443/"),
            ),
            ("https://u:secret@example.org/", Some("example.org"), Some("https://example.org/")),
            (
                "android-app://com.example.mail/",
                Some("com.example.mail"),
                Some("android-app://com.example.mail/"),
            ),
            (&long, Some(&long[8..199]), Some(long.as_str())),
            (&longer, None, None),
            ("mailto:somebody@example.org", None, None),
            ("not an address", None, None),
            ("", None, None),
        ] {
            let (found, url) = Click::trim_referrer(referrer);
            assert_eq!((found.as_deref(), url.as_deref()), (host, address), "{referrer}");
        }
        let between = format!("https://{}example.org/", "a.".repeat(100));
        assert_eq!(Click::trim_referrer(&between).1, None);
        assert!(Click::trim_referrer(&between).0.is_some());
    }

    #[test]
    fn the_first_language_counts_in_its_usual_spelling() {
        for (accept, language) in [
            ("de-AT,de;q=0.9,en;q=0.5", Some("de-AT")),
            ("DE-at", Some("de-AT")),
            ("zh-hant-tw;q=1", Some("zh-Hant-TW")),
            (" en ", Some("en")),
            ("es-419", Some("es-419")),
            ("*", None),
            ("", None),
            ("e", None),
            ("12-34", None),
            ("de_AT", None),
            ("dé", None),
            ("abcdefghi", None),
        ] {
            assert_eq!(Click::first_language(accept).as_deref(), language, "{accept}");
        }
        assert_eq!(Click::first_language(&format!("de-{}", "a".repeat(40))), None);
    }

    proptest::proptest! {
        #[test]
        fn a_plain_origin_is_what_a_parser_says(
            address in "(https?|ftp)://[a-z0-9.x-]{0,12}\\.?(0x[0-9a-f]{0,3}|xn--[a-z]{1,3}|[a-z]{0,3})[:/?#@A-Z ]?\\PC{0,9}"
        ) {
            if let Some((scheme, host)) = plain_origin(&address) {
                let url = Url::parse(&address).expect("it is an address");
                proptest::prop_assert_eq!((url.scheme(), url.host_str()), (scheme, Some(host)));
                proptest::prop_assert!(url.port().is_none());
            }
        }

        #[test]
        fn whatever_is_sent_is_cut_and_clean(text in "\\PC{0,300}|[\\x00-\\x7f]{0,60}") {
            if let Some(clean) = clean(&text, 100) {
                proptest::prop_assert!(!clean.is_empty() && clean.len() <= 100);
                proptest::prop_assert!(!clean.contains(char::is_control));
            }
            let _ = (Click::first_language(&text), Click::trim_referrer(&text));
            let _ = (Click::trim_destination(&text), Utm::of_address(&text));
            let _ = Place::told(Some(&text), Some(&text), Some(&text));
        }
    }
}
