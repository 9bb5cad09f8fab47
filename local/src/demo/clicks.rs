//! The sample clicks: by popularity, by the days of the week, by the hours of a day.

use agents::Agents;
use domain::{
    Click, ClickId, Day, Domain, LinkId, Place, RecordedClick, RedirectStatus, Utm, Visitor,
    WorkspaceId, bot,
};
use jiff::SignedDuration;
use lambda::Random;

use super::links::SAMPLES;
use super::{CLICKS, DAYS, SEED};

/// How much happens in each hour (UTC): people in Europe, and some elsewhere.
const HOURS: [u64; 24] =
    [8, 6, 5, 4, 5, 9, 18, 34, 52, 63, 66, 64, 68, 66, 60, 58, 59, 62, 66, 70, 68, 52, 30, 15];

/// How much happens on each day of the week, from Monday.
const WEEK: [u64; 7] = [100, 104, 108, 106, 92, 58, 52];

/// Where people come from, with weights; most come from a mail, an app or a QR code, which say
/// nothing.
const REFERRERS: [(Option<&str>, u64); 11] = [
    (None, 46),
    (Some("www.google.com"), 14),
    (Some("l.facebook.com"), 7),
    (Some("t.co"), 6),
    (Some("www.linkedin.com"), 6),
    (Some("l.instagram.com"), 5),
    (Some("www.reddit.com"), 4),
    (Some("duckduckgo.com"), 3),
    (Some("news.ycombinator.com"), 3),
    (Some("blog.example.org"), 4),
    (Some("www.bing.com"), 2),
];

/// What they use, with weights.
const USER_AGENTS: [(&str, u64); 16] = [
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
        28,
    ),
    (
        "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36",
        30,
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        24,
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
        9,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Safari/605.1.15",
        9,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
        8,
    ),
    ("Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", 4),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:145.0) Gecko/20100101 Firefox/145.0", 5),
    (
        "Mozilla/5.0 (Linux; Android 13; SM-S901B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36",
        6,
    ),
    ("Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)", 3),
    ("Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)", 2),
    ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", 2),
    ("Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)", 2),
    ("WhatsApp/2.24.20.89 A", 2),
    ("LinkedInBot/1.0 (compatible; Mozilla/5.0; Apache-HttpClient +http://www.linkedin.com)", 1),
    ("curl/8.5.0", 1),
];

/// Where they are, with weights, and the language that they like best.
const PLACES: [(([&str; 3], &str), u64); 14] = [
    ((["DE", "BE", "Berlin"], "de-DE"), 18),
    ((["DE", "BY", "Munich"], "de-DE"), 11),
    ((["DE", "HH", "Hamburg"], "de-DE"), 7),
    ((["AT", "9", "Vienna"], "de-AT"), 9),
    ((["CH", "ZH", "Zürich"], "de-CH"), 6),
    ((["GB", "ENG", "London"], "en-GB"), 10),
    ((["FR", "IDF", "Paris"], "fr-FR"), 7),
    ((["NL", "NH", "Amsterdam"], "nl-NL"), 5),
    ((["ES", "MD", "Madrid"], "es-ES"), 4),
    ((["PL", "14", "Warsaw"], "pl-PL"), 4),
    ((["US", "NY", "New York"], "en-US"), 8),
    ((["US", "CA", "San Francisco"], "en-US"), 5),
    ((["IN", "KA", "Bengaluru"], "en-IN"), 4),
    ((["BR", "SP", "São Paulo"], "pt-BR"), 2),
];

/// How the links were spread, with weights: source and medium.
const CAMPAIGNS: [(Option<[&str; 2]>, u64); 5] = [
    (None, 55),
    (Some(["newsletter", "email"]), 20),
    (Some(["instagram", "social"]), 11),
    (Some(["poster", "print"]), 8),
    (Some(["linkedin", "social"]), 6),
];

/// How many people there are to click on a day.
const PEOPLE: i64 = 4_000;

/// How many clicks a link has: Zipf's law, so that the tenth has a tenth of the first.
pub(crate) fn share(at: usize) -> usize {
    const SCALE: usize = 1_000_000;
    let weight = |at: usize| SCALE / (at + 1);
    let sum: usize = (0..SAMPLES.len()).map(weight).sum();
    let others = |at: usize| CLICKS * weight(at) / sum;
    match at {
        // What rounding leaves over.
        0 => CLICKS - (1..SAMPLES.len()).map(others).sum::<usize>(),
        at => others(at),
    }
}

