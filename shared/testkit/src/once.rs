//! Requests with an idempotency key: whatever happens, one thing is made.

use std::sync::Arc;

use lambda::{Function, Kind};
use serde_json::json;
use tokio::sync::Barrier;

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

    /// Asserts that an event with an `Idempotency-Key` that was looked up before another one was done,
    /// and reads all else when that one has used it up, gets the other one's answer.
    ///
    /// # Panics
    ///
    /// If it gets another answer.
    pub async fn assert_made_once_meanwhile(&self, event: &Event, function: &Function) {
        let barrier = Arc::new(Barrier::new(2));
        let on = On::operation("GetItem").after(1).once();
        self.probe.inject(on, Fault::Meet(Arc::clone(&barrier)));
        let (late, first) = tokio::join!(event.send(function), async {
            self.probe.wait_for(1).await;
            let first = event.send(function).await;
            barrier.wait().await;
            first
        });
        assert_eq!(first.status, 201, "{first:?}");
        assert_eq!((late.status, late.text.as_str()), (201, first.text.as_str()), "{late:?}");
        assert_eq!(late.header("idempotency-replayed"), "true");
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
