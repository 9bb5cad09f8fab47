//! The one thread that writes: it takes all calls that wait, runs them in one transaction, and
//! has them answered when that is on the disk.
//!
//! Calls that come in during a transaction share the next one. Where they come one by one, none is held
//! back to collect more, but whoever is ready to call now may do so before it begins. After a commit
//! that several sends have shared, the next one keeps a [`PACE`]. The thread goes on while the disk is
//! waited for.
//!
//! Long polls wait here as well: after each transaction the receives in line get what is visible,
//! and the thread sleeps no longer than until the next message becomes visible or the next poll
//! ends.

#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::fault::Fault;
use super::store::{Delivery, Store};
use crate::disk::Disk;

/// The most calls in one transaction, so that the first of them does not wait too long.
const MAX_CALLS: usize = 512;

/// How long after one commit the next one begins at the soonest, while several sends share each. Every
/// commit writes pages and waits for the disk once, whatever is in it: in a rush there are half as many
/// so, and a send waits a third of a millisecond longer.
const PACE: Duration = Duration::from_micros(600);

/// What is left of a call after its work: to tell its caller, once it is known whether the
/// transaction holds.
type Answer = Box<dyn FnOnce(Result<(), Fault>) + Send>;

/// What a caller may rely on when it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Promise {
    /// It is on the disk.
    Disk,
    /// It is in the system's hands, and on the disk soon.
    Soon,
    /// It is committed. If it is lost with the machine, it is done again: a message that was received
    /// or deleted is received once more.
    Anyhow,
}

/// One call.
pub(crate) enum Job {
    /// Work that can be done at once.
    Work(Box<dyn FnOnce(&mut Store) -> Done + Send>),
    /// A receive, which may have to wait.
    Receive(Poll),
}

/// What some work came to.
pub(crate) struct Done {
    answer: Answer,
    promise: Promise,
    /// SQLite failed under it, so what it has written may be half of it: nothing may stay.
    broken: bool,
}

/// A receive.
pub(crate) struct Poll {
    pub(crate) queue: String,
    pub(crate) most: usize,
    pub(crate) visibility_seconds: Option<i64>,
    /// `None`: the queue's own.
    pub(crate) wait_seconds: Option<i64>,
    pub(crate) reply: oneshot::Sender<Result<Vec<Delivery>, Fault>>,
}

/// A receive in line.
struct Waiting {
    poll: Poll,
    /// In the time of the store's clock.
    until: i64,
}

/// Makes a job of `work`, and the place where its result will be.
pub(crate) fn job<T: Send + 'static>(
    promise: Promise,
    work: impl FnOnce(&mut Store) -> Result<T, Fault> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, Fault>>) {
    let (reply, result) = oneshot::channel();
    let job = Job::Work(Box::new(move |store| {
        let result = work(store);
        Done {
            promise,
            broken: matches!(result, Err(Fault::Internal(_))),
            // A caller that went away does not need the answer.
            answer: Box::new(move |committed| drop(reply.send(committed.and(result)))),
        }
    }));
    (job, result)
}

/// Runs until all senders of `jobs` are gone.
pub(crate) fn run(store: Store, disk: Option<Disk>, jobs: &Receiver<Job>) {
    let mut writer = Writer { store, disk, lines: HashMap::new() };
    let mut wake_at = None;
    let mut may_begin = Instant::now();
    loop {
        let first = match wake_at {
            None => match jobs.recv() {
                Ok(job) => Some(job),
                Err(_) => return,
            },
            Some(at) => match jobs.recv_timeout(writer.until(at)) {
                Ok(job) => Some(job),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            },
        };
        // On a busy machine there are more in a transaction so, and it costs about as much as twenty
        // messages in it. On an idle one this returns at once.
        std::thread::yield_now();
        let early = may_begin.saturating_duration_since(Instant::now());
        if !early.is_zero() {
            std::thread::sleep(early);
        }
        let begin = Instant::now();
        let turn = writer.turn(first.into_iter().chain(jobs.try_iter()).take(MAX_CALLS));
        wake_at = turn.wake_at;
        may_begin = if 1 < turn.waiting { begin + PACE } else { begin };
    }
}

/// What came of one transaction.
struct Turn {
    /// When there is something to do without another call.
    wake_at: Option<i64>,
    /// How many callers wait for the disk.
    waiting: usize,
}

struct Writer {
    store: Store,
    /// `None`: in memory, there is none.
    disk: Option<Disk>,
    /// The receives that wait, by queue, in the order they came.
    lines: HashMap<String, VecDeque<Waiting>>,
}

impl Writer {
    fn until(&self, at: i64) -> Duration {
        let millis = u64::try_from(at - self.store.now()).unwrap_or(0);
        // One more: a message is visible when its millisecond has come.
        Duration::from_millis(millis.saturating_add(1))
    }

