//! The queue and its postman: at least once, in any order, at any time.
//!
//! Messages are taken off the embedded queue and given back to it only when a worker has said that
//! they are done, as Lambda's poller does. In between they lie here, for a moment or for days; a fifth
//! of them is handed over twice.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, QueueAttributeName};
use jiff::{SignedDuration, Timestamp};
use lambda::Invocation;
use serde_json::{Value, json};
use testkit::{World, event};

use crate::chance::Chance;

/// Which part of all messages is handed over twice.
const TWICE: f64 = 0.2;

/// A message that was taken off the queue.
#[derive(Debug)]
struct Letter {
    body: String,
    receipt: String,
    is_done: bool,
}

/// The postman of one queue.
#[derive(Debug)]
pub struct Postman {
    client: Client,
    queue_url: String,
    sample: Value,
    chance: Chance,
    /// Whether everything comes at once, and once.
    is_punctual: bool,
    letters: Vec<Letter>,
    /// Who is to be handed over when, and the number of the errand, which orders those of one moment.
    errands: BTreeMap<(Timestamp, u64), usize>,
    errand: u64,
    /// What was acknowledged and is to be taken off the queue.
    done: Vec<usize>,
    /// How many messages there were.
    pub taken: u64,
    /// How many of them were handed over a second time, for no reason.
    pub doubled: u64,
    /// How many came back, because a worker said so or died.
    pub returned: u64,
    /// How many waited for a day or longer.
    pub late: u64,
}

impl Postman {
    /// The postman of a queue of this world.
    pub async fn of(world: &World, queue: &str, chance: Chance) -> Self {
        let client = Client::new(&world.aside());
        let url = client.get_queue_url().queue_name(queue).send().await;
        let queue_url = url.ok().and_then(|url| url.queue_url).expect("the queue is there");
        Self {
            client,
            queue_url,
            sample: event("record-clicks/minimal").json()["Records"][0].clone(),
            chance,
            is_punctual: false,
            letters: Vec::new(),
            errands: BTreeMap::new(),
            errand: 0,
            done: Vec::new(),
            taken: 0,
            doubled: 0,
            returned: 0,
            late: 0,
        }
    }

    /// Hands everything over at once, and once, from here on.
    pub fn be_punctual(&mut self) {
        self.is_punctual = true;
    }

    /// Takes over all that is on the queue, and decides when each message is handed over.
    pub async fn collect(&mut self, now: Timestamp) {
        loop {
            let call = self.client.receive_message().queue_url(&self.queue_url);
            // The queue goes by the clock on the wall: in this time nothing comes back by itself.
            let call = call.max_number_of_messages(10).visibility_timeout(12 * 60 * 60);
            let answer = call.send().await.expect("the queue answers");
            let messages = answer.messages.unwrap_or_default();
            if messages.is_empty() {
                return;
            }
            for message in messages {
                let letter = self.letters.len();
                self.letters.push(Letter {
                    body: message.body.unwrap_or_default(),
                    receipt: message.receipt_handle.unwrap_or_default(),
                    is_done: false,
                });
                self.taken += 1;
                let delay = self.delay();
                self.late += u64::from(SignedDuration::from_hours(24) <= delay);
                self.remember(now + delay, letter);
                if !self.is_punctual && self.chance.happens(TWICE) {
                    let again = self.delay();
                    self.doubled += 1;
                    self.remember(now + again, letter);
                }
            }
        }
    }

