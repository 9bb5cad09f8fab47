//! What slugs lead to: the store behind a small cache in the process.

use std::sync::Arc;

use domain::{Domain, LinkId, Slug};
use jiff::{SignedDuration, Timestamp};
use lambda::{Chain, Env, EnvError, Kind, Problem};
use quick_cache::sync::Cache;
use store::{Found, LinkStore, ReadLinkError, Spent};

/// How many slugs a process remembers: at most about 10 MB of a plain link's rows.
const ENTRIES: usize = 10_000;

/// How long a slug that leads nowhere is remembered, in seconds. Somebody may just be making it.
const NOTHING_SECONDS: i64 = 5;

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

    /// What a slug leads to. No read if the cache knows it, else one (two for «nothing», which is
    /// confirmed by a consistent read before it is believed, and for «nothing any more»).
    pub(crate) async fn find(
        &self,
        domain: &Domain,
        slug: &Slug,
        now: Timestamp,
    ) -> Result<Arc<Found>, Problem> {
        let address = (domain.clone(), slug.clone());
        let known = self.cache.get(&address);
        if let Some(entry) = known.as_ref().filter(|entry| entry.age(now) < self.lifetime(entry)) {
            return Ok(Arc::clone(&entry.found));
        }
        match self.links.follow(domain, slug).await {
            Ok(found) => {
                let found = Arc::new(found);
                let entry = Entry { found: Arc::clone(&found), read_at: now };
                self.cache.insert(address, entry);
                Ok(found)
            }
            Err(error) => match known {
                Some(entry) if entry.age(now) < self.lifetime(&entry) + self.stale => {
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
        let found = Arc::new(self.links.follow_newest(domain, slug).await.map_err(to_problem)?);
        let entry = Entry { found: Arc::clone(&found), read_at: now };
        self.cache.insert((domain.clone(), slug.clone()), entry);
        Ok(found)
    }

    /// Spends one click of a link's limit, once for a token.
    pub(crate) async fn spend(&self, link: LinkId, token: u128) -> Result<Spent, Problem> {
        self.links.spend(link, token).await.map_err(|e| Problem::server(Kind::Unavailable, e))
    }

    fn lifetime(&self, entry: &Entry) -> SignedDuration {
        match *entry.found {
            Found::Route(_) => self.ttl,
            Found::Deleted | Found::Nothing => {
                self.ttl.min(SignedDuration::from_secs(NOTHING_SECONDS))
            }
        }
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
