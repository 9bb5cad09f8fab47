//! Requests for what is not there: told of, but never so many that they cost like clicks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::{Bucket, Domain, Orphan, RateLimit};
use jiff::Timestamp;

/// What a process may still tell of.
#[derive(Debug)]
pub(crate) struct Orphans {
    limit: RateLimit,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    /// What was sent and not acknowledged: it may have arrived, so it is sent again as it was, and is
    /// the same one then. Nothing new is told of before.
    unsure: Vec<Orphan>,
    /// How many of each domain were not told of. Domains are those of the settings, so there are few.
    untold: HashMap<Domain, u64>,
}

impl Orphans {
    pub(crate) fn new() -> Self {
        let limit = RateLimit::of_per_minute(Orphan::PER_MINUTE).expect("it is a limit");
        let bucket = Bucket::full_at_micros(0);
        let state = State { bucket, unsure: Vec::new(), untold: HashMap::new() };
        Self { limit, state: Mutex::new(state) }
    }

    /// Counts one; if it may be told of, for how many it stands.
    pub(crate) fn count(&self, domain: &Domain, now: Timestamp) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.limit.take(state.bucket, now) {
            Some(bucket) => {
                state.bucket = bucket;
                Some(state.untold.remove(domain).unwrap_or(0) + 1)
            }
            None => {
                state.add(domain, 1);
                None
            }
        }
    }

    /// Counts one of which nothing is told now.
    pub(crate) fn add(&self, domain: &Domain) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).add(domain, 1);
    }

    /// Nobody knows whether this one has arrived.
    pub(crate) fn keep(&self, orphan: Orphan) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).unsure.push(orphan);
    }

    /// One of which nobody knows whether it has arrived: to be told once more, as it was.
    pub(crate) fn unsure(&self) -> Option<Orphan> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).unsure.pop()
    }
}

impl State {
    fn add(&mut self, domain: &Domain, count: u64) {
        *self.untold.entry(domain.clone()).or_default() += count;
    }
}

#[cfg(test)]
mod tests {
    use domain::Origins;
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn none_is_forgotten_and_sixty_a_minute_are_told_of() {
        let origins = Origins::parse("https://a.example,https://b.example").unwrap();
        let (a, b) = (origins.of_host(Some("a.example")), origins.of_host(Some("b.example")));
        let orphans = Orphans::new();
        let now = Timestamp::from_second(1_795_183_407).unwrap();
        let told = |domain, now| orphans.count(domain, now);
        assert_eq!((0..60).filter_map(|_| told(a, now)).sum::<u64>(), 60);
        assert!((0..40).all(|_| told(a, now).is_none()) && told(b, now).is_none());
        let later = now + SignedDuration::from_secs(2);
        assert_eq!((told(a, later), told(b, later)), (Some(41), Some(2)));
        assert_eq!(told(a, later), None);
    }
}
