//! The platform: everything that runs, from its start to its end.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_types::SdkConfig;
use embedded::Embedded;
use futures_util::FutureExt;
use lambda::{Boot, ClickSend, Clock, Env, Metrics, Random};
use store::AccountStore;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::background;
use crate::contract::Contract;
use crate::data::{DataDir, Ready, Running, origin_at};
use crate::gateway::{self, Gateway, Limits};
use crate::keys::TokenKeys;
use crate::registry::Registry;
use crate::settings::{self, CLICKS_QUEUE, PURGES_QUEUE, TABLES};
use crate::sources::{BATCHES, Schedule, Source, Stop, sweep};
use crate::stores;

/// How long stopping may take. What is cut off then was not acknowledged: it is done again.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// What makes the salts of visitors. It is needed before the first redirect; other schedules are not.
const SALTS_ROTATION: &str = "rotate-salts";

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// In a directory, which is made if it is missing. It survives the process, however it ends.
    Directory(PathBuf),
    /// In memory, gone with the process.
    Memory,
}

/// What stands between the AWS clients and the stores.
type Between = Box<dyn FnOnce(SdkConfig) -> SdkConfig + Send>;

/// How a platform is started.
#[expect(missing_debug_implementations, reason = "`between` is a function")]
pub struct Options {
    /// On the loopback; 0 is any that is free.
    pub port: u16,
    /// Where the data is.
    pub data: Data,
    /// What the operator sets: `ORIGINS` and other settings of the functions.
    pub env: Env,
    /// The time.
    pub clock: Clock,
    /// Random bits.
    pub random: Random,
    /// Whether queues are polled, and schedules kept. If not, [`Platform::work_off`] and
    /// [`Platform::run_schedules`] do it, step by step.
    pub poll: bool,
    /// For tests: what counts or breaks the calls of functions and event sources.
    pub between: Option<Between>,
}

impl Options {
    /// As the command `local` starts it, without its flags.
    pub fn new(data: Data) -> Self {
        Self {
            port: 0,
            data,
            env: Env::fixed([]),
            clock: Clock::system(),
            random: Random::system(),
            poll: true,
            between: None,
        }
    }
}

/// A platform that runs until it is stopped.
#[derive(Debug)]
pub struct Platform {
    ready: Ready,
    origins: String,
    sources: Vec<Source>,
    schedules: Vec<Schedule>,
    stop: watch::Sender<bool>,
    running: JoinSet<()>,
    stores: Embedded,
    /// Last, so that nobody takes the directory while the stores are open.
    data: Option<DataDir>,
}

impl Platform {
    /// Starts it; when this returns, it answers.
    ///
    /// # Errors
    ///
    /// If the port or the directory is in use, or a setting or a file is not as it should be.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let contract = Contract::read()?;
        let data = match &options.data {
            Data::Directory(path) => Some(DataDir::take(path)?),
            Data::Memory => None,
        };
        // Before the functions are loaded: they are told the port.
        let listener = bind(options.port).await?;
        let aws_listener = bind(0).await?;
        let port = listener.local_addr()?.port();
        let stores = match &data {
            Some(data) => Embedded::open(data.path())?,
            None => Embedded::in_memory()?,
        };
        // Nobody else has the directory, so nobody works on what was received before.
        let released = stores.release_in_flight().await?;
        if 0 < released {
            tracing::info!(released, "{released} messages were in work, and are delivered again");
        }
        let queues = stores::set_up(&stores.sdk_config(), &contract).await?;
        if settings::click_send(&options.env)? == ClickSend::After {
            stores.answer_before_disk(CLICKS_QUEUE);
        }
        let accounts = AccountStore::new(&stores.sdk_config(), TABLES.accounts);
        let key =
            stores::api_key(&accounts, data.as_ref(), &options.clock, &options.random).await?;
        let owner =
            stores::owner(&accounts, data.as_ref(), &options.clock, &options.random).await?;

