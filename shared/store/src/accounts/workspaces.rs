//! Workspaces.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use domain::{Member, UserId, Workspace, WorkspaceId};
use jiff::Timestamp;

use super::members::memberships;
use super::page::{After, AfterError, List, Page, next};
use super::{AccountStore, ReadAccountError, item};
use crate::commit::{Change, CommitError, Condition};
use crate::ids::{Ids, Part, ReadIdsError};
use crate::journal::Journal;
use crate::keys::{self, Key};
use crate::row::{BadRow, Item, Read, Write, row};
use crate::unavailable::Unavailable;

/// Why a workspace was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateWorkspaceError {
    /// The request was answered before, and that answer was kept.
    #[error("the request was answered before")]
    Answered,
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a workspace was not edited.
#[derive(Debug, thiserror::Error)]
pub enum UpdateWorkspaceError {
    /// Somebody edited it since it was read.
    #[error("the workspace `{0}` has changed")]
    Changed(WorkspaceId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// The place of a membership among a person's own: by time, and then by workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Joined {
    at: Timestamp,
    workspace: WorkspaceId,
}

impl Joined {
    fn of(member: &Member) -> Self {
        Self { at: member.joined_at, workspace: member.workspace }
    }
}

impl fmt::Display for Joined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.workspace)
    }
}

impl FromStr for Joined {
    type Err = AfterError;

    fn from_str(text: &str) -> Result<Self, AfterError> {
        let (at, workspace) = text.split_once(' ').ok_or(AfterError)?;
        let at = at.parse().map_err(|_| AfterError)?;
        let workspace = WorkspaceId::parse(workspace).map_err(|_| AfterError)?;
        Ok(Self { at, workspace })
    }
}

impl AccountStore {
    /// Writes a workspace that nobody is a member of.
    pub async fn put_workspace(&self, id: WorkspaceId, name: &str) -> Result<(), Unavailable> {
        let mut item = row(&keys::workspace(id));
        item.set("title", name);
        self.put(item, format!("writing the workspace `{id}`")).await
    }

    /// The workspace of this id. One `GetItem`.
    pub async fn find_workspace(
        &self,
        id: WorkspaceId,
    ) -> Result<Option<Workspace>, ReadAccountError> {
        let row = self.row(&keys::workspace(id), format!("reading the workspace `{id}`")).await?;
        Ok(row.as_ref().map(item::read_workspace).transpose()?)
    }

