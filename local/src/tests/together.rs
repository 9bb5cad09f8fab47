//! Clicks of requests that are answered at the same time share messages.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{Message, QueueAttributeName};
use domain::{ClickId, Orphan};
use embedded::Embedded;
use futures_util::FutureExt;
use futures_util::future::join_all;
use jiff::Timestamp;
use queue::{ClickQueue, LedgerMessages, SendError};
use testkit::probe::{Fault, On, Probe};

struct World {
    probe: Probe,
    clicks: ClickQueue,
    sqs: Client,
    url: String,
    _stores: Embedded,
}

impl World {
    async fn new() -> Self {
        let stores = Embedded::in_memory().unwrap();
        let sqs = Client::new(&stores.sdk_config());
        let created = sqs.create_queue().queue_name("clicks").send().await.unwrap();
        let url = created.queue_url.unwrap();
        let (probe, aws) = Probe::between(&stores.sdk_config());
        Self { probe, clicks: ClickQueue::new(&aws, &url), sqs, url, _stores: stores }
    }

    /// Sends so many at once.
    async fn send(&self, count: u64) -> Vec<Result<(), SendError>> {
        self.send_all((0..count).map(|number| orphan(number, "sprong".to_owned())).collect()).await
    }

    /// The first of several is under way until all others have come.
    async fn send_all(&self, orphans: Vec<Orphan>) -> Vec<Result<(), SendError>> {
        if 1 < orphans.len() {
            let slow = Fault::Delay(Duration::from_millis(100));
            self.probe.inject(On::operation("SendMessage").once(), slow);
        }
        join_all(orphans.iter().map(|orphan| self.clicks.send_orphan(orphan))).await
    }

    /// What is in the messages on the queue, by message, which are none then.
    async fn take(&self) -> Vec<usize> {
        let mut sizes = Vec::new();
        loop {
            let asked = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10);
            let received = asked.send().await.unwrap().messages.unwrap_or_default();
            if received.is_empty() {
                return sizes;
            }
            let bodies = received.iter().filter_map(Message::body);
            let parsed = bodies.map(|body| serde_json::from_str::<LedgerMessages>(body).unwrap());
            sizes.extend(parsed.map(|several| several.0.len()));
        }
    }
}

fn orphan(number: u64, slug: String) -> Orphan {
    let id = ClickId::new(Timestamp::from_second(1_795_183_407).unwrap(), number.into());
    Orphan { id, domain: "go.example.com".to_owned(), slug, count: 1 }
}

#[tokio::test]
async fn one_that_is_alone_is_a_message_and_all_that_come_meanwhile_share_some() {
    let world = World::new().await;
    assert!(world.send(1).await.iter().all(Result::is_ok));
    assert_eq!(world.take().await, [1]);

    // One at once, two times twenty, and the rest when one of these calls has ended.
    assert!(world.send(45).await.iter().all(Result::is_ok));
    let mut sizes = world.take().await;
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 4, 20, 20]);
    assert_eq!(world.probe.take_operations(), ["SendMessage"; 5]);

    // All calls have ended: the next one is alone again.
    assert!(world.send(1).await.iter().all(Result::is_ok));
    assert_eq!(world.take().await, [1]);
}

#[tokio::test]
async fn a_call_that_fails_is_told_to_all_who_were_in_it_and_nobody_waits_for_ever() {
    let world = World::new().await;
    world.probe.inject(On::operation("SendMessage").holding("[{"), Fault::Unreachable);
    let sent = world.send(15).await;
    assert!(sent[0].is_ok());
    for sent in &sent[1..] {
        assert!(matches!(sent, Err(SendError::Unavailable { .. })), "{sent:?}");
    }
    world.probe.heal();
    assert!(world.send(15).await.iter().all(Result::is_ok));
    assert_eq!(world.take().await.iter().sum::<usize>(), 16);
}

#[tokio::test]
async fn one_that_is_refused_costs_no_other() {
    let world = World::new().await;
    let name = QueueAttributeName::MaximumMessageSize;
    let set = world.sqs.set_queue_attributes().queue_url(&world.url).attributes(name, "1024");
    set.send().await.unwrap();
    let slug = |number| if number == 5 { "x".repeat(2000) } else { "sprong".to_owned() };
    let sent = world.send_all((0..11).map(|number| orphan(number, slug(number))).collect()).await;
    for (number, sent) in sent.iter().enumerate() {
        assert_eq!(sent.is_err(), number == 5, "{number}: {sent:?}");
    }
    // Each was tried once more alone, and the one was told why.
    assert_eq!(world.take().await, [1; 10]);
    assert_eq!(world.probe.take_operations(), ["SendMessage"; 12]);
}

#[tokio::test]
async fn whoever_gives_up_waiting_takes_nobody_along() {
    let world = World::new().await;
    let orphans: Vec<_> = (0..5).map(|number| orphan(number, "sprong".to_owned())).collect();
    world.probe.inject(On::operation("SendMessage").once(), Fault::Delay(Duration::from_secs(9)));
    // Both have stood in line, and neither has been answered.
    let both = join_all(orphans[..2].iter().map(|orphan| world.clicks.send_orphan(orphan)));
    assert!(both.now_or_never().is_none());
    // The call of the first ended with it, and the second was sent by a task of its own.
    assert!(world.send_all(orphans[2..].to_vec()).await.iter().all(Result::is_ok));
    assert_eq!(world.take().await.iter().sum::<usize>(), 4);
}
