//! Who clicked, for a day: what is made of an address before it is forgotten.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{Click, Day, Salt, Visitor};
use jiff::{SignedDuration, Timestamp};
use lambda::Chain;
use store::SaltReader;

/// A salt is not worth a longer wait, though nobody waits but the click.
const PATIENCE: Duration = Duration::from_secs(1);

/// After this time a salt that could not be had is asked for again.
const AGAIN: SignedDuration = SignedDuration::from_secs(10);

/// Tells visitors from each other by the salt of the day, which each process reads once.
#[derive(Debug)]
pub(crate) struct Visitors {
    salts: SaltReader,
    known: Mutex<Option<Known>>,
}

/// What is known of a day's salt.
#[derive(Debug, Clone)]
struct Known {
    day: Day,
    /// `None`: it could not be had.
    salt: Option<Salt>,
    since: Timestamp,
}

impl Visitors {
    pub(crate) fn new(salts: SaltReader) -> Self {
        Self { salts, known: Mutex::default() }
    }

    /// Whose click this is; nobody's where there is no salt, or none in time.
    pub(crate) async fn find(
        &self,
        click: &Click,
        address: IpAddr,
        now: Timestamp,
        budget: Duration,
    ) -> Option<Visitor> {
        let salt = self.salt(Day::of(click.id.at()), now, budget).await?;
        Some(salt.visitor(address, click.user_agent.as_deref(), click.workspace))
    }

    async fn salt(&self, day: Day, now: Timestamp, budget: Duration) -> Option<Salt> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Known { salt, since, .. }) = known.filter(|known| known.day == day)
            && (salt.is_some() || now.duration_since(since) < AGAIN)
        {
            return salt;
        }
        let salt = self.read(day, budget.min(PATIENCE)).await;
        // The one of the day before goes from this process's memory by that.
        let known = Known { day, salt: salt.clone(), since: now };
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known);
        salt
    }

    async fn read(&self, day: Day, patience: Duration) -> Option<Salt> {
        // Boxed: it is read once a day.
        let reading = Box::pin(self.salts.read(day));
        let error = match tokio::time::timeout(patience, reading).await {
            Ok(Ok(Some(salt))) => return Some(salt),
            Ok(Ok(None)) => "it has none".to_owned(),
            Ok(Err(error)) => Chain(&error).to_string(),
            Err(_) => format!("not read within {} ms", patience.as_millis()),
        };
        tracing::warn!(error, "no salt for {day}: visitors are unknown");
        None
    }
}