    /// Makes a workspace, with whom it belongs to. Three rows in one transaction, besides the
    /// journal's.
    pub async fn create_workspace(
        &self,
        workspace: &Workspace,
        founder: UserId,
        journal: &Journal,
    ) -> Result<(), CreateWorkspaceError> {
        let changes = found(workspace, &workspace.founded_by(founder));
        let doing = || format!("making the workspace `{}`", workspace.id);
        match self.commit(changes, journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Answered) => Err(CreateWorkspaceError::Answered),
            Err(CommitError::Conditions(_)) => {
                Err(Unavailable::new(doing(), "its id is taken").into())
            }
            Err(CommitError::Unavailable(source)) => Err(Unavailable::new(doing(), source).into()),
        }
    }

    /// Writes what was edited of a workspace that was read. Its members stay.
    pub async fn update_workspace(
        &self,
        old: &Workspace,
        new: &Workspace,
        journal: &Journal,
    ) -> Result<(), UpdateWorkspaceError> {
        match self.commit(vec![edit(old, new)], journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(UpdateWorkspaceError::Changed(old.id))
            }
            Err(CommitError::Unavailable(source)) => {
                Err(Unavailable::new(format!("editing the workspace `{}`", old.id), source).into())
            }
        }
    }

    /// Deletes a workspace that was read: nobody has a right in it any more. What belongs to it is
    /// removed by [`AccountStore::empty_workspace`].
    pub async fn delete_workspace(
        &self,
        workspace: &Workspace,
        journal: &Journal,
    ) -> Result<(), UpdateWorkspaceError> {
        let id = workspace.id;
        let delete = Change::Delete(keys::workspace(id), Some(unchanged(workspace)));
        match self.commit(vec![delete], journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(UpdateWorkspaceError::Changed(id))
            }
            Err(CommitError::Unavailable(source)) => {
                Err(Unavailable::new(format!("deleting the workspace `{id}`"), source).into())
            }
        }
    }

    /// Removes all memberships, invitations and keys of a workspace that is deleted, and says how
    /// many those were.
    pub async fn empty_workspace(&self, id: WorkspaceId) -> Result<u64, ReadAccountError> {
        // Each is two rows, and a transaction takes a hundred.
        const AT_ONCE: usize = 50;
        let doing = || format!("emptying the workspace `{id}`");
        let mut removed = 0;
        for prefix in [keys::MEMBERS, keys::INVITATIONS, keys::KEYS] {
            loop {
                let pk = keys::of_workspace(id);
                let list = List { pk, prefix, after: None, newest_first: false };
                let (rows, _) = self.list(list, AT_ONCE, doing()).await?;
                if rows.is_empty() {
                    break;
                }
                let mut changes = Vec::new();
                for row in &rows {
                    changes.extend(both_rows(id, row)?.map(|key| Change::Delete(key, None)));
                }
                removed += u64::try_from(rows.len()).unwrap_or(u64::MAX);
                match self.commit(changes, &Journal::none()).await {
                    Ok(()) => {}
                    Err(CommitError::Conditions(_) | CommitError::Answered) => {
                        return Err(Unavailable::new(doing(), "there are no conditions").into());
                    }
                    Err(CommitError::Unavailable(source)) => {
                        return Err(Unavailable::new(doing(), source).into());
                    }
                }
            }
        }
        Ok(removed)
    }

    /// A page of at most `limit` (1 to 100) workspaces of a person, with what the person is in each:
    /// where they have been for longest first. One `Query` for a thousand memberships, and one
    /// `BatchGetItem`.
    pub async fn workspaces_of(
        &self,
        user: UserId,
        after: Option<After<Joined>>,
        limit: usize,
    ) -> Result<Page<(Workspace, Member), Joined>, ReadAccountError> {
        let doing = format!("listing the workspaces of `{user}`");
        // Their rows are in the order of the workspaces' ids.
        let mut mine = self.memberships(user, &doing).await?;
        mine.sort_by_key(Joined::of);
        mine.retain(|member| after.is_none_or(|After(last)| last < Joined::of(member)));
        let more = limit < mine.len();
        mine.truncate(limit);
        let keys = mine.iter().map(|member| keys::workspace(member.workspace));
        let mut found = HashMap::new();
        for row in self.rows(keys, &doing).await? {
            let workspace = item::read_workspace(&row)?;
            found.insert(workspace.id, workspace);
        }
        let next = next(mine.last().map(Joined::of), more);
        let items = mine.into_iter();
        let items = items.filter_map(|member| Some((found.remove(&member.workspace)?, member)));
        Ok(Page { items: items.collect(), next })
    }

    /// All memberships of a person, in no order that means something.
    async fn memberships(
        &self,
        user: UserId,
        doing: &str,
    ) -> Result<Vec<Member>, ReadAccountError> {
        const AT_ONCE: usize = 1000;
        let (mut all, mut after) = (Vec::<Member>::new(), None);
        loop {
            let (rows, more) = self.list(memberships(user, after), AT_ONCE, doing).await?;
            for row in &rows {
                all.push(item::read_membership(row)?);
            }
            after = next(all.last().map(|member| member.workspace), more);
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// All workspaces of a person: where they have been for longest first.
    pub async fn all_workspaces_of(
        &self,
        user: UserId,
    ) -> Result<Vec<(Workspace, Member)>, ReadAccountError> {
        let mut all = Vec::new();
        let mut after = None;
        loop {
            let page = self.workspaces_of(user, after, 100).await?;
            all.extend(page.items);
            after = page.next;
            if after.is_none() {
                return Ok(all);
            }
        }
    }

    /// All workspaces, oldest first.
    pub async fn workspaces(&self) -> Result<Vec<WorkspaceId>, ReadIdsError> {
        // What DynamoDB answers at once: 1 MB.
        const AT_ONCE: usize = 10_000;
        let (mut all, mut part) = (Vec::new(), Part::ALL);
        loop {
            let (ids, more) = self.workspace_ids(part, AT_ONCE).await?;
            part.after = ids.last().copied().or(part.after);
            all.extend(ids);
            if !more {
                return Ok(all);
            }
        }
    }

    /// So many ids of workspaces, and whether there may be more. One `Query`.
    pub async fn workspace_ids(
        &self,
        part: Part<WorkspaceId>,
        limit: usize,
    ) -> Result<(Vec<WorkspaceId>, bool), ReadIdsError> {
        let (rows, more) = self.workspace_list().page(part, limit, "pk, sk").await?;
        let ids = rows.iter().map(|row| row.parse(keys::SK, parse_id));
        Ok((ids.collect::<Result<_, _>>()?, more))
    }

    /// A place among all workspaces, chosen by random bits; `None` if there are none.
    pub async fn workspace_somewhere(
        &self,
        random: u128,
    ) -> Result<Option<WorkspaceId>, ReadIdsError> {
        self.workspace_list().somewhere(random).await
    }

    fn workspace_list(&self) -> Ids<'_, WorkspaceId> {
        Ids {
            client: &self.client,
            table: &self.table,
            key: &keys::workspace,
            parse: parse_id,
            new: WorkspaceId::new,
            at: WorkspaceId::at,
            of: "the workspaces".to_owned(),
        }
    }
}

