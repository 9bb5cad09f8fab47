//! Everything that functions need, in memory: the world that `events/` tells of.

use aws_types::SdkConfig;
use domain::{
    Day, Definition, Destination, HostRules, Link, LinkId, Origins, RedirectStatus, Salt, Slug,
    WorkspaceId,
};
use embedded::Embedded;
use jiff::Timestamp;
use lambda::{Boot, Clock, Env, Function, Invocation, Kind, Metrics, Random};
use serde_json::{Value, json};
use store::{
    AccountStore, Journal, LedgerStore, LinkStore, RouteStore, SaltReader, SaltStore, Tables,
};
use tempfile::NamedTempFile;

use crate::answer::Answer;
use crate::event::Event;
use crate::probe::{Fault, On, Probe};

/// The workspace of the events' caller.
pub const WORKSPACE: &str = "wrk_01K9Z0000000000000000000AA";

/// Somebody else's workspace.
pub const OTHER_WORKSPACE: &str = "wrk_01K9Z0000000000000000000BB";

/// The link that the events name, with the slug `spring` and the alias `fruehling`.
pub const SPRING: &str = "lnk_01M6DQS9M08V7Q2K4N6T9W3X5Y";

/// The id of every invocation here.
const REQUEST_ID: &str = "test-request";

const LINKS: &str = "links";
const CLICKS: &str = "clicks";
const ACCOUNTS: &str = "accounts";
const SALTS: &str = "salts";
const BUCKET: &str = "raw-clicks";

/// The stores in memory, a clock that stands still, and a probe at all calls to AWS.
#[derive(Debug)]
pub struct World {
    embedded: Embedded,
    aws: SdkConfig,
    /// Sees every call of the functions, and makes them fail on request.
    pub probe: Probe,
    /// The time of the events.
    pub clock: Clock,
    /// What all functions have counted.
    pub metrics: Metrics,
    queue_url: String,
    purges_url: String,
    /// The setting `TOKEN_KEYS`, and the file that it names.
    token_keys: (String, NamedTempFile),
}

/// The moment of the events.
pub fn now() -> Timestamp {
    "2026-11-20T14:03:27.412Z".parse().expect("this is a time")
}

/// A plain link of the events' workspace to `https://example.com/<slug>`.
pub fn link(slug: &str) -> Link {
    let origins = Origins::parse("https://go.example.com").expect("this is an origin");
    let rules = HostRules::new(origins, "");
    let id = LinkId::new(now(), u128::from_ne_bytes(bytes(slug)));
    Link {
        id,
        workspace: WorkspaceId::parse(WORKSPACE).expect("this is an id"),
        domain: rules.origins.default_domain().clone(),
        slug: Slug::parse(slug).expect("this is a slug"),
        aliases: Vec::new(),
        definition: Definition {
            url: Destination::parse(&format!("https://example.com/{slug}"), &rules)
                .expect("this is a URL"),
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
    }
}

/// Different bits for different slugs.
fn bytes(slug: &str) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (at, byte) in slug.bytes().enumerate() {
        bytes[at % 16] ^= byte.rotate_left(u32::try_from(at / 16).unwrap_or(0));
    }
    bytes
}

/// The key that tokens of this world are signed with: that of RFC 7515, A.3, which everybody knows.
const TOKEN_KEY: &str = "-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff
H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp
7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt
-----END PRIVATE KEY-----
";

/// A file with [`TOKEN_KEY`] that only its owner may read, and the setting that names it.
fn token_keys() -> (String, NamedTempFile) {
    let file = NamedTempFile::new().expect("there is room for a file");
    std::fs::write(file.path(), TOKEN_KEY).expect("the file is written");
    (format!("file:{}", file.path().display()), file)
}

