//! The whole service in one process, driven by events: what API Gateway and SQS do is done here by
//! hand, step by step.

use std::collections::{BTreeMap, BTreeSet};

use domain::{LinkId, Retention, WorkspaceId};
use lambda::{Boot, Function, Invocation, Random};
use serde_json::{Value, json};
use store::ledger::Verification;
use testkit::{Answer, Event, WORKSPACE, World, event};

use crate::functions;
use crate::openapi::OpenApi;
use crate::policy::{Action, Policy};
use crate::repository::{list, text};

/// A person's browser.
pub(crate) const BROWSER: &str =
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0";

/// A program that shows a preview of a link.
pub(crate) const PREVIEW: &str = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)";

/// All functions over one world, each with the permissions that it has in AWS.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) world: World,
    functions: BTreeMap<&'static str, Function>,
    /// What each may do, and did.
    policies: BTreeMap<&'static str, Policy>,
}

impl Service {
    /// All functions over an empty world.
    pub(crate) async fn start() -> Self {
        Self::over(World::new().await).await
    }

    /// All functions over this world.
    pub(crate) async fn over(world: World) -> Self {
        Self::of(world, |_| true, &[]).await
    }

    /// All functions over an empty world, with other settings.
    pub(crate) async fn with(settings: &[(&'static str, &str)]) -> Self {
        Self::of(World::new().await, |_| true, settings).await
    }

    /// All functions over this world, with other settings.
    pub(crate) async fn over_with(world: World, settings: &[(&'static str, &str)]) -> Self {
        Self::of(world, |_| true, settings).await
    }

    /// One function over this world: a start takes a while, and some tests start many.
    pub(crate) async fn only(function: &str, world: World) -> Self {
        Self::only_with(function, world, &[]).await
    }

    /// One function over this world, with other settings.
    pub(crate) async fn only_with(
        function: &str,
        world: World,
        settings: &[(&'static str, &str)],
    ) -> Self {
        Self::of(world, |name| name == function, settings).await
    }

    async fn of(
        world: World,
        is_wanted: impl Fn(&str) -> bool,
        settings: &[(&'static str, &str)],
    ) -> Self {
        let (mut functions, mut policies) = (BTreeMap::new(), BTreeMap::new());
        let wanted = functions::NAMES.iter().zip(1..).filter(|(name, _)| is_wanted(name));
        for (name, seed) in wanted {
            let (boot, policy) = (world.boot_with(name, settings), Policy::of(name));
            // Two processes never have the same random bits.
            let random = Random::seeded(seed);
            let boot = Boot { random, aws: policy.guard(&boot.aws), ..boot };
            let function = functions::load(boot).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            functions.insert(*name, function);
            policies.insert(*name, policy);
        }
        Self { world, functions, policies }
    }

    /// What each function has done in AWS.
    pub(crate) fn used(&self) -> impl Iterator<Item = (&'static str, BTreeSet<Action>)> {
        self.policies.iter().map(|(name, policy)| (*name, policy.used()))
    }

    /// The function of this name.
    pub(crate) fn function(&self, name: &str) -> &Function {
        self.functions.get(name).unwrap_or_else(|| panic!("there is no function `{name}`"))
    }

    /// Sends an event to the function that its folder names, and ends the test where the answer is
    /// not as `openapi.yaml` promises.
    pub(crate) async fn send(&self, function: &str, event: Event) -> Answer {
        let answer = event.send(self.function(function)).await;
        let faults = OpenApi::get().faults(&event, &answer);
        assert!(faults.is_empty(), "{faults:#?}\n{answer:#?}");
        answer
    }

    /// Creates a link, and answers with it.
    pub(crate) async fn create(&self, link: Value) -> Value {
        let answer = self.send("create-link", event("create-link/minimal").body(&link)).await;
        assert_eq!(answer.status, 201, "{answer:#?}");
        answer.json()
    }

    /// Reads a link.
    pub(crate) async fn get(&self, id: &str) -> Answer {
        self.send("get-link", event("get-link/minimal").path("id", id)).await
    }

    /// Edits a link.
    pub(crate) async fn edit(&self, id: &str, patch: Value) -> Answer {
        let edit = event("update-link/minimal").path("id", id).body(&patch);
        self.send("update-link", edit).await
    }

    /// Deletes a link.
    pub(crate) async fn delete(&self, id: &str) -> Answer {
        self.send("delete-link", event("delete-link/minimal").path("id", id)).await
    }

    /// Lists links.
    pub(crate) async fn list(&self, query: &str) -> Answer {
        self.send("list-links", event("list-links/minimal").query(query)).await
    }

    /// Counts a link's clicks.
    pub(crate) async fn stats(&self, id: &str, query: &str) -> Answer {
        let stats = event("link-stats/minimal").path("id", id).query(query);
        self.send("link-stats", stats).await
    }

    /// Lists a link's clicks.
    pub(crate) async fn clicks(&self, id: &str, query: &str) -> Answer {
        let clicks = event("list-clicks/minimal").path("id", id).query(query);
        self.send("list-clicks", clicks).await
    }

    /// A person follows a link.
    pub(crate) async fn follow(&self, slug: &str) -> Answer {
        self.follow_as(slug, BROWSER).await
    }

    /// A program or a person follows a link.
    pub(crate) async fn follow_as(&self, slug: &str, user_agent: &str) -> Answer {
        let get = event("redirect/minimal").path("slug", slug).header("user-agent", user_agent);
        self.send("redirect", get).await
    }

    /// A step of the worker: everything that is on the queue. Says how many clicks that were.
    pub(crate) async fn record(&self) -> usize {
        let clicks = self.world.take_clicks().await;
        let failed = self.deliver(&clicks).await;
        assert!(failed.is_empty(), "{failed:?}");
        clicks.len()
    }

    /// Delivers messages to the worker, and answers with those that come back.
    pub(crate) async fn deliver(&self, clicks: &[Value]) -> Vec<Value> {
        let mut failed = Vec::new();
        // As many as `workers.yaml` says, so that one batch here is one there.
        for batch in clicks.chunks(1000) {
            let payload = batch_of(batch).json().to_string().into_bytes();
            let invocation = Invocation::new(payload, "test-batch");
            match self.function("record-clicks").invoke(invocation).await {
                // The function failed: all of it comes back.
                Err(_) => failed.extend_from_slice(batch),
                Ok(answer) => {
                    let answer: Value = serde_json::from_slice(&answer).unwrap();
                    let ids = list(&answer["batchItemFailures"]).iter();
                    let places =
                        ids.map(|id| text(&id["itemIdentifier"]).parse::<usize>().unwrap());
                    failed.extend(places.map(|place| batch[place].clone()));
                }
            }
        }
        failed
    }

    /// The worker does what was ordered of a link or a workspace: its message would come in a quarter
    /// of a minute.
    pub(crate) async fn purge(&self, target: &str) {
        let mut event = event("purge-clicks/minimal").json().clone();
        let message = json!({ "v": 1, "target": target, "look": 1 });
        event["Records"][0]["body"] = message.to_string().into();
        let answer = Event::of(event).invoke(self.function("purge-clicks")).await;
        assert_eq!(answer["batchItemFailures"], json!([]), "{target}");
    }

    /// Recounts all clicks of the workspace, and compares.
    pub(crate) async fn verify(&self) -> Verification {
        let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
        let ids: Vec<(LinkId, u16)> = self.world.links().every_id(workspace).await.unwrap();
        let (ledger, now) = (self.world.ledger(), self.world.clock.now());
        ledger.verify_workspace(workspace, &ids, now, Retention::DEFAULT).await.unwrap()
    }
}

/// An SQS event of these messages; the id of each is its place.
pub(crate) fn batch_of(clicks: &[Value]) -> Event {
    let sample = event("record-clicks/minimal").json()["Records"][0].clone();
    let records: Vec<_> = clicks
        .iter()
        .enumerate()
        .map(|(place, click)| {
            let mut record = sample.clone();
            record["messageId"] = json!(place.to_string());
            record["body"] = json!(click.to_string());
            record
        })
        .collect();
    Event::of(json!({ "Records": records }))
}