fn parse_id(text: &str) -> Option<WorkspaceId> {
    WorkspaceId::parse(text).ok()
}

/// The rows of a new workspace and of its first owner.
pub(super) fn found(workspace: &Workspace, founder: &Member) -> Vec<Change> {
    let free = || Some(Condition::of("attribute_not_exists(pk)"));
    vec![
        Change::Put(item::workspace(workspace), free()),
        Change::Put(item::member(founder), free()),
        Change::Put(item::membership(founder), free()),
    ]
}

/// What belongs to a workspace has a row in its list, and one by which it is found elsewhere.
fn both_rows(id: WorkspaceId, row: &Item) -> Result<[Key; 2], BadRow> {
    let sk = row.text(keys::SK).unwrap_or_default();
    if let Some(user) = keys::parse_member(sk) {
        return Ok([keys::member(id, user), keys::membership(user, id)]);
    }
    if let Some(invitation) = keys::parse_invitation(sk) {
        return Ok([keys::invitation(id, invitation), keys::invitation_place(invitation)]);
    }
    let key = row.parse(keys::SK, keys::parse_key_of)?;
    Ok([keys::key_of(id, key), keys::key(key)])
}

/// A workspace that is still what was read.
fn unchanged(old: &Workspace) -> Condition {
    // The first rows had no revision.
    Condition::of("rev = :old OR (attribute_exists(pk) AND attribute_not_exists(rev))")
        .with(":old", old.revision)
}

/// An update and no new row: owners come and go at the same time.
fn edit(old: &Workspace, new: &Workspace) -> Change {
    let unchanged = unchanged(old).with(":new", new.revision).with(":title", new.name.as_str());
    let key = keys::workspace(old.id);
    match new.writes_per_minute {
        Some(limit) => Change::Update(
            key,
            "SET title = :title, rev = :new, writes_per_minute = :limit",
            unchanged.with(":limit", u64::from(limit)),
        ),
        None => Change::Update(
            key,
            "SET title = :title, rev = :new REMOVE writes_per_minute",
            unchanged,
        ),
    }
}
