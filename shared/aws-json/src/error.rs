//! Why a call failed, and whether it may go well another time.

use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_smithy_runtime_api::client::result::ConnectorError;
use bytes::Bytes;
use serde::Deserialize;

/// The codes by which services ask to slow down, as the SDKs know them.
const THROTTLED: [&str; 14] = [
    "BandwidthLimitExceeded",
    "EC2ThrottledException",
    "LimitExceededException",
    "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "RequestThrottledException",
    "SlowDown",
    "ThrottledException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "TransactionInProgressException",
];

/// The codes of requests that were too slow in arriving.
const SLOW: [&str; 2] = ["RequestTimeout", "RequestTimeoutException"];

/// Why there is no answer of a call.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// There are no credentials to sign with.
    #[error("getting credentials")]
    Credentials(#[source] CredentialsError),
    /// What is asked cannot be written as JSON.
    #[error("writing the request as JSON")]
    Input(#[source] serde_json::Error),
    /// No answer in time. It may have arrived.
    #[error("`{operation}`: no answer within {} ms", patience.as_millis())]
    Late {
        /// What was called.
        operation: &'static str,
        /// How long it was waited for.
        patience: Duration,
    },
    /// There was no connection, or it broke. It may have arrived.
    #[error("`{operation}`: no answer")]
    Connection {
        /// What was called.
        operation: &'static str,
        /// What the HTTP client said.
        #[source]
        source: ConnectorError,
    },
    /// The service said no.
    #[error(transparent)]
    Refused(Box<Refusal>),
    /// The service said yes, and the rest makes no sense. It has arrived.
    #[error("`{operation}`: the answer is not what was expected")]
    Nonsense {
        /// What was called.
        operation: &'static str,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

/// A service's answer that is none of success.
#[derive(Debug, thiserror::Error)]
#[error("`{operation}`: {status} {code}: {message} (request {request})")]
pub struct Refusal {
    operation: &'static str,
    status: u16,
    code: String,
    message: String,
    request: String,
    body: Bytes,
}

/// What all refusals say. Services spell it in several ways.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(rename = "__type", alias = "code")]
    kind: Option<String>,
    #[serde(alias = "Message", alias = "errorMessage")]
    message: Option<String>,
}

impl Refusal {
    pub(crate) fn read(
        operation: &'static str,
        status: u16,
        kind: Option<String>,
        request: Option<String>,
        body: Bytes,
    ) -> Self {
        // What is no JSON is no service's: a proxy's page.
        let said: Said = serde_json::from_slice(&body).unwrap_or_default();
        let kind = kind.or(said.kind).unwrap_or_else(|| "no code".to_owned());
        // `com.amazonaws.sqs#QueueDoesNotExist`, `ValidationException:http://…`
        let code = kind.rsplit('#').next().and_then(|code| code.split(':').next());
        Self {
            operation,
            status,
            code: code.unwrap_or_default().to_owned(),
            message: said.message.unwrap_or_else(|| "no message".to_owned()),
            request: request.unwrap_or_else(|| "unknown".to_owned()),
            body,
        }
    }

    /// The error's name.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// All that was said.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// Whether it was the service's fault.
    pub(crate) fn is_failure(&self) -> bool {
        [500, 502, 503, 504].contains(&self.status)
    }
}

impl CallError {
    /// What the service said, if it said no.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Credentials(_)
            | Self::Input(_)
            | Self::Late { .. }
            | Self::Connection { .. }
            | Self::Nonsense { .. } => None,
        }
    }

    pub(crate) fn is_throttled(&self) -> bool {
        self.refusal().is_some_and(|refusal| THROTTLED.contains(&refusal.code()))
    }

    /// Whether the same call may go well a moment later.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Credentials(_) | Self::Input(_) | Self::Nonsense { .. } => false,
            Self::Late { .. } => true,
            Self::Connection { source, .. } => {
                source.is_io() || source.is_timeout() || source.as_other().is_some()
            }
            Self::Refused(refusal) => {
                refusal.is_failure() || self.is_throttled() || SLOW.contains(&refusal.code())
            }
        }
    }
}
