//! S3 by `aws-sdk-s3`.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials};
use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::ByteStream;

use crate::Embedded;

async fn bucket(embedded: &Embedded) -> Client {
    let client = Client::new(&embedded.sdk_config());
    client.create_bucket().bucket("raw").send().await.unwrap();
    client
}

async fn put(client: &Client, key: &str, body: &'static str) {
    let put = client.put_object().bucket("raw").key(key);
    put.body(ByteStream::from_static(body.as_bytes())).send().await.unwrap();
}

async fn get(client: &Client, key: &str) -> Vec<u8> {
    let object = client.get_object().bucket("raw").key(key).send().await.unwrap();
    object.body.collect().await.unwrap().to_vec()
}

async fn list(client: &Client, prefix: &str) -> Vec<String> {
    let list = client.list_objects_v2().bucket("raw").prefix(prefix).max_keys(2);
    let mut keys = Vec::new();
    let mut pages = list.into_paginator().send();
    while let Some(page) = pages.next().await {
        let objects = page.unwrap().contents.unwrap_or_default();
        keys.extend(objects.into_iter().map(|object| object.key.unwrap()));
    }
    keys
}

#[tokio::test]
async fn objects_are_put_listed_read_and_deleted() {
    let embedded = Embedded::in_memory().unwrap();
    let client = bucket(&embedded).await;
    let keys =
        ["raw/dt=2026-11-22/hr=09/b.jsonl", "raw/dt=2026-11-22/hr=10/a.jsonl", "other/c.jsonl"];
    for key in keys {
        put(&client, key, "{\"id\":1}\n").await;
    }
    put(&client, "raw/dt=2026-11-22/hr=11/c.jsonl", "").await;
    let found = list(&client, "raw/dt=2026-11-22/").await;
    assert_eq!(found, [keys[0], keys[1], "raw/dt=2026-11-22/hr=11/c.jsonl"]);
    assert_eq!(get(&client, keys[1]).await, b"{\"id\":1}\n");
    assert_eq!(get(&client, &found[2]).await, b"");

    client.delete_object().bucket("raw").key(keys[2]).send().await.unwrap();
    let error = client.get_object().bucket("raw").key(keys[2]).send().await.unwrap_err();
    assert!(error.into_service_error().is_no_such_key());
}

#[tokio::test]
async fn buckets_are_named_by_the_host_or_by_the_path() {
    let embedded = Embedded::in_memory().unwrap();
    let client = bucket(&embedded).await;
    put(&client, "by-host", "1").await;
    let config = Builder::from(&embedded.sdk_config()).force_path_style(true).build();
    let by_path = Client::from_conf(config);
    assert_eq!(get(&by_path, "by-host").await, b"1");
    put(&by_path, "by-path", "2").await;
    assert_eq!(get(&client, "by-path").await, b"2");
}

#[tokio::test]
async fn only_its_own_credentials_open_a_bucket() {
    let embedded = Embedded::in_memory().unwrap();
    bucket(&embedded).await;
    let other = Credentials::new(crate::ACCESS_KEY_ID, "wrong", None, None, "test");
    let config = Builder::from(&embedded.sdk_config()).credentials_provider(other).build();
    let error = Client::from_conf(config).list_objects_v2().bucket("raw").send().await.unwrap_err();
    assert_eq!(error.code(), Some("SignatureDoesNotMatch"));
}

#[tokio::test]
async fn objects_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    put(&bucket(&Embedded::open(dir.path()).unwrap()).await, "kept", "yes").await;
    let embedded = Embedded::open(dir.path()).unwrap();
    assert_eq!(get(&Client::new(&embedded.sdk_config()), "kept").await, b"yes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_who_replace_what_they_have_read_each_builds_on_the_one_before() {
    let embedded = Embedded::in_memory().unwrap();
    let client = bucket(&embedded).await;
    put(&client, "a", "").await;
    let writers = (0_u8..8).map(|writer| {
        let client = client.clone();
        tokio::spawn(async move {
            for _ in 0..10 {
                loop {
                    let old = client.get_object().bucket("raw").key("a").send().await.unwrap();
                    let tag = old.e_tag().unwrap().to_owned();
                    let mut body = old.body.collect().await.unwrap().to_vec();
                    body.push(writer);
                    let put = client.put_object().bucket("raw").key("a").if_match(tag);
                    match put.body(ByteStream::from(body)).send().await {
                        Ok(_) => break,
                        Err(error) => assert_eq!(error.code(), Some("PreconditionFailed")),
                    }
                }
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let mut all = get(&client, "a").await;
    all.sort_unstable();
    let each: Vec<u8> = (0..8).flat_map(|writer| [writer; 10]).collect();
    assert_eq!(all, each);

    // What is there is not made anew.
    let new = client.put_object().bucket("raw").key("a").if_none_match("*");
    let error = new.body(ByteStream::from_static(b"b")).send().await.unwrap_err();
    assert_eq!(error.code(), Some("PreconditionFailed"));
}
