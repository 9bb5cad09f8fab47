//! The tables as `shared/store/src/schema.rs` makes them, asked of a store that has them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{KeySchemaElement, KeyType};
use testkit::World;

/// A table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) name: String,
    /// The attributes in keys, with their types.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) hash_key: String,
    pub(crate) range_key: Option<String>,
    pub(crate) indexes: Vec<Index>,
    /// The attribute that says when a row may go.
    pub(crate) expires: String,
}

impl Table {
    /// Whether what was deleted can be had back. A salt that is gone must be gone.
    pub(crate) fn can_be_restored(&self) -> bool {
        self.name != "salts"
    }
}

/// An index of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Index {
    pub(crate) name: String,
    pub(crate) hash_key: String,
    pub(crate) range_key: String,
    /// What it holds besides keys.
    pub(crate) included: Vec<String>,
}

/// All tables.
pub(crate) async fn tables() -> Vec<Table> {
    let client = Client::new(&World::new().await.aside());
    let names = client.list_tables().send().await.expect("the store answers");
    let mut tables = Vec::new();
    for name in names.table_names() {
        tables.push(describe(&client, name).await);
    }
    tables
}

async fn describe(client: &Client, name: &str) -> Table {
    const ANSWERS: &str = "the store answers";
    let table = client.describe_table().table_name(name).send().await.expect(ANSWERS);
    let table = table.table.expect(ANSWERS);
    let expires = client.describe_time_to_live().table_name(name).send().await.expect(ANSWERS);
    let expires = expires.time_to_live_description.and_then(|it| it.attribute_name);
    let attributes = table.attribute_definitions();
    let attributes = attributes.iter().map(|attribute| {
        (attribute.attribute_name.clone(), attribute.attribute_type.as_str().to_owned())
    });
    let indexes = table.global_secondary_indexes().iter().map(|index| {
        let projection = index.projection.as_ref().expect(ANSWERS);
        Index {
            name: index.index_name.clone().expect(ANSWERS),
            hash_key: key(index.key_schema(), &KeyType::Hash).expect(ANSWERS),
            range_key: key(index.key_schema(), &KeyType::Range).expect(ANSWERS),
            included: projection.non_key_attributes().to_vec(),
        }
    });
    Table {
        name: name.to_owned(),
        attributes: attributes.collect(),
        hash_key: key(table.key_schema(), &KeyType::Hash).expect(ANSWERS),
        range_key: key(table.key_schema(), &KeyType::Range),
        indexes: indexes.collect(),
        expires: expires.expect("every table has rows that go"),
    }
}

fn key(schema: &[KeySchemaElement], kind: &KeyType) -> Option<String> {
    let part = schema.iter().find(|part| part.key_type == *kind);
    part.map(|part| part.attribute_name.clone())
}
