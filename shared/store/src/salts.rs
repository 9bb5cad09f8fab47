//! The salts of days, by which visitors are told from each other.
//!
//! They have a table of their own of which no copy is made: what is deleted here is gone.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_types::SdkConfig;
use domain::{Day, Salt};

use crate::keys::{self, PK};
use crate::row::{FORMAT, Item, Write, moment};
use crate::unavailable::Unavailable;
use crate::wire::{self, RowKey};

/// The attribute with the salt's bytes.
const SALT: &str = "salt";

/// The salts table, as the redirect sees it: with a client of its own kind, as [`RouteStore`] has.
///
/// [`RouteStore`]: crate::RouteStore
#[derive(Debug, Clone)]
pub struct SaltReader {
    client: aws_json::Client,
    table: String,
}

impl SaltReader {
    /// The salts in this table.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        let client = aws_json::Client::new(aws, aws_json::Service::DynamoDb);
        Self { client, table: table.into() }
    }

    /// The salt of a day; none if it has none yet, or none any more. One `GetItem`.
    pub async fn read(&self, day: Day) -> Result<Option<Salt>, Unavailable> {
        let doing = || format!("reading the salt of {day}");
        let key = keys::salt(day);
        let row = wire::get(&self.client, &self.table, RowKey::of_hash(&key), false)
            .await
            .map_err(|error| Unavailable::new(doing(), error))?;
        let Some(row) = row else { return Ok(None) };
        let bytes = row.get(SALT).and_then(|value| value.as_b().ok());
        let bytes = bytes.and_then(|blob| <[u8; 32]>::try_from(blob.as_ref()).ok());
        match bytes {
            Some(bytes) => Ok(Some(Salt::new(bytes))),
            None => Err(Unavailable::new(doing(), BadSalt(day))),
        }
    }
}

/// The salts table, as whoever makes and deletes them sees it.
#[derive(Debug, Clone)]
pub struct SaltStore {
    client: Client,
    table: String,
}

/// A row whose salt is none.
#[derive(Debug, thiserror::Error)]
#[error("the row `{0}` has no valid `salt`")]
struct BadSalt(Day);

impl SaltStore {
    /// The salts in this table.
    pub fn new(aws: &SdkConfig, table: impl Into<String>) -> Self {
        Self { client: Client::new(aws), table: table.into() }
    }

    /// Keeps this as the salt of a day, if the day has none; says whether it had none. One
    /// conditional `PutItem`.
    pub async fn put(&self, day: Day, salt: &Salt) -> Result<bool, Unavailable> {
        let mut row = Item::new();
        row.set(PK, keys::salt(day));
        row.set("n", FORMAT);
        row.set(SALT, Blob::new(*salt.bytes()));
        // Should nobody delete it, DynamoDB does.
        row.set("expires", moment(Salt::due(day).as_second()));
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(row))
            .condition_expression("attribute_not_exists(pk)");
        match put.send().await {
            Ok(_) => Ok(true),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|e| e.is_conditional_check_failed_exception()) =>
            {
                Ok(false)
            }
            Err(error) => Err(Unavailable::new(format!("making the salt of {day}"), error)),
        }
    }

    /// Deletes the salt of a day, if it has one. One `DeleteItem`.
    pub async fn delete(&self, day: Day) -> Result<(), Unavailable> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.key(PK, AttributeValue::S(keys::salt(day)));
        let deleted = delete.send().await.map(drop);
        deleted.map_err(|error| Unavailable::new(format!("deleting the salt of {day}"), error))
    }
}

#[cfg(test)]
mod tests {
    use embedded::Embedded;

    use super::*;
    use crate::schema::{Tables, create_tables};

    async fn store() -> (SaltStore, SaltReader, Client) {
        let aws = Embedded::in_memory().unwrap().sdk_config();
        let tables =
            Tables { links: "links", clicks: "clicks", accounts: "accounts", salts: "salts" };
        create_tables(&aws, tables).await.unwrap();
        (SaltStore::new(&aws, "salts"), SaltReader::new(&aws, "salts"), Client::new(&aws))
    }

    fn day() -> Day {
        Day::parse("20261120").unwrap()
    }

    #[tokio::test]
    async fn a_day_keeps_its_first_salt_until_it_is_deleted() {
        let (salts, reader, _) = store().await;
        let (first, second) = (Salt::of_random(1, 2), Salt::of_random(3, 4));
        assert_eq!(reader.read(day()).await.unwrap(), None);
        assert!(salts.put(day(), &first).await.unwrap());
        assert!(!salts.put(day(), &second).await.unwrap());
        assert_eq!(reader.read(day()).await.unwrap(), Some(first));
        assert_eq!(reader.read(day().next()).await.unwrap(), None);
        for _ in 0..2 {
            salts.delete(day()).await.unwrap();
            assert_eq!(reader.read(day()).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn a_row_expires_when_it_is_due_and_what_is_no_salt_is_an_error() {
        let (salts, reader, client) = store().await;
        salts.put(day(), &Salt::of_random(1, 2)).await.unwrap();
        let key = || AttributeValue::S("20261120".to_owned());
        let get = client.get_item().table_name("salts").key(PK, key()).send().await.unwrap();
        let expires = &get.item.unwrap()["expires"];
        // 47 hours after the day began.
        assert_eq!(expires, &AttributeValue::N("1795302000".to_owned()));

        let short = AttributeValue::B(Blob::new([1]));
        let put = client.put_item().table_name("salts").item(PK, key()).item(SALT, short);
        put.send().await.unwrap();
        let error = reader.read(day()).await.unwrap_err();
        assert_eq!(error.to_string(), "reading the salt of 20261120");
    }
}
