//! Against counting by hand.

use std::collections::{BTreeMap, BTreeSet};

use domain::filter::Filter;
use domain::rollup::{Counts, Rollup};
use domain::stats::{Interval, Window};
use domain::{Agent, ClickId, Day, Device, Dimension, Place, RecordedClick, Visitor};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::memory::Closed;
use crate::tally::{Adding, Question, Source, Tally};
use crate::zone;

/// When the clicks here begin: before the clocks of Europe change.
const BEGIN: i64 = 1_774_600_000;

/// For six days.
const SECONDS: i64 = 6 * 86_400;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(BEGIN + second).unwrap()
}

fn click(number: usize, second: i64, seed: u64) -> RecordedClick {
    let pick = |shift: u32, of: &[Option<&str>]| {
        let place = (seed >> shift) % u64::try_from(of.len()).unwrap();
        of[usize::try_from(place).unwrap()].map(str::to_owned)
    };
    let click = domain::Click {
        place: Place {
            country: pick(0, &[Some("DE"), Some("FR"), None, Some("AT"), Some("DE")]),
            region: None,
            city: pick(3, &[Some("Berlin"), Some("a, b|c"), None]),
        },
        language: pick(6, &[Some("de-AT"), Some("en"), None]),
        visitor: Visitor::parse(&format!("{:016x}", (seed >> 9) % 7)),
        ..testkit::click(ClickId::new(at(second), number as u128))
    };
    let bot = pick(20, &[None, None, Some("curl"), Some("Slack")]);
    RecordedClick {
        agent: Agent {
            browser: pick(14, &[Some("Firefox"), None]),
            os: None,
            device: Some(Device::Mobile),
        },
        ..testkit::by(click, bot.as_deref())
    }
}

fn rollups(clicks: &[RecordedClick]) -> BTreeMap<Day, Rollup> {
    let mut days = BTreeMap::<Day, Rollup>::new();
    for click in clicks {
        let one = Rollup::of_day(click, &Dimension::ALL);
        days.entry(Day::of(click.click.id.at())).or_default().merge(&one);
    }
    days
}

/// What the stores would be asked for. With `rows`, the clicks that must be read one by one are;
/// without, days are taken as a whole instead, which only a question without a filter may be. Days
/// up to `last` are remembered, as far as they may be.
fn tally(
    question: Question<'_>,
    clicks: &[RecordedClick],
    rows: bool,
    last: Option<Day>,
) -> (Tally, bool) {
    let mut days = rollups(clicks);
    let mut adding = Adding::new(question);
    let (from, to) = question.window.days();
    if let Some(range) = last.and_then(|last| question.closed_days(&(from..=to), last)) {
        let (known, others) = days.into_iter().partition(|(day, _)| range.contains(day));
        days = others;
        let closed = Closed::of(range.clone(), true, known).unwrap();
        assert!(closed.tells(&range, true));
        adding.add_closed(&closed, &range);
    }
    let mut sources = question.sources(&days);
    let mut needs_rows = false;
    for source in sources.values_mut() {
        if matches!(source, Source::Rows(_)) {
            needs_rows = true;
            if !rows {
                *source = Source::Rollup;
            }
        }
    }
    for (day, source) in &sources {
        adding.add_day(*day, &days[day], *source);
    }
    for click in clicks {
        if matches!(sources.get(&Day::of(click.click.id.at())), Some(Source::Rows(_))) {
            adding.add_click(click);
        }
    }
    (adding.finish(), needs_rows)
}

fn sum<'a>(clicks: impl Iterator<Item = &'a RecordedClick>) -> Counts {
    clicks.fold(Counts::default(), |sum, click| sum.merge(Counts::one(click.bot.is_some())))
}

/// How many people there were, each once a day.
fn visitors<'a>(clicks: impl Iterator<Item = &'a RecordedClick>) -> u64 {
    let seen: BTreeSet<_> = clicks
        .filter(|click| click.bot.is_none())
        .map(|click| (Day::of(click.click.id.at()), click.click.visitor.unwrap().to_string()))
        .collect();
    seen.len() as u64
}