/// On which day after the first a link was made: the last is three weeks old on the first run.
pub(crate) fn first_day(at: usize) -> i32 {
    // 37 has no divisor in common with 50: each link has a day of its own.
    i32::try_from((at * 37) % SAMPLES.len()).unwrap_or(0) * 59 / 49
}

/// The clicks of a link. They begin on the day after it was made.
pub(crate) fn of_link(
    at: usize,
    link: LinkId,
    first: Day,
    workspace: WorkspaceId,
    domain: &Domain,
    slug: &str,
) -> impl Iterator<Item = RecordedClick> {
    let (agents, sample) = (Agents::default(), at);
    let mut chance = Chance(Random::seeded(SEED.rotate_left(17) ^ (at as u64)));
    let made = first_day(at);
    let days: Vec<(i32, u64)> =
        (made + 1..DAYS).map(|day| (day, of_day(first.plus(day)) * of_age(day - made))).collect();
    let hours: Vec<(i64, u64)> = (0..).zip(HOURS).collect();
    (0..share(at)).map(move |_| {
        let start = first.plus(*chance.pick(&days)).start();
        let second = *chance.pick(&hours) * 3600 + chance.below(3600);
        let at = start + SignedDuration::from_secs(second);
        let at = at + SignedDuration::from_millis(chance.below(1000));
        let user_agent = *chance.pick(&USER_AGENTS);
        let is_bot = bot::by_user_agent(Some(user_agent)).is_some();
        let referrer = chance.pick(&REFERRERS).filter(|_| !is_bot);
        let (place, language) = *chance.pick(&PLACES);
        let [country, region, city] = place.map(|name| Some(name.to_owned()));
        let asked_utm = match *chance.pick(&CAMPAIGNS) {
            Some([source, medium]) if !is_bot => Utm {
                source: Some(source.to_owned()),
                medium: Some(medium.to_owned()),
                ..Utm::default()
            },
            Some(_) | None => Utm::default(),
        };
        // Somebody who clicks twice on a day is the same; nobody is two days long.
        let person = Day::of(at).start_second() * PEOPLE + chance.below(PEOPLE);
        agents.read(Click {
            id: ClickId::new(at, chance.0.u128()),
            link,
            workspace,
            domain: domain.as_str().to_owned(),
            slug: slug.to_owned(),
            // Links begin with one partition.
            shard: 0,
            status: RedirectStatus::Found.code(),
            destination: Some(SAMPLES[sample].url.to_owned()),
            referrer: referrer.map(str::to_owned),
            referrer_url: referrer.map(|host| format!("https://{host}/")),
            user_agent: Some(user_agent.to_owned()),
            language: (!is_bot).then(|| language.to_owned()),
            purpose: None,
            place: Place { country, region, city },
            network: None,
            utm: Utm::default(),
            asked_utm,
            visitor: Some(visitor_of(person)),
        })
    })
}

/// A number that looks like a piece of a hash, as visitors' numbers do.
fn visitor_of(person: i64) -> Visitor {
    let bits = Random::seeded(person.unsigned_abs()).u128() >> 64;
    Visitor::new(u64::try_from(bits).unwrap_or_default())
}

fn of_day(day: Day) -> u64 {
    // 1970 began on a Thursday.
    let weekday = (day.start_second() / 86_400 + 3).rem_euclid(7);
    usize::try_from(weekday).ok().and_then(|at| WEEK.get(at)).copied().unwrap_or(1)
}

/// What is new is shared.
fn of_age(days: i32) -> u64 {
    match days {
        ..4 => 5,
        4..12 => 3,
        12.. => 2,
    }
}

/// Chance, the same each time.
struct Chance(Random);

impl Chance {
    fn below(&mut self, end: i64) -> i64 {
        let bits = self.0.u128() >> 64;
        i64::try_from(bits % u128::from(end.unsigned_abs().max(1))).unwrap_or(0)
    }

    /// One of some things, by their weights.
    fn pick<'a, T>(&mut self, things: &'a [(T, u64)]) -> &'a T {
        let sum: u64 = things.iter().map(|(_, weight)| weight).sum();
        let mut left = u64::try_from(self.below(i64::try_from(sum).unwrap_or(1))).unwrap_or(0);
        for (thing, weight) in things {
            if left < *weight {
                return thing;
            }
            left -= weight;
        }
        &things[things.len() - 1].0
    }
}
