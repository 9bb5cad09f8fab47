//! `verify`: counts all that can be counted in several ways, and compares.
//!
//! - The rows of clicks with the counts: of each link, each day and each workspace.
//! - The counts with the lake, of each link and day: Parquet, and what is not compacted yet.
//! - The counts with the redirects that were answered, of each day, where somebody else has counted
//!   those.

mod bucket;
mod redirects;
#[cfg(test)]
mod tests;

use std::fmt;

use aws_types::SdkConfig;
use domain::{Day, Retention, WorkspaceId};
use jiff::Timestamp;
use store::ledger::{PurgeOrder, Verification};
use store::{AccountStore, LedgerStore, LinkStore, Tables};

use crate::settings::{RAW_BUCKET, TABLES};

pub(crate) use bucket::Lake;
pub(crate) use redirects::{Answered, Redirects, Tolerance};

/// Where to look.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    pub(crate) aws: &'a SdkConfig,
    pub(crate) tables: Tables<'a>,
    pub(crate) bucket: &'a str,
    /// The first day of which the lake still has everything, where it does not keep all of it.
    pub(crate) lake_since: Option<Day>,
}

impl<'a> Place<'a> {
    /// The stores of this platform.
    pub(crate) fn here(aws: &'a SdkConfig) -> Self {
        Self { aws, tables: TABLES, bucket: RAW_BUCKET, lake_since: None }
    }

    fn ledger(&self) -> LedgerStore {
        LedgerStore::new(self.aws, self.tables.clicks, self.tables.links)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Report {
    workspaces: Vec<(WorkspaceId, usize, Verification)>,
    lake: Lake,
    /// Purges that were asked for, and are not proved.
    open: Vec<PurgeOrder>,
    redirects: Option<Redirects>,
}

/// Verifies everything here.
#[cfg(test)]
pub(crate) async fn verify(
    aws: &SdkConfig,
    now: Timestamp,
    retention: Retention,
) -> anyhow::Result<Report> {
    verify_at(&Place::here(aws), None, now, retention).await
}

/// Verifies everything there, and with what was answered as well.
pub(crate) async fn verify_at(
    place: &Place<'_>,
    answered: Option<Answered>,
    now: Timestamp,
    retention: Retention,
) -> anyhow::Result<Report> {
    let links = LinkStore::new(place.aws, place.tables.links);
    let ledger = place.ledger();
    let mut report = Report::default();
    let mut every = Vec::new();
    for workspace in AccountStore::new(place.aws, place.tables.accounts).workspaces().await? {
        let ids = links.every_id(workspace).await?;
        let found = ledger.verify_workspace(workspace, &ids, now, retention).await?;
        report.workspaces.push((workspace, ids.len(), found));
        every.extend(ids.into_iter().map(|(link, _)| (workspace, link)));
    }
    report.lake = bucket::compare(place, &every, now).await?;
    let orders = ledger.purge_orders().await?;
    report.open = orders.into_iter().filter(|order| order.proof.is_none()).collect();
    if let Some(answered) = answered {
        let workspaces: Vec<_> = report.workspaces.iter().map(|(id, ..)| *id).collect();
        report.redirects = Some(redirects::compare(&ledger, &workspaces, answered).await?);
    }
    Ok(report)
}

/// What a verification says as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All counts are what was recorded.
    Exact,
    /// Some are not.
    Wrong,
    /// Those that could be looked at are, but others changed each time: clicks were arriving.
    Unsettled,
}

impl Verdict {
    /// The exit status that says the same.
    pub(crate) fn exit_code(self) -> u8 {
        match self {
            Self::Exact => 0,
            Self::Wrong => 1,
            // 2 is said for a wrong command line.
            Self::Unsettled => 3,
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => {
                "Exact: every count is the number of recorded clicks, and the lake has each of them \
                 once."
            }
            Self::Wrong => "It does not add up.",
            Self::Unsettled => {
                "No difference was found, but clicks kept arriving, and the counts named above \
                 could not be compared. Look again at a quieter moment."
            }
        })
    }
}

impl Report {
    /// What it says as a whole.
    pub(crate) fn verdict(&self) -> Verdict {
        let found = || self.workspaces.iter().map(|(_, _, found)| found);
        let redirects = self.redirects.as_ref();
        if found().any(|found| !found.differences.is_empty())
            || !self.lake.differences.is_empty()
            || redirects.is_some_and(|it| it.days.iter().any(|day| !day.is_fine))
        {
            Verdict::Wrong
        } else if found().any(|found| !found.unsettled.is_empty()) || self.lake.unsettled != 0 {
            Verdict::Unsettled
        } else {
            Verdict::Exact
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["workspace", "links", "clicks", "subjects", "differences", "unsettled"];
        let [workspace, links, clicks, subjects, differences, unsettled] = head;
        writeln!(
            f,
            "{workspace:30} {links:>9} {clicks:>12} {subjects:>9} {differences:>12} {unsettled:>10}"
        )?;
        for (workspace, links, found) in &self.workspaces {
            let (clicks, subjects) = (found.clicks, found.subjects);
            let (differences, unsettled) = (found.differences.len(), found.unsettled.len());
            writeln!(
                f,
                "{:30} {links:>9} {clicks:>12} {subjects:>9} {differences:>12} {unsettled:>10}",
                workspace.to_string()
            )?;
        }
        for (_, _, found) in &self.workspaces {
            for difference in &found.differences {
                writeln!(f, "difference: {difference}")?;
            }
            for (subject, at) in &found.unsettled {
                writeln!(f, "unsettled: `{subject}` {at}: it changed each time it was looked at")?;
            }
        }
        write!(f, "{}", self.lake)?;
        for order in &self.open {
            writeln!(
                f,
                "purge: `{}` was to be purged at {}, and nobody has found yet that nothing is left",
                order.target, order.ordered_at
            )?;
        }
        if let Some(redirects) = &self.redirects {
            write!(f, "{redirects}")?;
        }
        write!(f, "{}", self.verdict())
    }
}

/// A day as people write it.
fn date(day: Day) -> impl fmt::Display {
    day.start().strftime("%F").to_string()
}
