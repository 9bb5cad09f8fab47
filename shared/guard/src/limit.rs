//! How often: a token bucket for each principal or address.

use std::sync::Arc;

use domain::{Bucket, Quota, RateLimit};
use lambda::{
    Body, Boot, Clock, EnvError, HeaderName, HeaderValue, Kind, Metrics, Problem, Response,
};
use quick_cache::sync::Cache;
use store::{BucketStore, Taken};

/// Counted for each request that was let through because its bucket could not be reached.
const UNAVAILABLE: &str = "RateLimitUnavailable";

/// How many buckets a process remembers. Whoever calls from many addresses must not fill the memory.
const REMEMBERED: usize = 1_000;

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// The limits of one kind.
#[derive(Debug, Clone)]
pub(crate) struct Limiter {
    buckets: BucketStore,
    /// Buckets as they were seen last. They only move on: so whoever was refused is refused again
    /// without a write, until the time has come, and most others need one write and not two.
    seen: Arc<Cache<String, Bucket>>,
    /// What the limits are called in answers.
    name: &'static str,
    clock: Clock,
    metrics: Metrics,
}

/// A limit of so many a minute, or none for 0.
pub(crate) fn setting(
    boot: &Boot,
    name: &'static str,
    default: u32,
) -> Result<Option<RateLimit>, EnvError> {
    let per_minute = boot.env.parsed(name, default)?;
    match RateLimit::of_per_minute(per_minute) {
        None if per_minute != 0 => Err(EnvError::Invalid {
            name,
            value: per_minute.to_string(),
            why: format!("it is 0 to {}", RateLimit::MAX_PER_MINUTE),
        }),
        limit => Ok(limit),
    }
}

impl Limiter {
    pub(crate) fn new(boot: &Boot, table: &str, name: &'static str) -> Self {
        Self {
            buckets: BucketStore::new(&boot.aws, table),
            seen: Arc::new(Cache::new(REMEMBERED)),
            name,
            clock: boot.clock.clone(),
            metrics: boot.metrics.clone(),
        }
    }

    /// Counts a request, and handles it or answers 429.
    pub(crate) async fn admit<Handling>(
        &self,
        of: &str,
        limit: Option<RateLimit>,
        handle: impl FnOnce() -> Handling,
    ) -> Result<Response<Body>, Problem>
    where
        Handling: Future<Output = Result<Response<Body>, Problem>>,
    {
        // A box, since it is large, and would be a part of every future around it.
        let Some(limit) = limit else { return Box::pin(handle()).await };
        let headers = match self.take(of, limit).await {
            Some(Ok(quota)) => self.headers(limit, Some(quota)),
            Some(Err(quota)) => {
                let refused = Problem::rate_limited(quota.next_in_seconds.max(1));
                return Err(with_headers(refused, self.headers(limit, Some(quota))?));
            }
            None => self.headers(limit, None),
        }?;
        match Box::pin(handle()).await {
            Ok(mut response) => {
                response.headers_mut().extend(headers);
                Ok(response)
            }
            Err(problem) => Err(with_headers(problem, headers)),
        }
    }

    /// Takes a token: what is left, either way; `None` if that cannot be known now.
    async fn take(&self, of: &str, limit: RateLimit) -> Option<Result<Quota, Quota>> {
        let now = self.clock.now();
        let known = self.seen.get(of);
        if let Some(bucket) = known
            && limit.take(bucket, now).is_none()
        {
            return Some(Err(limit.quota(bucket, now)));
        }
        let (bucket, granted) = match self.buckets.take(of, limit, now, known).await {
            Ok(Taken::Granted(bucket)) => (bucket, true),
            Ok(Taken::Refused(bucket)) => (bucket, false),
            Err(error) => {
                self.metrics.count(UNAVAILABLE);
                tracing::warn!(
                    error = %lambda::Chain(&error),
                    "let a request through that could not be counted"
                );
                return None;
            }
        };
        self.seen.insert(of.to_owned(), bucket);
        let quota = limit.quota(bucket, now);
        Some(if granted { Ok(quota) } else { Err(quota) })
    }

    /// `RateLimit-Policy` and `RateLimit`: how many in which time, how many of them are left, and
    /// after how many seconds all are there again.
    fn headers(
        &self,
        limit: RateLimit,
        quota: Option<Quota>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, Problem> {
        let name = self.name;
        let policy = format!("\"{name}\";q={};w=60", limit.per_minute());
        let left = quota.map(|quota| {
            (LEFT, format!("\"{name}\";r={};t={}", quota.left, quota.full_in_seconds))
        });
        let headers = std::iter::once((POLICY, policy)).chain(left);
        let value = |(name, text): (HeaderName, String)| Ok((name, HeaderValue::try_from(text)?));
        headers
            .map(value)
            .collect::<Result<_, lambda::InvalidHeaderValue>>()
            .map_err(|error| Problem::server(Kind::Internal, error))
    }
}

fn with_headers(problem: Problem, headers: Vec<(HeaderName, HeaderValue)>) -> Problem {
    headers.into_iter().fold(problem, |problem, (name, value)| problem.with_header(name, value))
}