        let origins = match (settings::origins(&options.env), &data) {
            (Some(set), _) => set,
            (None, Some(data)) => data.origin(port)?,
            (None, None) => origin_at(port),
        };
        let queue_url = |name: &str| {
            queues.get(name).with_context(|| format!("`workers.yaml` has no queue `{name}`"))
        };
        let token_keys = TokenKeys::open(data.as_ref())?;
        let keys = match settings::token_keys(&options.env) {
            Some(set) => set,
            None => token_keys.setting(options.clock.now())?,
        };
        let queues_of_functions = [queue_url(CLICKS_QUEUE)?.as_str(), queue_url(PURGES_QUEUE)?];
        // The gateway stands where CloudFront does in the cloud, and proves itself as that does.
        let random_secret = || format!("{:032x}", options.random.u128());
        let origin_secret = settings::origin_secret(&options.env).unwrap_or_else(random_secret);
        let env = settings::of_functions(
            &options.env,
            &origins,
            queues_of_functions,
            &keys,
            &origin_secret,
        );
        let aws = match options.between {
            Some(between) => between(stores.sdk_config()),
            None => stores.sdk_config(),
        };
        let functions = Registry::load(|name| Boot {
            name,
            env: env.clone(),
            aws: aws.clone(),
            clock: options.clock.clone(),
            random: options.random.clone(),
            metrics: Metrics::logged(name),
        })
        .await?;
        functions.check(&contract)?;

        let mut sources = Vec::new();
        for (name, worker) in &contract.workers {
            let Some(queue) = contract.queues.get(&worker.queue) else {
                bail!("`workers.yaml` has no queue `{}`", worker.queue)
            };
            sources.push(Source::new(
                aws_sdk_sqs::Client::new(&aws),
                queue_url(&worker.queue)?,
                queue,
                worker,
                functions.get(name)?.clone(),
                options.random.clone(),
            ));
        }
        let mut schedules = Vec::new();
        for (name, worker) in &contract.schedules {
            let (clock, random) = (options.clock.clone(), options.random.clone());
            let schedule = Schedule::new(worker, functions.get(name)?.clone(), clock, random);
            if options.poll && name == SALTS_ROTATION {
                // Without a salt the visitor of the first clicks would be unknown.
                schedule.once().await;
            }
            schedules.push(schedule);
        }
        let gateway = Gateway::new(
            &contract,
            &functions,
            options.clock,
            &options.random,
            (port, &origin_secret),
            Limits::default(),
        )?;

        let load = gateway.load();

        let ready = Ready {
            url: origin_at(port),
            api_key: key.reveal(),
            owner,
            aws_endpoint: format!("http://{}", aws_listener.local_addr()?),
            data_dir: data.as_ref().map(|data| data.path().to_owned()),
        };
        let (sender, stop) = Stop::new();
        let mut running = JoinSet::new();
        let mut end = stop.clone();
        running.spawn(async move {
            gateway::serve(Arc::new(gateway), listener, end.given()).await;
        });
        let (mut end, served) = (stop.clone(), stores.clone());
        running.spawn(async move { served.serve(aws_listener, end.given()).await });
        let mut behind = vec![sweep(stores.clone(), stop.clone()).boxed()];
        if options.poll {
            for source in sources.iter().flat_map(|source| std::iter::repeat_n(source, BATCHES)) {
                behind.push(source.clone().run(load.clone(), stop.clone()).boxed());
            }
            for schedule in &schedules {
                behind.push(schedule.clone().run(stop.clone()).boxed());
            }
        }
        running.spawn(background::run(behind).context("starting a thread")?);
        if let Some(data) = &data {
            // Other commands need no password, and it has a file of its own.
            let ready = Ready { owner: None, ..ready.clone() };
            data.remember_running(&Running { ready, origins: origins.clone() })?;
        }
        Ok(Self { ready, origins, sources, schedules, stop: sender, running, stores, data })
    }

    /// How to reach it.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// The origins of its links; the first is the default.
    pub fn origins(&self) -> &str {
        &self.origins
    }

    /// For SDK clients of its stores, past whatever stands between these and the functions.
    pub fn aws(&self) -> SdkConfig {
        self.stores.sdk_config()
    }

    /// Lets the workers work off what is visible in their queues.
    ///
    /// # Errors
    ///
    /// If a worker fails as a whole; messages that failed alone are no error.
    pub async fn work_off(&self) -> anyhow::Result<()> {
        for source in &self.sources {
            source.drain().await?;
        }
        Ok(())
    }

    /// Lets the workers of schedules do their work once, as if it were time.
    pub async fn run_schedules(&self) {
        for schedule in &self.schedules {
            schedule.once().await;
        }
    }

    /// Stops it: nothing new begins, what has begun is finished.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async { while self.running.join_next().await.is_some() {} };
        if timeout(STOP_TIMEOUT, ended).await.is_err() {
            tracing::warn!("not everything ended in time");
            self.running.shutdown().await;
        }
        if let Some(data) = &self.data {
            data.forget_running();
        }
    }
}

async fn bind(port: u16) -> anyhow::Result<TcpListener> {
    match TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            bail!("port {port} is in use by another program; choose one with `--port`")
        }
        Err(error) => Err(error).with_context(|| format!("listening on port {port}")),
    }
}
