//! The Lambda Runtime API and the Extensions API, for one process, with a stopwatch.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use lambda::Clock;
use serde_json::json;

use super::process::{cpu, settle};
use super::wire::{Answer, Asked, listen};

/// The longest wait for anything; Node under a quota takes two seconds.
const PATIENCE: Duration = Duration::from_secs(60);

/// A function's deadline, from when it is given an event.
const DEADLINE_MS: i64 = 10_000;

/// What a process is asked and says.
#[derive(Debug, Clone)]
pub(super) struct RuntimeApi {
    shared: Arc<Shared>,
    pub(super) address: SocketAddr,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// How many calls the stores have had.
    calls: Arc<AtomicU64>,
}

#[derive(Debug, Default)]
struct State {
    process: u32,
    /// Whether CPU is looked at: a process under a quota stands still without having done its work.
    counts: bool,
    /// The runtime asks for an event, since then.
    runtime_asks: Option<Instant>,
    extensions: usize,
    extensions_ask: Vec<Instant>,
    /// The event for the runtime, and one for each extension.
    event: Option<Vec<u8>>,
    told: usize,
    /// Events so far.
    number: u64,
    begun: Option<Instant>,
    answer: Option<Answered>,
    failed: Option<String>,
}

/// When an answer came, what it was, and the CPU and the calls by then.
#[derive(Debug)]
struct Answered {
    at: Instant,
    body: Vec<u8>,
    spent: u64,
    calls: u64,
}

/// What an invocation took.
#[derive(Debug, Clone)]
pub(super) struct Invoked {
    /// From the event to the answer.
    pub(super) answered: Duration,
    /// From the event until the process could be frozen.
    pub(super) over: Duration,
    /// Nanoseconds of CPU, to the answer and to the end.
    pub(super) cpu_to_answer: u64,
    pub(super) cpu: u64,
    /// Calls to the stores before the answer, and after it.
    pub(super) calls_to_answer: u64,
    pub(super) calls_after: u64,
    pub(super) answer: Vec<u8>,
}

impl RuntimeApi {
    pub(super) fn start(calls: Arc<AtomicU64>) -> io::Result<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        let shared = Arc::new(Shared { state, changed, calls });
        let for_all = Arc::clone(&shared);
        let address = listen(None, move |asked| for_all.answer(&asked))?;
        Ok(Self { shared, address })
    }

    /// Which process this is for, and whether its CPU is looked at.
    pub(super) fn is_for(&self, process: u32, counts: bool) {
        let mut state = self.shared.lock();
        (state.process, state.counts) = (process, counts);
    }

    /// Waits until the process and its extensions ask for an event; says since when.
    pub(super) fn idle(&self, ended: impl FnMut() -> bool) -> anyhow::Result<Instant> {
        let state = self.shared.wait(ended, |state| state.is_idle())?;
        let since = state.extensions_ask.iter().copied().chain(state.runtime_asks).max();
        since.context("it asks since a moment")
    }

    /// Gives the process an event, and waits until it could be frozen again.
    pub(super) fn invoke(
        &self,
        event: Vec<u8>,
        mut ended: impl FnMut() -> bool,
    ) -> anyhow::Result<Invoked> {
        self.idle(&mut ended)?;
        let (process, counts) = {
            let state = self.shared.lock();
            (state.process, state.counts)
        };
        let spent = || match counts {
            true => {
                settle(process);
                cpu(process)
            }
            false => 0,
        };
        let (before, calls) = (spent(), self.shared.calls());
        {
            let mut state = self.shared.lock();
            state.number += 1;
            state.answer = None;
            state.begun = None;
            state.told = state.extensions;
            state.event = Some(event);
            self.shared.changed.notify_all();
        }
        let over = {
            let state =
                self.shared.wait(&mut ended, |state| state.answer.is_some() && state.is_idle())?;
            state.extensions_ask.iter().copied().chain(state.runtime_asks).max()
        };
        let (after, calls_in_all) = (spent(), self.shared.calls() - calls);
        let mut state = self.shared.lock();
        let answered = state.answer.take().context("there was an answer")?;
        let calls_to_answer = answered.calls - calls;
        let (begun, over) = (state.begun.context("it began")?, over.context("it ended")?);
        Ok(Invoked {
            answered: answered.at.duration_since(begun),
            over: over.duration_since(begun),
            cpu_to_answer: answered.spent.saturating_sub(before),
            cpu: after.saturating_sub(before),
            calls_to_answer,
            calls_after: calls_in_all - calls_to_answer,
            answer: answered.body,
        })
    }
}

