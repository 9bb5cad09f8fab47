//! Calls of DynamoDB and SQS for the one function that somebody waits for: the redirect.
//!
//! The SDKs' clients are made for every service, protocol and setting there is. Making two of them is
//! half of the redirect's start, and each call costs four times what the rest of a redirect does
//! (`docs/adr/0026-calls-without-the-sdks-clients.md`). Both services speak AWS JSON 1.0: a POST of a
//! JSON document, signed. That much is here, and nothing else of them.
//!
//! What connects, speaks TLS and keeps connections is the SDKs' own: the HTTP client of an
//! [`SdkConfig`]. So are its region, credentials, address, timeouts and retries, and whatever a test
//! puts between a client and AWS is between this one and AWS, too.

mod error;
mod sign;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_smithy_async::future::timeout::Timeout;
use aws_smithy_async::rt::sleep::{AsyncSleep, SharedAsyncSleep};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_runtime::client::auth::no_auth::{NO_AUTH_SCHEME_ID, NoAuthScheme};
use aws_smithy_runtime::client::identity::IdentityCache;
use aws_smithy_runtime::client::identity::no_auth::NoAuthIdentityResolver;
use aws_smithy_runtime::client::orchestrator::endpoints::StaticUriEndpointResolver;
use aws_smithy_runtime::client::retries::strategy::NeverRetryStrategy;
use aws_smithy_runtime_api::client::auth::static_resolver::StaticAuthSchemeOptionResolver;
use aws_smithy_runtime_api::client::connection::CaptureSmithyConnection;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponentsBuilder;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use bytes::Bytes;
use http::Uri;
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use crate::error::{CallError, Refusal};
use crate::sign::Signer;

/// The media type of the protocol.
const MEDIA: &str = "application/x-amz-json-1.0";

/// How long to wait at most before the first retry of what was nobody's fault. Who is throttled waits
/// as long as the configuration says.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// A service that speaks the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Tables.
    DynamoDb,
    /// Queues.
    Sqs,
}

impl Service {
    /// As in its address and in a signature.
    fn name(self) -> &'static str {
        match self {
            Self::DynamoDb => "dynamodb",
            Self::Sqs => "sqs",
        }
    }

    /// What stands before the operation in the header that names it.
    fn target(self) -> &'static str {
        match self {
            Self::DynamoDb => "DynamoDB_20120810",
            Self::Sqs => "AmazonSQS",
        }
    }
}

/// A client of one service. Clones are the same client.
#[derive(Debug, Clone)]
pub struct Client(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    service: Service,
    address: Uri,
    http: SharedHttpClient,
    /// Made by the first call: whoever starts need not wait for it.
    connector: OnceLock<SharedHttpConnector>,
    credentials: SharedCredentialsProvider,
    signer: Signer,
    sleep: SharedAsyncSleep,
    time: SharedTimeSource,
    retries: RetryConfig,
    timeouts: TimeoutConfig,
}

impl Client {
    /// A client of this service by this configuration.
    ///
    /// # Panics
    ///
    /// If the configuration lacks its region, credentials, HTTP client or way to sleep, or its
    /// address is none. `lambda::aws_config` sets them all.
    pub fn new(aws: &SdkConfig, service: Service) -> Self {
        let region = aws.region().expect("the configuration has a region").as_ref();
        let address = match aws.endpoint_url() {
            Some(url) => url.to_owned(),
            None => {
                // The partitions where Signpost can run; elsewhere an address is set.
                let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
                format!("https://{}.{region}.amazonaws.com{suffix}/", service.name())
            }
        };
        let address: Uri = address.parse().expect("the address of the service is a URL");
        Self(Arc::new(Inner {
            service,
            signer: Signer::new(service.name(), region, &address),
            address,
            http: aws.http_client().expect("the configuration has an HTTP client"),
            connector: OnceLock::new(),
            credentials: aws.credentials_provider().expect("the configuration has credentials"),
            sleep: aws.sleep_impl().expect("the configuration has a way to sleep"),
            time: aws.time_source().unwrap_or_default(),
            retries: aws.retry_config().cloned().unwrap_or_else(RetryConfig::standard),
            timeouts: aws.timeout_config().cloned().unwrap_or_else(TimeoutConfig::disabled),
        }))
    }

    /// Calls an operation, and reads its answer. What fails for a moment is tried again, as often and
    /// as long as the configuration says.
    pub async fn call<Answer: DeserializeOwned>(
        &self,
        operation: &'static str,
        input: &(impl Serialize + Sync),
    ) -> Result<Answer, CallError> {
        let body = serde_json::to_vec(input).map_err(CallError::Input)?;
        // Boxed, and the same for every operation: whoever calls stays small.
        let answer = Box::pin(self.0.call(operation, body.into())).await?;
        serde_json::from_slice(&answer).map_err(|source| CallError::Nonsense { operation, source })
    }

