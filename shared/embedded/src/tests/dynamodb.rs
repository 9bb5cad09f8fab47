//! DynamoDB by `aws-sdk-dynamodb`.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, ConditionCheck,
    CreateGlobalSecondaryIndexAction, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate,
    KeySchemaElement, KeyType, Projection, ProjectionType, Put, ReturnValue,
    ReturnValuesOnConditionCheckFailure, ScalarAttributeType, StreamSpecification,
    TimeToLiveSpecification, TransactWriteItem, Update,
};

use crate::Embedded;

fn s(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn n(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

fn key(name: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
}

/// The table `links`, as the product makes it: two keys, an index, a TTL attribute.
async fn links(embedded: &Embedded) -> Client {
    let client = Client::new(&embedded.sdk_config());
    let text = |name: &str| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(ScalarAttributeType::S)
            .build()
            .unwrap()
    };
    let index = GlobalSecondaryIndex::builder()
        .index_name("by-slug")
        .key_schema(key("slug_of", KeyType::Hash))
        .key_schema(key("slug", KeyType::Range))
        .projection(
            Projection::builder()
                .projection_type(ProjectionType::Include)
                .non_key_attributes("link_id")
                .build(),
        )
        .build()
        .unwrap();
    client
        .create_table()
        .table_name("links")
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(["pk", "sk", "slug_of", "slug"].map(text).to_vec()))
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await
        .unwrap();
    client
        .update_time_to_live()
        .table_name("links")
        .time_to_live_specification(
            TimeToLiveSpecification::builder()
                .enabled(true)
                .attribute_name("expires")
                .build()
                .unwrap(),
        )
        .send()
        .await
        .unwrap();
    client
}

async fn put(client: &Client, pk: &str, more: &[(&str, AttributeValue)]) {
    let mut put = client.put_item().table_name("links").item("pk", s(pk)).item("sk", s("S"));
    for (name, value) in more {
        put = put.item(*name, value.clone());
    }
    put.send().await.unwrap();
}

async fn get(client: &Client, pk: &str, attribute: &str) -> Option<AttributeValue> {
    let get = client.get_item().table_name("links").key("pk", s(pk)).key("sk", s("S"));
    get.send().await.unwrap().item?.remove(attribute)
}

#[tokio::test]
async fn a_condition_that_fails_says_what_is_there() {
    let embedded = Embedded::in_memory().unwrap();
    let client = links(&embedded).await;
    put(&client, "a", &[("rev", n(7))]).await;
    let again = client
        .put_item()
        .table_name("links")
        .item("pk", s("a"))
        .item("sk", s("S"))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    let error = again.send().await.unwrap_err();
    assert_eq!(error.code(), Some("ConditionalCheckFailedException"));
    let service = error.into_service_error();
    assert!(service.is_conditional_check_failed_exception());
    let aws_sdk_dynamodb::operation::put_item::PutItemError::ConditionalCheckFailedException(it) =
        service
    else {
        panic!("another error")
    };
    assert_eq!(it.item().unwrap()["rev"], n(7));
}

#[tokio::test]
async fn errors_have_their_type_and_are_not_retried() {
    let embedded = Embedded::in_memory().unwrap();
    let client = links(&embedded).await;
    let missing = client.get_item().table_name("none").key("pk", s("a")).send().await.unwrap_err();
    assert!(matches!(&missing, SdkError::ServiceError(_)));
    assert!(missing.into_service_error().is_resource_not_found_exception());

    let partial = client.get_item().table_name("links").key("pk", s("a")).send().await.unwrap_err();
    assert_eq!(partial.code(), Some("ValidationException"));
    assert_eq!(partial.message(), Some("The provided key element does not match the schema"));
    let again = client
        .create_table()
        .table_name("links")
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("pk")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
        .key_schema(key("pk", KeyType::Hash));
    let error = again.clone().send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_in_use_exception(), "{error:?}");

    let streams = StreamSpecification::builder().stream_enabled(true).build().unwrap();
    let streamed = again.table_name("streamed").stream_specification(streams);
    assert_eq!(streamed.send().await.unwrap_err().code(), Some("ValidationException"));
}

