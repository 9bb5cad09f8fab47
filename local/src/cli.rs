//! The command line.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Parser, Subcommand};
use domain::{Day, DayError, Email, Origins, Slug};
use lambda::{Clock, Env, Random, log_filter};
use store::{AccountStore, RouteStore, Tables};
use tracing_subscriber::prelude::*;

use crate::data::{Owner, Ready};
use crate::keys::TokenKeys;
use crate::logs::WithInvocation;
use crate::platform::{Data, Options, Platform};
use crate::remote::Remote;
use crate::replay::Found;
use crate::settings::{self, CLICKS_QUEUE, TABLES};
use crate::stores::{self, Access};
use crate::verify::{Answered, Place, Tolerance};
use crate::{compact, demo, replay, verify};

/// Logs where `RUST_LOG` says nothing: what happens, but not each request.
const LOGS: &str = "info,lambda=warn";

/// What the operator may set besides the flags.
const SETTINGS: &str = "\
Settings of the functions are taken from the environment: ORIGINS, BLOCKED_HOSTS,
CACHE_TTL_SECONDS, STALE_IF_ERROR_SECONDS, CLICK_RETENTION_DAYS, SIGNUP, WRITES_PER_MINUTE,
SIGN_IN_PER_MINUTE, SIGN_IN_REDIRECTS, OIDC_ISSUER, OIDC_CLIENT_ID, OIDC_CLIENT_SECRET,
OIDC_MEMBERS, OIDC_TRUST_EMAIL, ORIGIN_SECRET, TOKEN_KEYS. With CLICK_SEND=after a redirect
does not wait until its click is on the disk, but only until the system has it. RUST_LOG sets
what is logged (`RUST_LOG=info` shows each request).";

/// Signpost in one process: short links, and exact counts of who followed them.
///
/// Without a command it serves: the API and the links on one port; DynamoDB, SQS and S3 for AWS
/// tools on another.
#[derive(Debug, Parser)]
#[command(name = "local", version, after_help = SETTINGS)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
struct Flags {
    /// Port on 127.0.0.1; 0 is any that is free
    #[arg(long, global = true, default_value_t = 8000)]
    port: u16,
    /// Where the data is
    #[arg(long, global = true, value_name = "DIR", default_value = ".signpost")]
    data_dir: PathBuf,
    /// Keep everything in memory, and nothing after the end
    #[arg(long, global = true, conflicts_with = "data_dir")]
    ephemeral: bool,
    /// When ready, say how to reach it in one line of JSON on stdout
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve (this is what happens without a command)
    Serve,
    /// Load a sample data set: 50 links, and 20,000 clicks of the last 80 days
    Demo,
    /// Recount all clicks, and compare them with the counts and with the lake; exits with 1 if they
    /// differ, and with 3 if no difference was found but some counts kept changing
    Verify(Box<VerifyFlags>),
    /// Put lost clicks on the queue again, from a redirect's log; each is counted once, however often
    /// it is replayed. Exits with 1 if something was not sent, and with 3 if all was but clicks that
    /// are older than the retention
    Replay(ReplayFlags),
    /// Put the clicks of the last time into the files of their hours, which happens every hour anyway
    Compact,
    /// Make a new key for access tokens; the old one is believed for an hour more, and the next
    /// rotation after that drops it
    RotateTokenKey,
    /// Give somebody who has forgotten theirs a new random password, and end all their sessions
    ResetPassword {
        /// Their e-mail address
        email: String,
    },
}

#[derive(Debug, Args)]
struct ReplayFlags {
    #[command(flatten)]
    remote: Remote,
    /// The queue of clicks, with `--aws`
    #[arg(long, value_name = "URL", requires = "aws")]
    queue_url: Option<String>,
    /// Logs: lines of JSON, what `aws logs` answers, or an export; `-` is stdin
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct VerifyFlags {
    #[command(flatten)]
    remote: Remote,
    /// The table of links, with `--aws`
    #[arg(long, value_name = "NAME", requires = "aws")]
    links_table: Option<String>,
    /// The table of clicks, with `--aws`
    #[arg(long, value_name = "NAME", requires = "aws")]
    clicks_table: Option<String>,
    /// The table of accounts, with `--aws`
    #[arg(long, value_name = "NAME", requires = "aws")]
    accounts_table: Option<String>,
    /// The bucket of clicks, with `--aws`
    #[arg(long, value_name = "NAME", requires = "aws")]
    bucket: Option<String>,
    /// The first day of which the lake still has everything, where it does not keep all of it
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = date)]
    lake_since: Option<Day>,
    /// How many redirects were answered on each day, as CloudWatch says it in JSON (docs/runbook.md)
    #[arg(long, value_name = "FILE")]
    redirects: Option<PathBuf>,
    /// How far those may be from what is counted, in per cent, and ten a day besides
    #[arg(long, value_name = "PERCENT", default_value = "1", requires = "redirects")]
    tolerance: Tolerance,
}

