//! Access tokens: how they are signed, and when one is believed.
//!
//! An access token is a JWT (RFC 7519, 9068) signed with ES256. There is one algorithm and one
//! kind of key, so there is nothing to negotiate: a token that names anything else is refused
//! before its signature is looked at. The signatures are `ring`'s, which is in every binary
//! anyway. Keeps KMS out of everything that neither signs nor verifies.

mod claims;
mod der;
mod file;
mod jwk;
mod jwt;
mod keys;
mod kms;

pub use claims::AccessToken;
pub use file::new_key;
pub use jwk::{Jwk, Jwks};
pub use keys::{KeyError, Tokens, VerifyError};

pub use jwt::Refusal;

#[cfg(test)]
mod tests;