impl World {
    /// A new, empty world.
    pub async fn new() -> Self {
        let embedded = Embedded::in_memory().expect("the stores open");
        let aside = embedded.sdk_config();
        let tables = Tables { links: LINKS, clicks: CLICKS, accounts: ACCOUNTS, salts: SALTS };
        store::create_tables(&aside, tables).await.expect("the tables are made");
        let queue = aws_sdk_sqs::Client::new(&aside).create_queue().queue_name("clicks");
        let queue = queue.send().await.expect("the queue is made");
        let purges = aws_sdk_sqs::Client::new(&aside).create_queue().queue_name("purges");
        let purges = purges.send().await.expect("the queue is made");
        let bucket = s3(&aside).create_bucket().bucket(BUCKET);
        bucket.send().await.expect("the bucket is made");
        let (probe, aws) = Probe::between(&aside);
        let queue_url = queue.queue_url.expect("a queue has a URL");
        let purges_url = purges.queue_url.expect("a queue has a URL");
        let (clock, metrics) = (Clock::fixed(now()), Metrics::in_memory());
        let token_keys = token_keys();
        Self { embedded, aws, probe, clock, metrics, queue_url, purges_url, token_keys }
    }

    /// A world with the link that the events name.
    pub async fn with_spring() -> Self {
        let world = Self::new().await;
        let mut spring = link("spring");
        spring.id = LinkId::parse(SPRING).expect("this is an id");
        spring.aliases = vec![Slug::parse("fruehling").expect("this is a slug")];
        world.add(&spring).await;
        world
    }

    /// Adds a link, unseen by the probe.
    pub async fn add(&self, link: &Link) {
        self.links().create(link, &Journal::none()).await.expect("the link is made");
    }

    /// What a function is loaded with, where its environment names everything there is.
    pub fn boot(&self, name: &'static str) -> Boot {
        self.boot_with(name, &[])
    }

    /// The same, with other settings besides or instead.
    pub fn boot_with(&self, name: &'static str, more: &[(&'static str, &str)]) -> Boot {
        // The first of a name counts.
        let settings = self.settings();
        let env = more.iter().chain(&settings).map(|(name, value)| (*name, (*value).to_owned()));
        Boot {
            name,
            env: Env::fixed(env),
            aws: self.aws.clone(),
            clock: self.clock.clone(),
            random: Random::seeded(1),
            metrics: self.metrics.clone(),
        }
    }

    /// The settings of a function, where its environment names everything there is.
    pub(crate) fn settings(&self) -> [(&'static str, &str); 9] {
        [
            ("LINKS_TABLE", LINKS),
            ("CLICKS_TABLE", CLICKS),
            ("ACCOUNTS_TABLE", ACCOUNTS),
            ("SALTS_TABLE", SALTS),
            ("CLICKS_QUEUE_URL", &self.queue_url),
            ("PURGES_QUEUE_URL", &self.purges_url),
            ("RAW_BUCKET", BUCKET),
            ("ORIGINS", "https://go.example.com"),
            ("TOKEN_KEYS", &self.token_keys.0),
        ]
    }

    /// What stands behind the clients, for a process of its own: the stores, past the probe.
    pub(crate) fn stores(&self) -> Embedded {
        self.embedded.clone()
    }

    /// The links, unseen by the probe.
    pub fn links(&self) -> LinkStore {
        LinkStore::new(&self.embedded.sdk_config(), LINKS)
    }

    /// What slugs lead to, unseen by the probe.
    pub fn routes(&self) -> RouteStore {
        RouteStore::new(&self.embedded.sdk_config(), LINKS)
    }

    /// The ledger, unseen by the probe.
    pub fn ledger(&self) -> LedgerStore {
        LedgerStore::new(&self.embedded.sdk_config(), CLICKS, LINKS)
    }

    /// The accounts, unseen by the probe.
    pub fn accounts(&self) -> AccountStore {
        AccountStore::new(&self.embedded.sdk_config(), ACCOUNTS)
    }

    /// Makes salts for the day of the events and the one after it, unseen by the probe.
    pub async fn put_salts(&self) {
        let today = Day::of(now());
        for (day, number) in [(today, 1), (today.next(), 2)] {
            let salt = Salt::of_random(number, 0);
            self.salts().put(day, &salt).await.expect("the salt is made");
        }
    }

    /// The salts of days, unseen by the probe.
    pub fn salts(&self) -> SaltStore {
        SaltStore::new(&self.embedded.sdk_config(), SALTS)
    }

    /// The salts as they are read, unseen by the probe.
    pub fn salt_reader(&self) -> SaltReader {
        SaltReader::new(&self.embedded.sdk_config(), SALTS)
    }

    /// The stores' own configuration, unseen by the probe.
    pub fn aside(&self) -> SdkConfig {
        self.embedded.sdk_config()
    }

    /// The clicks queue's address.
    pub fn queue_url(&self) -> &str {
        &self.queue_url
    }

    /// Takes all messages off the clicks queue. The answer is what is in them: several of what was sent
    /// at the same time share one.
    pub async fn take_clicks(&self) -> Vec<Value> {
        let apart =
            |message| if let Value::Array(several) = message { several } else { vec![message] };
        self.take(&self.queue_url).await.into_iter().flat_map(apart).collect()
    }

    /// Takes the messages off the queue of purges, those that are not to be delayed.
    pub async fn take_purges(&self) -> Vec<Value> {
        self.take(&self.purges_url).await
    }

    async fn take(&self, queue_url: &str) -> Vec<Value> {
        let client = aws_sdk_sqs::Client::new(&self.embedded.sdk_config());
        let mut clicks = Vec::new();
        loop {
            let call = client.receive_message().queue_url(queue_url);
            let answer = call.max_number_of_messages(10).send().await.expect("the queue answers");
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                return clicks;
            }
            for message in messages {
                let body = message.body.as_deref().unwrap_or_default();
                clicks.push(serde_json::from_str(body).expect("a message is JSON"));
                let delete = client.delete_message().queue_url(queue_url);
                let delete = delete.set_receipt_handle(message.receipt_handle);
                delete.send().await.expect("the queue answers");
            }
        }
    }
}

