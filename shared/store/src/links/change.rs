//! Creating, editing and deleting a link.

use std::collections::BTreeSet;

use domain::{Link, LinkId, Slug, Tag, WorkspaceId};
use jiff::Timestamp;

use super::{LinkStore, item};
use crate::commit::{Change, CommitError, Condition, commit};
use crate::journal::Journal;
use crate::keys::{self, Key};
use crate::row::{Item, Write, row};
use crate::unavailable::{Cause, Unavailable};

/// Why a link was not created.
#[derive(Debug, thiserror::Error)]
pub enum CreateError {
    /// Another link has this slug, or had it in another workspace.
    #[error("the slug `{0}` is taken")]
    SlugTaken(Slug),
    /// The request was answered before, and that answer was kept.
    #[error("the request was answered before")]
    Answered,
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a link was not edited.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Another link has this slug, or had it in another workspace.
    #[error("the slug `{0}` is taken")]
    SlugTaken(Slug),
    /// It is no longer what was read: somebody else edited or deleted it meanwhile.
    #[error("the link `{0}` has changed meanwhile")]
    Changed(LinkId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a link was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// It is no longer what was read: somebody else edited or deleted it meanwhile.
    #[error("the link `{0}` has changed meanwhile")]
    Changed(LinkId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// A write, and the slug that it needs, if it needs one.
struct Step {
    change: Change,
    needs: Option<Slug>,
}

impl From<Change> for Step {
    fn from(change: Change) -> Self {
        Self { change, needs: None }
    }
}

impl LinkStore {
    /// Creates a link, with all its slugs. At most 43 rows and the journal's two in one transaction.
    pub async fn create(&self, link: &Link, journal: &Journal) -> Result<(), CreateError> {
        let mut steps = vec![
            Change::Put(item::link(link), Some(Condition::of("attribute_not_exists(pk)"))).into(),
        ];
        steps.extend(link.slugs().map(|slug| Step {
            change: Change::Put(item::slug(link, slug), Some(free_for(link.workspace))),
            needs: Some(slug.clone()),
        }));
        steps.extend(put_tags(link));
        steps.extend(link.definition.max_clicks.map(|max| new_limit(link.id, max)));
        match self.run(&steps, journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(failed)) if is_ours(&failed, link) => Ok(()),
            Err(CommitError::Conditions(failed)) => match slug_in_the_way(&failed, &steps) {
                Some(slug) => Err(CreateError::SlugTaken(slug)),
                None => Err(self.unavailable("creating", link.id, "its id is taken").into()),
            },
            Err(CommitError::Answered) => Err(CreateError::Answered),
            Err(CommitError::Unavailable(source)) => {
                Err(self.unavailable("creating", link.id, source).into())
            }
        }
    }

    /// Writes an edited link in the place of the one that was read. At most 84 rows in one
    /// transaction besides the journal's: every slug's row is written anew, since each holds what the
    /// redirect needs.
    pub async fn update(
        &self,
        old: &Link,
        new: &Link,
        journal: &Journal,
    ) -> Result<(), UpdateError> {
        let mut steps = vec![Change::Put(item::link(new), Some(unchanged(old))).into()];
        let kept: BTreeSet<&Slug> = old.slugs().collect();
        steps.extend(new.slugs().map(|slug| Step {
            change: Change::Put(
                item::slug(new, slug),
                Some(if kept.contains(slug) { of_link(new.id) } else { free_for(new.workspace) }),
            ),
            needs: Some(slug.clone()),
        }));
        let stays: BTreeSet<&Slug> = new.slugs().collect();
        steps.extend(kept.difference(&stays).map(|slug| bury(old, slug)));
        steps.extend(put_tags(new));
        let tags: BTreeSet<&Tag> = new.definition.tags.iter().collect();
        let untagged = old.definition.tags.iter().filter(|tag| !tags.contains(tag));
        steps.extend(untagged.map(|tag| delete_tag(old, tag)));
        steps.extend(change_limit(new.id, old.definition.max_clicks, new.definition.max_clicks));
        match self.run(&steps, journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(failed)) if is_ours(&failed, new) => Ok(()),
            // Whoever changed the link may have given it the very slug that is in the way.
            Err(CommitError::Conditions(failed)) if failed.iter().any(|(at, _)| *at == 0) => {
                Err(UpdateError::Changed(new.id))
            }
            Err(CommitError::Conditions(failed)) => match slug_in_the_way(&failed, &steps) {
                Some(slug) if !kept.contains(&slug) => Err(UpdateError::SlugTaken(slug)),
                Some(_) | None => Err(UpdateError::Changed(new.id)),
            },
            // Only what is created keeps its answer.
            Err(CommitError::Answered) => Err(UpdateError::Changed(new.id)),
            Err(CommitError::Unavailable(source)) => {
                Err(self.unavailable("editing", new.id, source).into())
            }
        }
    }

    /// Deletes a link that was read. Its slugs answer «gone» from now on, and only its workspace
    /// may use them again; its clicks stay.
    pub async fn delete(
        &self,
        link: &Link,
        now: Timestamp,
        journal: &Journal,
    ) -> Result<(), DeleteError> {
        let mut steps = vec![
            Change::Delete(keys::link(link.workspace, link.id), Some(unchanged(link))).into(),
            Change::Put(item::deleted(link, now), None).into(),
        ];
        steps.extend(link.slugs().map(|slug| bury(link, slug)));
        steps.extend(link.definition.tags.iter().map(|tag| delete_tag(link, tag)));
        if link.definition.max_clicks.is_some() {
            steps.push(Change::Delete(keys::limit(link.id), None).into());
        }
        match self.run(&steps, journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(DeleteError::Changed(link.id))
            }
            Err(CommitError::Unavailable(source)) => {
                Err(self.unavailable("deleting", link.id, source).into())
            }
        }
    }

