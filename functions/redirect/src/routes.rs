//! What slugs lead to: the store behind a small cache in the process.

use std::sync::Arc;

use domain::{Destination, Domain, LinkId, Slug};
use jiff::{SignedDuration, Timestamp};
use lambda::{Chain, Env, EnvError, Kind, Problem};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, Equivalent, OptionsBuilder, Weighter};
use store::{Found, ReadLinkError, RouteStore, Spent};

/// How much a process remembers: some 40,000 plain links, or a thousand with the longest URLs.
const CACHE_BYTES: u64 = 16 * 1024 * 1024;

/// About what an entry takes besides its texts.
const ENTRY_BYTES: usize = 300;

/// In how many parts the cache is, each with a lock. Not by the number of CPUs: to find that out, a
/// start reads files.
const CACHE_SHARDS: usize = 8;

/// The links, as the redirect sees them.
#[derive(Debug)]
pub(crate) struct Routes {
    store: RouteStore,
    cache: Cache<(Domain, Slug), Entry, Bytes>,
    /// The age up to which an answer is taken from the cache: the only place where an edit lags.
    ttl: SignedDuration,
    /// The age beyond that up to which it will do when DynamoDB is away.
    stale: SignedDuration,
}

#[derive(Debug, Clone)]
struct Entry {
    found: Arc<Found>,
    read_at: Timestamp,
}

impl Routes {
    /// The routes of this store.
    pub(crate) fn new(store: RouteStore, env: &Env) -> Result<Self, EnvError> {
        let seconds = |name, default: u32| {
            env.parsed(name, default).map(|n| SignedDuration::from_secs(i64::from(n)))
        };
        Ok(Self {
            store,
            cache: cache(),
            ttl: seconds("CACHE_TTL_SECONDS", 30)?,
            stale: seconds("STALE_IF_ERROR_SECONDS", 300)?,
        })
    }

    /// What a slug leads to. No read if the cache knows it, else one (two for «nothing» and
    /// «nothing any more», which are confirmed by a consistent read before they are believed).
    ///
    /// Only links are remembered. That a slug leads nowhere can be untrue a moment later, and then
    /// whoever made the link would be told that it is not there.
    pub(crate) async fn find(
        &self,
        domain: &Domain,
        slug: &Slug,
        now: Timestamp,
    ) -> Result<Arc<Found>, Problem> {
        let known = self.cache.get(&Address(domain, slug));
        if let Some(entry) = known.as_ref().filter(|entry| entry.age(now) < self.ttl) {
            return Ok(Arc::clone(&entry.found));
        }
        // Boxed, as all calls are: a link that is known takes no room for them.
        match Box::pin(self.store.follow(domain, slug)).await {
            Ok(found) => Ok(self.remember((domain.clone(), slug.clone()), found, now)),
            Err(error) => match known {
                Some(entry) if entry.age(now) < self.ttl + self.stale => {
                    let error = Chain(&error).to_string();
                    tracing::warn!(error, link.slug = %slug, "served `{slug}` stale");
                    Ok(entry.found)
                }
                Some(_) | None => Err(to_problem(error)),
            },
        }
    }

    /// What a slug leads to by now, past the cache: what it knew turned out to be old.
    pub(crate) async fn renew(
        &self,
        domain: &Domain,
        slug: &Slug,
        now: Timestamp,
    ) -> Result<Arc<Found>, Problem> {
        let found = Box::pin(self.store.follow_newest(domain, slug)).await.map_err(to_problem)?;
        Ok(self.remember((domain.clone(), slug.clone()), found, now))
    }

    fn remember(&self, address: (Domain, Slug), found: Found, now: Timestamp) -> Arc<Found> {
        let found = Arc::new(found);
        match *found {
            Found::Route(_) => {
                self.cache.insert(address, Entry { found: Arc::clone(&found), read_at: now });
            }
            // Or it would be served stale some day, though it is known to be gone.
            Found::Deleted | Found::Nothing => drop(self.cache.remove(&address)),
        }
        found
    }

    /// Spends one click of a link's limit, once for a token.
    pub(crate) async fn spend(&self, link: LinkId, token: u128) -> Result<Spent, Problem> {
        let spent = Box::pin(self.store.spend(link, token)).await;
        spent.map_err(|error| Problem::server(Kind::Unavailable, error))
    }
}

fn cache() -> Cache<(Domain, Slug), Entry, Bytes> {
    let options = OptionsBuilder::new()
        .shards(CACHE_SHARDS)
        .estimated_items_capacity(1_000)
        .weight_capacity(CACHE_BYTES)
        .build()
        .expect("both capacities are given");
    Cache::with_options(options, Bytes, DefaultHashBuilder::default(), DefaultLifecycle::default())
}

/// A key of the cache that is looked for, and need not be a copy for that.
#[derive(Hash)]
struct Address<'a>(&'a Domain, &'a Slug);

impl Equivalent<(Domain, Slug)> for Address<'_> {
    fn equivalent(&self, (domain, slug): &(Domain, Slug)) -> bool {
        self.0 == domain && self.1 == slug
    }
}

/// Weighs an entry: bounding only their number would let one tenant's long URLs fill the memory.
#[derive(Debug, Clone)]
struct Bytes;

impl Weighter<(Domain, Slug), Entry> for Bytes {
    fn weight(&self, (domain, slug): &(Domain, Slug), entry: &Entry) -> u64 {
        let urls = match &*entry.found {
            Found::Route(route) => {
                let fallback = route.fallback_url.as_ref().map_or("", Destination::as_str);
                route.url.as_str().len() + fallback.len()
            }
            Found::Deleted | Found::Nothing => 0,
        };
        let bytes = ENTRY_BYTES + domain.as_str().len() + slug.as_str().len() + urls;
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}

impl Entry {
    fn age(&self, now: Timestamp) -> SignedDuration {
        now.duration_since(self.read_at)
    }
}

fn to_problem(error: ReadLinkError) -> Problem {
    match error {
        ReadLinkError::Unavailable(error) => Problem::server(Kind::Unavailable, error),
        ReadLinkError::BadRow(error) => Problem::server(Kind::Internal, error),
    }
}

#[cfg(test)]
mod tests {
    use testkit::link;

    use super::*;

    #[test]
    fn long_links_take_no_more_memory_than_short_ones() {
        let cache = cache();
        let mut long = link("long");
        long.definition.url = Destination::stored("x".repeat(8_000));
        let found = Arc::new(Found::Route(Box::new(domain::Route::of(&long))));
        for number in 0..4_000 {
            let slug = Slug::parse(&format!("s{number}")).unwrap();
            let entry = Entry { found: Arc::clone(&found), read_at: Timestamp::UNIX_EPOCH };
            cache.insert((long.domain.clone(), slug), entry);
        }
        assert!(cache.weight() <= CACHE_BYTES, "{} bytes", cache.weight());
        assert!((1_500..2_100).contains(&cache.len()), "{} links", cache.len());
    }
}