    /// Waits as the client does between its own tries: who simulates its time simulates this, too.
    pub async fn sleep(&self, time: Duration) {
        self.0.sleep.sleep(time).await;
    }
}

impl Inner {
    async fn call(&self, operation: &'static str, body: Bytes) -> Result<Bytes, CallError> {
        let tries = async {
            let mut attempt = 1;
            loop {
                let answer = self.try_once(operation, body.clone());
                let patience = self.timeouts.operation_attempt_timeout();
                let error = match self.within(patience, operation, answer).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                if self.retries.max_attempts() <= attempt || !error.may_pass() {
                    return Err(error);
                }
                self.sleep.sleep(self.pause(attempt, &error)).await;
                attempt += 1;
            }
        };
        self.within(self.timeouts.operation_timeout(), operation, tries).await
    }

    async fn within(
        &self,
        patience: Option<Duration>,
        operation: &'static str,
        answer: impl Future<Output = Result<Bytes, CallError>>,
    ) -> Result<Bytes, CallError> {
        let Some(patience) = patience else { return answer.await };
        let late = |_| Err(CallError::Late { operation, patience });
        Timeout::new(answer, self.sleep.sleep(patience)).await.unwrap_or_else(late)
    }

    /// How long to wait after so many attempts: anything up to a bound that doubles.
    fn pause(&self, attempt: u32, error: &CallError) -> Duration {
        let first = self.retries.initial_backoff();
        let first = if error.is_throttled() { first } else { first.min(FIRST_PAUSE) };
        let bound = first.saturating_mul(2_u32.saturating_pow(attempt - 1));
        bound.min(self.retries.max_backoff()).mul_f64(fastrand::f64())
    }

    async fn try_once(&self, operation: &'static str, body: Bytes) -> Result<Bytes, CallError> {
        let credentials = self.credentials.provide_credentials().await;
        let credentials = credentials.map_err(CallError::Credentials)?;
        let target = format!("{}.{operation}", self.service.target());
        let signed = self.signer.sign(&credentials, self.time.now(), &target, &body);

        let mut request = HttpRequest::new(SdkBody::from(body));
        let user = |error: Box<dyn std::error::Error + Send + Sync>| CallError::Connection {
            operation,
            source: ConnectorError::user(error),
        };
        request.set_method("POST").map_err(|error| user(error.into()))?;
        request.set_uri(self.address.clone()).map_err(|error| match error {})?;
        let headers = request.headers_mut();
        headers.insert("content-type", MEDIA);
        headers.insert("x-amz-target", target);
        headers.insert("x-amz-date", signed.time);
        headers.try_insert("authorization", signed.authorization).map_err(|e| user(e.into()))?;
        if let Some(token) = credentials.session_token() {
            headers
                .try_insert("x-amz-security-token", token.to_owned())
                .map_err(|e| user(e.into()))?;
        }
        let connection = CaptureSmithyConnection::new();
        request.add_extension(connection.clone());

        let broken = |source| CallError::Connection { operation, source };
        let response = self.connector().call(request).await.map_err(broken)?;
        let status = response.status();
        let told = |name| response.headers().get(name).map(str::to_owned);
        let (kind, id) = match status.is_success() {
            true => (None, None),
            false => (told("x-amzn-errortype"), told("x-amzn-requestid")),
        };
        let body = response.into_body().collect().await;
        let body = body.map_err(|error| broken(ConnectorError::io(error)))?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let refusal = Refusal::read(operation, status.as_u16(), kind, id, body);
        // What answers at the other end of this connection may be what is broken.
        if refusal.is_failure()
            && let Some(connection) = connection.get()
        {
            connection.poison();
        }
        Err(CallError::Refused(Box::new(refusal)))
    }

    fn connector(&self) -> &SharedHttpConnector {
        self.connector.get_or_init(|| {
            // An HTTP client looks at the clocks only, but there are no components without the rest.
            let components = RuntimeComponentsBuilder::new("aws-json")
                .with_http_client(Some(self.http.clone()))
                .with_sleep_impl(Some(self.sleep.clone()))
                .with_time_source(Some(self.time.clone()))
                .with_auth_scheme(NoAuthScheme::new())
                .with_auth_scheme_option_resolver(Some(StaticAuthSchemeOptionResolver::new(vec![])))
                .with_endpoint_resolver(Some(StaticUriEndpointResolver::uri("")))
                .with_identity_cache(Some(IdentityCache::no_cache()))
                .with_identity_resolver(NO_AUTH_SCHEME_ID, NoAuthIdentityResolver::new())
                .with_retry_strategy(Some(NeverRetryStrategy::new()))
                .build()
                .expect("all that is required is there");
            let mut settings = HttpConnectorSettings::builder();
            settings.set_connect_timeout(self.timeouts.connect_timeout());
            settings.set_read_timeout(self.timeouts.read_timeout());
            self.http.http_connector(&settings.build(), &components)
        })
    }
}
