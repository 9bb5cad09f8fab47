//! DynamoDB's JSON: what the redirect asks without the SDK's client, and what it is told.
//!
//! Rows are the SDK's type all the same, so that they are read in one place.

use std::collections::HashMap;

use aws_json::{CallError, Client};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::keys::Key;
use crate::row::Item;

/// A value, as it goes over the wire.
#[derive(Deserialize)]
enum Value {
    S(String),
    N(String),
    #[serde(rename = "BOOL")]
    Bool(bool),
    B(String),
    L(Vec<Self>),
    M(HashMap<String, Self>),
    #[serde(rename = "NULL")]
    Null(bool),
    #[serde(rename = "SS")]
    Ss(Vec<String>),
    #[serde(rename = "NS")]
    Ns(Vec<String>),
    #[serde(rename = "BS")]
    Bs(Vec<String>),
}

impl TryFrom<Value> for AttributeValue {
    type Error = base64::DecodeError;

    fn try_from(value: Value) -> Result<Self, Self::Error> {
        let bytes = |text: String| BASE64_STANDARD.decode(text).map(Blob::new);
        Ok(match value {
            Value::S(text) => Self::S(text),
            Value::N(digits) => Self::N(digits),
            Value::Bool(yes) => Self::Bool(yes),
            Value::B(text) => Self::B(bytes(text)?),
            Value::L(values) => {
                Self::L(values.into_iter().map(Self::try_from).collect::<Result<_, _>>()?)
            }
            Value::M(values) => Self::M(attributes(values)?),
            Value::Null(yes) => Self::Null(yes),
            Value::Ss(texts) => Self::Ss(texts),
            Value::Ns(numbers) => Self::Ns(numbers),
            Value::Bs(texts) => Self::Bs(texts.into_iter().map(bytes).collect::<Result<_, _>>()?),
        })
    }
}

fn attributes(values: HashMap<String, Value>) -> Result<Item, base64::DecodeError> {
    values.into_iter().map(|(name, value)| Ok((name, value.try_into()?))).collect()
}

/// A row that was read.
#[derive(Deserialize)]
#[serde(try_from = "HashMap<String, Value>")]
pub(crate) struct Row(pub(crate) Item);

impl TryFrom<HashMap<String, Value>> for Row {
    type Error = base64::DecodeError;

    fn try_from(values: HashMap<String, Value>) -> Result<Self, Self::Error> {
        attributes(values).map(Self)
    }
}

/// A text that is asked for, or by.
#[derive(Serialize)]
pub(crate) struct Text<'a> {
    #[serde(rename = "S")]
    pub(crate) text: &'a str,
}

/// The key of a row. Its fields are called as the attributes are.
#[derive(Serialize)]
pub(crate) struct RowKey<'a> {
    pk: Text<'a>,
    /// Not every table has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    sk: Option<Text<'a>>,
}

impl<'a> RowKey<'a> {
    /// The key in a table that has a hash key only.
    pub(crate) fn of_hash(pk: &'a str) -> Self {
        Self { pk: Text { text: pk }, sk: None }
    }
}

impl<'a> From<&'a Key> for RowKey<'a> {
    fn from(key: &'a Key) -> Self {
        Self { pk: Text { text: &key.pk }, sk: Some(Text { text: &key.sk }) }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetItem<'a> {
    table_name: &'a str,
    key: RowKey<'a>,
    consistent_read: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Got {
    item: Option<Row>,
}

/// The row of this key, if it is there. One `GetItem`.
pub(crate) async fn get(
    client: &Client,
    table_name: &str,
    key: RowKey<'_>,
    consistent_read: bool,
) -> Result<Option<Item>, CallError> {
    let got: Got = client.call("GetItem", &GetItem { table_name, key, consistent_read }).await?;
    Ok(got.item.map(|row| row.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(json: &str) -> Result<Item, serde_json::Error> {
        serde_json::from_str::<Row>(json).map(|row| row.0)
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let json = r#"{"s":{"S":"a"},"n":{"N":"-1.5"},"bool":{"BOOL":true},"null":{"NULL":true},
            "b":{"B":"AQI="},"l":{"L":[{"S":"x"},{"L":[]}]},"m":{"M":{"k":{"N":"1"}}},
            "ss":{"SS":["a","b"]},"ns":{"NS":["1"]},"bs":{"BS":["AQ=="]}}"#;
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let number = |digits: &str| AttributeValue::N(digits.to_owned());
        let expected = [
            ("s", text("a")),
            ("n", number("-1.5")),
            ("bool", AttributeValue::Bool(true)),
            ("null", AttributeValue::Null(true)),
            ("b", AttributeValue::B(Blob::new([1, 2]))),
            ("l", AttributeValue::L(vec![text("x"), AttributeValue::L(vec![])])),
            ("m", AttributeValue::M(HashMap::from([("k".to_owned(), number("1"))]))),
            ("ss", AttributeValue::Ss(vec!["a".to_owned(), "b".to_owned()])),
            ("ns", AttributeValue::Ns(vec!["1".to_owned()])),
            ("bs", AttributeValue::Bs(vec![Blob::new([1])])),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(row(json).unwrap(), Item::from(expected));
    }

    #[test]
    fn what_is_no_row_is_an_error() {
        for json in [r#"{"a":{"X":1}}"#, r#"{"a":{"S":1}}"#, r#"{"a":{"B":"!"}}"#, r#"{"a":"b"}"#] {
            assert!(row(json).is_err(), "{json}");
        }
        // Nothing was found.
        assert!(serde_json::from_str::<Got>("{}").unwrap().item.is_none());
    }

    #[test]
    fn a_key_is_called_as_its_attributes() {
        let key = Key { pk: "a".to_owned(), sk: "\"".to_owned() };
        let json = |key| serde_json::to_value::<RowKey<'_>>(key).unwrap();
        let whole =
            serde_json::json!({ crate::keys::PK: {"S": "a"}, crate::keys::SK: {"S": "\""} });
        assert_eq!(json(RowKey::from(&key)), whole);
        let hash = serde_json::json!({ crate::keys::PK: {"S": "a"} });
        assert_eq!(json(RowKey::of_hash("a")), hash);
    }
}
