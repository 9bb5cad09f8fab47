//! The comparison at the end: what the product says against what was clicked.

use std::collections::{BTreeMap, BTreeSet};

use domain::rollup::{Counts, Rollup};
use domain::{Day, Retention, WorkspaceId};
use jiff::Timestamp;
use store::ledger::Subject;
use testkit::WORKSPACE;

use crate::model::{DayModel, DayNumber, Tally};
use crate::run::Rack;

/// What of the clicks is not where it should be, or is where it should not, in words.
pub async fn compare(rack: &Rack) -> Vec<String> {
    let mut findings = Vec::new();
    let ledger = rack.world.ledger();
    let workspace = WorkspaceId::parse(WORKSPACE).expect("this is an id");
    let nothing = BTreeMap::new();
    for (place, link) in rack.links.iter().enumerate() {
        let expected = rack.model.links.get(&place).unwrap_or(&nothing);
        compare_subject(rack, Subject::Link(link.id), expected, &mut findings).await;
    }
    let all = rack.model.together(|_| true);
    compare_subject(rack, Subject::Workspace(workspace), &all, &mut findings).await;

    let links = rack.world.links().every_id(workspace).await.expect("the links are read");
    let now = rack.world.clock.now();
    let verified = ledger.verify_workspace(workspace, &links, now, Retention::DEFAULT).await;
    let verified = verified.expect("the ledger is read");
    findings.extend(verified.differences.iter().map(|it| format!("verify: {it}")));
    findings.extend(verified.unsettled.iter().map(|it| format!("verify: {it:?} moves")));
    if verified.clicks != rack.model.answered {
        let (rows, answered) = (verified.clicks, rack.model.answered);
        findings.push(format!("{answered} clicks were answered, there are {rows} rows"));
    }
    findings
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
        days.iter().map(|(day, rollup)| (crate::model::day_of(day.start()), rollup)).collect();
    let numbers: BTreeSet<_> = expected.keys().chain(found.keys()).copied().collect();
    let (empty, none) = (DayModel::default(), Rollup::default());
    let mut sum = Tally::default();
    for day in numbers {
        let wanted = expected.get(&day).unwrap_or(&empty);
        let rollup = found.get(&day).copied().unwrap_or(&none);
        sum = Tally { human: sum.human + wanted.clicks.human, bot: sum.bot + wanted.clicks.bot };
        let mut differ = |what: &str, wanted: String, found: String| {
            if wanted != found {
                let day = Timestamp::from_second(day * 86_400).map(|at| at.strftime("%F"));
                let day = day.map(|day| day.to_string()).unwrap_or_default();
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
    }
    let total = ledger.totals(subject).await.expect("the total is read");
    if show(sum) != show_counts(total) {
        let (wanted, found) = (show(sum), show_counts(total));
        findings.push(format!("`{subject}` of all time: clicked {wanted}, counted {found}"));
    }
}

fn show(tally: Tally) -> String {
    format!("{}+{}", tally.human, tally.bot)
}

fn show_counts(counts: Counts) -> String {
    format!("{}+{}", counts.human, counts.bot)
}
