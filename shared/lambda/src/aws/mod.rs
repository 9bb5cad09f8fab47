//! The one place that builds the AWS clients' configuration.
//!
//! Lean on purpose, by measurement (`docs/adr/0003-lean-aws-clients.md`): `ring` instead of
//! aws-lc, whose first handshake costs a 256 MB function 300 ms; Amazon's five roots instead of
//! the system's 142; credentials and region straight from the environment that Lambda sets.

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Builder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_runtime_api::client::connector_metadata::ConnectorMetadata;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;
use aws_types::sdk_config::{SharedAsyncSleep, SharedHttpClient};

use crate::env::{Env, EnvError};

/// Amazon Root CA 1 to 4, and the Starfield root that signs them for old clients: what AWS
/// promises its endpoints to chain to (<https://www.amazontrust.com/repository/>).
const AMAZON_ROOTS: &[u8] = include_bytes!("amazon-roots.pem");

/// An attempt that takes longer is given up and tried again. DynamoDB and SQS answer in
/// milliseconds; a second means a lost packet or a dead connection.
const ATTEMPT_SECONDS: u64 = 2;

/// A call with all its retries: short of a function's shortest timeout (5 s), so that there is
/// still time to do something about it.
const OPERATION_SECONDS: u64 = 3;

/// Connecting takes a round trip or two inside a region.
const CONNECT_SECONDS: u64 = 1;

/// The configuration that every client is made from.
pub fn config(env: &Env) -> Result<SdkConfig, EnvError> {
    let credentials = Credentials::new(
        env.required("AWS_ACCESS_KEY_ID")?,
        env.required("AWS_SECRET_ACCESS_KEY")?,
        env.optional("AWS_SESSION_TOKEN"),
        None,
        "environment",
    );
    let builder = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(env.required("AWS_REGION")?))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(https(env)?)
        .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
        .retry_config(RetryConfig::standard())
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_secs(CONNECT_SECONDS))
                .operation_attempt_timeout(Duration::from_secs(ATTEMPT_SECONDS))
                .operation_timeout(Duration::from_secs(OPERATION_SECONDS))
                .build(),
        );
    // An emulator's address; unset in AWS.
    Ok(match env.optional("AWS_ENDPOINT_URL") {
        Some(url) => builder.endpoint_url(url).build(),
        None => builder.build(),
    })
}

/// `TRUST_STORE=system` is for proxies that open TLS with a certificate of the company's.
fn https(env: &Env) -> Result<SharedHttpClient, EnvError> {
    let roots = match env.optional("TRUST_STORE").as_deref() {
        None | Some("amazon") => TrustStore::empty().with_pem_certificate(AMAZON_ROOTS),
        Some("system") => TrustStore::empty().with_native_roots(true),
        Some(other) => {
            return Err(EnvError::Invalid {
                name: "TRUST_STORE",
                value: other.to_owned(),
                why: "it is `amazon` or `system`".to_owned(),
            });
        }
    };
    let tls = TlsContext::builder()
        .with_trust_store(roots)
        .build()
        .expect("the roots are part of the binary, and a test reads them");
    let client = Builder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls)
        .build_https();
    Ok(SharedHttpClient::new(Untried(client)))
}

/// An HTTPS client that is first used by the first call.
///
/// The SDK's own lets each client that is made try it, and throws away what that made: the roots
/// were read three times before the redirect's first request, a quarter of its start.
#[derive(Debug)]
struct Untried(SharedHttpClient);

impl HttpClient for Untried {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        self.0.http_connector(settings, components)
    }

    fn connector_metadata(&self) -> Option<ConnectorMetadata> {
        self.0.connector_metadata()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(more: &[(&'static str, &str)]) -> Env {
        let base = [
            ("AWS_ACCESS_KEY_ID", "a"),
            ("AWS_SECRET_ACCESS_KEY", "b"),
            ("AWS_REGION", "eu-west-1"),
        ];
        Env::fixed(base.iter().chain(more).map(|(name, value)| (*name, (*value).to_owned())))
    }

    #[test]
    fn the_roots_are_read_and_the_endpoint_is_taken() {
        let config = config(&env(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")])).unwrap();
        assert_eq!(config.endpoint_url(), Some("http://127.0.0.1:4566"));
        assert_eq!(AMAZON_ROOTS.windows(5).filter(|w| w == b"BEGIN").count(), 5);
    }

    #[test]
    fn a_missing_region_and_a_wrong_trust_store_are_named() {
        let error = config(&Env::fixed([])).unwrap_err().to_string();
        assert!(error.contains("AWS_ACCESS_KEY_ID"), "{error}");
        let error = config(&env(&[("TRUST_STORE", "none")])).unwrap_err().to_string();
        assert!(error.contains("TRUST_STORE"), "{error}");
    }
}
