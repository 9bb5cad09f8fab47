//! What slugs lead to: the store behind a small cache in the process.

use std::sync::Arc;

use domain::{Domain, LinkId, Slug};
use jiff::{SignedDuration, Timestamp};
use lambda::{Chain, Env, EnvError, Kind, Problem};
use quick_cache::sync::Cache;
use store::{Found, LinkStore, ReadLinkError, Spent};

/// How many slugs a process remembers: at most about 10 MB of a plain link's rows.
const ENTRIES: usize = 10_000;

/// The links, as the redirect sees them.
#[derive(Debug, Clone)]
pub(crate) struct Routes {
    links: LinkStore,
    cache: Arc<Cache<(Domain, Slug), Entry>>,
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
    /// The links of this store.
    pub(crate) fn new(links: LinkStore, env: &Env) -> Result<Self, EnvError> {
        let seconds = |name, default: u32| {
            env.parsed(name, default).map(|n| SignedDuration::from_secs(i64::from(n)))
        };
        Ok(Self {
            links,
            cache: Arc::new(Cache::new(ENTRIES)),
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
        let address = (domain.clone(), slug.clone());
        let known = self.cache.get(&address);
        if let Some(entry) = known.as_ref().filter(|entry| entry.age(now) < self.ttl) {
            return Ok(Arc::clone(&entry.found));
        }
        match self.links.follow(domain, slug).await {
            Ok(found) => Ok(self.remember(address, found, now)),
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
        let found = self.links.follow_newest(domain, slug).await.map_err(to_problem)?;
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
        self.links.spend(link, token).await.map_err(|e| Problem::server(Kind::Unavailable, e))
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
