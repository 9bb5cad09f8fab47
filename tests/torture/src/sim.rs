//! Time that passes only when everybody waits.
//!
//! A run is one thread. Calls to the stores are made at once, without waiting (the stores' own
//! threads answer while this one stands still), and every pause is a nap here. When all that runs is
//! asleep, the clock jumps to the next who wakes. So an hour of retries takes no time, several
//! workers still meet in all possible orders, and the same seed meets in the same order again.

use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// A clock of naps. Clones are the same clock.
#[derive(Clone, Default)]
pub struct Sim(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    now: Duration,
    /// Who lies down later at the same moment wakes later.
    turn: u64,
    asleep: BTreeMap<(Duration, u64), Waker>,
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sim({:?})", self.now())
    }
}

impl Sim {
    /// How much time has passed.
    pub fn now(&self) -> Duration {
        self.state().now
    }

    /// Sleeps so long.
    pub fn sleep(&self, time: Duration) -> Nap {
        Nap { sim: self.clone(), time, key: None }
    }

    /// Runs a future to its end, and lets the time pass in which all of it sleeps.
    ///
    /// What waits for something else than this clock waits for real.
    pub async fn run<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let step = poll_fn(|outer| {
            let bell =
                Arc::new(Bell { rung: AtomicBool::new(false), outer: outer.waker().clone() });
            let waker = Waker::from(Arc::clone(&bell));
            loop {
                bell.rung.store(false, Ordering::SeqCst);
                if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                    return Poll::Ready(done);
                }
                if !bell.rung.load(Ordering::SeqCst) && !self.wake_next() {
                    return Poll::Pending;
                }
            }
        });
        // Tokio takes from a task that runs for long what it waits for; this one never yields.
        tokio::task::unconstrained(step).await
    }

    /// Jumps to when the next one wakes; says whether there is one.
    fn wake_next(&self) -> bool {
        let waker = {
            let mut state = self.state();
            let Some(((at, _), waker)) = state.asleep.pop_first() else { return false };
            state.now = state.now.max(at);
            waker
        };
        waker.wake();
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Bell {
    rung: AtomicBool,
    outer: Waker,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::SeqCst);
        self.outer.wake_by_ref();
    }
}

/// A sleep on a [`Sim`].
#[derive(Debug)]
pub struct Nap {
    sim: Sim,
    time: Duration,
    /// `None` before the first poll.
    key: Option<(Duration, u64)>,
}

impl Future for Nap {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let (sim, time) = (self.sim.clone(), self.time);
        let mut state = sim.state();
        let key = *self.key.get_or_insert_with(|| {
            state.turn += 1;
            let key = (state.now.saturating_add(time), state.turn);
            state.asleep.insert(key, context.waker().clone());
            key
        });
        match state.asleep.get_mut(&key) {
            Some(waker) => {
                waker.clone_from(context.waker());
                Poll::Pending
            }
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Nap {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            self.sim.state().asleep.remove(key);
        }
    }
}

/// How long somebody lives, counted in the points at which it waits: every call to a store is two of
/// them, before it takes effect and after, and every pause between tries is one.
#[derive(Debug)]
pub struct Life {
    left: AtomicU64,
    waited: AtomicU64,
    over: AtomicBool,
}

impl Default for Life {
    fn default() -> Self {
        Self {
            left: AtomicU64::new(u64::MAX),
            waited: AtomicU64::new(0),
            over: AtomicBool::new(false),
        }
    }
}

impl Life {
    /// Does work that is killed at the wait of this number, from 0; `None` lets it end. Answers
    /// `None` if it was killed: its future was dropped where it stood.
    pub async fn of<F: Future>(&self, waits: Option<u64>, work: F) -> Option<F::Output> {
        self.left.store(waits.unwrap_or(u64::MAX), Ordering::SeqCst);
        self.waited.store(0, Ordering::SeqCst);
        self.over.store(false, Ordering::SeqCst);
        let mut work = Box::pin(work);
        let end = poll_fn(|context| match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if self.over.load(Ordering::SeqCst) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        })
        .await;
        self.left.store(u64::MAX, Ordering::SeqCst);
        end
    }

    /// How often the last work waited.
    pub fn waited(&self) -> u64 {
        self.waited.load(Ordering::SeqCst)
    }

    /// Waits for a nap, or for ever where life ends.
    pub(crate) async fn wait(&self, nap: Nap) {
        let number = self.waited.fetch_add(1, Ordering::SeqCst);
        if self.left.load(Ordering::SeqCst) <= number {
            self.over.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        }
        nap.await;
    }
}

/// Where the stores do what they do besides: this thread cannot, while it waits for them.
fn beside() -> &'static Runtime {
    static BESIDE: OnceLock<Runtime> = OnceLock::new();
    BESIDE.get_or_init(|| {
        let builder = &mut Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().expect("a thread starts")
    })
}

/// Runs a future on this thread, which does nothing else meanwhile: for what other threads answer.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(tokio::task::unconstrained(future));
    let _tasks_start_there = beside().enter();
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut context) {
            return done;
        }
        thread::park();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test]
    async fn sleepers_wake_in_their_order_and_nobody_waits_for_them() {
        let (sim, begin) = (Sim::default(), std::time::Instant::now());
        let order = Mutex::new(Vec::new());
        let sleeper = async |name: &'static str, naps: &[u32]| {
            for nap in naps {
                sim.sleep(HOUR * *nap).await;
                order.lock().unwrap().push(name);
            }
        };
        sim.run(join(sleeper("a", &[1, 2]), sleeper("b", &[2, 2]))).await;
        assert_eq!(*order.lock().unwrap(), ["a", "b", "a", "b"]);
        assert_eq!(sim.now(), HOUR * 4);
        assert!(begin.elapsed() < Duration::from_secs(10));
    }

    #[tokio::test]
    async fn a_life_ends_at_the_wait_that_was_said_and_at_no_other() {
        let (sim, life) = (Sim::default(), Life::default());
        for killed_at in [Some(0), Some(1), Some(2), Some(3), None] {
            let steps = AtomicU64::new(0);
            let work = async {
                for _ in 0..3 {
                    life.wait(sim.sleep(HOUR)).await;
                    steps.fetch_add(1, Ordering::SeqCst);
                }
            };
            let end = sim.run(life.of(killed_at, work)).await;
            let expected = killed_at.unwrap_or(3).min(3);
            assert_eq!(steps.into_inner(), expected);
            assert_eq!(end.is_some(), expected == 3, "{killed_at:?}");
        }
        assert_eq!(life.waited(), 3);
    }
}
