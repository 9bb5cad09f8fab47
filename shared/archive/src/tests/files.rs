//! Files alone.

use bytes::Bytes;
use domain::{
    Agent, BotLabel, BotWhy, Click, ClickId, Device, Place, Purpose, RecordedClick, Utm, Visitor,
};
use jiff::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::{click, link, read, workspace};
use crate::columns::{COLUMNS, columns};
use crate::merge::merge;
use crate::read::{End, File, FileError, key_of};
use crate::write::Writer;
use crate::{Of, VERSION};

fn write(clicks: &[RecordedClick], group: usize) -> Bytes {
    let mut writer = Writer::of(&COLUMNS, VERSION, group).unwrap();
    for click in clicks {
        writer.push(click.clone()).unwrap();
    }
    writer.finish().unwrap().into()
}

/// All that strings can be: empty, long, of any script, with what JSON and SQL escape.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "\\PC{0,40}",
        any::<String>(),
        Just("\u{0}'\"\\\u{2028}\r\n,;".to_owned()),
        Just("長い".repeat(600)),
    ]
}

fn utm() -> impl Strategy<Value = Utm> {
    let some = || option::of(text());
    (some(), some(), some(), some(), some()).prop_map(
        |(source, medium, campaign, term, content)| Utm { source, medium, campaign, term, content },
    )
}

prop_compose! {
    fn any_click()(
        (at, number, link, workspace) in (0_i64..2_000_000_000_000, any::<u128>(), 0_u128..4, 0_u128..3),
        (domain, slug, shard, status) in (text(), text(), any::<u16>(), any::<u16>()),
        [destination, referrer, referrer_url, user_agent, language] in
            proptest::array::uniform5(option::of(text())),
        [country, region, city, browser, os] in proptest::array::uniform5(option::of(text())),
        purpose in option::of(select(vec![Purpose::Prefetch, Purpose::Preview])),
        device in option::of(select(vec![Device::Desktop, Device::Tv, Device::Other])),
        bot in option::of((text(), select(vec![BotWhy::UserAgent, BotWhy::DataCentre]))),
        (network, visitor) in (option::of(any::<u32>()), option::of(any::<u64>())),
        (utm, asked_utm) in (utm(), utm()),
    ) -> RecordedClick {
        let at = Timestamp::from_millisecond(at).unwrap();
        let click = Click {
            id: ClickId::new(at, number),
            link: super::link(link),
            workspace: super::workspace(workspace),
            domain, slug, shard, status, destination, referrer, referrer_url, user_agent, language,
            purpose,
            place: Place { country, region, city },
            network,
            utm,
            asked_utm,
            visitor: visitor.map(Visitor::new),
        };
        let bot = bot.map(|(name, why)| BotLabel { name, why });
        RecordedClick { click, agent: Agent { browser, os, device }, bot }
    }
}

fn sorted(mut clicks: Vec<RecordedClick>) -> Vec<RecordedClick> {
    clicks.sort_by_key(key_of);
    clicks.dedup_by_key(|it| key_of(it));
    clicks
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_is_read_back(clicks in vec(any_click(), 0..20), group in 1_usize..9) {
        let clicks = sorted(clicks);
        prop_assert_eq!(read(write(&clicks, group)).unwrap(), clicks);
    }

    #[test]
    fn lines_are_read_back(click in any_click()) {
        let line = lake::lines([&click]);
        prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        prop_assert_eq!(lake::Line::read(&line).unwrap(), click);
    }

    #[test]
    fn a_file_and_what_is_new_make_one_that_has_each_once(
        old in vec(any_click(), 0..20),
        new in vec(any_click(), 0..20),
        again in 0_usize..20,
        group in 1_usize..9,
    ) {
        let old = sorted(old);
        let mut added = new;
        added.extend(old.iter().take(again).cloned());
        let added = sorted(added);
        let all = sorted(old.iter().chain(&added).cloned().collect());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let file = write(&old, group);
        let gone = |it, _| it == link(2);
        let made = runtime.block_on(merge(Some(file), &added, &|_, _| false)).unwrap();
        prop_assert_eq!(usize::try_from(made.added).unwrap(), all.len() - old.len());
        prop_assert_eq!(usize::try_from(made.duplicates).unwrap(), old.len().min(again));
        prop_assert_eq!(made.is_new(), old.len() < all.len());
        prop_assert_eq!(read(made.bytes.clone().into()).unwrap(), all.clone());
        let without: Vec<_> = all.iter().filter(|it| it.click.link != link(2)).cloned().collect();
        let less = runtime.block_on(merge(Some(made.bytes.into()), &[], &gone)).unwrap();
        prop_assert_eq!(usize::try_from(less.removed).unwrap(), all.len() - without.len());
        prop_assert_eq!(read(less.bytes.into()).unwrap(), without);
    }

    #[test]
    fn what_is_damaged_is_an_error_or_something_else_but_no_panic(
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<proptest::sample::Index>(),
    ) {
        let clicks: Vec<_> = (0..30).map(|number| click(number % 3, number, 0)).collect();
        let file = write(&sorted(clicks), 8);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let torn = file.slice(..cut.index(file.len()));
        prop_assert!(runtime.block_on(merge(Some(torn), &[], &|_, _| false)).is_err());
        let mut changed = file.to_vec();
        changed[at.index(file.len())] = byte;
        let _ = runtime.block_on(merge(Some(changed.into()), &[], &|_, _| false));
    }
}

