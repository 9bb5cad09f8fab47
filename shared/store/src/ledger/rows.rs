//! The rows of the clicks table, and the values that they stand for.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::rollup::{Counts, Quarter, Rollup};
use domain::visitors::Visitors;
use domain::{
    Agent, BotLabel, BotWhy, Click, ClickId, Day, Device, Dimension, Place, Purpose, RecordedClick,
    Retention, Utm, Visitor, WorkspaceId,
};
use jiff::Timestamp;

use super::shards::MAX_SHARDS;
use super::subject::Subject;
use crate::keys::{self, Key, RollupKey};
use crate::row::{BadRow, FORMAT, Item, Read, Write, row};

/// About what a rollup row takes before anything is counted in it.
pub(super) const NEW_ROLLUP_BYTES: usize = 512;

/// About what a click adds to the rollups of its days: where none of its values was there before,
/// once for its link and once for its workspace.
pub(super) const BYTES_PER_CLICK: usize = 2 * 600;

/// The attributes of a rollup row but its values, which are most of it.
pub(super) const NUMBERS: &str = "pk, sk, human, bot, quarters, visitors, v, n, shards, purged";

/// What a rollup is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// All clicks ever.
    AllTime,
    /// Those of one UTC day.
    Day(Day),
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllTime => f.write_str("of all time"),
            // The date of its first moment.
            Self::Day(day) => write!(f, "on {}", day.start().strftime("%F")),
        }
    }
}

/// One count of one subject: a rollup row for each of its shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Cell {
    pub(super) subject: Subject,
    pub(super) period: Period,
}

impl Cell {
    /// The subject's rollup of all time.
    pub(super) fn total(subject: Subject) -> Self {
        Self { subject, period: Period::AllTime }
    }

    /// Everything that a click changes.
    pub(super) fn of(click: &Click) -> [Self; 4] {
        let day = Period::Day(Day::of(click.id.at()));
        let (link, workspace) = (Subject::Link(click.link), Subject::Workspace(click.workspace));
        [
            Self::total(link),
            Self { subject: link, period: day },
            Self::total(workspace),
            Self { subject: workspace, period: day },
        ]
    }

    /// What one click adds.
    pub(super) fn one(self, click: &RecordedClick) -> Rollup {
        match (self.period, self.subject) {
            (Period::AllTime, _) => Rollup::of_all_time(Counts::one(click.bot.is_some())),
            (Period::Day(_), Subject::Link(_)) => Rollup::of_day(click, Dimension::OF_LINKS),
            (Period::Day(_), Subject::Workspace(_)) => Rollup::of_day(click, &Dimension::ALL),
        }
    }

    pub(super) fn key(self, shard: u8) -> Key {
        match self.period {
            Period::AllTime => keys::total(self.subject, shard),
            Period::Day(day) => keys::day(self.subject, day, shard),
        }
    }
}

// --- Rollups ----------------------------------------------------------------------------------

/// One shard of a rollup, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RollupRow {
    /// How often it was written; 0 when it never was.
    pub(super) version: u64,
    pub(super) rollup: Rollup,
    /// How many shards the subject has: said by shard 0 of its total, 1 elsewhere.
    pub(super) shards: u8,
    /// Nothing may be recorded for the subject any more: said by its totals.
    pub(super) purged: bool,
    /// About how large the row is.
    pub(super) bytes: usize,
}

impl Default for RollupRow {
    /// A row that is not there.
    fn default() -> Self {
        let (rollup, bytes) = (Rollup::default(), NEW_ROLLUP_BYTES);
        Self { version: 0, rollup, shards: 1, purged: false, bytes }
    }
}

impl RollupRow {
    pub(super) fn read(item: &Item) -> Result<(RollupKey, Self), BadRow> {
        let key = item.parse(keys::SK, keys::parse_rollup)?;
        let count = |name| Ok(item.number(name)?.unwrap_or(0));
        let counts = Counts { human: count("human")?, bot: count("bot")? };
        let quarters = item.parse_some("quarters", decode)?.unwrap_or_default();
        let shards = item.number("shards")?.unwrap_or(1).clamp(1, MAX_SHARDS);
        let values = match item.get("named") {
            Some(_) => {
                let mut values = Rollup::decode_values(&item.bytes("named")?)
                    .ok_or_else(|| BadRow::new(item, "named"))?;
                // What a version counted meanwhile that knows of no values may have been any.
                let all = counts.total();
                let more = all.saturating_sub(item.number("named_of")?.unwrap_or(all));
                for of in values.values_mut() {
                    of.missed = of.missed.saturating_add(more);
                }
                values
            }
            None if quarters.is_empty() => BTreeMap::new(),
            // A day of before values were kept.
            None => Rollup::unknown_values(counts),
        };
        let visitors = match item.get("visitors") {
            Some(_) => Visitors::from_bytes(&item.bytes("visitors")?)
                .ok_or_else(|| BadRow::new(item, "visitors"))?,
            None => Visitors::default(),
        };
        let row = Self {
            version: count("v")?,
            rollup: Rollup { counts, quarters, values, visitors },
            shards,
            purged: item.contains_key("purged"),
            bytes: bytes_of(item),
        };
        Ok((key, row))
    }

