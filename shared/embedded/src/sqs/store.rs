//! The queues and messages on SQLite: what each operation does, within the transaction that the
//! writer has open.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::fault::Fault;
use super::message::Outgoing;
use super::receipt::Receipt;
use super::settings::{Settings, arn};

/// The time in milliseconds since 1970. Tests set their own.
pub(crate) type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// `visible_at` is the whole state of a message: it can be received from then on. Sending sets it
/// to the end of the delay, receiving to the end of the visibility timeout.
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS queue (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        attributes TEXT NOT NULL,
        salt BLOB NOT NULL,
        created_at INTEGER NOT NULL,
        modified_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE IF NOT EXISTS message (
        id INTEGER PRIMARY KEY,
        queue INTEGER NOT NULL,
        visible_at INTEGER NOT NULL,
        received INTEGER NOT NULL,
        first_received_at INTEGER,
        sent_at INTEGER NOT NULL,
        source INTEGER,
        message_id TEXT NOT NULL,
        body TEXT NOT NULL,
        attributes TEXT
    ) STRICT;
    CREATE INDEX IF NOT EXISTS message_by_time ON message (queue, visible_at);
";

/// A queue as the writer knows it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) settings: Settings,
    /// What makes this queue's receipt handles its own.
    pub(crate) salt: [u8; 16],
    pub(crate) created_at: i64,
    pub(crate) modified_at: i64,
}

/// A message as it is delivered.
#[derive(Debug)]
pub(crate) struct Delivery {
    pub(crate) handle: String,
    pub(crate) message_id: String,
    pub(crate) body: String,
    pub(crate) attributes: Option<String>,
    pub(crate) received: i64,
    pub(crate) first_received_at: i64,
    pub(crate) sent_at: i64,
    /// The ARN of the queue it failed in, on a dead-letter queue.
    pub(crate) source: Option<String>,
}

/// How many messages a queue holds.
#[derive(Debug)]
pub(crate) struct Counts {
    pub(crate) visible: i64,
    pub(crate) in_flight: i64,
    pub(crate) delayed: i64,
}

/// A move of messages off a dead-letter queue that was made.
#[derive(Clone, Debug)]
pub(crate) struct Move {
    pub(crate) handle: String,
    pub(crate) source: String,
    pub(crate) destination: Option<String>,
    pub(crate) moved: usize,
    pub(crate) started_at: i64,
}

/// The database and what is kept of it in memory.
pub(crate) struct Store {
    connection: Connection,
    queues: HashMap<String, Arc<Queue>>,
    clock: Clock,
    /// Ids grow with time and are never used twice, so that an old receipt handle can never mean
    /// a new message.
    last_id: i64,
    /// Since the start; forgotten with it, as AWS forgets them after some time.
    pub(crate) moves: Vec<Move>,
}

