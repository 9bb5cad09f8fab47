//! A click as it lies in the lake: flat, under the names that analysts see.

use std::borrow::Cow;

use domain::{
    Agent, BotLabel, BotWhy, Click, ClickId, Device, LinkId, Place, Purpose, RecordedClick, Utm,
    Visitor, WorkspaceId,
};
use serde::{Deserialize, Serialize};

/// The version of the lines.
///
/// It is raised with every name that is added or changes its meaning: compaction leaves lines of a
/// newer version where they are, instead of losing what it does not know.
const VERSION: u8 = 1;

type Text<'a> = Cow<'a, str>;

/// A click, flat. The names are those of the lines of JSON and of the columns of Parquet; what is
/// unknown is said to be so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line<'a> {
    /// The version of the line.
    pub v: u8,
    /// The click.
    pub id: Text<'a>,
    /// When it was, which the id says, too.
    pub at: Text<'a>,
    /// The workspace of the link.
    pub workspace: Text<'a>,
    /// The link.
    pub link: Text<'a>,
    /// The domain that was asked.
    pub domain: Text<'a>,
    /// The slug that was asked for.
    pub slug: Text<'a>,
    /// The part of the link's clicks that it is counted in.
    #[serde(default)]
    pub shard: u16,
    /// How it was asked for.
    pub method: Text<'a>,
    /// The status that was answered.
    pub status: u16,
    /// Where it led.
    #[serde(default)]
    pub destination: Option<Text<'a>>,
    /// The host that it came from.
    #[serde(default)]
    pub referrer: Option<Text<'a>>,
    /// The address that it came from, without path.
    #[serde(default)]
    pub referrer_url: Option<Text<'a>>,
    /// What the client calls itself.
    #[serde(default)]
    pub user_agent: Option<Text<'a>>,
    /// The browser.
    #[serde(default)]
    pub browser: Option<Text<'a>>,
    /// The operating system.
    #[serde(default)]
    pub os: Option<Text<'a>>,
    /// The kind of device.
    #[serde(default)]
    pub device: Option<Text<'a>>,
    /// The program that it was, if it was no person.
    #[serde(default)]
    pub bot: Option<Text<'a>>,
    /// What gave the program away.
    #[serde(default)]
    pub bot_why: Option<Text<'a>>,
    /// What it was fetched for that nobody was looking at.
    #[serde(default)]
    pub purpose: Option<Text<'a>>,
    /// The language that is liked best.
    #[serde(default)]
    pub language: Option<Text<'a>>,
    /// The country.
    #[serde(default)]
    pub country: Option<Text<'a>>,
    /// The region of the country.
    #[serde(default)]
    pub region: Option<Text<'a>>,
    /// The town.
    #[serde(default)]
    pub city: Option<Text<'a>>,
    /// The number of the autonomous system.
    #[serde(default)]
    pub network: Option<u32>,
    /// UTM of the destination: the source.
    #[serde(default)]
    pub utm_source: Option<Text<'a>>,
    /// The medium.
    #[serde(default)]
    pub utm_medium: Option<Text<'a>>,
    /// The campaign.
    #[serde(default)]
    pub utm_campaign: Option<Text<'a>>,
    /// The term.
    #[serde(default)]
    pub utm_term: Option<Text<'a>>,
    /// The content.
    #[serde(default)]
    pub utm_content: Option<Text<'a>>,
    /// UTM of the request: the source.
    #[serde(default)]
    pub asked_utm_source: Option<Text<'a>>,
    /// The medium.
    #[serde(default)]
    pub asked_utm_medium: Option<Text<'a>>,
    /// The campaign.
    #[serde(default)]
    pub asked_utm_campaign: Option<Text<'a>>,
    /// The term.
    #[serde(default)]
    pub asked_utm_term: Option<Text<'a>>,
    /// The content.
    #[serde(default)]
    pub asked_utm_content: Option<Text<'a>>,
    /// Who clicked, for the day.
    #[serde(default)]
    pub visitor: Option<Text<'a>>,
}

/// Why a line is no click. It says nothing of what is in the line, which may be about a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// It was written by a newer version.
    #[error("the line is of version {0}, which is not known here")]
    Newer(u64),
    /// It is not JSON, or lacks what every click has.
    #[error("the line is no click")]
    NoClick,
    /// A value makes no sense.
    #[error("`{0}` of the line makes no sense")]
    Value(&'static str),
}

/// What tells the version of a line, whatever else is in it.
#[derive(Deserialize)]
struct Versioned {
    v: u64,
}

impl Line<'_> {
    /// Reads a line of JSON.
    pub fn read(json: &[u8]) -> Result<RecordedClick, LineError> {
        let line: Line<'_> = match serde_json::from_slice(json) {
            Ok(line) => line,
            Err(_) => {
                return Err(match serde_json::from_slice::<Versioned>(json) {
                    Ok(Versioned { v }) if u64::from(VERSION) < v => LineError::Newer(v),
                    _ => LineError::NoClick,
                });
            }
        };
        if VERSION < line.v {
            return Err(LineError::Newer(line.v.into()));
        }
        RecordedClick::try_from(line)
    }

    /// The click as a line of JSON, with its end.
    pub(crate) fn write(click: &RecordedClick, out: &mut Vec<u8>) {
        serde_json::to_writer(&mut *out, &Line::from(click)).expect("strings and numbers are JSON");
        out.push(b'\n');
    }
}