/// A day as people write it.
fn date(text: &str) -> Result<Day, DayError> {
    Day::parse(&text.replace('-', ""))
}

/// Runs the command that this process was started with.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_target(false)
        .fmt_fields(WithInvocation);
    tracing_subscriber::registry().with(lines.with_filter(log_filter(LOGS))).init();
    match run(cli) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    // The stores have threads of their own; more workers than this only compete with them.
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(2, 4))
        .enable_all()
        .build()
        .context("starting the threads")?;
    let Cli { command, flags } = cli;
    let code = runtime.block_on(async {
        match command {
            None | Some(Command::Serve) => Box::pin(serve(flags)).await,
            Some(Command::Demo) => Box::pin(load_demo(flags)).await,
            Some(Command::Verify(more)) => Box::pin(run_verify(flags, *more)).await,
            Some(Command::Replay(more)) => Box::pin(run_replay(flags, more)).await,
            Some(Command::Compact) => Box::pin(run_compact(flags)).await,
            Some(Command::RotateTokenKey) => rotate_token_key(&flags),
            Some(Command::ResetPassword { email }) => {
                Box::pin(reset_password(&flags, &email)).await
            }
        }
    });
    // A request that was cut off may still hold a thread; nobody waits for it.
    runtime.shutdown_background();
    code
}

async fn serve(flags: Flags) -> anyhow::Result<ExitCode> {
    let mut interrupted = Box::pin(interruption()?);
    let data = if flags.ephemeral { Data::Memory } else { Data::Directory(flags.data_dir) };
    let options = Options { port: flags.port, env: Env::process(), ..Options::new(data) };
    let platform = tokio::select! {
        started = Box::pin(Platform::start(options)) => started?,
        () = &mut interrupted => return Ok(ExitCode::SUCCESS),
    };
    if flags.json {
        print(&serde_json::to_string(platform.ready())?)?;
    } else {
        print(&welcome(&platform).await?)?;
    }
    interrupted.await;
    tracing::info!("stopping");
    // Who asks twice does not want to wait.
    let again = interruption()?;
    tokio::select! {
        () = platform.stop() => Ok(ExitCode::SUCCESS),
        () = again => Ok(ExitCode::FAILURE),
    }
}

