//! Waiting for the disk, apart from the writing.
//!
//! SQLite would wait at each commit (`synchronous=FULL`), and write nothing meanwhile. So the stores
//! commit without waiting (`NORMAL`: it waits only where a checkpoint needs it), and hand over here
//! whom to tell: threads bring the write-ahead log to the disk, and then tell all who came before.
//! Two at once, because a disk takes the second wait in the time of the first, and no more: each wait
//! is work for the processor. What is promised is the same: who was told has it on the disk.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use crate::OpenError;

/// How many wait at once.
const THREADS: usize = 2;

/// Tells somebody whether the disk has what was committed before.
type Told = Box<dyn FnOnce(&Result<(), String>) + Send>;

/// The disk under one database.
pub(crate) struct Disk {
    /// `None` only while dropping.
    waiting: Option<mpsc::Sender<Told>>,
    threads: Vec<JoinHandle<()>>,
}

impl Disk {
    /// The disk under a database that is open, in WAL mode: the log is the same file as long as it is.
    pub(crate) fn under(database: &Path, name: &'static str) -> Result<Self, OpenError> {
        let failed = |source| OpenError::Thread { name, source };
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let log = Arc::new(OpenOptions::new().write(true).open(log).map_err(failed)?);
        let (sender, waiting) = mpsc::channel();
        let waiting = Arc::new(Mutex::new(waiting));
        let start = |_| {
            let (log, waiting) = (Arc::clone(&log), Arc::clone(&waiting));
            std::thread::Builder::new().name(name.to_owned()).spawn(move || run(&log, &waiting))
        };
        let threads = (0..THREADS).map(start).collect::<io::Result<_>>().map_err(failed)?;
        Ok(Self { waiting: Some(sender), threads })
    }

    /// Tells `told` when all is on the disk that has been committed by now.
    pub(crate) fn then(&self, told: impl FnOnce(&Result<(), String>) + Send + 'static) {
        if let Some(waiting) = &self.waiting {
            // If the threads are gone, `told` is dropped, and whoever waits sees that.
            let _ = waiting.send(Box::new(told));
        }
    }
}

fn run(log: &File, waiting: &Mutex<mpsc::Receiver<Told>>) {
    loop {
        let told: Vec<Told> = {
            let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(first) = waiting.recv() else { return };
            std::iter::once(first).chain(waiting.try_iter()).collect()
        };
        let synced = log.sync_data().map_err(|error| format!("writing to the disk: {error}"));
        told.into_iter().for_each(|told| told(&synced));
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.waiting = None;
        for thread in self.threads.drain(..) {
            // Who was told last is told before this returns.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_told_also_those_who_came_last_and_a_log_must_be_there() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("a.sqlite");
        assert!(matches!(Disk::under(&database, "disk"), Err(OpenError::Thread { .. })));

        File::create(dir.path().join("a.sqlite-wal")).unwrap();
        let disk = Disk::under(&database, "disk").unwrap();
        let (sender, told) = mpsc::channel();
        for number in 0..100 {
            let sender = sender.clone();
            disk.then(move |synced| sender.send((number, synced.is_ok())).unwrap());
        }
        drop((disk, sender));
        let mut told: Vec<_> = told.try_iter().collect();
        told.sort_unstable();
        assert!(told.into_iter().eq((0..100).map(|number| (number, true))));
    }
}
