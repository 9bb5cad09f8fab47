//! Functions as Lambda runs them, beside what others would have written, in turns.
//!
//! Each program is a process behind a Lambda Runtime API and Extensions API on loopback; what it asks
//! of AWS is answered by a stub after a fixed time.

mod build;
mod events;
mod process;
mod runtime;
mod stub;
mod wire;

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::{Value, json};

use self::build::Certificates;
use self::process::{Group, Kind, Process, Program, Share};
use self::runtime::{Invoked, RuntimeApi};
use self::stub::{DELAY, Stub};
use crate::table::{Table, publish, say};

const ORIGIN: &str = "https://go.example.com";
const ORIGIN_SECRET: &str = "the-secret-of-the-bench";
const SLUG: &str = "spring";
const URL: &str = "https://example.com/spring";

/// How many processes of each.
const RUNS: usize = 30;
/// How often each is asked for a link that it does not know, and for one that it does.
const MISSES: usize = 40;
const HITS: usize = 100;

/// What Lambda gives a function of 256 MB: it has a whole CPU at 1,769 MB.
const PART: f64 = 0.145;

/// How a process is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mode {
    /// The stores without TLS.
    Plain,
    /// With TLS, and what comes after the first call.
    Tls,
    /// With TLS and a part of a CPU, handed out every 100 ms, which is Linux's default.
    Share100,
    /// The same every 20 ms.
    Share20,
}

impl Mode {
    fn share(self) -> Option<Share> {
        let share = |millis| Some(Share { part: PART, period: Duration::from_millis(millis) });
        match self {
            Self::Plain | Self::Tls => None,
            Self::Share100 => share(100),
            Self::Share20 => share(20),
        }
    }
}

/// One life of a process.
#[derive(Debug, Clone)]
struct Life {
    init: Duration,
    init_cpu: u64,
    init_calls: u64,
    first: Invoked,
    misses: Vec<Invoked>,
    hits: Vec<Invoked>,
    memory: f64,
}

#[derive(Debug)]
struct Plan {
    runs: usize,
    only: Vec<String>,
    also: Vec<(String, String)>,
    output: bool,
}

pub(crate) fn run(more: &[String]) -> anyhow::Result<()> {
    let plan = plan(more)?;
    let stub = Stub::start()?;
    let folder = tempfile::tempdir()?;
    let certificates = Certificates::write(folder.path(), &stub.ca)?;
    let mut programs = build::programs(&plan.only, &certificates)?;
    for (name, path) in &plan.also {
        programs.push(build::also(name, path, &certificates)?);
    }
    let mut modes = vec![Mode::Plain, Mode::Tls];
    match Group::of(Share { part: PART, period: Duration::from_millis(100) }) {
        Ok(_) => modes.extend([Mode::Share100, Mode::Share20]),
        Err(why) => say(&format!("no part of a CPU can be given, and is left out: {why:#}")),
    }
    let mut lives: BTreeMap<(usize, Mode), Vec<Life>> = BTreeMap::new();
    for turn in 0..plan.runs {
        say(&format!("turn {} of {}", turn + 1, plan.runs));
        for &mode in &modes {
            for step in 0..programs.len() {
                // Whoever comes after somebody large may be worse off: each does in its turn.
                let number = (step + turn) % programs.len();
                let program = &programs[number];
                let life = live(program, mode, &stub, plan.output)
                    .with_context(|| format!("running {}", program.name))?;
                lives.entry((number, mode)).or_default().push(life);
            }
        }
    }
    report(&programs, &modes, &lives)
}

fn plan(more: &[String]) -> anyhow::Result<Plan> {
    let mut plan = Plan { runs: RUNS, only: Vec::new(), also: Vec::new(), output: false };
    let mut rest = more.iter();
    while let Some(option) = rest.next() {
        let mut value = || rest.next().with_context(|| format!("{option} has a value"));
        match option.as_str() {
            "--runs" => plan.runs = value()?.parse().context("reading --runs")?,
            "--only" => plan.only = value()?.split(',').map(str::to_owned).collect(),
            "--also" => {
                let (name, path) = value()?.split_once('=').context("--also is NAME=PATH")?;
                plan.also.push((name.to_owned(), path.to_owned()));
            }
            "--output" => plan.output = true,
            other => bail!("unknown option {other}; see bench/README.md"),
        }
    }
    ensure!(0 < plan.runs, "once at least");
    Ok(plan)
}

