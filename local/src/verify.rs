//! `verify`: recounts the clicks of all links, and compares them with the counts.

use std::fmt;

use aws_types::SdkConfig;
use domain::{Retention, WorkspaceId};
use jiff::Timestamp;
use store::ledger::Verification;
use store::{AccountStore, LedgerStore, LinkStore};

use crate::settings::TABLES;

/// What was found, by workspace.
#[derive(Debug)]
pub(crate) struct Report {
    workspaces: Vec<(WorkspaceId, usize, Verification)>,
}

/// Verifies everything.
pub(crate) async fn verify(
    aws: &SdkConfig,
    now: Timestamp,
    retention: Retention,
) -> anyhow::Result<Report> {
    let links = LinkStore::new(aws, TABLES.links);
    let ledger = LedgerStore::new(aws, TABLES.clicks, TABLES.links);
    let mut workspaces = Vec::new();
    for workspace in AccountStore::new(aws, TABLES.accounts).workspaces().await? {
        let ids = links.every_id(workspace).await?;
        let found = ledger.verify_workspace(workspace, &ids, now, retention).await?;
        workspaces.push((workspace, ids.len(), found));
    }
    Ok(Report { workspaces })
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
            Self::Exact => "Every count is the number of recorded clicks.",
            Self::Wrong => "The ledger does not add up.",
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
        if found().any(|found| !found.differences.is_empty()) {
            Verdict::Wrong
        } else if found().any(|found| !found.unsettled.is_empty()) {
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
        write!(f, "{}", self.verdict())
    }
}

#[cfg(test)]
mod tests {
    use store::ledger::{Period, Subject};

    use super::*;

    #[test]
    fn counts_that_kept_changing_are_neither_right_nor_wrong() {
        let workspace = WorkspaceId::new(Timestamp::UNIX_EPOCH, 1);
        let unsettled = vec![(Subject::Workspace(workspace), Period::AllTime)];
        let found = Verification { unsettled, ..Verification::default() };
        let report = Report { workspaces: vec![(workspace, 1, found)] };
        assert_eq!(report.verdict(), Verdict::Unsettled);
        assert_eq!(report.verdict().exit_code(), 3);
        assert!(report.to_string().contains("it changed each time"), "{report}");
    }
}
