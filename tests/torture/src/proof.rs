//! The comparison at the end: what the product says against what was clicked.
//!
//! Answers, rows, counts and the lake, each link and each day; every value of every dimension that the
//! model knows; the visitors; the requests for what is not there; and that of what was purged nothing is
//! left.

use std::collections::{BTreeMap, BTreeSet};

use archive::Archive;
use domain::Dimension;
use domain::rollup::{Counts, Rollup};
use domain::values::Values;
use domain::{Day, LinkId, Retention, WorkspaceId};
use jiff::Timestamp;
use store::ledger::Subject;
use testkit::WORKSPACE;

use crate::model::{DayModel, DayNumber, Tally, day_of};
use crate::run::Rack;

/// The bucket of a [`testkit::World`].
const BUCKET: &str = "raw-clicks";

/// The domain that everybody asks.
const DOMAIN: &str = "go.example.com";

/// What of the clicks is not where it should be, or is where it should not, in words.
pub async fn compare(rack: &Rack) -> Vec<String> {
    let mut findings = Vec::new();
    let ledger = rack.world.ledger();
    let workspace = WorkspaceId::parse(WORKSPACE).expect("this is an id");
    let nothing = BTreeMap::new();
    for (place, link) in rack.links.iter().enumerate() {
        let is_purged = rack.model.purged.contains(&place);
        let expected = rack.model.links.get(&place).filter(|_| !is_purged).unwrap_or(&nothing);
        compare_subject(rack, Subject::Link(link.id), expected, &mut findings).await;
    }
    if rack.model.purged.is_empty() {
        let all = rack.model.together(|_| true);
        compare_subject(rack, Subject::Workspace(workspace), &all, &mut findings).await;
    } else {
        // Of those that were purged, the workspace has what was recorded before.
        let found = ledger.totals(Subject::Workspace(workspace)).await.expect("it is read").total();
        let (least, most) = (rack.model.kept(), rack.model.answered);
        if !(least..=most).contains(&found) {
            findings.push(format!("the workspace has {found} clicks, not {least} to {most}"));
        }
    }
    compare_rows(rack, workspace, &mut findings).await;
    compare_lake(rack, workspace, &mut findings).await;
    compare_orphans(rack, &mut findings).await;
    let orders = ledger.purge_orders().await.expect("the orders are read");
    let proved = orders.iter().filter(|order| order.proof.is_some()).count();
    if proved != rack.model.purged.len() {
        let ordered = rack.model.purged.len();
        findings.push(format!("{ordered} purges were ordered, and {proved} are proved"));
    }
    findings
}

/// The ledger's own verification, and the number of rows.
async fn compare_rows(rack: &Rack, workspace: WorkspaceId, findings: &mut Vec<String>) {
    let links = rack.world.links().every_id(workspace).await.expect("the links are read");
    let (ledger, now) = (rack.world.ledger(), rack.world.clock.now());
    let verified = ledger.verify_workspace(workspace, &links, now, Retention::DEFAULT).await;
    let verified = verified.expect("the ledger is read");
    findings.extend(verified.differences.iter().map(|it| format!("verify: {it}")));
    findings.extend(verified.unsettled.iter().map(|it| format!("verify: {it:?} moves")));
    let (rows, answered) = (verified.clicks, rack.model.kept());
    if rows != answered {
        findings.push(format!("{answered} clicks were answered, there are {rows} rows"));
    }
}

/// The lake: all in files, each click once, and of the links that it was on.
async fn compare_lake(rack: &Rack, workspace: WorkspaceId, findings: &mut Vec<String>) {
    let archive = Archive::new(&rack.world.aside(), BUCKET);
    let waiting = archive.waiting().await.expect("the lake is read");
    if waiting.clicks() != 0 || waiting.unreadable != 0 {
        let (clicks, lines) = (waiting.clicks(), waiting.unreadable);
        findings.push(format!("{clicks} clicks and {lines} lines of the lake were not compacted"));
    }
    let mut found = BTreeMap::<(LinkId, DayNumber), String>::new();
    for day in archive.days(&waiting).await.expect("the lake is read") {
        let counts = archive.counts(day, &waiting).await.expect("the lake is read");
        for ((of, link), counts) in counts {
            if of != workspace {
                findings.push(format!("the lake has clicks of `{of}`"));
            }
            found.insert((link, day_of(day.start())), show_counts(counts));
        }
    }
    let mut expected = BTreeMap::new();
    for (place, days) in rack.model.links.iter().filter(|it| !rack.model.purged.contains(it.0)) {
        for (day, model) in days {
            expected.insert((rack.links[*place].id, *day), show(model.clicks));
        }
    }
    let places: BTreeSet<_> = expected.keys().chain(found.keys()).copied().collect();
    for place in places {
        let (wanted, found) = (expected.get(&place), found.get(&place));
        if wanted != found {
            let shown = |counts: Option<&String>| counts.cloned().unwrap_or_default();
            let (wanted, found, day) = (shown(wanted), shown(found), date(place.1));
            findings.push(format!("`{}` on {day}: clicked {wanted}, in the lake {found}", place.0));
        }
    }
}

