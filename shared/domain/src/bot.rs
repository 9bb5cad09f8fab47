//! Who is not a person: a small table of user agents.
//!
//! It labels clicks in the ledger, and keeps link previews from using up a link's click limit.
//! It is small on purpose: the redirect of a limited link reads it before it answers.

use crate::click::{BotLabel, BotWhy};

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

/// The label of a click in the ledger.
pub fn label(user_agent: Option<&str>) -> Option<BotLabel> {
    let bot = find(user_agent)?;
    let why = if bot == NAMELESS { BotWhy::NoUserAgent } else { BotWhy::UserAgent };
    Some(BotLabel { name: bot.name.to_owned(), why })
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
        let label = |user_agent| label(user_agent).map(|label| (label.name, label.why));
        assert_eq!(label(None), Some(("(no user agent)".to_owned(), BotWhy::NoUserAgent)));
        let other = label(Some("Acme/1.0 (+https://acme.example)"));
        assert_eq!(other, Some(("(other bot)".to_owned(), BotWhy::UserAgent)));
    }

    #[test]
    fn needles_are_lower_case() {
        assert!(TABLE.iter().all(|(needle, _, _)| *needle == needle.to_lowercase()));
    }
}
