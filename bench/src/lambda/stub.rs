//! DynamoDB, SQS and S3 as far as the programs ask them, each answer after the same time.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use domain::{
    Day, Definition, Destination, HostRules, Link, LinkId, Origins, RedirectStatus, Salt, Slug,
    WorkspaceId,
};
use lambda::{Clock, Env};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use store::{Journal, LinkStore, SaltStore};

use super::wire::{Answer, Asked, listen};
use super::{ORIGIN, SLUG, URL};

/// How long each answer takes: a round trip to DynamoDB inside a region, about.
pub(super) const DELAY: Duration = Duration::from_millis(2);

/// The stores, with and without TLS.
#[derive(Debug)]
pub(super) struct Stub {
    pub(super) plain: SocketAddr,
    pub(super) tls: SocketAddr,
    /// The certificate of whoever signed the one of `tls`.
    pub(super) ca: String,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// By table and key.
    rows: Mutex<HashMap<String, Value>>,
    /// Rows are put; later they are not, so that each run finds the same.
    open: AtomicBool,
    calls: Arc<AtomicU64>,
}

impl Stub {
    /// Starts it, with a link, salts for its visitors, and the link as the rivals have it.
    pub(super) fn start() -> anyhow::Result<Self> {
        let (ca, config) = certificates()?;
        let shared = Arc::<Shared>::default();
        let answer = |shared: &Arc<Shared>| {
            let shared = Arc::clone(shared);
            move |asked: Asked| shared.answer(&asked)
        };
        let plain = listen(None, answer(&shared))?;
        let tls = listen(Some(Arc::new(config)), answer(&shared))?;
        let stub = Self { plain, tls, ca, shared };
        stub.shared.open.store(true, Ordering::Relaxed);
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(stub.fill())?;
        stub.shared.open.store(false, Ordering::Relaxed);
        Ok(stub)
    }

    /// How many calls there were so far.
    pub(super) fn calls(&self) -> u64 {
        self.shared.calls.load(Ordering::Relaxed)
    }

    /// The same, for others to look at.
    pub(super) fn counter(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.shared.calls)
    }

    async fn fill(&self) -> anyhow::Result<()> {
        let endpoint = format!("http://{}", self.plain);
        let env = Env::fixed(
            [
                ("AWS_REGION", "eu-west-1"),
                ("AWS_ACCESS_KEY_ID", "bench"),
                ("AWS_SECRET_ACCESS_KEY", "bench"),
                ("AWS_ENDPOINT_URL", &endpoint),
            ]
            .map(|(name, value)| (name, value.to_owned())),
        );
        let aws = lambda::aws_config(&env)?;
        let now = Clock::system().now();
        let rules = HostRules::new(Origins::parse(ORIGIN)?, "");
        let id = LinkId::new(now, 7);
        let link = Link {
            id,
            workspace: WorkspaceId::parse(testkit::WORKSPACE).context("this is an id")?,
            domain: rules.origins.default_domain().clone(),
            slug: Slug::parse(SLUG).context("this is a slug")?,
            aliases: Vec::new(),
            definition: Definition {
                url: Destination::parse(URL, &rules).context("this is a URL")?,
                redirect_status: RedirectStatus::Found,
                title: None,
                tags: Vec::new(),
                starts_at: None,
                expires_at: None,
                fallback_url: None,
                max_clicks: None,
                forward_query: false,
            },
            updated_at: id.at(),
            revision: 1,
            click_shards: 1,
        };
        LinkStore::new(&aws, "links").create(&link, &Journal::none()).await?;
        let salts = SaltStore::new(&aws, "salts");
        // The run may go on after midnight.
        for at in [now, now + jiff::SignedDuration::from_hours(24)] {
            salts.put(Day::of(at), &Salt::new([7; 32])).await?;
        }
        let row = json!({ "slug": { "S": SLUG }, "url": { "S": URL } });
        self.shared
            .rows
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name(&json!("rivals"), &row), row);
        Ok(())
    }
}

/// What a row is kept under: all links are the one that there is.
fn name(table: &Value, key: &Value) -> String {
    let part = |name: &str| key[name]["S"].as_str().map(str::to_owned);
    let slug = part("slug").filter(|_| key["pk"].is_null()).map(|_| SLUG.to_owned());
    let pk = part("pk").map(|pk| match pk.starts_with("S#") {
        true => "S#".to_owned(),
        false => pk,
    });
    let parts = [table.as_str().map(str::to_owned), slug, pk, part("sk")];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

impl Shared {
    fn answer(&self, asked: &Asked) -> Answer {
        self.calls.fetch_add(1, Ordering::Relaxed);
        thread::sleep(DELAY);
        let operation = asked.header("x-amz-target").to_owned();
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        match operation.split_once('.') {
            Some((_, operation)) => {
                let body = self.rows(operation, &body).to_string().into_bytes();
                Answer::new(200, body).with("content-type", "application/x-amz-json-1.0")
            }
            // S3.
            None => Answer::new(200, "").with("etag", "\"d41d8cd98f00b204e9800998ecf8427e\""),
        }
    }

    fn rows(&self, operation: &str, body: &Value) -> Value {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let mut put = |put: &Value| {
            if self.open.load(Ordering::Relaxed) {
                rows.insert(name(&put["TableName"], &put["Item"]), put["Item"].clone());
            }
        };
        match operation {
            "PutItem" => put(body),
            "TransactWriteItems" => {
                let items = body["TransactItems"].as_array();
                items.into_iter().flatten().for_each(|item| put(&item["Put"]));
            }
            "GetItem" => {
                let row = rows.get(&name(&body["TableName"], &body["Key"]));
                return row.map_or_else(|| json!({}), |row| json!({ "Item": row }));
            }
            "Query" => return json!({ "Items": [], "Count": 0, "ScannedCount": 0 }),
            "BatchGetItem" => return json!({ "Responses": {}, "UnprocessedKeys": {} }),
            // What is left of a caller's limit: all of it, always.
            "UpdateItem" => return json!({ "Attributes": { "full_at": { "N": "0" } } }),
            "SendMessage" => return sent(body),
            _ => {}
        }
        json!({})
    }
}

/// SQS says what it has got, and clients compare.
fn sent(body: &Value) -> Value {
    let text = body["MessageBody"].as_str().unwrap_or_default();
    json!({
        "MessageId": "5fea7756-0ea4-451a-a703-a558b933e274",
        "MD5OfMessageBody": queue_md5(text),
    })
}

fn queue_md5(text: &str) -> String {
    use md5::{Digest, Md5};
    Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Somebody who signs, for this run only, and what they have signed.
fn certificates() -> anyhow::Result<(String, ServerConfig)> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.distinguished_name.push(DnType::CommonName, "The bench's authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
    let key = KeyPair::generate()?;
    let mut own = CertificateParams::new(["127.0.0.1".to_owned()])?;
    own.use_authority_key_identifier_extension = true;
    // Another name than the authority's, or OpenSSL takes it for signed by itself.
    own.distinguished_name.push(DnType::CommonName, "127.0.0.1");
    let own = own.signed_by(&key, &issuer)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone(), issuer.der().clone()], key)?;
    Ok((issuer.pem(), config))
}