const FILTERS: [&str; 12] = [
    "",
    "",
    "",
    "bot:false",
    "bot:true",
    "country:DE",
    "country:DE|(unknown),bot:false",
    "bot:curl",
    "country:FR,browser:Firefox",
    "city:\"a, b|c, DE\",bot:false",
    "language:en|de",
    "country:XX",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_the_answer_is_the_count_by_hand(
        seeds in vec((0..SECONDS, any::<u64>()), 0..60),
        from in -90_000..SECONDS,
        length in 1..(8 * 86_400_i64),
        // Most people ask for whole days.
        whole in any::<bool>(),
        interval in prop::sample::select(Interval::ALL.to_vec()),
        name in prop::sample::select(vec!["UTC", "UTC", "Europe/Berlin", "Asia/Kathmandu"]),
        text in prop::sample::select(FILTERS.to_vec()),
        dimensions in prop::sample::subsequence(
            vec![Dimension::Country, Dimension::City, Dimension::Bot, Dimension::Browser], 0..=2),
        rows in any::<bool>(),
        last in prop::option::of(-1..7_i32),
    ) {
        let clicks: Vec<_> = seeds
            .iter()
            .enumerate()
            .map(|(number, &(second, seed))| click(number, second, seed))
            .collect();
        let midnight = |second: i64| if whole { second - (BEGIN + second).rem_euclid(86_400) } else { second };
        let (from, to) = (midnight(from), midnight(from + length) + if whole { 86_400 } else { 0 });
        let window = Window::new(at(from), at(to), interval, zone(name).unwrap()).unwrap();
        let mut filter = Filter::default();
        if !text.is_empty() {
            filter.add(text, &Dimension::ALL).unwrap();
        }
        let question = Question { window: &window, dimensions: &dimensions, filter: &filter };
        let rows = rows || !filter.is_by_bot_only();
        let (tally, needs_rows) = tally(question, &clicks, rows, last.map(|day| Day::of(at(0)).plus(day)));

        let is_in = |click: &&RecordedClick, from: Timestamp, to: Timestamp| {
            let at = click.click.id.at();
            from <= at && at < to && filter.admits(click)
        };
        let inside = || clicks.iter().filter(|click| is_in(click, window.from(), window.to()));
        prop_assert_eq!(tally.series.totals, sum(inside()));
        for (number, point) in tally.series.points.iter().enumerate() {
            let (from, to) = window.point(number).unwrap();
            let counts = sum(clicks.iter().filter(|click| is_in(click, from, to)));
            prop_assert_eq!(point.counts, counts);
        }

        // By value, of when the answer says.
        prop_assert_eq!(tally.found.len(), dimensions.len());
        if rows || !needs_rows {
            prop_assert_eq!((tally.found_from, tally.found_to), (window.from(), window.to()));
        }
        prop_assert!(tally.found_from <= window.from() && window.to() <= tally.found_to);
        for (dimension, found) in &tally.found {
            let mut expected = BTreeMap::<Option<String>, Counts>::new();
            for click in clicks.iter().filter(|it| is_in(it, tally.found_from, tally.found_to)) {
                let value = dimension.of(click).map(|value| value.into_owned());
                let sum = expected.entry(value).or_default();
                *sum = sum.merge(Counts::one(click.bot.is_some()));
            }
            let named: BTreeMap<_, _> = found
                .named
                .iter()
                .filter(|(_, counts)| !counts.is_zero())
                .map(|(value, counts)| (value.clone(), *counts))
                .collect();
            prop_assert_eq!(named, expected, "{}", dimension);
            prop_assert!(found.other().is_zero());
            prop_assert_eq!(found.missed, 0);
        }

        // So few visitors are told apart.
        if let Some(unique) = &tally.unique {
            prop_assert!(window.from() <= unique.from && unique.to <= window.to());
            let of = |from, to| visitors(clicks.iter().filter(|click| is_in(click, from, to)));
            prop_assert_eq!(unique.total(), of(unique.from, unique.to));
            for number in 0..window.len() {
                let (from, to) = window.point(number).unwrap();
                if let Some(count) = unique.of_point(from, to) {
                    prop_assert_eq!(count, of(from, to));
                }
            }
        }
        if whole && filter.is_by_bot_only() {
            let unique = tally.unique.as_ref().expect("whole days are known");
            prop_assert_eq!((unique.from, unique.to), (window.from(), window.to()));
            let all_are_known = |number: usize| {
                let (from, to) = window.point(number).unwrap();
                unique.of_point(from, to).is_some()
            };
            prop_assert!(name != "UTC" || interval == Interval::Hour
                || (0..window.len()).all(all_are_known));
        }
    }
}

#[test]
fn a_day_with_more_values_than_are_named_is_counted_click_by_click() {
    let clicks: Vec<_> = (0..80)
        .map(|number| {
            let mut click = click(number, 40_000, 0);
            click.click.slug = format!("slug-{}", number % 60);
            click
        })
        .collect();
    let window =
        Window::new(at(-86_400), at(2 * 86_400), Interval::Day, zone("UTC").unwrap()).unwrap();
    let mut filter = Filter::default();
    filter.add("slug:slug-1|slug-59", &Dimension::ALL).unwrap();
    let question = Question { window: &window, dimensions: &[], filter: &filter };
    let (tally, needs_rows) = tally(question, &clicks, true, None);
    assert!(needs_rows);
    assert_eq!(tally.series.totals.total(), 3);
    assert_eq!(tally.unique.unwrap().total(), 1);
}

#[test]
fn what_may_be_missed_is_said_where_values_are_left_out() {
    let clicks: Vec<_> = (0..400_usize)
        .map(|number| {
            let mut click = click(number, 40_000, 0);
            // One that matters, and a crowd.
            let slug = if number.is_multiple_of(4) { 0 } else { number };
            click.click.slug = format!("slug-{slug}");
            click
        })
        .collect();
    let window =
        Window::new(at(-86_400), at(2 * 86_400), Interval::Day, zone("UTC").unwrap()).unwrap();
    let filter = Filter::default();
    let question = Question { window: &window, dimensions: &[Dimension::Slug], filter: &filter };
    let (mut tally, _) = tally(question, &clicks, true, None);
    let biggest = tally.found.remove(&Dimension::Slug).unwrap().biggest(10);
    assert!(biggest.values.len() <= 10);
    assert_eq!(biggest.values[0].0.as_deref(), Some("slug-0"));
    let named = biggest.values[0].1.total();
    assert!(named <= 100 && 100 <= named + biggest.missed, "{biggest:?}");
    let all = biggest.values.iter().fold(0, |sum, (_, counts)| sum + counts.total());
    assert_eq!(all + biggest.other.total(), 400);
    // None of the others has more than one.
    assert!(1 <= biggest.missed);
}