    /// Most come at once; some by the hour, and some days later.
    fn delay(&mut self) -> SignedDuration {
        let minutes = match self.chance.below(100) {
            _ if self.is_punctual => 0,
            0..70 => 0,
            70..90 => self.chance.below(5 * 60),
            _ => 12 * 60 + self.chance.below(60 * 60),
        };
        SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(0))
    }

    fn remember(&mut self, at: Timestamp, letter: usize) {
        self.errand += 1;
        self.errands.insert((at, self.errand), letter);
    }

    /// The batches that are due, of at most so many messages, in any order.
    pub fn due(&mut self, now: Timestamp, most: usize) -> Vec<Vec<usize>> {
        let later = self.errands.split_off(&(now, u64::MAX));
        let mut due: Vec<usize> =
            std::mem::replace(&mut self.errands, later).into_values().collect();
        self.chance.shuffle(&mut due);
        let mut batches = Vec::new();
        while !due.is_empty() {
            // One batch has each message once, or its places could not be told apart.
            let size = (1 + self.chance.index(most)).min(due.len());
            let mut batch: Vec<usize> = due.drain(..size).collect();
            batch.sort_unstable();
            batch.dedup();
            self.chance.shuffle(&mut batch);
            batches.push(batch);
        }
        batches
    }

    /// The event of a batch; the id of each message is its number.
    pub fn event(&self, batch: &[usize]) -> Invocation {
        let record = |letter: &usize| {
            let mut record = self.sample.clone();
            record["messageId"] = json!(letter.to_string());
            record["body"] = json!(self.letters[*letter].body);
            record
        };
        let records: Vec<_> = batch.iter().map(record).collect();
        let event = json!({ "Records": records }).to_string().into_bytes();
        // Time passes by the simulation, and not by the clock that the budget is measured with.
        let timeout = std::time::Duration::from_secs(900);
        Invocation { timeout, ..Invocation::new(event, "torture") }
    }

    /// A worker has answered: what it does not name is done.
    pub fn answered(&mut self, batch: &[usize], answer: &[u8], now: Timestamp) {
        let answer: Value = serde_json::from_slice(answer).unwrap_or_default();
        let failures = answer["batchItemFailures"].as_array();
        let failed: Vec<usize> = failures
            .into_iter()
            .flatten()
            .filter_map(|failure| failure["itemIdentifier"].as_str()?.parse().ok())
            .collect();
        for letter in batch {
            if failed.contains(letter) {
                self.give_back(&[*letter], now);
            } else if !self.letters[*letter].is_done {
                self.letters[*letter].is_done = true;
                self.done.push(*letter);
            }
        }
    }

    /// A worker has died, or failed as a whole: all of its batch comes back.
    pub fn give_back(&mut self, batch: &[usize], now: Timestamp) {
        for letter in batch {
            self.returned += 1;
            let minutes = 6 + self.chance.below(30);
            let delay = SignedDuration::from_mins(i64::try_from(minutes).unwrap_or(6));
            self.remember(now + delay, *letter);
        }
    }

    /// Takes what is done off the queue.
    pub async fn delete(&mut self) {
        for part in std::mem::take(&mut self.done).chunks(10) {
            let entry = |letter: &usize| {
                DeleteMessageBatchRequestEntry::builder()
                    .id(letter.to_string())
                    .receipt_handle(&self.letters[*letter].receipt)
                    .build()
                    .expect("it has an id and a receipt")
            };
            let call = self.client.delete_message_batch().queue_url(&self.queue_url);
            let call = call.set_entries(Some(part.iter().map(entry).collect()));
            let answer = call.send().await.expect("the queue answers");
            assert!(answer.failed.is_empty(), "{:?}", answer.failed);
            for letter in part {
                // A copy may still be under way; nobody else needs the text.
                self.letters[*letter].receipt = String::new();
            }
        }
    }

    /// Puts a message on the queue by hand.
    pub async fn send(&self, body: &str) {
        let call = self.client.send_message().queue_url(&self.queue_url);
        call.message_body(body).send().await.expect("the queue answers");
    }

    /// When the next message is due.
    pub fn next(&self) -> Option<Timestamp> {
        self.errands.keys().next().map(|(at, _)| *at)
    }

    /// How many messages the queue still has, waiting and in flight.
    pub async fn left(&self) -> u64 {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let call = self.client.get_queue_attributes().queue_url(&self.queue_url);
        let answer = call.set_attribute_names(Some(names.to_vec())).send().await;
        let counts = answer.expect("the queue answers").attributes.unwrap_or_default();
        names.iter().filter_map(|name| counts.get(name)?.parse::<u64>().ok()).sum()
    }
}
