//! Following a slug, and spending a click limit: all that the redirect asks of the links.
//!
//! It has a client of its own kind: somebody waits for each of these calls, and for the first one
//! while the process starts.

use aws_json::{CallError, Client, Service};
use aws_types::SdkConfig;
use domain::{Domain, LinkId, Route, Slug};
use serde::{Deserialize, Serialize};

use super::ReadLinkError;
use super::item::{SlugRow, read_slug};
use crate::commit::{CommitError, Failure, Reason};
use crate::dice::Dice;
use crate::keys;
use crate::unavailable::Unavailable;
use crate::wire::{self, Row, RowKey};

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

/// The links table, as the redirect sees it.
#[derive(Debug, Clone)]
pub struct RouteStore {
    client: Client,
    table: String,
}

impl RouteStore {
    /// The routes in this table.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self { client: Client::new(aws, Service::DynamoDb), table: table.into() }
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
        let key = keys::slug(domain.as_str(), slug.as_str());
        let row = wire::get(&self.client, &self.table, RowKey::from(&key), consistent).await;
        let row =
            row.map_err(|error| Unavailable::new(format!("reading the row `{}`", key.pk), error))?;
        let Some(row) = row else { return Ok(Found::Nothing) };
        Ok(match read_slug(&row)? {
            SlugRow::Route(route) => Found::Route(route),
            SlugRow::Deleted => Found::Deleted,
        })
    }

    /// Spends one click of a link's limit, exactly once for a token: however often it is sent, and
    /// in whatever order that arrives, a lost answer does not spend two. A transaction, though it is
    /// of one row: only those have tokens.
    pub async fn spend(&self, link: LinkId, token: u128) -> Result<Spent, Unavailable> {
        let key = keys::limit(link);
        let transaction = Spend::of(&self.table, RowKey::from(&key), token);
        let mut dice = Dice::of_chance();
        for attempt in 1.. {
            let call = self.client.call::<Written>("TransactWriteItems", &transaction);
            let Err(error) = call.await else { return Ok(Spent::Granted) };
            let Some(error) = failure(error).verdict(attempt) else {
                self.client.sleep(dice.pause(attempt)).await;
                continue;
            };
            return match error {
                CommitError::Conditions(failed) if failed.iter().all(|(_, row)| row.is_none()) => {
                    Ok(Spent::Unlimited)
                }
                CommitError::Conditions(_) | CommitError::Answered => Ok(Spent::UsedUp),
                CommitError::Unavailable(source) => {
                    Err(Unavailable::new(format!("spending a click of the link `{link}`"), source))
                }
            };
        }
        Ok(Spent::UsedUp)
    }
}

/// A `TransactWriteItems` of the one update that counts a click.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spend<'a> {
    client_request_token: String,
    transact_items: [Step<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Step<'a> {
    update: Update<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Update<'a> {
    table_name: &'a str,
    key: RowKey<'a>,
    update_expression: &'static str,
    condition_expression: &'static str,
    expression_attribute_values: Values,
    /// The row that is in the way says that there is a limit.
    return_values_on_condition_check_failure: &'static str,
}

#[derive(Serialize)]
struct Values {
    #[serde(rename = ":one")]
    one: Number,
}

#[derive(Serialize)]
struct Number {
    #[serde(rename = "N")]
    digits: &'static str,
}

impl<'a> Spend<'a> {
    fn of(table_name: &'a str, key: RowKey<'a>, token: u128) -> Self {
        let update = Update {
            table_name,
            key,
            update_expression: "SET used_clicks = used_clicks + :one",
            condition_expression: "used_clicks < max_clicks",
            expression_attribute_values: Values { one: Number { digits: "1" } },
            return_values_on_condition_check_failure: "ALL_OLD",
        };
        Self { client_request_token: format!("{token:032x}"), transact_items: [Step { update }] }
    }
}

/// The answer to a transaction that was written says nothing else.
#[derive(Deserialize)]
struct Written {}

/// Why a transaction was cancelled.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cancelled {
    cancellation_reasons: Vec<Cancellation>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cancellation {
    code: Option<String>,
    item: Option<Row>,
}

fn failure(error: CallError) -> Failure {
    let cancelled = error.refusal().filter(|it| it.code() == "TransactionCanceledException");
    let cancelled = cancelled.and_then(|it| serde_json::from_slice::<Cancelled>(it.body()).ok());
    let reasons = cancelled.map_or_else(Vec::new, |cancelled| cancelled.cancellation_reasons);
    let reason = |it: Cancellation| Reason { code: it.code, row: it.item.map(|row| row.0) };
    Failure { reasons: reasons.into_iter().map(reason).collect(), source: Box::new(error) }
}
