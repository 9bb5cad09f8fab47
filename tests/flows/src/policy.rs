//! IAM in this process: a function's calls of AWS are those that its `function.yaml` allows.
//!
//! A [`Policy`] stands between a function's SDK clients and what answers them. A call that would be
//! denied in AWS ends the test here, and what a function calls is written down. There are no keys
//! in the embedded stores, so it also answers in the place of KMS.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};

use crate::given::{Given, Resource};
use crate::repository::{list, text};

/// What IAM is asked: an action on something.
pub(crate) type Action = (Resource, String);

/// What a function may do, and what it did.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    function: &'static str,
    allowed: Arc<BTreeSet<Action>>,
    used: Arc<Mutex<BTreeSet<Action>>>,
}

impl Policy {
    /// What this function's `function.yaml` says.
    pub(crate) fn of(function: &'static str) -> Self {
        let given = Given::to(function);
        let allowed = given.actions().map(|(resource, action)| (resource, action.to_owned()));
        Self { function, allowed: Arc::new(allowed.collect()), used: Arc::default() }
    }

    /// The configuration of clients that this policy holds for.
    pub(crate) fn guard(&self, aws: &SdkConfig) -> SdkConfig {
        let inner = aws.http_client().expect("the configuration has an HTTP client");
        let client = Guarded { policy: self.clone(), inner };
        aws.to_builder().http_client(SharedHttpClient::new(client)).build()
    }

    /// What was done.
    pub(crate) fn used(&self) -> BTreeSet<Action> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Notes a call, and ends the test if AWS would deny it.
    fn judge(&self, request: &HttpRequest) {
        for (resource, action) in actions(request) {
            let action = (resource, action);
            self.used.lock().unwrap_or_else(PoisonError::into_inner).insert(action.clone());
            assert!(
                self.allowed.contains(&action),
                "{}: it needs `{}` on `{resource}`",
                Given::place(self.function),
                action.1
            );
        }
    }
}

#[derive(Debug)]
struct Guarded {
    policy: Policy,
    inner: SharedHttpClient,
}

impl HttpClient for Guarded {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let inner = self.inner.http_connector(settings, components);
        SharedHttpConnector::new(Door { policy: self.policy.clone(), inner })
    }
}

#[derive(Debug)]
struct Door {
    policy: Policy,
    inner: SharedHttpConnector,
}

impl HttpConnector for Door {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        self.policy.judge(&request);
        match target(&request) {
            ("TrentService", operation) => HttpConnectorFuture::ready(Ok(kms(operation, &request))),
            _ => self.inner.call(request),
        }
    }
}

/// Service and operation; of S3 nothing and the method.
fn target(request: &HttpRequest) -> (&str, &str) {
    let target = request.headers().get("x-amz-target").unwrap_or_default();
    target.split_once('.').unwrap_or(("", request.method()))
}

fn body(request: &HttpRequest) -> Value {
    serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or_default()
}

/// What IAM is asked for a request.
fn actions(request: &HttpRequest) -> Vec<Action> {
    match target(request) {
        ("AmazonSQS", operation) => {
            let body = body(request);
            let resource = match text(&body["QueueUrl"]).rsplit('/').next() {
                Some("clicks") => Resource::ClicksQueue,
                Some("purges") => Resource::PurgesQueue,
                _ => panic!("no permissions for this queue: {body}"),
            };
            // Several at once have no permission of their own.
            vec![(resource, format!("sqs:{}", operation.trim_end_matches("Batch")))]
        }
        ("TrentService", operation) => vec![(Resource::TokenKeys, format!("kms:{operation}"))],
        ("", method) => s3(method, request),
        (_, operation) => dynamodb(operation, &body(request)),
    }
}

