//! The worker from its event, against the embedded stores.

use jiff::{SignedDuration, Timestamp};
use lambda::{Function, Invocation};
use testkit::probe::{Fault, On};
use testkit::{World, event, now};

use super::*;

async fn worker(world: &World) -> Function {
    Function::schedule(world.boot("rotate-salts"), load, handle).await.unwrap()
}

async fn rotate(world: &World) {
    let answer = event("rotate-salts/minimal").invoke(&worker(world).await).await;
    assert!(answer.is_null());
}

/// The salts of the days from two before `today` to one after it.
async fn salts(world: &World, today: Day) -> [Option<Salt>; 4] {
    let salts = world.salt_reader();
    let of = async |days| salts.read(today.plus(days)).await.unwrap();
    [of(-2).await, of(-1).await, of(0).await, of(1).await]
}

#[tokio::test]
async fn today_and_tomorrow_have_a_salt_each_and_keep_it() {
    let world = World::new().await;
    rotate(&world).await;
    let made = salts(&world, Day::of(now())).await;
    let [None, None, Some(today), Some(tomorrow)] = &made else { panic!("{made:?}") };
    assert_ne!(today, tomorrow);
    let calls: Vec<_> =
        world.probe.take_calls().iter().map(|call| call.operation.clone()).collect();
    assert_eq!(calls, ["PutItem", "PutItem", "DeleteItem", "DeleteItem", "DeleteItem"]);
    rotate(&world).await;
    assert_eq!(salts(&world, Day::of(now())).await, made);
    // Another deployment has others.
    let other = World::new().await;
    let boot = Boot { random: Random::seeded(7), ..other.boot("rotate-salts") };
    let function = Function::schedule(boot, load, handle).await.unwrap();
    event("rotate-salts/minimal").invoke(&function).await;
    assert_ne!(salts(&other, Day::of(now())).await, made);
}

#[tokio::test]
async fn a_salt_is_gone_forty_eight_hours_after_its_day_began() {
    let world = World::new().await;
    let first = Day::of(now());
    let mut hours_there = 0;
    let begin: Timestamp = first.start();
    // Every hour, at a quarter past, for four days.
    world.clock.advance(begin.duration_since(now()) + SignedDuration::from_mins(15));
    for hour in 0..96 {
        rotate(&world).await;
        let today = Day::of(world.clock.now());
        let there = salts(&world, today).await;
        assert!(there[2].is_some() && there[3].is_some(), "{hour}: there is always one to use");
        if world.salt_reader().read(first).await.unwrap().is_some() {
            hours_there = hour + 1;
        }
        world.clock.advance(SignedDuration::from_hours(1));
    }
    assert_eq!(hours_there, 47);
}

#[tokio::test]
async fn what_was_missed_for_two_days_is_made_up_for() {
    let world = World::new().await;
    rotate(&world).await;
    let first = Day::of(now());
    world.clock.advance(SignedDuration::from_hours(96));
    rotate(&world).await;
    for day in [first, first.next()] {
        assert_eq!(world.salt_reader().read(day).await.unwrap(), None, "{day}");
    }
}

#[tokio::test]
async fn when_dynamodb_is_away_the_invocation_fails_and_the_next_one_does_it() {
    for operation in ["PutItem", "DeleteItem"] {
        let world = World::new().await;
        world.probe.inject(On::operation(operation), Fault::THROTTLED);
        let event = event("rotate-salts/minimal").json().to_string();
        let invocation = Invocation::new(event.into_bytes(), "r");
        assert!(worker(&world).await.invoke(invocation).await.is_err(), "{operation}");
        world.probe.heal();
        rotate(&world).await;
        assert!(salts(&world, Day::of(now())).await[2].is_some());
    }
}
