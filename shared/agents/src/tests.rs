//! User agents as they are sent, and what is made of them.

use domain::ClickId;
use jiff::Timestamp;

use super::*;

fn read(user_agent: Option<&str>) -> RecordedClick {
    let click = Click {
        user_agent: user_agent.map(str::to_owned),
        ..testkit::click(ClickId::new(Timestamp::UNIX_EPOCH, 1))
    };
    Agents::default().read(click)
}

/// `browser / system / device`; `-` is unknown.
fn agent(user_agent: &str) -> String {
    let RecordedClick { agent, bot, .. } = read(Some(user_agent));
    assert_eq!(bot, None, "{user_agent}");
    let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let device = agent.device.map(|device| device.as_str().to_owned());
    format!("{} / {} / {}", known(agent.browser), known(agent.os), known(device))
}

#[test]
fn browsers_systems_and_devices_are_known_by_what_they_say() {
    const WEBKIT: &str = "AppleWebKit/537.36 (KHTML, like Gecko)";
    const IPHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) \
                          AppleWebKit/605.1.15 (KHTML, like Gecko)";
    let windows = format!("Mozilla/5.0 (Windows NT 10.0; Win64; x64) {WEBKIT}");
    let android = |device| format!("Mozilla/5.0 (Linux; Android 13; {device}) {WEBKIT}");
    for (user_agent, expected) in [
        (format!("{windows} Chrome/142.0.0.0 Safari/537.36"), "Chrome / Windows / desktop"),
        (format!("{windows} Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"), "Edge / Windows / desktop"),
        (format!("{windows} Chrome/142.0.0.0 Safari/537.36 OPR/120.0.0.0"), "Opera / Windows / desktop"),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
            "Firefox / Windows / desktop",
        ),
        (
            "Mozilla/5.0 (Windows NT 6.1; Trident/7.0; rv:11.0) like Gecko".to_owned(),
            "Internet Explorer / Windows / desktop",
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15".to_owned(),
            "Safari / macOS / desktop",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0".to_owned(),
            "Firefox / Linux / desktop",
        ),
        (
            format!("Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) {WEBKIT} Chrome/142.0.0.0 Safari/537.36"),
            "Chrome / ChromeOS / desktop",
        ),
        (format!("{IPHONE} Version/18.1 Mobile/15E148 Safari/604.1"), "Safari / iOS / mobile"),
        (format!("{IPHONE} CriOS/142.0.0.0 Mobile/15E148 Safari/604.1"), "Chrome / iOS / mobile"),
        (format!("{IPHONE} Mobile/15E148 Instagram 350.0.0.0"), "Instagram / iOS / mobile"),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1".to_owned(),
            "Safari / iOS / tablet",
        ),
        (android("K") + " Chrome/142.0.0.0 Mobile Safari/537.36", "Chrome / Android / mobile"),
        (android("SM-X700") + " Chrome/142.0.0.0 Safari/537.36", "Chrome / Android / tablet"),
        (
            android("SM-S901B") + " SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
            "Samsung Internet / Android / mobile",
        ),
        (
            "Mozilla/5.0 (Android 14; Mobile; rv:145.0) Gecko/145.0 Firefox/145.0".to_owned(),
            "Firefox / Android / mobile",
        ),
        (
            format!("Mozilla/5.0 (SMART-TV; Linux; Tizen 7.0) {WEBKIT} SamsungBrowser/5.0 Chrome/94.0.4606.31 TV Safari/537.36"),
            "Samsung Internet / Linux / tv",
        ),
        (
            "Mozilla/5.0 (PlayStation; PlayStation 5/6.00) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/14.0 Safari/605.1.15".to_owned(),
            "Safari / PlayStation / console",
        ),
        ("Acme browser".to_owned(), "- / - / -"),
        ("Mozilla/5.0".to_owned(), "- / - / -"),
        ("\u{0}\u{ff}(((((".to_owned(), "- / - / -"),
    ] {
        assert_eq!(agent(&user_agent), expected, "{user_agent}");
    }
}

#[test]
fn a_program_is_known_by_what_it_calls_itself_and_has_no_browser() {
    for (user_agent, name, why) in [
        (Some("curl/8.5.0"), "curl", BotWhy::UserAgent),
        (
            Some("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"),
            "Google",
            BotWhy::UserAgent,
        ),
        // The parser's own table knows more of them.
        (
            Some("Mozilla/5.0 (compatible; Yahoo! Slurp; http://help.yahoo.com/help)"),
            "Yahoo! Slurp",
            BotWhy::UserAgent,
        ),
        (Some(""), "(no user agent)", BotWhy::NoUserAgent),
        (None, "(no user agent)", BotWhy::NoUserAgent),
    ] {
        let RecordedClick { agent, bot, .. } = read(user_agent);
        assert_eq!(agent, Agent::default(), "{user_agent:?}");
        assert_eq!(bot, Some(BotLabel { name: name.to_owned(), why }));
    }
}

#[test]
fn who_looks_like_a_browser_keeps_what_it_looks_like() {
    let browser = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";
    let click = Click { network: Some(16_509), purpose: None, ..read(Some(browser)).click };
    let read = Agents::default().read(click);
    assert_eq!(read.agent.browser.as_deref(), Some("Firefox"));
    let label = read.bot.unwrap();
    assert_eq!((label.name.as_str(), label.why), ("(Amazon Web Services)", BotWhy::DataCentre));
}
