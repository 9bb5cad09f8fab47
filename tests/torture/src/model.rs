//! What was clicked, counted naively: the other side of every comparison.
//!
//! It is told of each answer that the redirect gave, and knows nothing of shards, batches or
//! sketches. Days and quarters of hours are worked out here once more.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::crowd::{Person, Visit};

/// A UTC day, as so many since 1970.
pub type DayNumber = i64;

/// Clicks of people and of programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Of people.
    pub human: u64,
    /// Of programs.
    pub bot: u64,
}

impl Tally {
    fn add(&mut self, is_bot: bool) {
        *(if is_bot { &mut self.bot } else { &mut self.human }) += 1;
    }

    fn merge(&mut self, other: Self) {
        self.human += other.human;
        self.bot += other.bot;
    }

    /// All of them.
    pub fn total(self) -> u64 {
        self.human + self.bot
    }
}

/// What is known of the clicks of a day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayModel {
    /// All of them.
    pub clicks: Tally,
    /// By quarter of an hour, from 0 to 95.
    pub quarters: BTreeMap<u8, Tally>,
    /// By dimension and value; `None` is what nobody knows.
    pub values: BTreeMap<(&'static str, Option<String>), Tally>,
    /// The people, without programs.
    pub people: BTreeSet<Person>,
}

impl DayModel {
    fn add(&mut self, visit: &Visit, link: &str) {
        let is_bot = visit.is_bot();
        self.clicks.add(is_bot);
        let second = visit.at.as_second().rem_euclid(86_400);
        let quarter = u8::try_from(second / 900).unwrap_or(0);
        self.quarters.entry(quarter).or_default().add(is_bot);
        let text = |text: Option<&str>| text.map(str::to_owned);
        let person = visit.person;
        let values = [
            ("country", text(person.country())),
            ("city", person.city()),
            ("language", text(person.language())),
            ("referrer", text(visit.referrer())),
            ("utm_source", text(visit.source())),
            ("link", text(Some(link))),
        ];
        for value in values {
            self.values.entry(value).or_default().add(is_bot);
        }
        if !is_bot {
            self.people.insert(person);
        }
    }

    /// Adds another one.
    pub fn merge(&mut self, other: &Self) {
        self.clicks.merge(other.clicks);
        for (quarter, tally) in &other.quarters {
            self.quarters.entry(*quarter).or_default().merge(*tally);
        }
        for (value, tally) in &other.values {
            self.values.entry(value.clone()).or_default().merge(*tally);
        }
        self.people.extend(&other.people);
    }
}

/// All that was clicked.
#[derive(Debug, Default)]
pub struct Model {
    /// Of each link, by its place in the list of links, and day.
    pub links: BTreeMap<usize, BTreeMap<DayNumber, DayModel>>,
    /// Requests for what is no link, by slug and day.
    pub orphans: BTreeMap<(DayNumber, String), u64>,
    /// How many clicks were answered.
    pub answered: u64,
    /// The links that were purged: nothing of their clicks may be found anywhere. The workspace's
    /// counts have those that were recorded before.
    pub purged: BTreeSet<usize>,
}

impl Model {
    /// A redirect was answered.
    pub fn answered(&mut self, link: usize, id: &str, visit: &Visit) {
        let days = self.links.entry(link).or_default();
        days.entry(day_of(visit.at)).or_default().add(visit, id);
        self.answered += 1;
    }

    /// Somebody was told that there is no such link.
    pub fn not_found(&mut self, slug: &str, at: Timestamp) {
        *self.orphans.entry((day_of(at), slug.to_owned())).or_default() += 1;
    }

    /// How many clicks were answered of links that are not purged.
    pub fn kept(&self) -> u64 {
        let kept = self.links.iter().filter(|(link, _)| !self.purged.contains(*link));
        kept.flat_map(|(_, days)| days.values()).map(|day| day.clicks.total()).sum()
    }

    /// The days of some links together.
    pub fn together(&self, of: impl Fn(usize) -> bool) -> BTreeMap<DayNumber, DayModel> {
        let mut all = BTreeMap::<DayNumber, DayModel>::new();
        for (_, days) in self.links.iter().filter(|(link, _)| of(**link)) {
            for (day, model) in days {
                all.entry(*day).or_default().merge(model);
            }
        }
        all
    }
}

/// The UTC day of a moment.
pub fn day_of(at: Timestamp) -> DayNumber {
    at.as_second().div_euclid(86_400)
}
