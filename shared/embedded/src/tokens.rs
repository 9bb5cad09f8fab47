//! Tokens of transactions: what was written once is answered again, and not written again.
//!
//! The engine can do this, too, but looks at every token of the last ten minutes at each transaction:
//! after some minutes of many transactions that took longer than all the rest of each. So it is told
//! of none, and here those that are too old are at the front of a line.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hasher};
use std::time::{Duration, Instant};

use dynoxide::actions::transact_write_items::{
    TransactWriteItem, TransactWriteItemsRequest, TransactWriteItemsResponse,
};
use dynoxide::{Database, DynoxideError};

/// How long DynamoDB remembers a token.
const KEPT: Duration = Duration::from_secs(600);

/// The longest token; the engine refuses longer ones.
const MAX_BYTES: usize = 36;

/// The tokens of transactions that were written. They are forgotten with the process.
#[derive(Default)]
pub(crate) struct Tokens {
    known: HashMap<String, Known>,
    /// Since when, the oldest first.
    line: VecDeque<(Instant, String)>,
}

/// What was written under a token.
struct Known {
    digest: u64,
    answer: TransactWriteItemsResponse,
}

/// A transaction, and the token under which it is to be written once.
pub(crate) struct Transaction {
    request: TransactWriteItemsRequest,
    token: Option<(String, u64)>,
}

impl Transaction {
    /// Reads the token of a request. That takes a while where there are many items: it is not for the
    /// thread of the engine.
    pub(crate) fn of(mut request: TransactWriteItemsRequest) -> Self {
        let is_sound = |token: &mut String| token.len() <= MAX_BYTES;
        let token = request.client_request_token.take_if(is_sound);
        let token = token.map(|token| (token, digest(&request.transact_items)));
        Self { request, token }
    }
}

impl Tokens {
    /// Writes a transaction, unless that has been done under its token.
    pub(crate) fn write(
        &mut self,
        database: &Database,
        transaction: Transaction,
        now: Instant,
    ) -> Result<TransactWriteItemsResponse, DynoxideError> {
        let Transaction { request, token } = transaction;
        let Some((token, digest)) = token else { return database.transact_write_items(request) };
        self.forget(now);
        match self.known.get(&token) {
            Some(known) if known.digest == digest => return Ok(known.answer.clone()),
            Some(_) => {
                // The words are DynamoDB's.
                let message = "An error occurred (IdempotentParameterMismatchException)";
                return Err(DynoxideError::IdempotentParameterMismatchException(
                    message.to_owned(),
                ));
            }
            None => {}
        }
        // What fails is not remembered: the same token may try again.
        let answer = database.transact_write_items(request)?;
        self.known.insert(token.clone(), Known { digest, answer: answer.clone() });
        self.line.push_back((now, token));
        Ok(answer)
    }

    fn forget(&mut self, now: Instant) {
        let is_old = |(since, _): &mut (Instant, String)| KEPT <= now.duration_since(*since);
        while let Some((_, token)) = self.line.pop_front_if(is_old) {
            self.known.remove(&token);
        }
    }
}

/// The same for the same items, in whatever order the fields of each are.
fn digest(items: &[TransactWriteItem]) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Objects of JSON values are sorted, unlike those of the items.
    let sorted = serde_json::to_value(items).and_then(|value| serde_json::to_vec(&value));
    hasher.write(&sorted.unwrap_or_default());
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn database() -> Database {
        let database = Database::memory().unwrap();
        let table = json!({
            "TableName": "counters",
            "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        });
        database.create_table(serde_json::from_value(table).unwrap()).unwrap();
        database
    }

    /// Adds one to `count` of the row `a`, if it is below `limit`.
    fn add(token: Option<&str>, limit: u32) -> Transaction {
        let request = json!({
            "ClientRequestToken": token,
            "TransactItems": [{"Update": {
                "TableName": "counters",
                "Key": {"pk": {"S": "a"}},
                "UpdateExpression": "ADD #c :one",
                "ConditionExpression": "attribute_not_exists(#c) OR #c < :limit",
                "ExpressionAttributeNames": {"#c": "count"},
                "ExpressionAttributeValues": {":one": {"N": "1"}, ":limit": {"N": limit.to_string()}},
            }}],
        });
        Transaction::of(serde_json::from_value(request).unwrap())
    }

    fn count(database: &Database) -> String {
        let request = json!({"TableName": "counters", "Key": {"pk": {"S": "a"}}});
        let answer = database.get_item(serde_json::from_value(request).unwrap()).unwrap();
        serde_json::to_value(answer).unwrap()["Item"]["count"]["N"].as_str().unwrap().to_owned()
    }

    #[test]
    fn what_was_written_under_a_token_is_not_written_again_for_ten_minutes() {
        let (database, mut tokens) = (database(), Tokens::default());
        let begin = Instant::now();
        let mut write = |token, seconds| {
            tokens.write(&database, add(token, 9), begin + Duration::from_secs(seconds)).unwrap();
            count(&database)
        };
        assert_eq!(write(Some("one"), 0), "1");
        assert_eq!(write(Some("one"), 1), "1");
        assert_eq!(write(Some("two"), 300), "2");
        assert_eq!(write(None, 301), "3");
        assert_eq!(write(None, 301), "4");
        assert_eq!(write(Some("one"), 599), "4");
        // Ten minutes after it was written, not after it was last asked for; the other is younger.
        assert_eq!(write(Some("one"), 600), "5");
        assert_eq!(write(Some("two"), 600), "5");
        assert_eq!((tokens.known.len(), tokens.line.len()), (2, 2));
    }

    #[test]
    fn another_transaction_under_a_token_is_refused_and_what_failed_is_not_remembered() {
        let (database, mut tokens, now) = (database(), Tokens::default(), Instant::now());
        tokens.write(&database, add(Some("one"), 1), now).unwrap();
        let error = tokens.write(&database, add(Some("one"), 2), now).unwrap_err();
        assert!(matches!(error, DynoxideError::IdempotentParameterMismatchException(_)), "{error}");

        let mut write = |limit| tokens.write(&database, add(Some("two"), limit), now);
        let error = write(1).unwrap_err();
        assert!(matches!(error, DynoxideError::TransactionCanceledException(..)), "{error}");
        write(2).unwrap();
        assert_eq!(count(&database), "2");

        let long = "x".repeat(MAX_BYTES + 1);
        let error = tokens.write(&database, add(Some(&long), 9), now).unwrap_err();
        assert!(matches!(error, DynoxideError::ValidationException(_)), "{error}");
    }

    #[test]
    fn the_order_of_fields_does_not_matter_and_all_else_does() {
        let item = |text: &str| {
            let item: TransactWriteItem = serde_json::from_str(text).unwrap();
            digest(&[item])
        };
        let of = |fields: &str| {
            item(&format!(r#"{{"Put": {{"TableName": "counters", "Item": {{{fields}}}}}}}"#))
        };
        let fields: Vec<_> = (0..9).map(|n| format!(r#""f{n}": {{"N": "{n}"}}"#)).collect();
        let turned: Vec<_> = fields.iter().rev().cloned().collect();
        assert_eq!(of(&fields.join(",")), of(&turned.join(",")));
        assert_ne!(of(&fields.join(",")), of(&fields[1..].join(",")));
    }
}
