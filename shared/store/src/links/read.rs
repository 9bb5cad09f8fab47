//! Reading one link, following a slug, and spending a click limit.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use domain::{Domain, Link, LinkId, Route, Slug, WorkspaceId};

use super::LinkStore;
use super::item::{SlugRow, read_link, read_slug};
use crate::commit::{Change, CommitError, Condition, commit_once};
use crate::dice::Dice;
use crate::keys::{self, Key};
use crate::row::{BadRow, Item};
use crate::unavailable::Unavailable;

/// Why a link could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadLinkError {
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A row does not hold what it should.
    #[error(transparent)]
    BadRow(#[from] BadRow),
}

/// What a slug leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A link.
    Route(Box<Route>),
    /// Nothing any more.
    Deleted,
    /// Nothing.
    Nothing,
}

/// What came of spending one click of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spent {
    /// There was one left.
    Granted,
    /// All are used.
    UsedUp,
    /// There is no limit: it was taken away, or the link is gone.
    Unlimited,
}

/// How often the rest of a batch is asked for that DynamoDB did not answer at once.
const BATCH_TRIES: u32 = 5;

impl LinkStore {
    /// The link of this id in this workspace. One consistent `GetItem`.
    pub async fn find(
        &self,
        workspace: WorkspaceId,
        id: LinkId,
    ) -> Result<Option<Link>, ReadLinkError> {
        let row = self.row(keys::link(workspace, id), true).await?;
        Ok(row.as_ref().map(read_link).transpose()?)
    }

    /// What a slug leads to. One eventually consistent `GetItem`, and where that finds no link one
    /// consistent one: a link works right after its 201.
    pub async fn follow(&self, domain: &Domain, slug: &Slug) -> Result<Found, ReadLinkError> {
        match self.found(domain, slug, false).await? {
            Found::Route(route) => Ok(Found::Route(route)),
            Found::Deleted | Found::Nothing => self.follow_newest(domain, slug).await,
        }
    }

    /// What a slug leads to by now. One consistent `GetItem`.
    pub async fn follow_newest(
        &self,
        domain: &Domain,
        slug: &Slug,
    ) -> Result<Found, ReadLinkError> {
        self.found(domain, slug, true).await
    }

    async fn found(
        &self,
        domain: &Domain,
        slug: &Slug,
        consistent: bool,
    ) -> Result<Found, ReadLinkError> {
        let row = self.row(keys::slug(domain.as_str(), slug.as_str()), consistent).await?;
        let Some(row) = row else { return Ok(Found::Nothing) };
        Ok(match read_slug(&row)? {
            SlugRow::Route(route) => Found::Route(route),
            SlugRow::Deleted => Found::Deleted,
        })
    }

    /// Spends one click of a link's limit, exactly once for a token: however often it is sent, and
    /// in whatever order that arrives, a lost answer does not spend two.
    pub async fn spend(&self, link: LinkId, token: u128) -> Result<Spent, Unavailable> {
        let left = Condition::of("used_clicks < max_clicks").with(":one", 1);
        let spend = Change::Update(keys::limit(link), "SET used_clicks = used_clicks + :one", left);
        match commit_once(&self.client, &self.table, vec![spend], token).await {
            Ok(()) => Ok(Spent::Granted),
            Err(CommitError::Conditions(failed)) if failed.iter().all(|(_, row)| row.is_none()) => {
                Ok(Spent::Unlimited)
            }
            Err(CommitError::Conditions(_) | CommitError::Answered) => Ok(Spent::UsedUp),
            Err(CommitError::Unavailable(source)) => {
                Err(Unavailable::new(format!("spending a click of the link `{link}`"), source))
            }
        }
    }

    /// These links of a workspace, in this order, each once, without those that are gone. One
    /// `BatchGetItem` for up to 100.
    pub(super) async fn find_all(
        &self,
        workspace: WorkspaceId,
        ids: &[LinkId],
    ) -> Result<Vec<Link>, ReadLinkError> {
        // An index may show a link twice while its slug changes, and DynamoDB refuses a key twice.
        let mut once = BTreeSet::new();
        let ids: Vec<LinkId> = ids.iter().copied().filter(|id| once.insert(*id)).collect();
        let mut links = Vec::with_capacity(ids.len());
        for ids in ids.chunks(100) {
            let mut keys: Vec<_> =
                ids.iter().map(|id| keys::link(workspace, *id).attributes()).collect();
            let mut dice = Dice::named(ids);
            for tries in 0..BATCH_TRIES {
                if keys.is_empty() {
                    break;
                }
                if 0 < tries {
                    tokio::time::sleep(dice.pause(tries)).await;
                }
                let (rows, rest) = self.batch(std::mem::take(&mut keys)).await?;
                for row in &rows {
                    links.push(read_link(row)?);
                }
                keys = rest;
            }
            if !keys.is_empty() {
                let cause = format!("{} rows were not answered", keys.len());
                return Err(
                    Unavailable::new(format!("reading links of `{workspace}`"), cause).into()
                );
            }
        }
        let place = |link: &Link| ids.iter().position(|id| *id == link.id);
        links.sort_by_key(place);
        Ok(links)
    }

    async fn batch(&self, keys: Vec<Item>) -> Result<(Vec<Item>, Vec<Item>), Unavailable> {
        let request = KeysAndAttributes::builder()
            .set_keys(Some(keys))
            .consistent_read(true)
            .build()
            .expect("the keys are set");
        let call = self.client.batch_get_item().request_items(&self.table, request);
        let answer = call
            .send()
            .await
            .map_err(|error| Unavailable::new("reading a page of links", error))?;
        let rows = answer.responses.and_then(|mut all| all.remove(&self.table)).unwrap_or_default();
        let rest = answer.unprocessed_keys.and_then(|mut all| all.remove(&self.table));
        Ok((rows, rest.map(|rest| rest.keys).unwrap_or_default()))
    }

    async fn row(&self, key: Key, consistent: bool) -> Result<Option<Item>, Unavailable> {
        let pk = AttributeValue::S(key.pk.clone());
        let call = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(keys::PK, pk)
            .key(keys::SK, AttributeValue::S(key.sk))
            .consistent_read(consistent);
        let answer = call
            .send()
            .await
            .map_err(|error| Unavailable::new(format!("reading the row `{}`", key.pk), error))?;
        Ok(answer.item)
    }
}