fn put_if_new(pk: &str) -> TransactWriteItem {
    let put = Put::builder()
        .table_name("links")
        .item("pk", s(pk))
        .item("sk", s("S"))
        .condition_expression("attribute_not_exists(pk)")
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
    TransactWriteItem::builder().put(put.build().unwrap()).build()
}

fn add_one(pk: &str) -> TransactWriteItem {
    let update = Update::builder()
        .table_name("links")
        .key("pk", s(pk))
        .key("sk", s("S"))
        .update_expression("ADD hits :one")
        .expression_attribute_values(":one", n(1));
    TransactWriteItem::builder().update(update.build().unwrap()).build()
}

#[tokio::test]
async fn a_transaction_is_all_or_nothing_and_gives_its_reasons() {
    let embedded = Embedded::in_memory().unwrap();
    let client = links(&embedded).await;
    put(&client, "taken", &[("rev", n(3))]).await;
    let check = ConditionCheck::builder()
        .table_name("links")
        .key("pk", s("taken"))
        .key("sk", s("S"))
        .condition_expression("attribute_exists(pk)");
    let write = client
        .transact_write_items()
        .transact_items(put_if_new("free"))
        .transact_items(
            TransactWriteItem::builder().condition_check(check.build().unwrap()).build(),
        )
        .transact_items(put_if_new("other"))
        .transact_items(add_one("counter"));
    write.clone().send().await.unwrap();
    assert_eq!(get(&client, "counter", "hits").await, Some(n(1)));

    let error = client
        .transact_write_items()
        .transact_items(add_one("counter"))
        .transact_items(put_if_new("taken"))
        .send()
        .await
        .unwrap_err()
        .into_service_error();
    let TransactWriteItemsError::TransactionCanceledException(canceled) = error else {
        panic!("{error:?}")
    };
    let reasons = canceled.cancellation_reasons();
    assert_eq!(reasons[0].code(), Some("None"));
    assert_eq!(reasons[1].code(), Some("ConditionalCheckFailed"));
    assert_eq!(reasons[1].item().unwrap()["rev"], n(3));
    assert_eq!(get(&client, "counter", "hits").await, Some(n(1)));
}

#[tokio::test]
async fn a_transaction_with_a_token_counts_once() {
    let embedded = Embedded::in_memory().unwrap();
    let client = links(&embedded).await;
    let write = |pk: &str| {
        let write = client.transact_write_items().transact_items(add_one(pk));
        write.client_request_token("click-1").send()
    };
    write("counter").await.unwrap();
    write("counter").await.unwrap();
    assert_eq!(get(&client, "counter", "hits").await, Some(n(1)));
    let error = write("another").await.unwrap_err().into_service_error();
    assert!(error.is_idempotent_parameter_mismatch_exception(), "{error:?}");
}

#[tokio::test]
async fn an_index_is_queried_in_pages() {
    let embedded = Embedded::in_memory().unwrap();
    let client = links(&embedded).await;
    for slug in ["b", "a", "c", "z"] {
        let of = if slug == "z" { "W#2" } else { "W#1" };
        let index = [("slug_of", s(of)), ("slug", s(slug)), ("link_id", s("lnk"))];
        put(&client, slug, &index).await;
    }
    put(&client, "not-indexed", &[]).await;
    let pages = client
        .query()
        .table_name("links")
        .index_name("by-slug")
        .key_condition_expression("slug_of = :of")
        .expression_attribute_values(":of", s("W#1"))
        .limit(2)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .unwrap();
    let slugs: Vec<_> = pages.iter().map(|row| row["slug"].as_s().unwrap().as_str()).collect();
    assert_eq!(slugs, ["a", "b", "c"]);
    assert_eq!(pages[0]["link_id"], s("lnk"));
}