    /// Forgets a link that was deleted: for when nothing is left of its clicks either.
    pub async fn forget(&self, workspace: WorkspaceId, link: LinkId) -> Result<(), Unavailable> {
        let call = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(keys::deleted_link(workspace, link).attributes()));
        call.send().await.map(drop).map_err(|error| self.unavailable("forgetting", link, error))
    }

    async fn run(&self, steps: &[Step], journal: &Journal) -> Result<(), CommitError> {
        let changes = steps.iter().map(|step| step.change.clone()).collect();
        commit(&self.client, &self.table, changes, journal).await
    }

    fn unavailable(&self, doing: &str, link: LinkId, source: impl Into<Cause>) -> Unavailable {
        Unavailable::new(format!("{doing} the link `{link}`"), source)
    }
}

/// A slug that is free for a workspace: never used, or by a deleted link of its own.
fn free_for(workspace: WorkspaceId) -> Condition {
    Condition::of("attribute_not_exists(pk) OR (attribute_not_exists(link_id) AND workspace = :w)")
        .with(":w", workspace.to_string())
}

/// A slug that leads to this link.
fn of_link(link: LinkId) -> Condition {
    Condition::of("link_id = :link").with(":link", link.to_string())
}

/// A link that is still what was read. The shards are part of it: an edit that wrote back an older
/// number would hide clicks from their readers.
fn unchanged(link: &Link) -> Condition {
    Condition::of("rev = :rev AND click_shards = :shards")
        .with(":rev", link.revision)
        .with(":shards", u64::from(link.click_shards))
}

fn bury(link: &Link, slug: &Slug) -> Step {
    let tombstone = item::tombstone(link.workspace, &link.domain, slug);
    Change::Put(tombstone, Some(of_link(link.id))).into()
}

fn put_tags(link: &Link) -> impl Iterator<Item = Step> {
    link.definition.tags.iter().map(|tag| Change::Put(item::tag(link, tag), None).into())
}

fn delete_tag(link: &Link, tag: &Tag) -> Step {
    let key: Key = keys::tag(link.workspace, tag.as_str(), link.id);
    Change::Delete(key, None).into()
}

/// A limit counts from when it is set; another maximum keeps what is used.
fn change_limit(link: LinkId, old: Option<u64>, new: Option<u64>) -> Option<Step> {
    match (old, new) {
        (None, Some(max)) => Some(new_limit(link, max)),
        (Some(old), Some(max)) if old != max => {
            let there = Condition::of("attribute_exists(pk)").with(":max", max);
            let key = keys::limit(link);
            Some(Change::Update(key, "SET max_clicks = :max", there).into())
        }
        (Some(_), None) => Some(Change::Delete(keys::limit(link), None).into()),
        (Some(_), Some(_)) | (None, None) => None,
    }
}

fn new_limit(link: LinkId, max: u64) -> Step {
    let mut limit = row(&keys::limit(link));
    limit.set("used_clicks", 0);
    limit.set("max_clicks", max);
    Change::Put(limit, None).into()
}

/// Whether the row in the way is the one that this very write left: the write arrived, the answer
/// was lost, and it was sent again too late for DynamoDB to know its token.
fn is_ours(failed: &[(usize, Option<Item>)], link: &Link) -> bool {
    let own = item::link(link);
    failed.iter().any(|(at, row)| *at == 0 && row.as_ref() == Some(&own))
}

fn slug_in_the_way(failed: &[(usize, Option<Item>)], steps: &[Step]) -> Option<Slug> {
    failed.iter().find_map(|(at, _)| steps.get(*at)?.needs.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_in_the_way_of_another_link_is_not_ours() {
        assert!(!is_ours(&[(0, None)], &crate::links::tests::link(1)));
        let own = item::link(&crate::links::tests::link(1));
        assert!(is_ours(&[(0, Some(own.clone()))], &crate::links::tests::link(1)));
        assert!(!is_ours(&[(0, Some(own))], &crate::links::tests::link(2)));
    }
}
