//! What is written down beside a change, in its transaction: who made it, and what was answered.
//!
//! Both are there if and only if the change is. So the audit log has no gap, and a request that is
//! sent again finds its first answer, wherever the first try broke off.

#[cfg(test)]
mod tests;

use aws_sdk_dynamodb::primitives::Blob;
use domain::{AuditEvent, IdempotencyKey};
use jiff::Timestamp;

use crate::commit::{Change, Condition};
use crate::keys;
use crate::ledger::PurgeOrder;
use crate::row::{BadRow, Item, Read, Write, moment, row};

/// What is written down beside a change.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    /// The accounts table; empty where nothing is written.
    table: String,
    events: Vec<AuditEvent>,
    answer: Option<Answer>,
    /// The order to purge something, with the table that it is written to.
    order: Option<(String, Item)>,
}

/// The answer to a request with an idempotency key, sealed: the row alone cannot be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What whoever has the idempotency key finds it by.
    pub id: String,
    /// What tells whether another request is the same one.
    pub fingerprint: String,
    /// The answer, encrypted.
    pub sealed: Vec<u8>,
    /// When it was given.
    pub at: Timestamp,
}

impl Journal {
    /// An entry of the audit log, in this accounts table.
    pub fn new(table: impl Into<String>, event: AuditEvent) -> Self {
        Self { table: table.into(), events: vec![event], answer: None, order: None }
    }

    /// Nothing: for sample data, for tests, and for what nobody in particular does.
    pub fn none() -> Self {
        Self::default()
    }

    /// The same with one more detail in its entry.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.events = self.events.into_iter().map(|event| event.with(name, &value)).collect();
        self
    }

    /// The same with one more entry: where one request does two things.
    #[must_use]
    pub fn and(mut self, event: AuditEvent) -> Self {
        self.events.push(event);
        self
    }

    /// The same with the answer to the request, where that has an idempotency key.
    #[must_use]
    pub fn answered(self, answer: Option<Answer>) -> Self {
        Self { answer, ..self }
    }

    /// The same with the order to purge something, in this clicks table: where it is deleted, this is
    /// ordered, or neither.
    #[must_use]
    pub fn ordering(self, clicks: impl Into<String>, order: &PurgeOrder) -> Self {
        Self { order: Some((clicks.into(), order.row())), ..self }
    }

    /// The write of the order, and its table. Nothing is in its way.
    pub(crate) fn order(&self) -> Option<(&str, Change)> {
        self.order.as_ref().map(|(table, row)| (table.as_str(), Change::Put(row.clone(), None)))
    }

    /// The accounts table.
    pub(crate) fn table(&self) -> &str {
        &self.table
    }

    /// The rows: the answer's is the last one, if there is an answer.
    pub(crate) fn rows(&self) -> Vec<Item> {
        let events = self.events.iter().map(event_row);
        events.chain(self.answer.iter().map(answer_row)).collect()
    }

    /// The writes of [`Journal::rows`], in their order.
    pub(crate) fn changes(&self) -> Vec<Change> {
        let events = self.events.iter().map(|event| {
            Change::Put(event_row(event), Some(Condition::of("attribute_not_exists(pk)")))
        });
        let answer = self.answer.iter().map(|answer| {
            // DynamoDB may take days to delete what has expired.
            let free = Condition::of("attribute_not_exists(pk) OR expires <= :now")
                .with(":now", moment(answer.at.as_second()));
            Change::Put(answer_row(answer), Some(free))
        });
        events.chain(answer).collect()
    }

    /// Whether this is the place of the answer among the rows.
    pub(crate) fn is_answer(&self, place: usize) -> bool {
        self.answer.is_some() && place == self.events.len()
    }
}

fn event_row(event: &AuditEvent) -> Item {
    let mut item = row(&match event.workspace {
        Some(workspace) => keys::audit(workspace, event.id),
        None => keys::audit(event.actor, event.id),
    });
    item.set("actor", event.actor.to_string());
    item.set("action", event.action.as_str());
    item.set("subject", event.subject.as_str());
    item.set("details", event.details.clone());
    item.set("expires", moment(event.expires()));
    item
}

fn answer_row(answer: &Answer) -> Item {
    let mut item = row(&keys::answer(&answer.id));
    item.set("fingerprint", answer.fingerprint.as_str());
    item.set("sealed", Blob::new(answer.sealed.clone()));
    item.set("answered_at", answer.at.to_string());
    item.set("expires", moment(answer.at.as_second() + IdempotencyKey::KEPT_SECONDS));
    item
}

/// Reads the row of an answer; `None` if it has expired.
pub(crate) fn read_answer(id: &str, item: &Item, now: Timestamp) -> Result<Option<Answer>, BadRow> {
    let expires: i64 = item.number("expires")?.unwrap_or(0);
    if expires <= now.as_second() {
        return Ok(None);
    }
    Ok(Some(Answer {
        id: id.to_owned(),
        fingerprint: item.parse("fingerprint", |text| Some(text.to_owned()))?,
        sealed: item.bytes("sealed")?,
        at: item.parse("answered_at", |text| text.parse().ok())?,
    }))
}