fn s3(method: &str, request: &HttpRequest) -> Vec<Action> {
    let (path, query) = request.uri().split_once('?').unwrap_or((request.uri(), ""));
    let parameter = |name: &str| {
        let mut pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
    };
    let action = match method {
        // Of the bucket, as far as what is listed may be: the condition of the role.
        "GET" if parameter("list-type").is_some() => {
            let prefix = parameter("prefix").unwrap_or_default();
            let may = ["raw%2F", "raw/", "clicks%2F", "clicks/"];
            let is_allowed = may.iter().any(|begin| prefix.starts_with(begin));
            assert!(is_allowed, "no permissions to list `{prefix}`: {}", request.uri());
            return vec![(Resource::LakeBucket, "s3:ListBucket".to_owned())];
        }
        // Several at once: what is asked for is in the body.
        "POST" if parameter("delete").is_some() => {
            let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default());
            let keys = body.split("<Key>").skip(1);
            return keys.map(|key| (of_object(key), "s3:DeleteObject".to_owned())).collect();
        }
        "PUT" => "s3:PutObject",
        "GET" | "HEAD" => "s3:GetObject",
        "DELETE" => "s3:DeleteObject",
        method => panic!("which permission is needed for {method} of {}?", request.uri()),
    };
    let key = ["/raw/", "/clicks/"].iter().find_map(|begin| path.split_once(begin).map(|_| begin));
    let key = key.unwrap_or_else(|| panic!("no permissions for {}", request.uri()));
    vec![(of_object(&key[1..]), action.to_owned())]
}

fn of_object(key: &str) -> Resource {
    match key.split('/').next() {
        Some("raw") => Resource::RawObjects,
        Some("clicks") => Resource::LakeObjects,
        _ => panic!("no permissions for an object `{key}`"),
    }
}

fn dynamodb(operation: &str, body: &Value) -> Vec<Action> {
    let one = |table: &str, operation: &str| (of_table(table), format!("dynamodb:{operation}"));
    match operation {
        // A transaction has no permission of its own, but those of its items.
        "TransactWriteItems" | "TransactGetItems" => {
            let items = list(&body["TransactItems"]).iter();
            let items = items.flat_map(|item| item.as_object().into_iter().flatten());
            items
                .map(|(kind, item)| {
                    let operation = match kind.as_str() {
                        "ConditionCheck" => "ConditionCheckItem".to_owned(),
                        kind => format!("{kind}Item"),
                    };
                    one(text(&item["TableName"]), &operation)
                })
                .collect()
        }
        "BatchGetItem" | "BatchWriteItem" => {
            let tables = body["RequestItems"].as_object().into_iter().flatten();
            tables.map(|(table, _)| one(table, operation)).collect()
        }
        _ if body["IndexName"].is_string() => {
            assert_eq!(body["IndexName"], "by-slug", "no other index has permissions");
            vec![(Resource::LinksIndex, format!("dynamodb:{operation}"))]
        }
        _ => vec![one(text(&body["TableName"]), operation)],
    }
}

fn of_table(name: &str) -> Resource {
    match name {
        "links" => Resource::LinksTable,
        "clicks" => Resource::ClicksTable,
        "accounts" => Resource::AccountsTable,
        "salts" => Resource::SaltsTable,
        name => panic!("no permissions for a table `{name}`"),
    }
}

/// KMS, with one key under all names.
fn kms(operation: &str, request: &HttpRequest) -> HttpResponse {
    /// What a P-256 key begins with, before its point (RFC 5480).
    const PUBLIC_KEY_INFO: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=";
    static KEY: OnceLock<EcdsaKeyPair> = OnceLock::new();
    let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
    let key = KEY.get_or_init(|| {
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("there is randomness");
        EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).expect("this is a key")
    });
    let answer = match operation {
        "GetPublicKey" => {
            let info = BASE64.decode(PUBLIC_KEY_INFO).expect("this is base 64");
            let info = [info.as_slice(), key.public_key().as_ref()].concat();
            json!({ "PublicKey": BASE64.encode(info) })
        }
        "Sign" => {
            let message = BASE64.decode(text(&body(request)["Message"])).expect("this is base 64");
            let signature = key.sign(&random, &message).expect("a key signs");
            json!({ "Signature": BASE64.encode(signature) })
        }
        other => panic!("KMS is asked to {other}"),
    };
    let status = StatusCode::try_from(200).expect("this is a status");
    HttpResponse::new(status, SdkBody::from(answer.to_string()))
}
