//! Who clicks: people and programs, as they arrive at API Gateway.
//!
//! Of each is written down here what the product shall find out by itself. Nothing in this file
//! asks the product.

use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::event;

use crate::chance::Chance;

/// The value of `ORIGIN_SECRET` in these runs: only with it CloudFront's headers are believed.
pub const ORIGIN_SECRET: &str = "the-secret-of-the-torture";

/// A browser or a program.
#[derive(Debug)]
struct Client {
    user_agent: &'static str,
    is_bot: bool,
}

/// Most are people: the first ones are picked more often.
const CLIENTS: [Client; 9] = [
    Client {
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        is_bot: false,
    },
    Client {
        user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
        is_bot: false,
    },
    Client {
        user_agent: "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
        is_bot: false,
    },
    Client {
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
        is_bot: false,
    },
    Client {
        user_agent: "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
        is_bot: false,
    },
    Client {
        user_agent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
        is_bot: false,
    },
    Client {
        user_agent: "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
        is_bot: true,
    },
    Client {
        user_agent: "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)",
        is_bot: true,
    },
    Client { user_agent: "curl/8.11.0", is_bot: true },
];

/// Country, region and city, as CloudFront says them; nothing where it knows nothing.
const PLACES: [[&str; 3]; 9] = [
    ["DE", "BE", "Berlin"],
    ["US", "CA", "San Francisco"],
    ["DE", "BY", "Munich"],
    ["GB", "ENG", "London"],
    ["IN", "MH", "Mumbai"],
    ["FR", "IDF", "Paris"],
    ["NP", "", ""],
    ["BR", "SP", "Sao Paulo"],
    ["", "", ""],
];

/// What they send as their languages, and the language that this is.
const LANGUAGES: [(&str, Option<&str>); 6] = [
    ("de-DE,de;q=0.9,en;q=0.8", Some("de")),
    ("en-US,en;q=0.5", Some("en")),
    ("fr-FR", Some("fr")),
    ("pt-BR,pt;q=0.9", Some("pt")),
    ("ne", Some("ne")),
    ("", None),
];

/// What they send as their referrer, and its host.
const REFERRERS: [(&str, Option<&str>); 6] = [
    ("", None),
    ("https://www.example.org/a/page?with=a-secret", Some("www.example.org")),
    ("https://news.example.net/item?id=4711", Some("news.example.net")),
    ("https://t.example/", Some("t.example")),
    ("android-app://com.example.mail/", Some("com.example.mail")),
    ("https://search.example.com/", Some("search.example.com")),
];

/// The values of `utm_source` that they ask with.
const SOURCES: [Option<&str>; 4] = [None, Some("newsletter"), Some("poster"), Some("partner")];

/// Somebody who clicks now and then, always the same way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Person {
    number: u32,
    client: usize,
    place: usize,
    language: usize,
}

impl Person {
    /// Person number so and so.
    pub fn of(number: u32, seed: u64) -> Self {
        let mut chance = Chance::new(seed ^ u64::from(number).wrapping_mul(0x9E37_79B9));
        // The smaller of two: the first of each list are the usual ones.
        let mut pick = |count: usize| chance.index(count).min(chance.index(count));
        let (client, place) = (pick(CLIENTS.len()), pick(PLACES.len()));
        Self { number, client, place, language: pick(LANGUAGES.len()) }
    }

    /// Whether it is a program.
    pub fn is_bot(self) -> bool {
        CLIENTS[self.client].is_bot
    }

    /// The country, if CloudFront knows it.
    pub fn country(self) -> Option<&'static str> {
        known(PLACES[self.place][0])
    }

    /// The city with its country, if CloudFront knows it.
    pub fn city(self) -> Option<String> {
        let [country, _, city] = PLACES[self.place];
        known(city).map(|city| format!("{city}, {country}"))
    }

    /// The language.
    pub fn language(self) -> Option<&'static str> {
        LANGUAGES[self.language].1
    }

    /// The user agent.
    pub fn user_agent(self) -> &'static str {
        CLIENTS[self.client].user_agent
    }

    /// The address: every fifth has one of IPv6.
    fn address(self) -> String {
        let [a, b, c, d] = self.number.to_be_bytes();
        if self.number.is_multiple_of(5) {
            format!("2001:db8::{a:x}{b:02x}:{c:x}{d:02x}")
        } else {
            format!("10.{b}.{c}.{d}")
        }
    }
}

