//! Lists of rows whose sort keys end with an id: pages of them, and a place in them by chance.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;

use crate::keys::{self, Key};
use crate::row::{BadRow, Item, Read};
use crate::unavailable::Unavailable;

/// Why a list of ids could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadIdsError {
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// A row does not hold what it should.
    #[error(transparent)]
    BadRow(#[from] BadRow),
}

/// A part of a list: behind an id, and up to another one, which belongs to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<I> {
    /// Where it begins; without one, with the first.
    pub after: Option<I>,
    /// Where it ends; without one, with the last.
    pub until: Option<I>,
}

impl<I> Part<I> {
    /// All of it.
    pub const ALL: Self = Self { after: None, until: None };
}

/// A list of ids, which sort by time.
pub(crate) struct Ids<'a, I> {
    pub(crate) client: &'a Client,
    pub(crate) table: &'a str,
    /// The key of the row of an id.
    pub(crate) key: &'a (dyn Fn(I) -> Key + Send + Sync),
    /// The id in a sort key.
    pub(crate) parse: fn(&str) -> Option<I>,
    /// The id of a moment and of these bits, and the moment of an id.
    pub(crate) new: fn(Timestamp, u128) -> I,
    pub(crate) at: fn(&I) -> Timestamp,
    /// For errors: what it is a list of.
    pub(crate) of: String,
}

impl<I: Copy + Ord> Ids<'_, I> {
    /// So many rows of a part of the list, with these attributes, and whether there may be more.
    /// One consistent `Query`.
    pub(crate) async fn page(
        &self,
        part: Part<I>,
        limit: usize,
        attributes: &str,
    ) -> Result<(Vec<Item>, bool), Unavailable> {
        let last = part.until.unwrap_or_else(|| (self.new)(Timestamp::MAX, u128::MAX));
        if part.after.is_some_and(|after| last <= after) {
            return Ok((Vec::new(), false));
        }
        let first = (self.new)(Timestamp::UNIX_EPOCH, 0);
        let answer = self
            .between(first, last)
            .projection_expression(attributes)
            .set_exclusive_start_key(part.after.map(|after| (self.key)(after).attributes()))
            .limit(i32::try_from(limit).unwrap_or(i32::MAX))
            .consistent_read(true)
            .send()
            .await
            .map_err(|error| Unavailable::new(format!("listing {}", self.of), error))?;
        let more = answer.last_evaluated_key.is_some();
        Ok((answer.items.unwrap_or_default(), more))
    }

    /// The row of an id, with these attributes. One consistent `Query`, for those who may do nothing
    /// else.
    pub(crate) async fn one(&self, id: I, attributes: &str) -> Result<Option<Item>, Unavailable> {
        let query = self.between(id, id).projection_expression(attributes).consistent_read(true);
        let answer = query
            .send()
            .await
            .map_err(|error| Unavailable::new(format!("looking into {}", self.of), error))?;
        Ok(answer.items.and_then(|mut rows| rows.pop()))
    }

    /// A place in the list, chosen by these random bits: the ids behind it are those of its moment
    /// and later. `None` if the list is empty.
    ///
    /// A moment chosen by chance would nearly never be within the minute in which a million links
    /// were imported. So this halves the time in which there are ids, and takes either half, until
    /// there is one moment left. At most some 50 times a row is read.
    pub(crate) async fn somewhere(&self, mut random: u128) -> Result<Option<I>, ReadIdsError> {
        let moment = |at: Timestamp| at.as_millisecond();
        let all = (0, moment(Timestamp::MAX));
        let Some(mut low) = self.edge(all, true).await? else { return Ok(None) };
        let mut high = self.edge(all, false).await?.unwrap_or(low);
        while low < high {
            let middle = low + (high - low) / 2;
            // In each half there is one: `low` in the first and `high` in the second.
            if random & 1 == 0 {
                high = self.edge((low, middle), false).await?.unwrap_or(low);
            } else {
                low = self.edge((middle + 1, high), true).await?.unwrap_or(high);
            }
            random >>= 1;
        }
        Ok(Some(self.id(low, 0)))
    }

    /// The moment of the first or the last id within these milliseconds.
    async fn edge(
        &self,
        (low, high): (i64, i64),
        first: bool,
    ) -> Result<Option<i64>, ReadIdsError> {
        let answer = self
            .between(self.id(low, 0), self.id(high, u128::MAX))
            .projection_expression("pk, sk")
            .scan_index_forward(first)
            .limit(1)
            .send()
            .await
            .map_err(|error| Unavailable::new(format!("looking into {}", self.of), error))?;
        let Some(row) = answer.items().first() else { return Ok(None) };
        Ok(Some((self.at)(&row.parse(keys::SK, self.parse)?).as_millisecond()))
    }

    fn between(
        &self,
        first: I,
        last: I,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let (first, last) = ((self.key)(first), (self.key)(last));
        self.client
            .query()
            .table_name(self.table)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", AttributeValue::S(first.pk))
            .expression_attribute_values(":first", AttributeValue::S(first.sk))
            .expression_attribute_values(":last", AttributeValue::S(last.sk))
    }

    fn id(&self, millisecond: i64, random: u128) -> I {
        // Only moments of ids come here, and they are representable.
        let at = Timestamp::from_millisecond(millisecond).unwrap_or(Timestamp::MAX);
        (self.new)(at, random)
    }
}