impl State {
    fn is_idle(&self) -> bool {
        let asks = self.runtime_asks.is_some() && self.extensions_ask.len() == self.extensions;
        asks && self.event.is_none() && self.told == 0
    }
}

impl Shared {
    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until something holds, or the process has ended or said that it failed.
    fn wait(
        &self,
        mut ended: impl FnMut() -> bool,
        holds: impl Fn(&State) -> bool,
    ) -> anyhow::Result<MutexGuard<'_, State>> {
        let begin = Instant::now();
        let mut state = self.lock();
        loop {
            if let Some(failed) = &state.failed {
                bail!("the process failed: {failed}");
            }
            if holds(&state) {
                return Ok(state);
            }
            if ended() || PATIENCE < begin.elapsed() {
                bail!("the process ended or is stuck");
            }
            let wait = self.changed.wait_timeout(state, Duration::from_millis(100));
            state = wait.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn answer(&self, asked: &Asked) -> Answer {
        let path = asked.path.trim_start_matches("/2018-06-01/").trim_start_matches("/2020-01-01/");
        match path {
            "runtime/invocation/next" => self.runtime_next(),
            "extension/register" => {
                self.lock().extensions += 1;
                let function = json!({
                    "functionName": "bench", "functionVersion": "1", "handler": "bootstrap",
                });
                Answer::new(200, function.to_string())
                    .with("lambda-extension-identifier", "b0a4f1e8-5d1c-4c0e-8e58-9d6e7f2c1a34")
            }
            "extension/event/next" => self.extension_next(),
            _ if path.ends_with("/response") => {
                let (at, calls) = (Instant::now(), self.calls());
                // The process waits for our answer now, and does what it does after it then.
                let (process, counts) = {
                    let state = self.lock();
                    (state.process, state.counts)
                };
                let spent = match counts {
                    true => {
                        settle(process);
                        cpu(process)
                    }
                    false => 0,
                };
                let body = asked.body.clone();
                self.lock().answer = Some(Answered { at, body, spent, calls });
                self.changed.notify_all();
                Answer::new(202, "")
            }
            // Errors of the start, of an invocation, of an extension.
            _ => {
                let said = String::from_utf8_lossy(&asked.body);
                self.lock().failed = Some(format!("{} {}: {said}", asked.method, asked.path));
                self.changed.notify_all();
                Answer::new(202, "")
            }
        }
    }

    fn runtime_next(&self) -> Answer {
        let mut state = self.lock();
        state.runtime_asks = Some(Instant::now());
        self.changed.notify_all();
        loop {
            if let Some(event) = state.event.take() {
                state.runtime_asks = None;
                let answer = Answer::new(200, event)
                    .with("content-type", "application/json")
                    .with("lambda-runtime-aws-request-id", request_id(state.number))
                    .with("lambda-runtime-deadline-ms", deadline())
                    .with("lambda-runtime-invoked-function-arn", ARN)
                    .with("lambda-runtime-trace-id", TRACE);
                state.begun = Some(Instant::now());
                return answer;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn extension_next(&self) -> Answer {
        let mut state = self.lock();
        state.extensions_ask.push(Instant::now());
        self.changed.notify_all();
        loop {
            if state.told != 0 {
                state.told -= 1;
                state.extensions_ask.pop();
                let event = json!({
                    "eventType": "INVOKE",
                    "deadlineMs": deadline().parse::<u64>().unwrap_or_default(),
                    "requestId": request_id(state.number),
                    "invokedFunctionArn": ARN,
                    "tracing": { "type": "X-Amzn-Trace-Id", "value": TRACE },
                });
                return Answer::new(200, event.to_string());
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

const ARN: &str = "arn:aws:lambda:eu-west-1:123456789012:function:bench";
const TRACE: &str = "Root=1-6b00532f-395c712d83ac83bdee68131f;Parent=53995c3f42cd8ad8;Sampled=0";

/// The deadline of an event that is given now, in milliseconds since 1970.
fn deadline() -> String {
    let now = Clock::system().now().as_millisecond();
    now.saturating_add(DEADLINE_MS).to_string()
}

fn request_id(number: u64) -> String {
    format!("8476a536-e9f4-11e8-9739-{number:012x}")
}