    /// The update that writes a rollup in this row's place, its condition, and the values of both.
    ///
    /// An update and not a put: `shards` is not this write's to set, and a later version of this
    /// program may keep more in the row.
    pub(super) fn update(&self, rollup: &Rollup) -> (String, &'static str, Item) {
        let mut values = Item::new();
        values.set(":human", rollup.counts.human);
        values.set(":bot", rollup.counts.bot);
        values.set(":quarters", encode(&rollup.quarters));
        values.set(":v", self.version + 1);
        values.set(":n", FORMAT);
        let condition = if self.version == 0 {
            "attribute_not_exists(v)"
        } else {
            values.set(":seen", self.version);
            "v = :seen"
        };
        let mut update =
            "SET human = :human, bot = :bot, quarters = :quarters, v = :v, n = :n".to_owned();
        // A rollup of all time has neither; and of a day they only grow.
        if !rollup.values.is_empty() {
            values.set(":named", Blob::new(rollup.encode_values()));
            values.set(":named_of", rollup.counts.total());
            update.push_str(", named = :named, named_of = :named_of");
        }
        if !rollup.visitors.is_empty() {
            values.set(":visitors", Blob::new(rollup.visitors.to_bytes()));
            update.push_str(", visitors = :visitors");
        }
        (update, condition, values)
    }
}

/// Quarters as text, `37:12+3 38:4+0`: number, human, bot.
///
/// A map would be DynamoDB's way, but takes half as much again: with it the row of a busy day
/// passes 1 KB, and each write of it costs twice.
fn encode(quarters: &BTreeMap<Quarter, Counts>) -> String {
    let mut text = String::new();
    for (quarter, counts) in quarters {
        let space = if text.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(text, "{space}{}:{}+{}", quarter.index(), counts.human, counts.bot);
    }
    text
}

fn decode(text: &str) -> Option<BTreeMap<Quarter, Counts>> {
    text.split_ascii_whitespace()
        .map(|part| {
            let (quarter, counts) = part.split_once(':')?;
            let (human, bot) = counts.split_once('+')?;
            let counts = Counts { human: human.parse().ok()?, bot: bot.parse().ok()? };
            Some((Quarter::new(quarter.parse().ok()?)?, counts))
        })
        .collect()
}

// --- Clicks -----------------------------------------------------------------------------------

/// The row of a click.
pub(super) fn click_row(new: &RecordedClick, now: Timestamp, retention: Retention) -> Item {
    let RecordedClick { click, agent, bot } = new;
    // Nothing is recorded before 1970.
    let seconds = |second: i64| u64::try_from(second).unwrap_or(0);
    let mut item = row(&keys::click(click.link, click.shard, click.id));
    item.set("workspace", click.workspace.to_string());
    item.set("domain", click.domain.as_str());
    item.set("slug", click.slug.as_str());
    item.set("status", u64::from(click.status));
    item.set_some("destination", click.destination.as_deref());
    item.set_some("referrer", click.referrer.as_deref());
    item.set_some("referrer_url", click.referrer_url.as_deref());
    item.set_some("user_agent", click.user_agent.as_deref());
    item.set_some("language", click.language.as_deref());
    item.set_some("purpose", click.purpose.map(Purpose::as_str));
    item.set_some("country", click.place.country.as_deref());
    item.set_some("region", click.place.region.as_deref());
    item.set_some("city", click.place.city.as_deref());
    item.set_some("network", click.network.map(u64::from));
    set_utm(&mut item, UTM, &click.utm);
    set_utm(&mut item, ASKED_UTM, &click.asked_utm);
    item.set_some("visitor", click.visitor.map(|visitor| visitor.to_string()));
    item.set_some("browser", agent.browser.as_deref());
    item.set_some("os", agent.os.as_deref());
    item.set_some("device", agent.device.map(Device::as_str));
    item.set_some("bot", bot.as_ref().map(|bot| bot.name.as_str()));
    item.set_some("bot_why", bot.as_ref().map(|bot| bot.why.as_str()));
    item.set("recorded", seconds(now.as_second()));
    item.set("expires", seconds(retention.expires(Day::of(click.id.at()), now)));
    item
}