#[test]
fn a_file_of_before_has_fewer_columns_and_what_it_lacks_is_unknown() {
    let whole = click(1, 1, 0);
    let (old, _) = COLUMNS.split_at(24);
    let mut writer = Writer::of(old, VERSION - 1, 10).unwrap();
    writer.push(whole.clone()).unwrap();
    let mut expected = whole;
    expected.click.utm = Utm::default();
    expected.click.asked_utm = Utm::default();
    expected.click.visitor = None;
    assert_eq!(read(writer.finish().unwrap().into()).unwrap(), [expected]);
}

#[test]
fn a_file_of_another_version_or_of_somebody_else_is_refused() {
    let mut newer = Writer::of(&COLUMNS, VERSION + 1, 10).unwrap();
    newer.push(click(1, 1, 0)).unwrap();
    let error = read(newer.finish().unwrap().into()).unwrap_err();
    assert!(matches!(error, FileError::Version), "{error}");
    let (without_slug, _) = COLUMNS.split_at(5);
    let fewer = Writer::of(without_slug, VERSION, 10).unwrap().finish().unwrap();
    let error = read(fewer.into()).unwrap_err();
    assert!(matches!(error, FileError::Column("slug")), "{error}");
    assert!(matches!(read(Bytes::from_static(b"{}")).unwrap_err(), FileError::Parquet(_)));
}

#[tokio::test]
async fn rows_that_are_not_in_order_are_not_merged() {
    let file = write(&[click(2, 1, 0), click(1, 1, 0)], 10);
    let error = merge(Some(file), &[], &|_, _| false).await.unwrap_err();
    assert!(matches!(error, FileError::Order), "{error}");
}

#[test]
fn groups_say_which_links_they_may_have() {
    let clicks: Vec<_> = (0..100).map(|number| click(number / 10, number, 0)).collect();
    let file = File::open(write(&sorted(clicks), 20)).unwrap();
    assert_eq!(file.groups(), 5);
    let holding = |of: Of| (0..5).filter(|group| file.may_hold(*group, of)).collect::<Vec<_>>();
    for number in 0..10 {
        let group = usize::try_from(number / 2).unwrap();
        assert_eq!(holding(Of::Link(workspace(1), link(number))), [group]);
    }
    assert!(holding(Of::Link(workspace(1), link(10))).is_empty());
    assert!(holding(Of::Link(workspace(2), link(1))).is_empty());
    assert_eq!(holding(Of::Workspace(workspace(1))).len(), 5);
    assert!(holding(Of::Workspace(workspace(0))).is_empty());
}

#[test]
fn columns_are_the_names_of_a_line() {
    let line = lake::lines([&click(1, 1, 0)]);
    let line = String::from_utf8(line).unwrap();
    let mut rest = line.as_str();
    // In the same order, too; `v` is in the file's metadata.
    for (name, _) in columns() {
        let at = rest.find(&format!("\"{name}\":"));
        rest = &rest[at.unwrap_or_else(|| panic!("`{name}` is not in {rest}"))..];
    }
    assert_eq!(columns().count() + 1, line.matches("\":").count());
    assert_eq!(columns().nth(1), Some(("at", "timestamp")));
    assert_eq!(COLUMNS[crate::columns::BOT].name, "bot");
    assert_eq!(COLUMNS[crate::columns::LINK].name, "link");
    assert_eq!(COLUMNS[crate::columns::WORKSPACE].name, "workspace");
}

#[test]
fn the_end_of_a_file_says_what_is_in_it() {
    let clicks: Vec<_> = (0..2_000).map(|number| click(number / 100, number, 0)).collect();
    let file = write(&sorted(clicks), 200);
    let size = u64::try_from(file.len()).unwrap();
    let end = |bytes: usize| File::open(End { size, bytes: file.slice(file.len() - bytes..) });
    let opened = end(file.len() - 20_000).unwrap();
    assert_eq!(opened.groups(), 10);
    let of = Of::Link(workspace(1), link(3));
    assert_eq!((0..10).filter(|group| opened.may_hold(*group, of)).count(), 1);
    // What is not there is not made up.
    assert!(opened.keys(0).is_err() || opened.keys(0).unwrap().next().is_err());
    assert!(matches!(end(100), Err(FileError::Parquet(_))));
}
