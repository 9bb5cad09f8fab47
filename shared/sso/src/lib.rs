//! The company's identity provider: signing in with OIDC.
//!
//! [`Settings`] is what the operator says about it, [`Provider`] the provider itself. A sign-in is
//! the authorization code flow with PKCE and a nonce (OIDC Core 1.0; RFC 7636, 9700). What
//! the provider says of itself, its keys included, is fetched when it is first needed and kept.

mod browser;
mod http;
mod provider;
mod settings;
#[cfg(test)]
mod tests;

pub use browser::{Client, not_here, redirect};
pub use http::HttpError;
pub use provider::{Identity, Provider, SsoError, TokenFault};
pub use settings::{ClientSecret, Settings};