/// Reads the row of a click. Rows of before have less, and say nothing of the rest.
pub(super) fn read_click(item: &Item) -> Result<RecordedClick, BadRow> {
    let text = |text: &str| Some(text.to_owned());
    let some = |name| item.parse_some(name, text);
    let (link, shard) = item.parse(keys::PK, keys::parse_clicks)?;
    let click = Click {
        id: read_click_id(item)?,
        link,
        workspace: item.parse("workspace", |id| WorkspaceId::parse(id).ok())?,
        domain: item.parse("domain", text)?,
        slug: item.parse("slug", text)?,
        shard,
        status: item.number("status")?.ok_or_else(|| BadRow::new(item, "status"))?,
        destination: some("destination")?,
        referrer: some("referrer")?,
        referrer_url: some("referrer_url")?,
        user_agent: some("user_agent")?,
        language: some("language")?,
        purpose: item.parse_some("purpose", Purpose::parse)?,
        place: Place { country: some("country")?, region: some("region")?, city: some("city")? },
        network: item.number("network")?,
        utm: read_utm(item, UTM)?,
        asked_utm: read_utm(item, ASKED_UTM)?,
        visitor: item.parse_some("visitor", Visitor::parse)?,
    };
    let agent = Agent {
        browser: some("browser")?,
        os: some("os")?,
        device: item.parse_some("device", Device::parse)?,
    };
    // Rows of before name the program only: those were known by their user agents.
    let why = item.parse_some("bot_why", BotWhy::parse)?.unwrap_or(BotWhy::UserAgent);
    let bot = some("bot")?.map(|name| BotLabel { name, why });
    Ok(RecordedClick { click, agent, bot })
}

/// The attributes of the destination's UTM parameters.
const UTM: [&str; 5] = ["utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content"];

/// The attributes of the request's own.
const ASKED_UTM: [&str; 5] =
    ["asked_source", "asked_medium", "asked_campaign", "asked_term", "asked_content"];

fn set_utm(item: &mut Item, names: [&str; 5], utm: &Utm) {
    let Utm { source, medium, campaign, term, content } = utm;
    for (name, value) in names.into_iter().zip([source, medium, campaign, term, content]) {
        item.set_some(name, value.as_deref());
    }
}

fn read_utm(item: &Item, names: [&'static str; 5]) -> Result<Utm, BadRow> {
    let [source, medium, campaign, term, content] =
        names.map(|name| item.parse_some(name, |text| Some(text.to_owned())));
    Ok(Utm {
        source: source?,
        medium: medium?,
        campaign: campaign?,
        term: term?,
        content: content?,
    })
}

fn read_click_id(item: &Item) -> Result<ClickId, BadRow> {
    item.parse(keys::SK, |ulid| ClickId::parse_ulid(ulid).ok())
}

/// About how many bytes DynamoDB counts for a row.
pub(super) fn bytes_of(item: &Item) -> usize {
    let bytes = |name: &String, value: &AttributeValue| {
        // Rows of clicks and counts hold nothing but strings, numbers and bytes.
        let text = value.as_s().or_else(|value| value.as_n()).map(String::len);
        let bytes = value.as_b().map(|blob| blob.as_ref().len());
        name.len() + text.or(bytes).unwrap_or(1) + 1
    };
    item.iter().map(|(name, value)| bytes(name, value)).sum()
}

#[cfg(test)]
mod tests {
    use domain::LinkId;
    use proptest::collection::btree_map;
    use proptest::prelude::*;

    use super::*;

    fn quarters() -> impl Strategy<Value = BTreeMap<Quarter, Counts>> {
        let counts = (any::<u64>(), any::<u64>()).prop_map(|(human, bot)| Counts { human, bot });
        btree_map((0..Quarter::PER_DAY).prop_filter_map("a quarter", Quarter::new), counts, 0..=96)
    }

    proptest! {
        #[test]
        fn quarters_read_back_and_a_row_of_them_is_bounded(quarters in quarters()) {
            let text = encode(&quarters);
            prop_assert!(text.len() < 5 * 1024);
            prop_assert_eq!(decode(&text), Some(quarters));
        }

        #[test]
        fn decoding_never_panics(text in ".{0,40}") {
            let _ = decode(&text);
        }
    }

    #[test]
    fn a_full_day_of_hundreds_of_clicks_an_hour_is_a_row_of_less_than_a_kilobyte() {
        let counts = Counts { human: 95, bot: 9 };
        let quarters = (0..96).map(|i| (Quarter::new(i).unwrap(), counts)).collect();
        let rollup = Rollup { counts, quarters, ..Rollup::default() };
        let cell = Cell::total(Subject::Link(LinkId::new(Timestamp::UNIX_EPOCH, 1)));
        let mut row = cell.key(0).attributes();
        row.extend(RollupRow::default().update(&rollup).2);
        assert!(bytes_of(&row) < 1_024, "{} bytes", bytes_of(&row));
    }

    #[test]
    fn a_row_that_makes_no_sense_is_named() {
        let subject = Subject::Workspace(WorkspaceId::new(Timestamp::UNIX_EPOCH, 1));
        let mut row = Cell::total(subject).key(0).attributes();
        row.set("human", "many");
        assert_eq!(
            RollupRow::read(&row).unwrap_err().to_string(),
            "the row `R#wrk_00000000000000000000000001` / `T#00` has no valid `human`"
        );
    }
}
