//! Only once: the first answer to a request is kept, and given again.
//!
//! There is no record of a request that is under way, so nothing that a crash could leave behind and
//! nothing to wait for. All that arrive with one key may start; their transactions put the answer in
//! the same row, so one of them is made and the others find its answer.

use std::collections::BTreeMap;

use domain::IdempotencyKey;
use lambda::{
    Body, Boot, Clock, Fault, HeaderName, HeaderValue, Kind, Problem, Random, Request, Response,
    StatusCode,
};
use serde::{Deserialize, Serialize};
use store::{AccountStore, Answer, ReadAccountError};

use crate::seal::{Lock, Unopened};

/// The header with the key.
const KEY: &str = "Idempotency-Key";

/// The header of an answer that is given again.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Whether a request has an answer already.
#[derive(Debug)]
pub enum Once {
    /// It has: this one.
    Answered(Response<Body>),
    /// It has none, or no key to find one by.
    First(First),
}

/// A request without an answer so far.
#[derive(Debug)]
#[must_use = "its answer must be kept with what it does: hand it to the journal"]
pub struct First(Option<Box<Keyed>>);

/// A request with a key.
#[derive(Debug)]
struct Keyed {
    lock: Lock,
    fingerprint: String,
    clock: Clock,
    random: Random,
}

/// An answer as it is kept.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: BTreeMap<String, String>,
    body: String,
}

/// A kept answer that is none.
#[derive(Debug, thiserror::Error)]
enum BadAnswer {
    #[error(transparent)]
    Unopened(#[from] Unopened),
    #[error("the kept answer is no JSON")]
    NotJson(#[from] serde_json::Error),
    #[error("the kept answer is no HTTP answer")]
    NotHttp(#[from] lambda::HttpError),
}

impl First {
    /// The answer, for [`store::Journal::answered`]: what whoever asks again with the same key will
    /// get. Nothing where there is no key.
    ///
    /// Only answers of success are kept, for only they come from a change.
    pub fn keep(&self, response: &Response<Body>) -> Result<Option<Answer>, Problem> {
        let Some(keyed) = &self.0 else { return Ok(None) };
        let text = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        let kept = Kept {
            status: response.status().as_u16(),
            headers: response.headers().iter().filter_map(text).collect(),
            body: String::from_utf8_lossy(response.body()).into_owned(),
        };
        let kept =
            serde_json::to_vec(&kept).map_err(|error| Problem::server(Kind::Internal, error))?;
        Ok(Some(Answer {
            id: keyed.lock.id(),
            fingerprint: keyed.fingerprint.clone(),
            sealed: keyed.lock.seal(&kept, keyed.random.u128()),
            at: keyed.clock.now(),
        }))
    }
}

/// The answers that were given.
#[derive(Debug, Clone)]
pub(crate) struct Answers {
    accounts: AccountStore,
    clock: Clock,
    random: Random,
}

impl Answers {
    pub(crate) fn new(boot: &Boot, table: &str) -> Self {
        Self {
            accounts: AccountStore::new(&boot.aws, table),
            clock: boot.clock.clone(),
            random: boot.random.clone(),
        }
    }

    /// The answer to this request of somebody's, if there is one.
    pub(crate) async fn once(&self, whose: &[&str], request: &Request) -> Result<Once, Problem> {
        let Some(key) = key(request)? else { return Ok(Once::First(First(None))) };
        let lock = Lock::new(whose, &key);
        let (method, path) = (request.method().as_str(), request.uri().path());
        let fingerprint = lock.fingerprint(&[method.as_bytes(), path.as_bytes(), request.body()]);
        let (clock, random) = (self.clock.clone(), self.random.clone());
        let keyed = Keyed { lock, fingerprint, clock, random };
        Ok(match self.find(&keyed).await? {
            Some(answer) => Once::Answered(answer),
            None => Once::First(First(Some(Box::new(keyed)))),
        })
    }

    /// The answer that is there by now.
    pub(crate) async fn replay(&self, first: First) -> Result<Response<Body>, Problem> {
        self.replay_or(first, Problem::server(Kind::Unavailable, Vanished)).await
    }

    /// The answer that is there by now, or else this problem.
    pub(crate) async fn replay_or(
        &self,
        first: First,
        problem: Problem,
    ) -> Result<Response<Body>, Problem> {
        let answer = match &first.0 {
            Some(keyed) => self.find(keyed).await?,
            None => None,
        };
        answer.ok_or(problem)
    }

    async fn find(&self, keyed: &Keyed) -> Result<Option<Response<Body>>, Problem> {
        let found = self.accounts.find_answer(&keyed.lock.id(), self.clock.now()).await;
        let Some(answer) = found.map_err(unreadable)? else { return Ok(None) };
        if answer.fingerprint != keyed.fingerprint {
            let detail = "this key came with another request; take a new one for a new request";
            return Err(Problem::client(Kind::IdempotencyKeyReused, detail)
                .at(Fault::header(KEY, "this key came with another request")));
        }
        let opened = open(&keyed.lock, &answer);
        opened.map(Some).map_err(|error| Problem::server(Kind::Internal, error))
    }
}

/// An answer was in the way, and is not there.
#[derive(Debug, thiserror::Error)]
#[error("the answer that was in the way is gone")]
struct Vanished;

/// The key of a request, if it has one.
fn key(request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let mut values = request.headers().get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    // Two of them would be two names for one request.
    let text = value.to_str().ok().filter(|_| values.next().is_none()).unwrap_or_default();
    let key = IdempotencyKey::parse(text);
    key.map(Some).map_err(|error| Problem::invalid(vec![Fault::header(KEY, error)]))
}

fn open(lock: &Lock, answer: &Answer) -> Result<Response<Body>, BadAnswer> {
    let kept: Kept = serde_json::from_slice(&lock.open(&answer.sealed)?)?;
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).map_err(lambda::HttpError::from)?;
    for (name, value) in kept.headers {
        let name = HeaderName::try_from(name).map_err(lambda::HttpError::from)?;
        let value = HeaderValue::try_from(value).map_err(lambda::HttpError::from)?;
        response.headers_mut().insert(name, value);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn unreadable(error: ReadAccountError) -> Problem {
    match error {
        ReadAccountError::Unavailable(error) => Problem::server(Kind::Unavailable, error),
        ReadAccountError::BadRow(error) => Problem::server(Kind::Internal, error),
    }
}