/// Requests for what is not there. Which day and which slug one is counted for, that a process could
/// not tell of at once, is not known; but all are counted.
async fn compare_orphans(rack: &Rack, findings: &mut Vec<String>) {
    let ledger = rack.world.ledger();
    let ever = Day::of(Timestamp::UNIX_EPOCH)..=Day::of(Timestamp::MAX);
    let days = ledger.orphan_days(DOMAIN, ever).await.expect("they are read");
    let rows = ledger.recount_orphans(DOMAIN).await.expect("they are read");
    let sum =
        |days: &BTreeMap<Day, Rollup>| -> u64 { days.values().map(|day| day.counts.total()).sum() };
    let (counted, recounted) = (sum(&days), sum(&rows));
    let asked: u64 = rack.model.orphans.values().sum();
    if (counted, recounted) != (asked, asked) {
        findings.push(format!(
            "{asked} requests were for what is not there, {counted} are counted, by {recounted} rows"
        ));
    }
}

/// The rollups of a subject against the model.
async fn compare_subject(
    rack: &Rack,
    subject: Subject,
    expected: &BTreeMap<DayNumber, DayModel>,
    findings: &mut Vec<String>,
) {
    let ledger = rack.world.ledger();
    let ever = Day::of(Timestamp::UNIX_EPOCH)..=Day::of(Timestamp::MAX);
    let days = ledger.days(subject, ever).await.expect("the days are read");
    let found: BTreeMap<DayNumber, &Rollup> =
        days.iter().map(|(day, rollup)| (day_of(day.start()), rollup)).collect();
    let numbers: BTreeSet<_> = expected.keys().chain(found.keys()).copied().collect();
    let (empty, none) = (DayModel::default(), Rollup::default());
    let mut sum = Tally::default();
    for day in numbers {
        let wanted = expected.get(&day).unwrap_or(&empty);
        let rollup = found.get(&day).copied().unwrap_or(&none);
        sum = Tally { human: sum.human + wanted.clicks.human, bot: sum.bot + wanted.clicks.bot };
        let mut differ = |what: &str, wanted: String, found: String| {
            if wanted != found {
                let day = date(day);
                findings.push(format!(
                    "`{subject}` on {day}, {what}: clicked {wanted}, counted {found}"
                ));
            }
        };
        differ("clicks", show(wanted.clicks), show_counts(rollup.counts));
        let quarters = wanted.quarters.iter().map(|(at, tally)| (*at, show(*tally)));
        let counted = rollup.quarters.iter().map(|(at, counts)| (at.index(), show_counts(*counts)));
        let counted: Vec<_> = counted.collect();
        differ("quarters", format!("{:?}", quarters.collect::<Vec<_>>()), format!("{counted:?}"));
        for finding in compare_values(wanted, rollup) {
            differ("values", String::new(), finding);
        }
        // Five standard errors, and those few for which it is a matter of luck.
        let people = wanted.people.len();
        let visitors = usize::try_from(rollup.visitors.estimate()).unwrap_or(usize::MAX);
        if people / 25 + 2 < people.abs_diff(visitors) {
            differ("visitors", people.to_string(), visitors.to_string());
        }
    }
    let total = ledger.totals(subject).await.expect("the total is read");
    if show(sum) != show_counts(total) {
        let (wanted, found) = (show(sum), show_counts(total));
        findings.push(format!("`{subject}` of all time: clicked {wanted}, counted {found}"));
    }
}

/// The values of the dimensions that the model knows: exact, or as far off as they say.
fn compare_values(wanted: &DayModel, rollup: &Rollup) -> Vec<String> {
    let mut findings = Vec::new();
    let mut expected = BTreeMap::<&str, BTreeMap<&Option<String>, Tally>>::new();
    for ((dimension, value), tally) in &wanted.values {
        expected.entry(dimension).or_default().insert(value, *tally);
    }
    for (name, expected) in expected {
        let dimension = Dimension::parse(name).expect("it is a dimension");
        let nothing = Values::default();
        let found = match rollup.values.get(&dimension) {
            Some(values) => values,
            // What a link's own counts need not say.
            None if dimension == Dimension::Link => continue,
            None => &nothing,
        };
        for (value, tally) in &expected {
            let named = found.named.get(*value).map_or(0, |counts| counts.total());
            let most = named.saturating_add(found.missed);
            if !(named..=most).contains(&tally.total()) {
                let (value, total) = (value.as_deref().unwrap_or("(unknown)"), tally.total());
                findings
                    .push(format!("{name} {value}: clicked {total}, counted {named} to {most}"));
            }
        }
        for (value, counts) in &found.named {
            let clicked = expected.get(value).copied().unwrap_or_default();
            if clicked.human < counts.human || clicked.bot < counts.bot {
                let value = value.as_deref().unwrap_or("(unknown)");
                let (clicked, counted) = (show(clicked), show_counts(*counts));
                findings.push(format!("{name} {value}: clicked {clicked}, counted {counted}"));
            }
        }
    }
    findings
}

fn date(day: DayNumber) -> String {
    let day = Timestamp::from_second(day * 86_400).map(|at| at.strftime("%F").to_string());
    day.unwrap_or_default()
}

fn show(tally: Tally) -> String {
    format!("{}+{}", tally.human, tally.bot)
}

fn show_counts(counts: Counts) -> String {
    format!("{}+{}", counts.human, counts.bot)
}
