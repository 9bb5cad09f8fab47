//! The front door: only what came through our CloudFront distribution is let in.
//!
//! Everybody knows the addresses of API Gateway, or can find them. Who asked there would be past the
//! firewall and could make up the headers by which CloudFront tells who a viewer is. The distribution
//! proves itself by a header of its own, which it sets whatever the viewer sent.

use std::fmt;
use std::sync::Arc;

use lambda_http::Request;
use lambda_http::http::HeaderName;
use subtle::ConstantTimeEq;

use crate::env::Env;
use crate::problem::{Kind, Problem};

/// What our CloudFront distribution adds, and nobody else knows.
const HEADER: HeaderName = HeaderName::from_static("x-origin-secret");

/// Knows requests that came through our CloudFront distribution.
#[derive(Clone, Default)]
pub(crate) struct FrontDoor {
    /// `None`: there is no distribution, and everybody comes in.
    secrets: Option<Arc<[String]>>,
}

impl FrontDoor {
    /// Reads `ORIGIN_SECRET`: the value of the header. Two of them, with a comma between, are both
    /// good, so that it can be changed while requests come in.
    pub(crate) fn load(env: &Env) -> Self {
        let secrets = env.optional("ORIGIN_SECRET");
        Self {
            secrets: secrets.map(|all| all.split(',').map(|one| one.trim().to_owned()).collect()),
        }
    }

    /// Whether a request came through our distribution.
    pub(crate) fn knows(&self, request: &Request) -> bool {
        let Some(given) = request.headers().get(&HEADER) else { return false };
        // All are compared, and each in constant time: how long it takes says nothing of them. A
        // setting that is only commas knows nobody, rather than those who send an empty header.
        let known = self.secrets.iter().flat_map(|all| all.iter()).filter(|one| !one.is_empty());
        known.fold(false, |found, one| found | bool::from(given.as_bytes().ct_eq(one.as_bytes())))
    }

    /// Whether there is no distribution, and everybody comes in.
    pub(crate) fn is_open(&self) -> bool {
        self.secrets.is_none()
    }

    /// Refuses who went around the distribution.
    pub(crate) fn admit(&self, request: &Request) -> Result<(), Problem> {
        if self.is_open() || self.knows(request) {
            return Ok(());
        }
        let detail = "requests come in through the service's own domain names";
        Err(Problem::client(Kind::WrongAddress, detail))
    }
}

impl fmt::Debug for FrontDoor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.secrets.is_some() { "FrontDoor(***)" } else { "FrontDoor" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(setting: &str) -> FrontDoor {
        FrontDoor::load(&Env::fixed([("ORIGIN_SECRET", setting.to_owned())]))
    }

    fn admitted(setting: &str, header: Option<&str>) -> bool {
        let mut request = Request::default();
        if let Some(value) = header {
            request.headers_mut().insert(HEADER, value.parse().unwrap());
        }
        let outcome = door(setting).admit(&request);
        if let Err(problem) = &outcome {
            assert_eq!(problem.kind(), Kind::WrongAddress);
        }
        // What is let in is known, unless nobody is asked.
        assert_eq!(door(setting).knows(&request), outcome.is_ok() && !setting.is_empty());
        outcome.is_ok()
    }

    #[test]
    fn without_a_secret_the_door_is_open() {
        assert!(admitted("", None));
        assert!(admitted("", Some("anything")));
    }

    #[test]
    fn with_a_secret_only_who_knows_it_comes_in() {
        assert!(admitted("a secret", Some("a secret")));
        for wrong in [None, Some(""), Some("a"), Some("a secret "), Some("A secret"), Some("b")] {
            assert!(!admitted("a secret", wrong), "{wrong:?}");
        }
    }

    #[test]
    fn while_it_is_changed_the_old_and_the_new_one_are_good() {
        for good in ["new", "old"] {
            assert!(admitted("new, old", Some(good)), "{good}");
        }
        for wrong in [None, Some(""), Some("new, old"), Some("new,old"), Some(",")] {
            assert!(!admitted("new, old", wrong), "{wrong:?}");
        }
    }

    #[test]
    fn a_setting_without_any_secret_in_it_lets_nobody_in() {
        for wrong in [None, Some(""), Some(","), Some(" ")] {
            assert!(!admitted(",", wrong), "{wrong:?}");
            assert!(!admitted(" ", wrong), "{wrong:?}");
        }
    }

    #[test]
    fn debug_output_hides_the_secret() {
        assert_eq!(format!("{:?}", door("a secret")), "FrontDoor(***)");
    }
}