impl World {
    /// Asserts that a secured function answers neither an event without credentials nor one without
    /// its scope, and reads nothing for them.
    pub async fn assert_credentials_come_first(
        &self,
        [not_authorized, missing_scope]: [Event; 2],
        scope: &str,
        function: &Function,
    ) {
        not_authorized.send(function).await.assert_problem(Kind::Unauthorized);
        let answer = missing_scope.send(function).await;
        answer.assert_problem(Kind::Forbidden);
        assert!(answer.text.contains(&format!("`{scope}`")), "{}", answer.text);
        assert!(self.probe.take_calls().is_empty(), "nothing is read for them");
    }

    /// Asserts that an event is answered with «try again», and with nothing of the cause, when any
    /// one of these operations of DynamoDB cannot be reached.
    pub async fn assert_unavailable_without(
        &self,
        operations: &[&'static str],
        event: &Event,
        function: &Function,
    ) {
        for operation in operations {
            self.probe.heal();
            self.probe.inject(On::operation(operation), Fault::Unreachable);
            let answer = event.send(function).await;
            answer.assert_problem(Kind::Unavailable);
            let whole = json!({
                "type": "urn:signpost:problem:unavailable",
                "title": "Try again shortly",
                "status": 503,
                "instance": format!("urn:request:{REQUEST_ID}"),
            });
            assert_eq!(answer.json(), whole, "without {operation}");
        }
        self.probe.heal();
    }
}

/// The S3 client: buckets stand in the path, since there is no name service.
fn s3(aws: &SdkConfig) -> aws_sdk_s3::Client {
    let config = aws_sdk_s3::config::Builder::from(aws).force_path_style(true).build();
    aws_sdk_s3::Client::from_conf(config)
}

/// Invokes a function with an event, as the Lambda service would.
///
/// # Panics
///
/// If the invocation itself fails, which is a 500 without a body of ours.
pub(crate) async fn invoke(function: &Function, event: &Value) -> Vec<u8> {
    let invocation = Invocation::new(event.to_string().into_bytes(), REQUEST_ID);
    function.invoke(invocation).await.expect("the invocation succeeds")
}

impl Event {
    /// Sends the event to an HTTP function, and checks the answer's manners.
    pub async fn send(&self, function: &Function) -> Answer {
        Answer::read(&invoke(function, self.json()).await)
    }

    /// Hands the event to any function.
    pub async fn invoke(&self, function: &Function) -> Value {
        let answer = invoke(function, self.json()).await;
        serde_json::from_slice(&answer).expect("an answer is JSON")
    }
}
