//! Lists, a page at a time.

use std::fmt::Display;
use std::str::FromStr;

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::AccountStore;
use crate::keys::Key;
use crate::row::Item;
use crate::unavailable::Unavailable;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, I> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins, if there is one.
    pub next: Option<After<I>>,
}

/// Where a list goes on: behind the item of this id. Clients get it as text that they pass back as
/// it is. One of another list has an id of another kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After<I>(pub I);

/// A text that is no [`After`] of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor of this list; take `next` as it is")]
pub struct AfterError;

impl<I: FromStr + Display> After<I> {
    /// Reads what a client passes back.
    pub fn parse(text: &str) -> Result<Self, AfterError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| AfterError)?;
        let id = std::str::from_utf8(&bytes).map_err(|_| AfterError)?;
        id.parse().map(Self).map_err(|_| AfterError)
    }

    /// The cursor as clients get it.
    pub fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.to_string())
    }
}

/// Which rows of the table are asked for.
pub(super) struct List {
    /// The partition.
    pub(super) pk: String,
    /// What their sort keys begin with.
    pub(super) prefix: &'static str,
    /// The row behind which to begin.
    pub(super) after: Option<Key>,
    /// Whether those with the latest ids come first.
    pub(super) newest_first: bool,
}

impl AccountStore {
    /// A page of at most `limit` rows of a list, and whether there are more. One `Query`.
    pub(super) async fn list(
        &self,
        list: List,
        limit: usize,
        doing: impl Into<String>,
    ) -> Result<(Vec<Item>, bool), Unavailable> {
        // One more than is shown says whether there is a next page.
        let count = i32::try_from(limit + 1).unwrap_or(i32::MAX);
        let call = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("pk = :pk AND begins_with(sk, :sk)")
            .expression_attribute_values(":pk", AttributeValue::S(list.pk))
            .expression_attribute_values(":sk", AttributeValue::S(list.prefix.to_owned()))
            .set_exclusive_start_key(list.after.map(|key| key.attributes()))
            .scan_index_forward(!list.newest_first)
            .consistent_read(true)
            .limit(count);
        let answer = call.send().await.map_err(|error| Unavailable::new(doing, error))?;
        let cut_off = answer.last_evaluated_key.is_some();
        let mut rows = answer.items.unwrap_or_default();
        let more = cut_off || limit < rows.len();
        rows.truncate(limit);
        Ok((rows, more))
    }
}

/// The cursor behind the last of these ids, if there are more.
pub(super) fn next<I>(last: Option<I>, more: bool) -> Option<After<I>> {
    last.filter(|_| more).map(After)
}

#[cfg(test)]
mod tests {
    use domain::{KeyId, UserId};
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let after = After(UserId::new(Timestamp::UNIX_EPOCH, 7));
        let text = after.to_text();
        assert_eq!(After::parse(&text), Ok(after));
        assert_eq!(After::<KeyId>::parse(&text), Err(AfterError));
        for text in ["", "!", "e30", &text[1..], &format!("{text}AA"), &after.0.to_string()] {
            assert_eq!(After::<UserId>::parse(text), Err(AfterError), "{text}");
        }
    }
}