fn known(text: &'static str) -> Option<&'static str> {
    Some(text).filter(|text| !text.is_empty())
}

/// One request for a slug.
#[derive(Debug, Clone, Copy)]
pub struct Visit {
    /// Who.
    pub person: Person,
    /// When.
    pub at: Timestamp,
    referrer: usize,
    source: usize,
    is_prefetch: bool,
    /// Whether only the head is asked for, which is no click.
    pub is_head: bool,
}

impl Visit {
    /// A visit of somebody.
    pub fn by(person: Person, at: Timestamp, chance: &mut Chance) -> Self {
        let mut pick = |count: usize| chance.index(count).min(chance.index(count));
        let (referrer, source) = (pick(REFERRERS.len()), pick(SOURCES.len()));
        let (is_prefetch, is_head) = (chance.happens(0.02), chance.happens(0.02));
        Self { person, at, referrer, source, is_prefetch, is_head }
    }

    /// Whether nobody looks at what is answered.
    pub fn is_bot(&self) -> bool {
        self.person.is_bot() || self.is_prefetch
    }

    /// The host that it comes from.
    pub fn referrer(&self) -> Option<&'static str> {
        REFERRERS[self.referrer].1
    }

    /// `utm_source` of the request.
    pub fn source(&self) -> Option<&'static str> {
        SOURCES[self.source]
    }
}

/// Makes requests as API Gateway and CloudFront hand them on.
#[derive(Debug)]
pub struct Gateway {
    sample: Value,
}

impl Default for Gateway {
    fn default() -> Self {
        Self { sample: event("redirect/minimal").json().clone() }
    }
}

impl Gateway {
    /// The event of a visit to a slug.
    pub fn event(&self, slug: &str, visit: &Visit) -> Vec<u8> {
        let mut event = self.sample.clone();
        let (method, path) = (if visit.is_head { "HEAD" } else { "GET" }, format!("/{slug}"));
        event["routeKey"] = json!(format!("{method} /{{slug}}"));
        event["rawPath"] = json!(path);
        event["pathParameters"]["slug"] = json!(slug);
        let context = &mut event["requestContext"];
        context["http"]["method"] = json!(method);
        context["http"]["path"] = json!(path);
        context["routeKey"] = event_key(method);
        if let Some(source) = visit.source() {
            event["rawQueryString"] = json!(format!("utm_source={source}"));
        }
        let (person, headers) = (visit.person, &mut event["headers"]);
        headers["x-origin-secret"] = json!(ORIGIN_SECRET);
        let address = person.address();
        let address = if address.contains(':') { format!("[{address}]") } else { address };
        headers["cloudfront-viewer-address"] = json!(format!("{address}:50123"));
        headers["user-agent"] = json!(person.user_agent());
        let names = [
            "cloudfront-viewer-country",
            "cloudfront-viewer-country-region",
            "cloudfront-viewer-city",
        ];
        for (name, value) in names.into_iter().zip(PLACES[person.place]) {
            if !value.is_empty() {
                headers[name] = json!(value);
            }
        }
        let more = [
            ("accept-language", LANGUAGES[person.language].0),
            ("referer", REFERRERS[visit.referrer].0),
            ("sec-purpose", if visit.is_prefetch { "prefetch" } else { "" }),
        ];
        for (name, value) in more {
            if !value.is_empty() {
                headers[name] = json!(value);
            }
        }
        event.to_string().into_bytes()
    }
}

fn event_key(method: &str) -> Value {
    json!(format!("{method} /{{slug}}"))
}
