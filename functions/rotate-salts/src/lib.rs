#![doc = include_str!("../README.md")]

#[cfg(test)]
mod tests;

use std::time::Duration;

use domain::{Day, Salt};
use lambda::{Boot, Clock, EnvError, Random, Scheduled};
use store::{SaltStore, Unavailable};

/// How many days that are due are deleted each time, should some hours have been missed.
const DAYS_DELETED: i32 = 3;

/// What the handler works with.
#[derive(Debug, Clone)]
pub struct App {
    salts: SaltStore,
    clock: Clock,
    random: Random,
}

/// Builds the [`App`], once per process.
pub async fn load(boot: Boot) -> Result<App, EnvError> {
    let salts = SaltStore::new(&boot.aws, boot.env.required("SALTS_TABLE")?);
    Ok(App { salts, clock: boot.clock, random: boot.random })
}

/// Makes what is not there of today's and tomorrow's salt, and deletes what is due.
pub async fn handle(app: App, event: Scheduled, _: Duration) -> Result<(), Unavailable> {
    // Not the time that the event stands for: one that comes late must not delete less.
    let now = app.clock.now();
    let today = Day::of(now);
    let mut made = 0;
    for day in [today, today.next()] {
        let salt = Salt::of_random(app.random.u128(), app.random.u128());
        made += u32::from(app.salts.put(day, &salt).await?);
    }
    let last = Salt::last_due(now);
    for before in 0..DAYS_DELETED {
        app.salts.delete(last.plus(-before)).await?;
    }
    tracing::info!(
        schedule.id = event.id,
        schedule.time = %event.time,
        salts.made = made,
        "made {made} salts; {last} and what is before it has none any more"
    );
    Ok(())
}