/// What all are told.
fn environment(runtime: &RuntimeApi, stub: &Stub, mode: Mode) -> Vec<(String, String)> {
    let stores = match mode {
        Mode::Plain => format!("http://{}", stub.plain),
        Mode::Tls | Mode::Share100 | Mode::Share20 => format!("https://{}", stub.tls),
    };
    let queue = format!("{stores}/123456789012/clicks");
    [
        ("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string().as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/bench"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_DEFAULT_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_SESSION_TOKEN", "bench"),
        ("AWS_ENDPOINT_URL", &stores),
        // Ours.
        ("LINKS_TABLE", "links"),
        ("SALTS_TABLE", "salts"),
        ("ACCOUNTS_TABLE", "accounts"),
        ("CLICKS_TABLE", "clicks"),
        ("CLICKS_QUEUE_URL", &queue),
        ("RAW_BUCKET", "raw"),
        ("ORIGINS", ORIGIN),
        ("ORIGIN_SECRET", ORIGIN_SECRET),
        // The rivals'.
        ("TABLE", "rivals"),
        ("QUEUE_URL", &queue),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// Starts a process and asks it what it is there for.
fn live(program: &Program, mode: Mode, stub: &Stub, output: bool) -> anyhow::Result<Life> {
    let runtime = RuntimeApi::start(stub.counter())?;
    let env = environment(&runtime, stub, mode);
    let group = mode.share().map(Group::of).transpose()?;
    let mut process = Process::prepare(program, &env, group, output)?;
    if let Some(share) = mode.share() {
        // What the shell has used up is given again.
        std::thread::sleep(share.period * 2);
    }
    runtime.is_for(process.id(), mode.share().is_none());
    let calls = stub.calls();
    let (begin, shell) = process.go()?;
    let init = runtime.idle(|| process.has_ended())?.duration_since(begin);
    if mode.share().is_none() {
        process.settle();
    }
    let init_cpu = process.cpu().saturating_sub(shell);
    let init_calls = stub.calls() - calls;
    let status = events::status(&program.name, program.kind);
    let mut ask = |other| -> anyhow::Result<Invoked> {
        let event = events::event(program.kind, other);
        let invoked = runtime.invoke(event, || process.has_ended())?;
        let answer: Value = serde_json::from_slice(&invoked.answer).unwrap_or_default();
        let said = answer["statusCode"].as_u64();
        let text = || String::from_utf8_lossy(&invoked.answer).into_owned();
        match status {
            Some(status) => ensure!(said == Some(status.into()), "it answered {}", text()),
            None => {
                let failed = answer["batchItemFailures"].as_array().map_or(0, Vec::len);
                ensure!(failed == 0, "it answered {}", text());
            }
        }
        Ok(invoked)
    };
    let first = ask(None)?;
    let (mut misses, mut hits) = (Vec::new(), Vec::new());
    if mode == Mode::Tls {
        for number in 0..MISSES {
            misses.push(ask(Some(number))?);
        }
        if matches!(program.kind, Kind::Hello | Kind::Redirect) {
            for _ in 0..HITS {
                hits.push(ask(None)?);
            }
        }
    }
    let memory = process.memory();
    Ok(Life { init, init_cpu, init_calls, first, misses, hits, memory })
}

fn report(
    programs: &[Program],
    modes: &[Mode],
    lives: &BTreeMap<(usize, Mode), Vec<Life>>,
) -> anyhow::Result<()> {
    let of = |number: usize, mode: Mode| lives.get(&(number, mode)).map_or(&[][..], Vec::as_slice);
    let middle = |number: usize, mode: Mode, what: &dyn Fn(&Life) -> f64| -> Option<f64> {
        let mut all: Vec<f64> = of(number, mode).iter().map(what).collect();
        all.sort_by(f64::total_cmp);
        (!all.is_empty()).then(|| all[all.len() / 2])
    };
    let init = |life: &Life| ms(life.init);
    let first = |life: &Life| ms(life.first.answered);
    let both = |life: &Life| ms(life.init) + ms(life.first.answered);

    let mut cold = Table::new(
        "A cold start, in ms: from the start of the process until it asks for an event, and its first answer",
        &[
            "function",
            "init",
            "init CPU",
            "first, no TLS",
            "first",
            "init, 14.5 % of 100 ms",
            "first, 14.5 % of 100 ms",
            "both, 14.5 % of 100 ms",
            "init, 14.5 % of 20 ms",
            "first, 14.5 % of 20 ms",
            "both, 14.5 % of 20 ms",
        ],
    );
    for (number, program) in programs.iter().enumerate() {
        let cpu = |life: &Life| life.init_cpu as f64 / 1e6;
        let cell = |mode, what: &dyn Fn(&Life) -> f64| rounded(middle(number, mode, what));
        let mut row = vec![
            json!(program.name),
            cell(Mode::Tls, &init),
            cell(Mode::Tls, &cpu),
            cell(Mode::Plain, &first),
            cell(Mode::Tls, &first),
        ];
        for mode in [Mode::Share100, Mode::Share20] {
            row.extend([cell(mode, &init), cell(mode, &first), cell(mode, &both)]);
        }
        cold.row(row);
    }

    let mut warm = Table::new(
        "Warm, over TLS: a link that is not remembered, and one that is",
        &[
            "function",
            "read p50 ms",
            "read p99 ms",
            "read CPU µs",
            "hit p50 ms",
            "hit p99 ms",
            "hit CPU µs to the answer",
            "hit CPU µs in all",
            "hit ms until over",
        ],
    );
    let mut calls = Table::new(
        "Calls to the stores, of a process's start, of its first event, and of later ones",
        &[
            "function",
            "start",
            "first, before the answer",
            "first, after it",
            "read, before",
            "read, after",
            "hit, before",
            "hit, after",
        ],
    );
    let mut sizes = Table::new(
        "Sizes: the program or what is in its place, packed, and the most memory that the process had",
        &["function", "program KB", "zip KB", "memory MB"],
    );
    let mut hits_cpu = BTreeMap::new();
    for (number, program) in programs.iter().enumerate() {
        let lives = of(number, Mode::Tls);
        let misses: Vec<&Invoked> = lives.iter().flat_map(|life| &life.misses).collect();
        let hits: Vec<&Invoked> = lives.iter().flat_map(|life| &life.hits).collect();
        let answered = |one: &&Invoked| ms(one.answered);
        let to_answer = |one: &&Invoked| one.cpu_to_answer as f64 / 1e3;
        let in_all = |one: &&Invoked| one.cpu as f64 / 1e3;
        let p50 = |of: &[&Invoked], what: &dyn Fn(&&Invoked) -> f64| at(of, what, 0.5);
        warm.row(vec![
            json!(program.name),
            rounded(p50(&misses, &answered)),
            rounded(at(&misses, &answered, 0.99)),
            rounded(p50(&misses, &in_all)),
            rounded(p50(&hits, &answered)),
            rounded(at(&hits, &answered, 0.99)),
            rounded(p50(&hits, &to_answer)),
            rounded(p50(&hits, &in_all)),
            rounded(p50(&hits, &|one| ms(one.over))),
        ]);
        hits_cpu.insert(program.name.as_str(), (p50(&hits, &to_answer), p50(&hits, &in_all)));
        let last = |of: &[&Invoked]| -> [Value; 2] {
            of.last().map_or([Value::Null, Value::Null], |one| {
                [json!(one.calls_to_answer), json!(one.calls_after)]
            })
        };
        let firsts: Vec<&Invoked> = lives.iter().map(|life| &life.first).collect();
        let mut row = vec![json!(program.name), json!(lives.first().map(|life| life.init_calls))];
        row.extend([last(&firsts), last(&misses), last(&hits)].into_iter().flatten());
        calls.row(row);
        let file = fs::read(&program.file)?;
        sizes.row(vec![
            json!(program.name),
            json!(file.len() / 1_000),
            json!(packed(&file) / 1_000),
            rounded(middle(number, Mode::Tls, &|life| life.memory)),
        ]);
    }

    let find = |name: &str| programs.iter().position(|program| program.name == name);
    let mut tables = vec![cold, warm, calls, sizes];
    if let Some(ours) = find("redirect") {
        let mut ratios = Table::new("The redirect beside the others", &["what", "ratio"]);
        let mut ratio = |what: String, a: Option<f64>, b: Option<f64>| {
            if let (Some(a), Some(b)) = (a, b) {
                ratios.row(vec![json!(what), rounded(Some(a / b))]);
            }
        };
        if let Some(hello) = find("hello") {
            let of = |number| middle(number, Mode::Tls, &init);
            ratio("init / hello's".to_owned(), of(ours), of(hello));
            let of = |number| middle(number, Mode::Tls, &|life| life.memory);
            ratio("memory / hello's".to_owned(), of(ours), of(hello));
            let (ours, hello) = (hits_cpu["redirect"], hits_cpu["hello"]);
            ratio("CPU to the answer of a hit / hello's".to_owned(), ours.0, hello.0);
            ratio("CPU of a hit with its click / hello's".to_owned(), ours.1, hello.1);
        }
        for name in ["typical", "node", "python"] {
            let Some(other) = find(name) else { continue };
            for &mode in modes {
                let of = |number| middle(number, mode, &both);
                let how = match mode {
                    Mode::Plain => continue,
                    Mode::Tls => "the whole CPU".to_owned(),
                    Mode::Share100 => "14.5 % of 100 ms".to_owned(),
                    Mode::Share20 => "14.5 % of 20 ms".to_owned(),
                };
                ratio(format!("{name}'s init and first / ours, {how}"), of(other), of(ours));
            }
        }
        tables.insert(0, ratios);
    }
    say(&format!("\nEach call to the stores takes {} ms there.", DELAY.as_millis()));
    publish("lambda", &tables)
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// A quantile of what some invocations took.
fn at(of: &[&Invoked], what: &dyn Fn(&&Invoked) -> f64, part: f64) -> Option<f64> {
    let mut all: Vec<f64> = of.iter().map(what).collect();
    all.sort_by(f64::total_cmp);
    // Exact enough: there are some thousand.
    let ordinal = all
        .iter()
        .enumerate()
        .take_while(|(number, _)| (*number as f64) < part * (all.len() as f64));
    ordinal.last().map(|(_, value)| *value)
}

/// As many digits as the figure is worth.
fn rounded(number: Option<f64>) -> Value {
    match number {
        None => Value::Null,
        Some(number) if number.abs() < 10.0 => json!((number * 100.0).round() / 100.0),
        Some(number) => json!((number * 10.0).round() / 10.0),
    }
}

/// The bytes of a package with this file: what a cold start fetches.
fn packed(file: &[u8]) -> usize {
    // Headers of a zip with one entry.
    const AROUND: usize = 150;
    miniz_oxide::deflate::compress_to_vec(file, 9).len() + AROUND
}
