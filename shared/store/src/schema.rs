//! The tables, for whoever makes them through the API: the local platform and the tests.
//!
//! In the cloud Terraform makes them.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};
use aws_types::SdkConfig;

use crate::keys::{BY_SLUG, PK, SK, SLUG, SLUG_OF};
use crate::unavailable::Unavailable;

/// The names of the tables.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// Links and slugs.
    pub links: &'a str,
    /// Clicks and rollups.
    pub clicks: &'a str,
    /// Workspaces and keys.
    pub accounts: &'a str,
    /// The salts of days. In the cloud no copy is made of this one.
    pub salts: &'a str,
}

/// The attribute with the second from which on DynamoDB may delete a row.
const EXPIRES: &str = "expires";

/// Makes the tables that are not there yet.
pub async fn create_tables(aws: &SdkConfig, tables: Tables<'_>) -> Result<(), Unavailable> {
    let client = Client::new(aws);
    for (table, shape) in [
        (tables.links, Shape::WithIndex),
        (tables.clicks, Shape::Plain),
        (tables.accounts, Shape::Plain),
        (tables.salts, Shape::HashOnly),
    ] {
        match create_table(&client, table, shape).await {
            Ok(()) => expire(&client, table).await?,
            Err(CreateTableError::Exists) => {}
            Err(CreateTableError::Unavailable(error)) => return Err(error),
        }
    }
    Ok(())
}

/// What a table has besides its hash key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// A range key.
    Plain,
    /// A range key, and the index by slug.
    WithIndex,
    /// Nothing: a row is found by its whole key.
    HashOnly,
}

enum CreateTableError {
    Exists,
    Unavailable(Unavailable),
}

async fn create_table(client: &Client, table: &str, shape: Shape) -> Result<(), CreateTableError> {
    let mut call = client
        .create_table()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(PK))
        .key_schema(part(PK, KeyType::Hash));
    if shape != Shape::HashOnly {
        call = call.attribute_definitions(attribute(SK)).key_schema(part(SK, KeyType::Range));
    }
    if shape == Shape::WithIndex {
        let projection = Projection::builder()
            .projection_type(ProjectionType::Include)
            .non_key_attributes("link_id")
            .build();
        let index = GlobalSecondaryIndex::builder()
            .index_name(BY_SLUG)
            .key_schema(part(SLUG_OF, KeyType::Hash))
            .key_schema(part(SLUG, KeyType::Range))
            .projection(projection)
            .build()
            .expect("name and keys are set");
        call = call
            .attribute_definitions(attribute(SLUG_OF))
            .attribute_definitions(attribute(SLUG))
            .global_secondary_indexes(index);
    }
    match call.send().await {
        Ok(_) => Ok(()),
        Err(error)
            if error.as_service_error().is_some_and(|e| e.is_resource_in_use_exception()) =>
        {
            Err(CreateTableError::Exists)
        }
        Err(error) => {
            let doing = format!("creating the table `{table}`");
            Err(CreateTableError::Unavailable(Unavailable::new(doing, error)))
        }
    }
}

async fn expire(client: &Client, table: &str) -> Result<(), Unavailable> {
    let specification = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(EXPIRES)
        .build()
        .expect("both are set");
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(specification)
        .send()
        .await
        .map(drop)
        .map_err(|e| Unavailable::new(format!("setting the time to live of `{table}`"), e))
}

fn attribute(name: &str) -> AttributeDefinition {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(ScalarAttributeType::S)
        .build()
        .expect("name and type are set")
}

fn part(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()
        .expect("name and kind are set")
}
