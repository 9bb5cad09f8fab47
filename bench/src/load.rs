//! Load on an HTTP server: as much as goes, or at a rate whatever the server does.
//!
//! Plain HTTP/1.1 without pipelining, on one thread: the generator runs on the same machine, and takes
//! what it takes from the server.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures_util::future::try_join_all;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// How long an open loop waits at its end for what has not been answered yet.
const GRACE: Duration = Duration::from_secs(5);

/// The shortest time for which the pacer sleeps: more wake-ups would take the time of the server.
const TICK: Duration = Duration::from_micros(250);

/// Writes the request of this number.
type Write = dyn Fn(u64, &mut Vec<u8>) + Send + Sync;

/// What is asked for.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) status: u16,
    write: Arc<Write>,
    /// The number of the next request, over all loads.
    next: Arc<AtomicU64>,
}

impl Target {
    pub(crate) fn new(
        address: SocketAddr,
        status: u16,
        write: impl Fn(u64, &mut Vec<u8>) + Send + Sync + 'static,
    ) -> Self {
        Self { address, status, write: Arc::new(write), next: Arc::default() }
    }

    fn next(&self, request: &mut Vec<u8>) {
        request.clear();
        (self.write)(self.next.fetch_add(1, Ordering::Relaxed), request);
    }
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    /// How many were answered, those of the first second too.
    pub(crate) answered: u64,
    /// Answers in a second.
    pub(crate) rate: f64,
    /// In microseconds.
    pub(crate) latency: Histogram<u64>,
}

impl Outcome {
    /// So many of a hundred were answered within this many milliseconds.
    pub(crate) fn ms(&self, percentile: f64) -> f64 {
        let microseconds = self.latency.value_at_percentile(percentile);
        f64::from(u32::try_from(microseconds).unwrap_or(u32::MAX)) / 1_000.0
    }
}

/// What all connections of a load share.
struct Shared {
    target: Target,
    /// What was asked for before is not counted: connections are new, and caches cold.
    since: Instant,
    over: AtomicBool,
    answered: AtomicU64,
    latency: Mutex<Histogram<u64>>,
    /// When the requests are due that nobody has taken yet.
    due: Mutex<VecDeque<Instant>>,
    permits: Semaphore,
}

impl Shared {
    fn new(target: &Target, warm_up: Duration) -> anyhow::Result<Arc<Self>> {
        // From a microsecond to a minute, by three digits.
        let latency = Histogram::new_with_bounds(1, 60_000_000, 3)?;
        Ok(Arc::new(Self {
            target: target.clone(),
            since: Instant::now() + warm_up,
            over: AtomicBool::new(false),
            answered: AtomicU64::new(0),
            latency: Mutex::new(latency),
            due: Mutex::default(),
            permits: Semaphore::new(0),
        }))
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn record(&self, begin: Instant) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if self.since <= begin {
            let took = u64::try_from(begin.elapsed().as_micros()).unwrap_or(u64::MAX);
            locked(&self.latency).saturating_record(took.max(1));
        }
    }

