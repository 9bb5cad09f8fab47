//! Who is not a person: a small table of user agents.
//!
//! It labels clicks in the ledger, and keeps link previews from using up a link's click limit.
//! It is small on purpose: the redirect of a limited link reads it before it answers.

use crate::click::{BotLabel, BotWhy};
use crate::purpose::Purpose;

/// What sort of program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// It fetches a link to show a preview of it.
    Preview,
    /// It indexes or watches the web.
    Crawler,
    /// A library or a command: somebody's program, which follows a link on purpose.
    Tool,
}

/// A program that follows links by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bot {
    /// The name under which its clicks are counted.
    pub name: &'static str,
    /// What sort of program it is.
    pub kind: Kind,
}

/// What a client without a user agent is called: browsers always send one.
const NAMELESS: Bot = Bot { name: "(no user agent)", kind: Kind::Tool };

/// Lower-case needles, first match wins; names before the general words at the end.
const TABLE: &[(&str, &str, Kind)] = &[
    ("facebookexternalhit", "Facebook", Kind::Preview),
    ("facebot", "Facebook", Kind::Preview),
    ("meta-externalagent", "Meta", Kind::Crawler),
    ("whatsapp", "WhatsApp", Kind::Preview),
    ("twitterbot", "Twitter", Kind::Preview),
    ("slackbot", "Slack", Kind::Preview),
    ("slack-imgproxy", "Slack", Kind::Preview),
    ("telegrambot", "Telegram", Kind::Preview),
    ("discordbot", "Discord", Kind::Preview),
    ("linkedinbot", "LinkedIn", Kind::Preview),
    ("skypeuripreview", "Skype", Kind::Preview),
    ("microsoftpreview", "Microsoft", Kind::Preview),
    ("pinterestbot", "Pinterest", Kind::Preview),
    ("redditbot", "Reddit", Kind::Preview),
    ("embedly", "Embedly", Kind::Preview),
    ("iframely", "Iframely", Kind::Preview),
    ("mastodon", "Mastodon", Kind::Preview),
    ("bluesky", "Bluesky", Kind::Preview),
    ("viber", "Viber", Kind::Preview),
    ("vkshare", "VK", Kind::Preview),
    ("line-poker", "LINE", Kind::Preview),
    ("google-pagerenderer", "Google", Kind::Preview),
    ("googleimageproxy", "Google", Kind::Preview),
    ("googlebot", "Google", Kind::Crawler),
    ("adsbot-google", "Google", Kind::Crawler),
    ("bingbot", "Bing", Kind::Crawler),
    ("bingpreview", "Bing", Kind::Preview),
    ("applebot", "Apple", Kind::Crawler),
    ("duckduckbot", "DuckDuckGo", Kind::Crawler),
    ("yandex", "Yandex", Kind::Crawler),
    ("baiduspider", "Baidu", Kind::Crawler),
    ("bytespider", "ByteDance", Kind::Crawler),
    ("petalbot", "Petal", Kind::Crawler),
    ("ahrefsbot", "Ahrefs", Kind::Crawler),
    ("semrushbot", "Semrush", Kind::Crawler),
    ("mj12bot", "Majestic", Kind::Crawler),
    ("gptbot", "OpenAI", Kind::Crawler),
    ("chatgpt-user", "OpenAI", Kind::Crawler),
    ("oai-searchbot", "OpenAI", Kind::Crawler),
    ("claudebot", "Anthropic", Kind::Crawler),
    ("perplexitybot", "Perplexity", Kind::Crawler),
    ("ccbot", "Common Crawl", Kind::Crawler),
    ("amazonbot", "Amazon", Kind::Crawler),
    ("uptimerobot", "UptimeRobot", Kind::Crawler),
    ("pingdom", "Pingdom", Kind::Crawler),
    ("statuscake", "StatusCake", Kind::Crawler),
    ("headlesschrome", "Headless Chrome", Kind::Crawler),
    ("phantomjs", "PhantomJS", Kind::Crawler),
    ("curl/", "curl", Kind::Tool),
    ("wget/", "Wget", Kind::Tool),
    ("python-requests", "Python", Kind::Tool),
    ("python-urllib", "Python", Kind::Tool),
    ("python-httpx", "Python", Kind::Tool),
    ("aiohttp", "Python", Kind::Tool),
    ("go-http-client", "Go", Kind::Tool),
    ("okhttp", "OkHttp", Kind::Tool),
    ("java/", "Java", Kind::Tool),
    ("apache-httpclient", "Java", Kind::Tool),
    ("node-fetch", "Node.js", Kind::Tool),
    ("axios/", "Node.js", Kind::Tool),
    ("undici", "Node.js", Kind::Tool),
    ("libwww-perl", "Perl", Kind::Tool),
    ("guzzlehttp", "PHP", Kind::Tool),
    ("ruby", "Ruby", Kind::Tool),
    ("postmanruntime", "Postman", Kind::Tool),
    ("crawler", "(other crawler)", Kind::Crawler),
    ("spider", "(other crawler)", Kind::Crawler),
    ("preview", "(other preview)", Kind::Preview),
    ("bot/", "(other bot)", Kind::Crawler),
    ("bot;", "(other bot)", Kind::Crawler),
    ("bot)", "(other bot)", Kind::Crawler),
    ("robot", "(other bot)", Kind::Crawler),
    ("+http", "(other bot)", Kind::Crawler),
];

