//! Shards: how many rows a count is split into, and how many partitions a link's clicks.
//!
//! Both numbers are 1 for nearly everything, and grow where batches get in each other's way:
//! 2, 4 … 64. They never shrink, so whoever knows an older number knows a part of the truth: it
//! writes to rows that every reader sums up. A number is written before the first row that needs
//! it, and readers read it, or all rows there are, consistently.
//!
//! - The shards of a subject's **counts** are said by shard 0 of its total, in `shards`. Each
//!   batch picks one of them; which one does not matter.
//! - The partitions of a link's **clicks** are said by the link's row and by its slugs' rows, in
//!   `click_shards`. The redirect stamps a click with its partition when it is clicked, so that
//!   every delivery of it meets the same row.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValuesOnConditionCheckFailure};
use domain::{Click, LinkId, WorkspaceId};

use super::LedgerStore;
use super::rows::{Cell, RollupRow};
use super::subject::Subject;
use crate::commit::{Change, CommitError, Condition, commit};
use crate::journal::Journal;
use crate::keys::{self, Key};
use crate::row::{BadRow, FORMAT, Item, Read, Value};
use crate::unavailable::Unavailable;

/// The most shards: several for each batch that may run at the same time (`workers.yaml`), so that
/// two of them seldom pick the same.
pub const MAX_SHARDS: u8 = Click::MAX_SHARDS;

/// So often is tried to change a link's rows while somebody else changes them.
const TRIES: u32 = 3;

/// Why there are not more shards now.
#[derive(Debug, thiserror::Error)]
pub enum GrowError {
    /// DynamoDB is slow, throttled or away, or somebody else writes the same row.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The link was edited each time.
    #[error("splitting the clicks of `{0}` further: it is being edited")]
    Contended(LinkId),
    /// A row does not hold what it should.
    #[error(transparent)]
    BadRow(#[from] BadRow),
}

/// Into how many partitions a link's clicks go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClickShards {
    /// So many now; as many or more than were asked for.
    Are(u16),
    /// The link is not there, so it gets no clicks.
    Gone,
}

impl LedgerStore {
    /// Splits the counts of a subject into `to` shards, if they are fewer. Says how many there
    /// are.
    pub(super) async fn grow_rollup_shards(
        &self,
        subject: Subject,
        to: u8,
    ) -> Result<u8, GrowError> {
        let to = to.clamp(1, MAX_SHARDS);
        let call = self
            .client
            .update_item()
            .table_name(&self.clicks)
            .set_key(Some(Cell::total(subject).key(0).attributes()))
            // Neither version nor counts: a batch that has read the row may still write it.
            .update_expression("SET shards = :to, n = if_not_exists(n, :n)")
            .condition_expression("attribute_not_exists(shards) OR shards < :to")
            .expression_attribute_values(":to", u64::from(to).attribute())
            .expression_attribute_values(":n", FORMAT.attribute())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let error = match Box::pin(call.send()).await {
            Ok(_) => return Ok(to),
            Err(error) => error,
        };
        // Somebody else was faster: the row says how many there are.
        if let Some(UpdateItemError::ConditionalCheckFailedException(failed)) =
            error.as_service_error()
            && let Some(row) = failed.item()
        {
            return Ok(RollupRow::read(row)?.1.shards);
        }
        Err(Unavailable::new(format!("splitting the counts of `{subject}` further"), error).into())
    }

    /// Spreads the clicks of a link over `to` partitions, if they are fewer.
    ///
    /// The link's row and the rows of all its slugs change together, so that no click is stamped
    /// with a partition that the link's row does not know. Whoever edits a link must say in the
    /// write's condition that `click_shards` is still what was read, or the edit would take this
    /// back, and clicks would be in partitions that nobody looks into.
    pub async fn grow_click_shards(
        &self,
        workspace: WorkspaceId,
        link: LinkId,
        to: u16,
    ) -> Result<ClickShards, GrowError> {
        let to = to.clamp(1, u16::from(MAX_SHARDS));
        for _ in 0..TRIES {
            let Some(row) = self.link_row(workspace, link).await? else {
                return Ok(ClickShards::Gone);
            };
            let count = row.number("click_shards")?.unwrap_or(1);
            if to <= count {
                return Ok(ClickShards::Are(count));
            }
            let mut changes = vec![spread(keys::link(workspace, link), to, row.get("rev"))];
            changes.extend(slugs(&row)?.into_iter().map(|slug| spread(slug, to, None)));
            match Box::pin(commit(&self.client, &self.links, changes, &Journal::none())).await {
                Ok(()) => return Ok(ClickShards::Are(to)),
                Err(CommitError::Conditions(_) | CommitError::Answered) => {}
                Err(CommitError::Unavailable(source)) => {
                    let doing = format!("splitting the clicks of `{link}` further");
                    return Err(Unavailable::new(doing, source).into());
                }
            }
        }
        Err(GrowError::Contended(link))
    }

    async fn link_row(
        &self,
        workspace: WorkspaceId,
        link: LinkId,
    ) -> Result<Option<Item>, GrowError> {
        let call = self
            .client
            .get_item()
            .table_name(&self.links)
            .set_key(Some(keys::link(workspace, link).attributes()))
            .consistent_read(true);
        let answer = Box::pin(call.send())
            .await
            .map_err(|error| Unavailable::new(format!("reading link `{link}`"), error))?;
        Ok(answer.item)
    }
}

/// The change of one row, if it is there and, where a revision is given, still of that one: an
/// edit may have changed which slugs there are.
fn spread(key: Key, to: u16, revision: Option<&AttributeValue>) -> Change {
    let mut condition = Condition::of(
        "attribute_exists(pk) AND (attribute_not_exists(click_shards) OR click_shards < :to)",
    )
    .with(":to", u64::from(to));
    if let Some(revision) = revision {
        condition.expression.push_str(" AND rev = :rev");
        condition.values.insert(":rev".to_owned(), revision.clone());
    }
    Change::Update(key, "SET click_shards = :to", condition)
}

/// The rows of all slugs of a link.
fn slugs(link: &Item) -> Result<Vec<Key>, BadRow> {
    let text = |text: &str| Some(text.to_owned());
    let domain = link.parse("domain", text)?;
    let mut slugs = vec![link.parse("slug", text)?];
    slugs.extend(link.list("aliases", text)?);
    Ok(slugs.iter().map(|slug| keys::slug(&domain, slug)).collect())
}
