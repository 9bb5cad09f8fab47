//! What a client is: read from its user agent, and from what else a click tells.
//!
//! It is done where clicks are recorded and not on the redirect's way: it takes some microseconds
//! and a table that is larger than all the rest of that function.

#[cfg(test)]
mod tests;

use domain::{Agent, BotLabel, BotWhy, Click, Device, RecordedClick, bot};
use woothee::parser::{Parser, WootheeResult};

/// What is unknown to the parser.
const UNKNOWN: &str = "UNKNOWN";

/// Reads user agents.
#[derive(Debug, Clone, Default)]
pub struct Agents {
    parser: Reader,
}

/// The parser holds nothing that could be shown.
#[derive(Clone, Default)]
struct Reader(std::sync::Arc<Parser>);

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reader")
    }
}

impl Agents {
    /// A click, with what its user agent says, and whether it was a program.
    ///
    /// A program that says who it is has no browser. One that looks like a browser keeps what it
    /// looks like.
    pub fn read(&self, click: Click) -> RecordedClick {
        let user_agent = click.user_agent.as_deref();
        if let Some(bot) = bot::by_user_agent(user_agent) {
            return RecordedClick { click, agent: Agent::default(), bot: Some(bot) };
        }
        let text = user_agent.unwrap_or_default();
        let parsed = self.parser.0.parse(text);
        if let Some(crawler) = parsed.as_ref().filter(|it| it.category == "crawler") {
            let label = BotLabel { name: crawler.name.to_owned(), why: BotWhy::UserAgent };
            return RecordedClick { click, agent: Agent::default(), bot: Some(label) };
        }
        let agent = parsed.map(|parsed| agent_of(text, &parsed)).unwrap_or_default();
        let bot = bot::by_circumstances(click.purpose, click.network);
        RecordedClick { click, agent, bot }
    }
}

fn agent_of(text: &str, parsed: &WootheeResult<'_>) -> Agent {
    let os = os_of(text, parsed.os);
    Agent {
        browser: browser_of(text, parsed.name),
        os: os.map(str::to_owned),
        device: device_of(text, parsed.category, os),
    }
}

/// Browsers that the parser takes for the one that they are made of, by what they add to its user
/// agent.
const BROWSERS: &[(&str, &str)] = &[
    ("SamsungBrowser/", "Samsung Internet"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("HuaweiBrowser/", "Huawei Browser"),
    ("MiuiBrowser/", "Mi Browser"),
    ("YaBrowser/", "Yandex Browser"),
    ("Whale/", "Whale"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("FxiOS/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Instagram ", "Instagram"),
    ("FBAN/", "Facebook"),
    ("FBAV/", "Facebook"),
    ("musical_ly", "TikTok"),
    ("BytedanceWebview", "TikTok"),
    ("LinkedInApp", "LinkedIn"),
    ("Pinterest/", "Pinterest"),
    ("Snapchat/", "Snapchat"),
    ("MicroMessenger/", "WeChat"),
    ("GSA/", "Google app"),
];

fn browser_of(text: &str, name: &str) -> Option<String> {
    if let Some((_, name)) = BROWSERS.iter().find(|(sign, _)| text.contains(sign)) {
        return Some((*name).to_owned());
    }
    (name != UNKNOWN && !name.is_empty()).then(|| name.to_owned())
}

/// The system without its version: «Windows 10» is what Windows 11 says, too.
fn os_of<'a>(text: &str, os: &'a str) -> Option<&'a str> {
    // Consoles have systems of their own, of which the parser knows some.
    if let Some((_, os)) = CONSOLES.iter().find(|(sign, _)| text.contains(sign)) {
        return Some(os);
    }
    match os {
        UNKNOWN | "" => None,
        _ if os.starts_with("Windows Phone") => Some("Windows Phone"),
        _ if os.starts_with("Windows") => Some("Windows"),
        "Mac OSX" | "Mac OS Classic" => Some("macOS"),
        "iPhone" | "iPad" | "iPod" | "iOS" => Some("iOS"),
        other => Some(other),
    }
}

/// Consoles, by what they say.
const CONSOLES: &[(&str, &str)] = &[
    ("PlayStation", "PlayStation"),
    ("PLAYSTATION", "PlayStation"),
    ("Nintendo", "Nintendo"),
    ("Xbox", "Xbox"),
];

/// Television sets and the boxes at them, by what they say.
const TELEVISIONS: &[&str] = &[
    "SmartTV", "SMART-TV", "Smart TV", "AppleTV", "GoogleTV", "BRAVIA", "; AFT", "Web0S", "Roku/",
];

/// The kind of device. The parser knows no tablets; they say it in other words.
fn device_of(text: &str, category: &str, os: Option<&str>) -> Option<Device> {
    let says = |what: &str| text.contains(what);
    if TELEVISIONS.iter().any(|sign| says(sign)) {
        return Some(Device::Tv);
    }
    if CONSOLES.iter().any(|(sign, _)| says(sign)) {
        return Some(Device::Console);
    }
    let is_tablet = says("iPad")
        || says("Tablet")
        || says("Kindle")
        || (os == Some("Android") && !says("Mobile"));
    match category {
        "smartphone" | "pc" if is_tablet && !says("Tablet PC") => Some(Device::Tablet),
        "pc" => Some(Device::Desktop),
        "smartphone" | "mobilephone" => Some(Device::Mobile),
        "appliance" => Some(Device::Console),
        "misc" => Some(Device::Other),
        _ => None,
    }
}