    fn outcome(&self, seconds: f64) -> Outcome {
        let latency = locked(&self.latency).clone();
        let counted = f64::from(u32::try_from(latency.len()).unwrap_or(u32::MAX));
        let answered = self.answered.load(Ordering::Relaxed);
        Outcome { answered, rate: counted / seconds, latency }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks on so many connections, each again as soon as it is answered, for so long after a second.
pub(crate) async fn saturate(
    target: &Target,
    connections: usize,
    duration: Duration,
) -> anyhow::Result<Outcome> {
    let warm_up = Duration::from_secs(1);
    let shared = Shared::new(target, warm_up)?;
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let mut connection = Connection::open(target.address).await?;
        let shared = Arc::clone(&shared);
        let task: JoinHandle<anyhow::Result<()>> = tokio::spawn(async move {
            let mut request = Vec::new();
            while !shared.is_over() {
                shared.target.next(&mut request);
                let begin = Instant::now();
                connection.expect(&request, shared.target.status).await?;
                shared.record(begin);
            }
            Ok(())
        });
        tasks.push(task);
    }
    tokio::time::sleep(warm_up + duration).await;
    shared.over.store(true, Ordering::Relaxed);
    let seconds = shared.since.elapsed().as_secs_f64();
    for ended in try_join_all(tasks).await? {
        ended?;
    }
    Ok(shared.outcome(seconds))
}

/// Asks at a rate for so long after a second, on at most so many connections.
///
/// Each request is due at a time that does not depend on any answer, and its latency counts from then:
/// what waits because the server is slow has waited («coordinated omission» corrected). What was not
/// answered in the end counts with the time that it had waited by then.
pub(crate) async fn pace(
    target: &Target,
    connections: usize,
    rate: f64,
    duration: Duration,
) -> anyhow::Result<Outcome> {
    let warm_up = Duration::from_secs(1);
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(target.address).await?);
    }
    let shared = Shared::new(target, warm_up)?;
    let mut tasks = Vec::new();
    for mut connection in open {
        let shared = Arc::clone(&shared);
        let task: JoinHandle<anyhow::Result<()>> = tokio::spawn(async move {
            let mut request = Vec::new();
            // Closed when it is over.
            while let Ok(permit) = shared.permits.acquire().await {
                permit.forget();
                let Some(due) = locked(&shared.due).pop_front() else { continue };
                shared.target.next(&mut request);
                connection.expect(&request, shared.target.status).await?;
                shared.record(due);
            }
            Ok(())
        });
        tasks.push(task);
    }
    let pacer = {
        let shared = Arc::clone(&shared);
        std::thread::spawn(move || issue(&shared, rate, warm_up + duration))
    };
    let begin = Instant::now();
    while !pacer.is_finished() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    while !locked(&shared.due).is_empty() && begin.elapsed() < warm_up + duration + GRACE {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    shared.permits.close();
    let seconds = shared.since.elapsed().as_secs_f64();
    for ended in try_join_all(tasks).await? {
        ended?;
    }
    let late: Vec<Instant> = locked(&shared.due).drain(..).collect();
    let outcome = shared.outcome(seconds);
    let mut latency = outcome.latency;
    for due in late.into_iter().filter(|due| shared.since <= *due) {
        latency.saturating_record(u64::try_from(due.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(Outcome { latency, ..outcome })
}

/// Says when requests are due. On a thread of its own, so that it is on time when all else is busy.
fn issue(shared: &Shared, rate: f64, duration: Duration) {
    let begin = Instant::now();
    let mut issued: u32 = 0;
    loop {
        let now = Instant::now();
        if duration <= now - begin {
            return;
        }
        let mut more = 0;
        let mut due = locked(&shared.due);
        let next = loop {
            let next = begin + Duration::from_secs_f64(f64::from(issued) / rate);
            if now < next {
                break next;
            }
            due.push_back(next);
            issued += 1;
            more += 1;
        };
        drop(due);
        shared.permits.add_permits(more);
        std::thread::sleep(TICK.max(next.saturating_duration_since(Instant::now())));
    }
}

/// A plain connection, for one request at a time.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// Where the body of the last answer begins.
    body: usize,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).await.context("connecting")?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, buffer: Vec::with_capacity(4_096), body: 0 })
    }

    /// Sends a request; the answer must have this status.
    pub(crate) async fn expect(&mut self, request: &[u8], status: u16) -> anyhow::Result<()> {
        let got = self.send(request).await?;
        let text = || String::from_utf8_lossy(&self.buffer);
        ensure!(got == status, "{status} was expected of {}\n{}", shown(request), text());
        Ok(())
    }

    /// Sends a request, and reads the whole answer.
    async fn send(&mut self, request: &[u8]) -> anyhow::Result<u16> {
        self.socket.write_all(request).await?;
        self.buffer.clear();
        loop {
            ensure!(self.socket.read_buf(&mut self.buffer).await? != 0, "the server hung up");
            let Some(head) = self.buffer.windows(4).position(|part| part == b"\r\n\r\n") else {
                continue;
            };
            self.body = head + 4;
            let (status, length) = read_head(&self.buffer[..head])?;
            while self.buffer.len() < self.body + length {
                ensure!(self.socket.read_buf(&mut self.buffer).await? != 0, "the server hung up");
            }
            return Ok(status);
        }
    }

    /// The body of the last answer.
    pub(crate) fn body(&self) -> &[u8] {
        self.buffer.get(self.body..).unwrap_or_default()
    }
}

fn shown(request: &[u8]) -> String {
    String::from_utf8_lossy(request).lines().next().unwrap_or_default().to_owned()
}

/// The status, and how long the body is.
fn read_head(head: &[u8]) -> anyhow::Result<(u16, usize)> {
    const LENGTH: &str = "content-length:";
    let head = std::str::from_utf8(head).context("a head is text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1));
    let Some(status) = status.and_then(|status| status.parse().ok()) else {
        bail!("this is no answer: {head}");
    };
    let length = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(LENGTH.len())?;
        name.eq_ignore_ascii_case(LENGTH).then(|| value.trim().parse().ok())?
    });
    Ok((status, length.unwrap_or(0)))
}