#[tokio::test]
async fn a_sweep_deletes_expired_rows_only() {
    let embedded = Embedded::in_memory().unwrap();
    let client = links(&embedded).await;
    put(&client, "expired", &[("expires", n(1_600_000_000))]).await;
    put(&client, "lasting", &[("expires", n(9_600_000_000))]).await;
    put(&client, "plain", &[]).await;
    assert_eq!(embedded.sweep_expired().await.unwrap(), 1);
    assert_eq!(get(&client, "expired", "pk").await, None);
    assert_eq!(get(&client, "lasting", "pk").await, Some(s("lasting")));
    assert_eq!(get(&client, "plain", "pk").await, Some(s("plain")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_counts_all_count() {
    let embedded = Embedded::in_memory().unwrap();
    let client = links(&embedded).await;
    let adds = (0..64).map(|_| {
        let add = client
            .update_item()
            .table_name("links")
            .key("pk", s("counter"))
            .key("sk", s("S"))
            .update_expression("ADD hits :one")
            .expression_attribute_values(":one", n(1))
            .return_values(ReturnValue::UpdatedNew);
        tokio::spawn(add.send())
    });
    let mut seen = Vec::new();
    for add in adds.collect::<Vec<_>>() {
        let updated = add.await.unwrap().unwrap().attributes.unwrap();
        seen.push(updated["hits"].as_n().unwrap().parse::<i64>().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (1..=64).collect::<Vec<_>>());
}

#[tokio::test]
async fn rows_are_there_after_a_crash() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let embedded = Embedded::open(dir.path()).unwrap();
    let client = links(&embedded).await;
    client.transact_write_items().transact_items(add_one("counter")).send().await.unwrap();
    // The files as a killed process leaves them.
    for file in ["dynamodb.sqlite", "dynamodb.sqlite-wal"] {
        std::fs::copy(dir.path().join(file), crashed.path().join(file)).unwrap();
    }
    let reopened = Embedded::open(crashed.path()).unwrap();
    let client = Client::new(&reopened.sdk_config());
    assert_eq!(get(&client, "counter", "hits").await, Some(n(1)));
}

#[tokio::test]
async fn a_table_in_a_file_can_be_changed_and_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let embedded = Embedded::open(dir.path()).unwrap();
    let client = links(&embedded).await;
    put(&client, "a", &[("slug_of", s("W#1")), ("slug", s("a"))]).await;
    assert_eq!(get(&client, "a", "pk").await, Some(s("a")));

    // The connection that reads learns of an index, and of the end of a table.
    let index = CreateGlobalSecondaryIndexAction::builder()
        .index_name("by-slug-only")
        .key_schema(key("slug", KeyType::Hash))
        .projection(Projection::builder().projection_type(ProjectionType::KeysOnly).build());
    client
        .update_table()
        .table_name("links")
        .attribute_definitions(
            AttributeDefinition::builder()
                .attribute_name("slug")
                .attribute_type(ScalarAttributeType::S)
                .build()
                .unwrap(),
        )
        .global_secondary_index_updates(
            GlobalSecondaryIndexUpdate::builder().create(index.build().unwrap()).build(),
        )
        .send()
        .await
        .unwrap();
    let found = client
        .query()
        .table_name("links")
        .index_name("by-slug-only")
        .key_condition_expression("slug = :slug")
        .expression_attribute_values(":slug", s("a"));
    assert_eq!(found.send().await.unwrap().items()[0]["pk"], s("a"));

    client.delete_table().table_name("links").send().await.unwrap();
    let gone = client.get_item().table_name("links").key("pk", s("a")).key("sk", s("S"));
    let error = gone.send().await.unwrap_err().into_service_error();
    assert!(error.is_resource_not_found_exception(), "{error:?}");
    links(&embedded).await;
    assert_eq!(get(&client, "a", "pk").await, None);
}