impl Store {
    pub(crate) fn open(path: &Path, clock: Clock) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        // Another process, or this one's former store that is about to close.
        connection.busy_timeout(Duration::from_secs(1))?;
        // Before WAL: then no shared memory is needed, and a second process is refused.
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // Commits do not wait for the disk; who waits for a send does, so that it survives power loss.
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        Self::new(connection, clock)
    }

    pub(crate) fn in_memory(clock: Clock) -> rusqlite::Result<Self> {
        Self::new(Connection::open_in_memory()?, clock)
    }

    fn new(connection: Connection, clock: Clock) -> rusqlite::Result<Self> {
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(SCHEMA)?;
        let mut store =
            Self { connection, queues: HashMap::new(), clock, last_id: 0, moves: Vec::new() };
        store.reload()?;
        Ok(store)
    }

    /// Reads anew what is kept in memory, after a rollback.
    pub(crate) fn reload(&mut self) -> rusqlite::Result<()> {
        let mut statement = self
            .connection
            .prepare("SELECT id, name, attributes, salt, created_at, modified_at FROM queue")?;
        let queues = statement.query_map([], |row| {
            let attributes: String = row.get(2)?;
            // They were checked before they were written.
            let settings = serde_json::from_str::<BTreeMap<String, String>>(&attributes)
                .ok()
                .and_then(|given| Settings::parse(given).ok())
                .ok_or_else(|| unreadable(2, "queue attributes"))?;
            Ok(Queue {
                id: row.get(0)?,
                name: row.get(1)?,
                settings,
                salt: row.get(3)?,
                created_at: row.get(4)?,
                modified_at: row.get(5)?,
            })
        })?;
        self.queues = queues
            .map(|queue| queue.map(|queue| (queue.name.clone(), Arc::new(queue))))
            .collect::<rusqlite::Result<_>>()?;
        let newest: Option<i64> =
            self.connection.query_row("SELECT max(id) FROM message", [], |row| row.get(0))?;
        self.last_id = self.last_id.max(newest.unwrap_or(0));
        Ok(())
    }

    pub(crate) fn begin(&self) -> rusqlite::Result<()> {
        self.run("BEGIN IMMEDIATE")
    }

    pub(crate) fn commit(&self) -> rusqlite::Result<()> {
        self.run("COMMIT")
    }

    pub(crate) fn roll_back(&self) -> rusqlite::Result<()> {
        self.run("ROLLBACK")
    }

    fn run(&self, sql: &str) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute([]).map(drop)
    }

    pub(crate) fn now(&self) -> i64 {
        (self.clock)()
    }

    fn next_id(&mut self, now: i64) -> i64 {
        self.last_id = (self.last_id + 1).max(now.saturating_mul(1000));
        self.last_id
    }

    // --- Queues -----------------------------------------------------------------------------

    pub(crate) fn queue(&self, name: &str) -> Result<Arc<Queue>, Fault> {
        self.queues.get(name).cloned().ok_or(Fault::QueueDoesNotExist)
    }

    /// The names, sorted.
    pub(crate) fn queue_names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.queues.keys().cloned().collect();
        names.sort_unstable();
        names
    }

    pub(crate) fn create(
        &mut self,
        name: &str,
        settings: Settings,
        salt: [u8; 16],
    ) -> Result<(), Fault> {
        if let Some(queue) = self.queues.get(name) {
            return match queue.settings.differs_from(&settings) {
                Some(attribute) => Err(Fault::QueueNameExists { attribute }),
                None => Ok(()),
            };
        }
        self.check_target(&settings)?;
        let now = self.now();
        self.connection
            .prepare_cached(
                "INSERT INTO queue (name, attributes, salt, created_at, modified_at)
                 VALUES (?1, ?2, ?3, ?4, ?4)",
            )?
            .execute(params![name, settings.stored(), salt, now])?;
        let queue = Queue {
            id: self.connection.last_insert_rowid(),
            name: name.to_owned(),
            settings,
            salt,
            created_at: now,
            modified_at: now,
        };
        self.queues.insert(name.to_owned(), Arc::new(queue));
        Ok(())
    }

    pub(crate) fn set(
        &mut self,
        name: &str,
        changes: BTreeMap<String, String>,
    ) -> Result<(), Fault> {
        let mut queue = Queue::clone(&*self.queue(name)?);
        queue.settings = queue.settings.with(changes)?;
        self.check_target(&queue.settings)?;
        queue.modified_at = self.now();
        self.connection
            .prepare_cached("UPDATE queue SET attributes = ?2, modified_at = ?3 WHERE id = ?1")?
            .execute(params![queue.id, queue.settings.stored(), queue.modified_at])?;
        self.queues.insert(name.to_owned(), Arc::new(queue));
        Ok(())
    }

    fn check_target(&self, settings: &Settings) -> Result<(), Fault> {
        match &settings.redrive {
            Some(redrive) if !self.queues.contains_key(&redrive.target) => {
                Err(Fault::InvalidParameterValue(
                    "Value for parameter RedrivePolicy is invalid. Reason: Dead letter target \
                     does not exist."
                        .to_owned(),
                ))
            }
            Some(_) | None => Ok(()),
        }
    }

    pub(crate) fn delete(&mut self, name: &str) -> Result<(), Fault> {
        let queue = self.queue(name)?;
        self.purge(name)?;
        self.connection
            .prepare_cached("DELETE FROM queue WHERE id = ?1")?
            .execute(params![queue.id])?;
        self.queues.remove(name);
        Ok(())
    }

    pub(crate) fn purge(&mut self, name: &str) -> Result<(), Fault> {
        let queue = self.queue(name)?;
        self.connection
            .prepare_cached("DELETE FROM message WHERE queue = ?1")?
            .execute(params![queue.id])?;
        Ok(())
    }

    pub(crate) fn count(&self, queue: &Queue) -> Result<Counts, Fault> {
        let counts = self
            .connection
            .prepare_cached(
                "SELECT (SELECT count(*) FROM message WHERE queue = ?1 AND visible_at <= ?2),
                    count(*) FILTER (WHERE received > 0), count(*) FILTER (WHERE received = 0)
                 FROM message WHERE queue = ?1 AND visible_at > ?2",
            )?
            .query_row(params![queue.id, self.now()], |row| {
                Ok(Counts { visible: row.get(0)?, in_flight: row.get(1)?, delayed: row.get(2)? })
            })?;
        Ok(counts)
    }

    // --- Messages ---------------------------------------------------------------------------

    pub(crate) fn send(&mut self, queue: &Queue, message: &Outgoing) -> Result<(), Fault> {
        let now = self.now();
        let delay = message.delay_seconds.unwrap_or(queue.settings.delay_seconds);
        let id = self.next_id(now);
        self.connection
            .prepare_cached(
                "INSERT INTO message
                    (id, queue, visible_at, received, sent_at, message_id, body, attributes)
                 VALUES (?1, ?2, ?3, 0, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                id,
                queue.id,
                now + delay * 1000,
                now,
                message.id,
                message.body,
                message.attributes
            ])?;
        Ok(())
    }

    /// Takes up to `most` messages off the visible ones, for `visibility_seconds`. Those that were
    /// received too often go to the dead-letter queue instead, those that are too old go away.
    pub(crate) fn receive(
        &mut self,
        queue: &Queue,
        most: usize,
        visibility_seconds: Option<i64>,
    ) -> Result<Vec<Delivery>, Fault> {
        let now = self.now();
        let hidden_until =
            now + visibility_seconds.unwrap_or(queue.settings.visibility_seconds) * 1000;
        let oldest = now - queue.settings.retention_seconds * 1000;
        let dead_letters =
            queue.settings.redrive.as_ref().and_then(|redrive| {
                Some((self.queues.get(&redrive.target)?.id, redrive.max_receives))
            });
        let mut deliveries = Vec::new();
        loop {
            let wanted = most - deliveries.len();
            let found = self.visible(queue, now, wanted, deliveries.len())?;
            let is_last = found.len() < wanted;
            for (id, mut delivery) in found {
                if delivery.sent_at <= oldest {
                    self.connection
                        .prepare_cached("DELETE FROM message WHERE id = ?1")?
                        .execute(params![id])?;
                    continue;
                }
                if let Some((target, max_receives)) = dead_letters
                    && delivery.received >= max_receives
                {
                    self.connection
                        .prepare_cached(
                            "UPDATE message SET queue = ?2, visible_at = ?3, source = ?4
                             WHERE id = ?1",
                        )?
                        .execute(params![id, target, now, queue.id])?;
                    continue;
                }
                delivery.received += 1;
                delivery.handle =
                    Receipt { message: id, delivery: delivery.received }.handle(queue);
                deliveries.push((id, delivery));
            }
            // Again, if some of those that were found could not be delivered.
            if is_last || deliveries.len() == most {
                break;
            }
        }
        // Only now: without a visibility timeout they would be found again.
        let mut taken = self.connection.prepare_cached(
            "UPDATE message SET visible_at = ?2, received = ?3, first_received_at = ?4
             WHERE id = ?1",
        )?;
        let take = |(id, delivery): (i64, Delivery)| {
            taken.execute(params![
                id,
                hidden_until,
                delivery.received,
                delivery.first_received_at
            ])?;
            Ok(delivery)
        };
        deliveries.into_iter().map(take).collect()
    }

    /// Up to `most` visible messages with their ids, after the first `skip` of them. The receipt
    /// handle is empty, and `received` does not count this time yet.
    fn visible(
        &self,
        queue: &Queue,
        now: i64,
        most: usize,
        skip: usize,
    ) -> Result<Vec<(i64, Delivery)>, Fault> {
        let mut statement = self.connection.prepare_cached(
            "SELECT id, received, first_received_at, sent_at, source, message_id, body, attributes
             FROM message WHERE queue = ?1 AND visible_at <= ?2
             ORDER BY visible_at, id LIMIT ?3 OFFSET ?4",
        )?;
        let rows = statement.query_map(params![queue.id, now, most, skip], |row| {
            let source: Option<i64> = row.get(4)?;
            let delivery = Delivery {
                handle: String::new(),
                received: row.get(1)?,
                first_received_at: row.get::<_, Option<i64>>(2)?.unwrap_or(now),
                sent_at: row.get(3)?,
                source: source.and_then(|id| self.arn_of(id)),
                message_id: row.get(5)?,
                body: row.get(6)?,
                attributes: row.get(7)?,
            };
            Ok((row.get(0)?, delivery))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    fn arn_of(&self, id: i64) -> Option<String> {
        self.queues.values().find(|queue| queue.id == id).map(|queue| arn(&queue.name))
    }

    /// When the first message of `queue` can be received, which may be in the past.
    pub(crate) fn next_visible(&self, queue: &Queue) -> Result<Option<i64>, Fault> {
        let first = self
            .connection
            .prepare_cached("SELECT min(visible_at) FROM message WHERE queue = ?1")?
            .query_row(params![queue.id], |row| row.get(0))?;
        Ok(first)
    }

    /// Deletes the message if `receipt` is of its latest delivery; otherwise nothing happens.
    pub(crate) fn forget(&mut self, queue: &Queue, receipt: Receipt) -> Result<(), Fault> {
        self.connection
            .prepare_cached("DELETE FROM message WHERE id = ?1 AND queue = ?2 AND received = ?3")?
            .execute(params![receipt.message, queue.id, receipt.delivery])?;
        Ok(())
    }

    /// Sets when a message that is in flight can be received again.
    pub(crate) fn hide(
        &mut self,
        queue: &Queue,
        receipt: Receipt,
        seconds: i64,
    ) -> Result<(), Fault> {
        let now = self.now();
        let state: Option<(i64, i64)> = self
            .connection
            .prepare_cached(
                "SELECT received, visible_at FROM message WHERE id = ?1 AND queue = ?2",
            )?
            .query_row(params![receipt.message, queue.id], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((delivery, visible_at)) = state else {
            return Err(Fault::InvalidParameterValue(
                "Value for parameter ReceiptHandle is invalid. Reason: Message does not exist or \
                 is not available for visibility timeout change."
                    .to_owned(),
            ));
        };
        if delivery != receipt.delivery || visible_at <= now {
            return Err(Fault::MessageNotInflight);
        }
        self.connection
            .prepare_cached("UPDATE message SET visible_at = ?2 WHERE id = ?1")?
            .execute(params![receipt.message, now + seconds * 1000])?;
        Ok(())
    }

    /// Makes all messages in flight visible, behind those that wait already. Returns how many.
    pub(crate) fn release(&mut self) -> Result<usize, Fault> {
        let now = self.now();
        let released = self
            .connection
            .prepare_cached(
                "UPDATE message SET visible_at = ?1 WHERE visible_at > ?1 AND received > 0",
            )?
            .execute(params![now])?;
        Ok(released)
    }

    /// Moves up to `most` visible messages off the dead-letter queue `queue`, as new messages: to
    /// `destination`, or to the queues they failed in. Returns how many moved; messages without a
    /// queue to go to stay.
    pub(crate) fn redrive(
        &mut self,
        queue: &Queue,
        destination: Option<&Queue>,
        most: usize,
    ) -> Result<usize, Fault> {
        let now = self.now();
        let found = {
            let mut statement = self.connection.prepare_cached(
                "SELECT id, coalesce(?3, source) FROM message
                 WHERE queue = ?1 AND visible_at <= ?2
                    AND coalesce(?3, source) IN (SELECT id FROM queue)
                 ORDER BY visible_at, id LIMIT ?4",
            )?;
            let rows = statement
                .query_map(params![queue.id, now, destination.map(|it| it.id), most], |row| {
                    Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
                })?;
            rows.collect::<rusqlite::Result<Vec<_>>>()?
        };
        for (old, target) in &found {
            let id = self.next_id(now);
            self.connection
                .prepare_cached(
                    "UPDATE message SET id = ?2, queue = ?3, visible_at = ?4, received = 0,
                        first_received_at = NULL, sent_at = ?4, source = NULL, message_id = ?5
                     WHERE id = ?1",
                )?
                .execute(params![old, id, target, now, super::message::new_id()])?;
        }
        Ok(found.len())
    }

    /// Whether some queue sends its failures to `name`.
    pub(crate) fn is_dead_letter_queue(&self, name: &str) -> bool {
        self.queues
            .values()
            .any(|queue| queue.settings.redrive.as_ref().is_some_and(|it| it.target == name))
    }

    /// The queues that send their failures to `name`, sorted.
    pub(crate) fn sources_of(&self, name: &str) -> Vec<String> {
        let mut names: Vec<_> = self
            .queues
            .values()
            .filter(|it| it.settings.redrive.as_ref().is_some_and(|it| it.target == name))
            .map(|queue| queue.name.clone())
            .collect();
        names.sort_unstable();
        names
    }

    /// Deletes visible messages past their retention period, up to `most` per queue. Returns how
    /// many those were.
    pub(crate) fn sweep(&mut self, most: usize) -> Result<usize, Fault> {
        let now = self.now();
        let mut deleted = 0;
        for queue in self.queues.values() {
            // What is not visible since then was not sent since then, so the index finds them.
            deleted += self
                .connection
                .prepare_cached(
                    "DELETE FROM message WHERE id IN (
                        SELECT id FROM message WHERE queue = ?1 AND visible_at <= ?2 LIMIT ?3)",
                )?
                .execute(params![queue.id, now - queue.settings.retention_seconds * 1000, most])?;
        }
        Ok(deleted)
    }
}

fn unreadable(column: usize, what: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(
        column,
        rusqlite::types::Type::Text,
        format!("unreadable {what}").into(),
    )
}