async fn load_demo(flags: Flags) -> anyhow::Result<ExitCode> {
    if flags.ephemeral {
        bail!("data in memory is gone with the command; give a directory by `--data-dir`");
    }
    let env = Env::process();
    let access = Access::to(&flags.data_dir).await?;
    let (clock, random) = (Clock::system(), Random::system());
    let (ready, origins) = match &access {
        Access::Shared { running, .. } => (Some(&running.ready), running.origins.clone()),
        Access::Own { data, .. } => {
            let accounts = AccountStore::new(&access.aws(), TABLES.accounts);
            stores::api_key(&accounts, Some(data), &clock, &random).await?;
            let set = settings::origins(&env);
            (None, set.map_or_else(|| data.origin(flags.port), Ok)?)
        }
    };
    let origins = Origins::parse(&origins)?;
    let retention = settings::retention(&env)?;
    let begin = std::time::Instant::now();
    let loaded = demo::load(&access.aws(), &origins, clock.now(), retention).await?;
    let mut text = match (loaded.links, loaded.clicks) {
        (0, 0) => "The sample data is there already; nothing was added.\n".to_owned(),
        (links, clicks) => {
            let seconds = begin.elapsed().as_secs_f32();
            format!("Loaded {links} links and {clicks} clicks in {seconds:.1} s.\n")
        }
    };
    text.push('\n');
    match ready {
        Some(Ready { url, api_key, .. }) => text.push_str(&format!(
            "List them, and the counts of one of them by its id:\n\n  {}\n  {}\n",
            api(url, api_key, "links?tag=demo&limit=3"),
            api(url, api_key, "links/<id>/stats?interval=day"),
        )),
        None => text.push_str(&format!(
            "Start the server to see them:\n\n  {}\n",
            command("serve", &flags.data_dir)
        )),
    }
    text.push_str(&format!("\nRecount them all:\n\n  {}\n", command("verify", &flags.data_dir)));
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The stores of a data directory that is there.
async fn stores_of(flags: &Flags) -> anyhow::Result<Access> {
    if flags.ephemeral {
        bail!("data in memory is another process's; give a directory by `--data-dir`");
    }
    if !flags.data_dir.join("lock").exists() {
        bail!("there is no data in `{}`", flags.data_dir.display());
    }
    Access::to(&flags.data_dir).await
}

async fn run_verify(flags: Flags, more: VerifyFlags) -> anyhow::Result<ExitCode> {
    let env = Env::process();
    let (now, retention) = (Clock::system().now(), settings::retention(&env)?);
    let answered = match &more.redirects {
        Some(path) => Some(Answered::parse(&read(path)?, more.tolerance)?),
        None => None,
    };
    let report = if more.remote.aws {
        let (aws, outputs) = (Remote::config(&env)?, more.remote.outputs()?);
        let links = outputs.or(more.links_table.as_ref(), "--links-table", "tables.links")?;
        let clicks = outputs.or(more.clicks_table.as_ref(), "--clicks-table", "tables.clicks")?;
        let accounts = more.accounts_table.as_ref();
        let accounts = outputs.or(accounts, "--accounts-table", "tables.accounts")?;
        let bucket = outputs.or(more.bucket.as_ref(), "--bucket", "raw_bucket")?;
        let tables = Tables { links: &links, clicks: &clicks, accounts: &accounts, ..TABLES };
        let place = Place { aws: &aws, tables, bucket: &bucket, lake_since: more.lake_since };
        Box::pin(verify::verify_at(&place, answered, now, retention)).await?
    } else {
        let access = stores_of(&flags).await?;
        let aws = access.aws();
        let place = Place { lake_since: more.lake_since, ..Place::here(&aws) };
        Box::pin(verify::verify_at(&place, answered, now, retention)).await?
    };
    print(&report.to_string())?;
    Ok(ExitCode::from(report.verdict().exit_code()))
}

async fn run_replay(flags: Flags, more: ReplayFlags) -> anyhow::Result<ExitCode> {
    let env = Env::process();
    let (now, retention) = (Clock::system().now(), settings::retention(&env)?);
    let mut found = Found::default();
    for path in &more.files {
        found.read(&path.display().to_string(), &read(path)?);
    }
    let report = if more.remote.aws {
        let (aws, outputs) = (Remote::config(&env)?, more.remote.outputs()?);
        let queue = outputs.or(more.queue_url.as_ref(), "--queue-url", "queues.clicks")?;
        replay::replay(&aws_sdk_sqs::Client::new(&aws), &queue, found, now, retention).await
    } else {
        let access = stores_of(&flags).await?;
        let client = aws_sdk_sqs::Client::new(&access.aws());
        let queue = client.get_queue_url().queue_name(CLICKS_QUEUE).send().await?;
        let queue = queue.queue_url.context("the queue has no URL")?;
        replay::replay(&client, &queue, found, now, retention).await
    };
    print(&report.to_string())?;
    Ok(ExitCode::from(report.exit_code()))
}

async fn run_compact(flags: Flags) -> anyhow::Result<ExitCode> {
    let begin = std::time::Instant::now();
    let access = stores_of(&flags).await?;
    let merged = compact::compact(&access.aws()).await?;
    print(&compact::told(&merged, begin.elapsed().as_secs_f32()))?;
    Ok(if merged.errors.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A file as text; `-` is stdin.
fn read(path: &Path) -> anyhow::Result<String> {
    let bytes = match path.to_str() {
        Some("-") => {
            let mut bytes = Vec::new();
            io::stdin().lock().read_to_end(&mut bytes).context("reading stdin")?;
            bytes
        }
        Some(_) | None => {
            fs::read(path).with_context(|| format!("reading `{}`", path.display()))?
        }
    };
    // A log may have whatever a client sent.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Needs no lock: keys are only added to what a server has read, or taken away from what it has not.
fn rotate_token_key(flags: &Flags) -> anyhow::Result<ExitCode> {
    if flags.ephemeral {
        bail!("data in memory is another process's; give a directory by `--data-dir`");
    }
    if !flags.data_dir.join("lock").exists() {
        bail!("there is no data in `{}`", flags.data_dir.display());
    }
    if settings::token_keys(&Env::process()).is_some() {
        bail!("TOKEN_KEYS names other keys than those of the data directory");
    }
    let rotated = TokenKeys::of(&flags.data_dir.canonicalize()?)?.rotate(Clock::system().now())?;
    let mut text = format!("Made {}.\n", shown(&rotated.new));
    for path in &rotated.dropped {
        text.push_str(&format!("Dropped {}.\n", shown(path)));
    }
    text.push_str("\nIt signs access tokens from the next start of the server on.\n");
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

async fn reset_password(flags: &Flags, email: &str) -> anyhow::Result<ExitCode> {
    if flags.ephemeral {
        bail!("data in memory is another process's; give a directory by `--data-dir`");
    }
    if !flags.data_dir.join("lock").exists() {
        bail!("there is no data in `{}`", flags.data_dir.display());
    }
    let email = Email::parse(email)?;
    let access = Access::to(&flags.data_dir).await?;
    let accounts = AccountStore::new(&access.aws(), TABLES.accounts);
    let (clock, random) = (Clock::system(), Random::system());
    let password =
        stores::reset_password(&accounts, &flags.data_dir, &email, &clock, &random).await?;
    print(&format!(
        "The password of {} is now {password}\n\nIt is shown this once. Their sessions have ended.\n",
        email.as_str()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// What a person sees first.
async fn welcome(platform: &Platform) -> anyhow::Result<String> {
    let Ready { url, api_key, owner, aws_endpoint, data_dir } = platform.ready();
    let data = match data_dir {
        Some(path) => shown(path),
        None => "in memory, gone with this process".to_owned(),
    };
    // Once: the person may have another password a minute later.
    let owner = match owner {
        Some(Owner { email, password }) => {
            format!("\x20 First person   {email}, password {password}\n")
        }
        None => String::new(),
    };
    let slug = free_slug(platform).await?;
    let mut text = format!(
        "Signpost is ready.\n\
         \n\
         \x20 API and links  {url}\n\
         \x20 API key        {api_key}\n\
         \x20 For AWS tools  {aws_endpoint}\n\
         \x20 Data           {data}\n\
         {owner}\
         \n\
         Make a link, follow it, and see it counted a moment later (curl's clicks are a bot's):\n\
         \n\
         \x20 {} -H 'Content-Type: application/json' -d '{{\"url\": \"https://example.com/\", \"slug\": \"{slug}\"}}'\n\
         \x20 curl -i {url}/{slug}\n\
         \x20 sleep 2; {}\n",
        api(url, api_key, "links"),
        api(url, api_key, &format!("links?q={slug}")),
    );
    if let Some(path) = data_dir {
        text.push_str(&format!(
            "\nLoad sample data, and prove that the counts are the recorded clicks:\n\
             \n\
             \x20 {}\n\
             \x20 {}\n",
            command("demo", path),
            command("verify", path),
        ));
    }
    text.push_str("\nCtrl-C stops it.\n");
    let origins = platform.origins();
    if !origins.split(',').any(|origin| origin.trim() == url) {
        text.push_str(&format!(
            "\nShort links are written as {}, as on the first start or by ORIGINS; their slugs \
             work here, too.\n",
            origins.split(',').next().unwrap_or_default(),
        ));
    }
    Ok(text)
}

/// A slug for the first line to try, which must work on the hundredth start, too.
async fn free_slug(platform: &Platform) -> anyhow::Result<String> {
    let routes = RouteStore::new(&platform.aws(), TABLES.links);
    let origins = Origins::parse(platform.origins())?;
    let mut slug = "hello".to_owned();
    for number in 2..100 {
        let found = routes.follow(origins.default_domain(), &Slug::parse(&slug)?).await?;
        // One that was deleted may be used again.
        if matches!(found, store::Found::Nothing | store::Found::Deleted) {
            break;
        }
        slug = format!("hello-{number}");
    }
    Ok(slug)
}

fn api(url: &str, key: &str, path: &str) -> String {
    format!("curl '{url}/api/v1/{path}' -H 'Authorization: Bearer {key}'")
}

/// How another command is started on the same data.
fn command(name: &str, data_dir: &Path) -> String {
    let dir = shown(data_dir);
    // What holds without a flag needs none.
    match (name, dir.as_str()) {
        ("serve", ".signpost") => "cargo run -p local".to_owned(),
        (_, ".signpost") => format!("cargo run -p local -- {name}"),
        (_, _) => format!("cargo run -p local -- {name} --data-dir '{dir}'"),
    }
}

/// A path as a person would type it.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let near = here.and_then(|here| path.strip_prefix(here).ok());
    near.unwrap_or(path).display().to_string()
}

/// Stdout is what was asked for; logs are on stderr.
fn print(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()).context("writing to stdout")
}

/// Done when somebody wants the process to end: Ctrl-C, or a service manager.
#[cfg(unix)]
fn interruption() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Done when somebody wants the process to end.
#[cfg(not(unix))]
fn interruption() -> anyhow::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