    /// Does `jobs` and serves the receives in line, in one transaction.
    fn turn(&mut self, jobs: impl Iterator<Item = Job>) -> Turn {
        let mut answers = Vec::new();
        let mut wake_at = None;
        let outcome = self.transact(jobs, &mut answers, &mut wake_at);
        if let Err(fault) = &outcome {
            tracing::error!(error = %fault, calls = answers.len(), "rolling back SQS calls");
        }
        let mut late = Vec::new();
        let mut is_wanted = false;
        for (promise, answer) in answers {
            is_wanted |= promise != Promise::Anyhow;
            match promise {
                Promise::Disk if outcome.is_ok() && self.disk.is_some() => late.push(answer),
                Promise::Disk | Promise::Soon | Promise::Anyhow => answer(outcome.clone()),
            }
        }
        let waiting = late.len();
        if let Some(disk) = self.disk.as_ref().filter(|_| is_wanted) {
            disk.then(move |synced| {
                let outcome = synced.clone().map_err(Fault::Internal);
                late.into_iter().for_each(|answer| answer(outcome.clone()));
            });
        }
        Turn { wake_at, waiting }
    }

    fn transact(
        &mut self,
        jobs: impl Iterator<Item = Job>,
        answers: &mut Vec<(Promise, Answer)>,
        wake_at: &mut Option<i64>,
    ) -> Result<(), Fault> {
        let begun = self.store.begin().map_err(Fault::from);
        let mut done = begun.clone();
        for job in jobs {
            match job {
                Job::Work(work) => {
                    let Done { answer, promise, broken } = work(&mut self.store);
                    answers.push((promise, answer));
                    if broken && done.is_ok() {
                        done = Err(Fault::Internal("a call in the same commit failed".to_owned()));
                    }
                }
                Job::Receive(poll) => self.line_up(poll, answers),
            }
        }
        let served = self.serve(answers).map(|next| *wake_at = next);
        let committed = done.and(served).and_then(|()| Ok(self.store.commit()?));
        if committed.is_err() {
            // If there is none to roll back, that is as good.
            let _ = self.store.roll_back();
            if let Err(error) = self.store.reload() {
                tracing::error!(%error, "reading the SQS queues after a rollback");
            }
        }
        committed
    }

    fn line_up(&mut self, poll: Poll, answers: &mut Vec<(Promise, Answer)>) {
        match self.store.queue(&poll.queue) {
            Ok(queue) => {
                let seconds = poll.wait_seconds.unwrap_or(queue.settings.wait_seconds);
                let until = self.store.now() + seconds * 1000;
                let line = self.lines.entry(poll.queue.clone()).or_default();
                line.push_back(Waiting { poll, until });
            }
            Err(fault) => answers.push(answer_to(poll, Err(fault))),
        }
    }

    /// Gives the receives in line what is visible, and ends those that have waited long enough.
    fn serve(&mut self, answers: &mut Vec<(Promise, Answer)>) -> Result<Option<i64>, Fault> {
        let mut wake_at: Option<i64> = None;
        let mut wake_by = |at: i64| wake_at = Some(wake_at.map_or(at, |other| other.min(at)));
        let Self { store, lines, .. } = self;
        for (name, line) in &mut *lines {
            let queue = match store.queue(name) {
                Ok(queue) => queue,
                Err(fault) => {
                    // It was deleted meanwhile.
                    answers.extend(line.drain(..).map(|it| answer_to(it.poll, Err(fault.clone()))));
                    continue;
                }
            };
            // A caller that hung up would take messages along.
            line.retain(|waiting| !waiting.poll.reply.is_closed());
            while let Some(Waiting { poll, until }) = line.pop_front() {
                let deliveries = store.receive(&queue, poll.most, poll.visibility_seconds)?;
                if deliveries.is_empty() {
                    line.push_front(Waiting { poll, until });
                    break;
                }
                answers.push(answer_to(poll, Ok(deliveries)));
            }
            let now = store.now();
            for _ in 0..line.len() {
                let Some(waiting) = line.pop_front() else { break };
                if waiting.until <= now {
                    answers.push(answer_to(waiting.poll, Ok(Vec::new())));
                } else {
                    wake_by(waiting.until);
                    line.push_back(waiting);
                }
            }
            if !line.is_empty()
                && let Some(at) = store.next_visible(&queue)?
            {
                wake_by(at);
            }
        }
        lines.retain(|_, line| !line.is_empty());
        Ok(wake_at)
    }
}

fn answer_to(poll: Poll, result: Result<Vec<Delivery>, Fault>) -> (Promise, Answer) {
    let answer = move |committed: Result<(), Fault>| {
        drop(poll.reply.send(committed.and(result)));
    };
    (Promise::Anyhow, Box::new(answer))
}
