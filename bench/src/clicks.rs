//! Clicks as they come: of each dimension some values are frequent and many are rare.

use domain::{Click, ClickId, LinkId, Place, Utm, Visitor, WorkspaceId};
use jiff::Timestamp;
use queue::ClickMessage;
use serde_json::{Value, json};
use torture::chance::{Chance, Zipf};

const AGENTS: [&str; 8] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0.0.0 Mobile Safari/537.36",
];

const LANGUAGES: [&str; 8] =
    ["en-US", "de-DE", "en-GB", "fr-FR", "es-ES", "pt-BR", "nl-NL", "pl-PL"];

const COUNTRIES: [&str; 40] = [
    "US", "DE", "GB", "FR", "IN", "BR", "CA", "NL", "ES", "IT", "PL", "AU", "JP", "MX", "SE", "CH",
    "AT", "BE", "DK", "NO", "FI", "PT", "IE", "CZ", "RO", "GR", "TR", "ZA", "AR", "CL", "CO", "KR",
    "SG", "ID", "PH", "TH", "VN", "NG", "KE", "EG",
];

/// Makes clicks.
#[derive(Debug)]
pub(crate) struct Clicks {
    chance: Chance,
    rank: [Zipf; 5],
    number: u64,
}

impl Clicks {
    pub(crate) fn new(seed: u64) -> Self {
        let rank = [AGENTS.len(), LANGUAGES.len(), COUNTRIES.len(), 300, 60].map(Zipf::of);
        Self { chance: Chance::new(seed), rank, number: 0 }
    }

    /// A click on link number so and so, by any of many visitors.
    pub(crate) fn on(&mut self, number: usize, at: Timestamp) -> Click {
        let [agents, languages, countries, cities, referrers] = &self.rank;
        let chance = &mut self.chance;
        let (agent, language) = (agents.pick(chance), languages.pick(chance));
        let (country, city) = (COUNTRIES[countries.pick(chance)], cities.pick(chance));
        let referrer = match referrers.pick(chance) {
            0 => None,
            rank => Some(format!("site-{rank}.example.org")),
        };
        let utm = match chance.below(3) {
            0 => Utm {
                source: Some(["newsletter", "poster", "partner"][chance.index(3)].to_owned()),
                medium: Some("email".to_owned()),
                campaign: Some(format!("campaign-{}", chance.below(4))),
                ..Utm::default()
            },
            _ => Utm::default(),
        };
        self.number += 1;
        Click {
            id: ClickId::new(at, u128::from(self.number) << 40 | u128::from(chance.bits() >> 32)),
            link: link(number),
            workspace: workspace(),
            domain: "go.example.com".to_owned(),
            slug: format!("s{number}"),
            shard: 0,
            status: 302,
            destination: Some(format!("https://example.com/pages/{number}")),
            referrer_url: referrer.as_ref().map(|host| format!("https://{host}/")),
            referrer,
            user_agent: Some(AGENTS[agent].to_owned()),
            language: Some(LANGUAGES[language].to_owned()),
            purpose: None,
            place: Place {
                country: Some(country.to_owned()),
                region: Some(format!("R{}", city % 12)),
                city: Some(format!("City {city}")),
            },
            network: Some(64_500),
            utm,
            asked_utm: Utm::default(),
            visitor: Some(Visitor::new(chance.bits())),
        }
    }

    /// A link of many, by Zipf's law.
    pub(crate) fn pick(&mut self, zipf: &Zipf) -> usize {
        zipf.pick(&mut self.chance)
    }
}

/// The workspace of all of them.
pub(crate) fn workspace() -> WorkspaceId {
    WorkspaceId::parse(testkit::WORKSPACE).expect("this is an id")
}

/// Link number so and so.
pub(crate) fn link(number: usize) -> LinkId {
    LinkId::new(testkit::now(), u128::try_from(number).unwrap_or(0))
}

/// The event of a batch of clicks.
pub(crate) fn batch(clicks: &[Click]) -> Vec<u8> {
    let sample = testkit::event("record-clicks/minimal").json()["Records"][0].clone();
    let record = |(number, click): (usize, &Click)| -> Value {
        let mut record = sample.clone();
        record["messageId"] = json!(number.to_string());
        let message = serde_json::to_string(&ClickMessage::from(click)).unwrap_or_default();
        record["body"] = json!(message);
        record
    };
    let records: Vec<Value> = clicks.iter().enumerate().map(record).collect();
    json!({ "Records": records }).to_string().into_bytes()
}
