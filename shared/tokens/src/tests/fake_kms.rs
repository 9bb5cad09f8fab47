//! KMS as its SDK meets it: HTTP requests and answers, and real signatures.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD as BASE64;
use lambda::{Env, aws_config};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
};
use serde_json::{Value, json};

/// Of a key on P-256, before its point (RFC 5480). Another curve's is another text.
const PUBLIC_KEY_INFO: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgA=";

/// Keys by their ids. Clones are the same KMS.
#[derive(Clone)]
pub(super) struct FakeKms(Arc<State>);

struct State {
    keys: BTreeMap<String, EcdsaKeyPair>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    calls: Vec<String>,
    away: bool,
    other_curve: bool,
}

impl fmt::Debug for FakeKms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FakeKms")
    }
}

impl FakeKms {
    pub(super) fn new(ids: &[&str]) -> Self {
        let (algorithm, random) = (&ECDSA_P256_SHA256_ASN1_SIGNING, SystemRandom::new());
        let key = || {
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap()
        };
        let keys = ids.iter().map(|id| ((*id).to_owned(), key())).collect();
        Self(Arc::new(State { keys, seen: Mutex::default() }))
    }

    /// What the client is made from: the real one, with another door.
    pub(super) fn sdk_config(&self) -> aws_types::SdkConfig {
        let env = [
            ("AWS_REGION", "eu-west-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        let env = Env::fixed(env.map(|(name, value)| (name, value.to_owned())));
        aws_config(&env).unwrap().into_builder().http_client(self.clone()).build()
    }

    pub(super) fn set_away(&self, away: bool) {
        self.0.seen.lock().unwrap().away = away;
    }

    /// All keys are on another curve from now on.
    pub(super) fn set_curve_of_others(&self) {
        self.0.seen.lock().unwrap().other_curve = true;
    }

    pub(super) fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.0.seen.lock().unwrap().calls)
    }

    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.strip_prefix("TrentService.").unwrap();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let id = body["KeyId"].as_str().unwrap();
        let mut seen = self.0.seen.lock().unwrap();
        seen.calls.push(format!("{operation} {id}"));
        if seen.away {
            return Err(ConnectorError::io("connection refused".into()));
        }
        let key = &self.0.keys[id];
        let answer = match operation {
            "GetPublicKey" if seen.other_curve => {
                let random = SystemRandom::new();
                let other = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &random);
                json!({"KeyId": id, "PublicKey": BASE64.encode(other.unwrap())})
            }
            "GetPublicKey" => {
                let info = BASE64.decode(PUBLIC_KEY_INFO).unwrap();
                let info = [info.as_slice(), key.public_key().as_ref()].concat();
                json!({"KeyId": id, "PublicKey": BASE64.encode(info), "KeySpec": "ECC_NIST_P256"})
            }
            "Sign" => {
                assert_eq!(body["SigningAlgorithm"], "ECDSA_SHA_256");
                assert_eq!(body["MessageType"], "RAW");
                let message = BASE64.decode(body["Message"].as_str().unwrap()).unwrap();
                assert!(message.len() <= 4096, "KMS takes no more");
                let signature = key.sign(&SystemRandom::new(), &message).unwrap();
                json!({"KeyId": id, "Signature": BASE64.encode(signature)})
            }
            other => panic!("{other}"),
        };
        let status = StatusCode::try_from(200).unwrap();
        Ok(HttpResponse::new(status, SdkBody::from(answer.to_string())))
    }
}

impl HttpClient for FakeKms {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for FakeKms {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(self.answer(&request))
    }
}
