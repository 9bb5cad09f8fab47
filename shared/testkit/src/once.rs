//! Requests with an idempotency key: whatever happens, one thing is made.

use lambda::{Function, Kind};
use serde_json::json;

use crate::answer::Answer;
use crate::event::Event;
use crate::probe::{Fault, On};
use crate::world::World;

/// How many are sent at once.
const AT_ONCE: usize = 10;

impl World {
    /// Asserts that an event with an `Idempotency-Key` is done once, though the first try is killed
    /// between the write and the answer, and others follow at once and one after another; and that its
    /// key is good for no other body. The answer is the one that all of them got.
    ///
    /// # Panics
    ///
    /// If one of them gets another answer.
    pub async fn assert_made_once(&self, event: &Event, function: &Function) -> Answer {
        const REPLAYED: &str = "idempotency-replayed";
        self.probe.inject(On::operation("TransactWriteItems").once(), Fault::StopAfter);
        let first = event.send(function);
        tokio::pin!(first);
        tokio::select! {
            answer = &mut first => panic!("it was answered before it was written: {answer:?}"),
            () = self.probe.stopped() => {}
        }
        self.probe.heal();
        let answer = event.send(function).await;
        assert_eq!((answer.status, answer.header(REPLAYED)), (201, "true"), "{answer:?}");
        for _ in 0..AT_ONCE {
            let again = event.send(function).await;
            assert_eq!((again.status, again.header(REPLAYED)), (201, "true"), "{again:?}");
            assert_eq!(again.text, answer.text);
            assert_eq!(again.header("location"), answer.header("location"));
        }
        let other = event.clone().body(&json!({"another": "body"})).send(function).await;
        other.assert_problem(Kind::IdempotencyKeyReused);
        answer
    }

    /// Asserts that of events with one `Idempotency-Key` that are sent at once all get one answer.
    ///
    /// # Panics
    ///
    /// If one of them gets another answer.
    pub async fn assert_made_once_at_once(&self, event: &Event, function: &Function) -> Answer {
        // All of them have looked for an answer, and found none, before the first one is written.
        self.probe.inject(On::operation("TransactWriteItems").times(AT_ONCE), Fault::meet(AT_ONCE));
        let sent = (0..AT_ONCE).map(|_| {
            let (event, function) = (event.clone(), function.clone());
            tokio::spawn(async move { event.send(&function).await })
        });
        let sent: Vec<_> = sent.collect();
        let mut answers = Vec::new();
        for answer in sent {
            answers.push(answer.await.expect("the answer comes"));
        }
        self.probe.heal();
        let first = answers.swap_remove(0);
        assert_eq!(first.status, 201, "{first:?}");
        for answer in answers {
            assert_eq!((answer.status, &answer.text), (201, &first.text), "{answer:?}");
        }
        first
    }
}