impl<'a> From<&'a RecordedClick> for Line<'a> {
    fn from(RecordedClick { click, agent, bot }: &'a RecordedClick) -> Self {
        fn text(text: &Option<String>) -> Option<Text<'_>> {
            text.as_deref().map(Cow::Borrowed)
        }
        Self {
            v: VERSION,
            id: click.id.to_string().into(),
            at: click.id.at().to_string().into(),
            workspace: click.workspace.to_string().into(),
            link: click.link.to_string().into(),
            domain: Cow::Borrowed(&click.domain),
            slug: Cow::Borrowed(&click.slug),
            shard: click.shard,
            method: Cow::Borrowed(Click::METHOD),
            status: click.status,
            destination: text(&click.destination),
            referrer: text(&click.referrer),
            referrer_url: text(&click.referrer_url),
            user_agent: text(&click.user_agent),
            browser: text(&agent.browser),
            os: text(&agent.os),
            device: agent.device.map(|device| device.as_str().into()),
            bot: bot.as_ref().map(|bot| bot.name.as_str().into()),
            bot_why: bot.as_ref().map(|bot| bot.why.as_str().into()),
            purpose: click.purpose.map(|purpose| purpose.as_str().into()),
            language: text(&click.language),
            country: text(&click.place.country),
            region: text(&click.place.region),
            city: text(&click.place.city),
            network: click.network,
            utm_source: text(&click.utm.source),
            utm_medium: text(&click.utm.medium),
            utm_campaign: text(&click.utm.campaign),
            utm_term: text(&click.utm.term),
            utm_content: text(&click.utm.content),
            asked_utm_source: text(&click.asked_utm.source),
            asked_utm_medium: text(&click.asked_utm.medium),
            asked_utm_campaign: text(&click.asked_utm.campaign),
            asked_utm_term: text(&click.asked_utm.term),
            asked_utm_content: text(&click.asked_utm.content),
            visitor: click.visitor.map(|visitor| visitor.to_string().into()),
        }
    }
}

impl TryFrom<Line<'_>> for RecordedClick {
    type Error = LineError;

    fn try_from(line: Line<'_>) -> Result<Self, LineError> {
        fn text(text: Option<Text<'_>>) -> Option<String> {
            text.map(Cow::into_owned)
        }
        /// What a name stands for, where there is one.
        fn named<T>(
            what: &'static str,
            name: Option<Text<'_>>,
            parse: impl Fn(&str) -> Option<T>,
        ) -> Result<Option<T>, LineError> {
            name.map(|name| parse(&name).ok_or(LineError::Value(what))).transpose()
        }
        if line.method != Click::METHOD {
            return Err(LineError::Value("method"));
        }
        let bot = match (line.bot, named("bot_why", line.bot_why, BotWhy::parse)?) {
            (Some(name), why) => {
                // Before reasons were told, there was one.
                Some(BotLabel { name: name.into_owned(), why: why.unwrap_or(BotWhy::UserAgent) })
            }
            (None, Some(_)) => return Err(LineError::Value("bot_why")),
            (None, None) => None,
        };
        let agent = Agent {
            browser: text(line.browser),
            os: text(line.os),
            device: named("device", line.device, Device::parse)?,
        };
        let click = Click {
            id: ClickId::parse(&line.id).map_err(|_| LineError::Value("id"))?,
            link: LinkId::parse(&line.link).map_err(|_| LineError::Value("link"))?,
            workspace: WorkspaceId::parse(&line.workspace)
                .map_err(|_| LineError::Value("workspace"))?,
            domain: line.domain.into_owned(),
            slug: line.slug.into_owned(),
            shard: line.shard,
            status: line.status,
            destination: text(line.destination),
            referrer: text(line.referrer),
            referrer_url: text(line.referrer_url),
            user_agent: text(line.user_agent),
            language: text(line.language),
            purpose: named("purpose", line.purpose, Purpose::parse)?,
            place: Place {
                country: text(line.country),
                region: text(line.region),
                city: text(line.city),
            },
            network: line.network,
            utm: Utm {
                source: text(line.utm_source),
                medium: text(line.utm_medium),
                campaign: text(line.utm_campaign),
                term: text(line.utm_term),
                content: text(line.utm_content),
            },
            asked_utm: Utm {
                source: text(line.asked_utm_source),
                medium: text(line.asked_utm_medium),
                campaign: text(line.asked_utm_campaign),
                term: text(line.asked_utm_term),
                content: text(line.asked_utm_content),
            },
            visitor: named("visitor", line.visitor, Visitor::parse)?,
        };
        Ok(Self { click, agent, bot })
    }
}