/// The program behind a user agent; `None` for what looks like a person's browser.
pub fn find(user_agent: Option<&str>) -> Option<Bot> {
    let text = match user_agent {
        Some(text) if !text.trim().is_empty() => text.to_ascii_lowercase(),
        Some(_) | None => return Some(NAMELESS),
    };
    TABLE
        .iter()
        .find(|(needle, _, _)| text.contains(needle))
        .map(|&(_, name, kind)| Bot { name, kind })
}

/// The label of a click whose user agent gives a program away.
pub fn by_user_agent(user_agent: Option<&str>) -> Option<BotLabel> {
    let bot = find(user_agent)?;
    let why = if bot == NAMELESS { BotWhy::NoUserAgent } else { BotWhy::UserAgent };
    Some(BotLabel { name: bot.name.to_owned(), why })
}

/// The label of a click that a browser seems to have sent, but nobody at a browser: fetched in
/// advance, or from a network of rented computers.
pub fn by_circumstances(purpose: Option<Purpose>, network: Option<u32>) -> Option<BotLabel> {
    let (name, why) = match (purpose, network.and_then(data_centre)) {
        (Some(Purpose::Prefetch), _) => ("(prefetch)", BotWhy::Prefetch),
        (Some(Purpose::Preview), _) => ("(preview)", BotWhy::Preview),
        (None, Some(name)) => (name, BotWhy::DataCentre),
        (None, None) => return None,
    };
    Some(BotLabel { name: name.to_owned(), why })
}

/// Networks in which computers are rented, by the numbers of their autonomous systems. Those
/// through which people come are not in it, even where they belong to the same companies: the
/// relays of browsers (iCloud's at Akamai, Cloudflare and Fastly), and Google's own.
const DATA_CENTRES: &[(&str, &[u32])] = &[
    ("(Amazon Web Services)", &[8_987, 14_618, 16_509]),
    ("(Google Cloud)", &[19_527, 396_982]),
    ("(Microsoft Azure)", &[8_075]),
    ("(DigitalOcean)", &[14_061]),
    ("(Hetzner)", &[24_940, 212_317, 213_230]),
    ("(OVH)", &[16_276, 35_540]),
    ("(Akamai Cloud)", &[63_949]),
    ("(Vultr)", &[20_473]),
    ("(Oracle Cloud)", &[31_898]),
    ("(Alibaba Cloud)", &[37_963, 45_102]),
    ("(Tencent Cloud)", &[45_090, 132_203]),
    ("(Contabo)", &[40_021, 51_167, 141_995]),
    ("(Scaleway)", &[12_876]),
];

fn data_centre(network: u32) -> Option<&'static str> {
    DATA_CENTRES.iter().find(|(_, all)| all.contains(&network)).map(|(name, _)| *name)
}

impl Bot {
    /// Whether it looks at a link without anybody following it, and so must not use up a limit.
    pub fn only_looks(self) -> bool {
        match self.kind {
            Kind::Preview | Kind::Crawler => true,
            Kind::Tool => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_people() {
        for text in [
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
            "Mozilla/5.0 (Linux; Android 12; CUBOT X50) AppleWebKit/537.36 Chrome/120.0.0.0 Mobile Safari/537.36",
        ] {
            assert_eq!(find(Some(text)), None, "{text}");
        }
    }

    #[test]
    fn previews_and_crawlers_only_look_but_tools_follow() {
        let preview = find(Some("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"));
        assert!(preview.is_some_and(|bot| bot.name == "Slack" && bot.only_looks()));
        let tool = find(Some("curl/8.5.0"));
        assert!(tool.is_some_and(|bot| bot.name == "curl" && !bot.only_looks()));
        let label = |user_agent| by_user_agent(user_agent).map(|label| (label.name, label.why));
        assert_eq!(label(None), Some(("(no user agent)".to_owned(), BotWhy::NoUserAgent)));
        let other = label(Some("Acme/1.0 (+https://acme.example)"));
        assert_eq!(other, Some(("(other bot)".to_owned(), BotWhy::UserAgent)));
    }

    #[test]
    fn nobody_is_at_a_browser_that_looks_ahead_or_stands_in_a_data_centre() {
        let label = |purpose, network| {
            by_circumstances(purpose, network).map(|label| (label.name, label.why))
        };
        let named = |name: &str, why| Some((name.to_owned(), why));
        assert_eq!(label(None, None), None);
        // A telephone company.
        assert_eq!(label(None, Some(3_320)), None);
        assert_eq!(label(None, Some(24_940)), named("(Hetzner)", BotWhy::DataCentre));
        // What the browser says itself is more certain than where it stands.
        let prefetch = label(Some(Purpose::Prefetch), Some(24_940));
        assert_eq!(prefetch, named("(prefetch)", BotWhy::Prefetch));
        assert_eq!(label(Some(Purpose::Preview), None), named("(preview)", BotWhy::Preview));
        let mut all: Vec<_> = DATA_CENTRES.iter().flat_map(|(_, all)| *all).collect();
        let count = all.len();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), count, "a network belongs to one");
    }

    #[test]
    fn needles_are_lower_case() {
        assert!(TABLE.iter().all(|(needle, _, _)| *needle == needle.to_lowercase()));
    }
}
