//! What SQS refuses, and how it says so.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// A refusal or a failure of one call, or of one entry of a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("The specified queue does not exist.")]
    QueueDoesNotExist,
    #[error(
        "A queue already exists with the same name and a different value for attribute {attribute}"
    )]
    QueueNameExists { attribute: String },
    #[error("The input receipt handle \"{0}\" is not a valid receipt handle.")]
    ReceiptHandleIsInvalid(String),
    #[error("The message referred to isn't in flight.")]
    MessageNotInflight,
    #[error("There should be at least one entry in the request.")]
    EmptyBatchRequest,
    #[error("Maximum number of entries per request are 10. You have sent {0}.")]
    TooManyEntriesInBatchRequest(usize),
    #[error("Id {0} repeated.")]
    BatchEntryIdsNotDistinct(String),
    #[error(
        "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It \
         can be at most 80 letters long."
    )]
    InvalidBatchEntryId,
    #[error("Batch requests cannot be longer than {most} bytes. You have sent {sent} bytes.")]
    BatchRequestTooLong { most: usize, sent: usize },
    #[error("Unknown Attribute {0}.")]
    InvalidAttributeName(String),
    #[error("Invalid value for the parameter {0}.")]
    InvalidAttributeValue(String),
    #[error(
        "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF \
         | #xE000 to #xFFFD | #x10000 to #x10FFFF"
    )]
    InvalidMessageContents,
    #[error("{0}")]
    ResourceNotFound(String),
    #[error("{0}")]
    UnsupportedOperation(String),
    #[error("{0}")]
    InvalidParameterValue(String),
    #[error("The request must contain the parameter {0}.")]
    MissingParameter(&'static str),
    #[error("{0}")]
    Unreadable(String),
    #[error("The action {0} is not valid for this endpoint.")]
    InvalidAction(String),
    /// SQLite failed, or the writer's thread is gone. Logged where it happened.
    #[error("The embedded SQS failed: {0}")]
    Internal(String),
}

impl Fault {
    /// The shape's name in the JSON protocol.
    fn shape(&self) -> &'static str {
        match self {
            Self::QueueDoesNotExist => "com.amazonaws.sqs#QueueDoesNotExist",
            Self::QueueNameExists { .. } => "com.amazonaws.sqs#QueueNameExists",
            Self::ReceiptHandleIsInvalid(_) => "com.amazonaws.sqs#ReceiptHandleIsInvalid",
            Self::MessageNotInflight => "com.amazonaws.sqs#MessageNotInflight",
            Self::EmptyBatchRequest => "com.amazonaws.sqs#EmptyBatchRequest",
            Self::TooManyEntriesInBatchRequest(_) => {
                "com.amazonaws.sqs#TooManyEntriesInBatchRequest"
            }
            Self::BatchEntryIdsNotDistinct(_) => "com.amazonaws.sqs#BatchEntryIdsNotDistinct",
            Self::InvalidBatchEntryId => "com.amazonaws.sqs#InvalidBatchEntryId",
            Self::BatchRequestTooLong { .. } => "com.amazonaws.sqs#BatchRequestTooLong",
            Self::InvalidAttributeName(_) => "com.amazonaws.sqs#InvalidAttributeName",
            Self::InvalidAttributeValue(_) => "com.amazonaws.sqs#InvalidAttributeValue",
            Self::InvalidMessageContents => "com.amazonaws.sqs#InvalidMessageContents",
            Self::ResourceNotFound(_) => "com.amazonaws.sqs#ResourceNotFoundException",
            Self::UnsupportedOperation(_) => "com.amazonaws.sqs#UnsupportedOperation",
            Self::InvalidParameterValue(_) => {
                "com.amazon.coral.service#InvalidParameterValueException"
            }
            Self::MissingParameter(_) => {
                "com.amazon.coral.service#MissingRequiredParameterException"
            }
            Self::Unreadable(_) => "com.amazon.coral.service#SerializationException",
            Self::InvalidAction(_) => "com.amazon.coral.service#UnknownOperationException",
            Self::Internal(_) => "com.amazon.coral.service#InternalFailure",
        }
    }

    /// The code of the older query protocol, which the SDKs still go by: in the header of a
    /// failed call, and in the failed entries of a batch.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::QueueDoesNotExist => "AWS.SimpleQueueService.NonExistentQueue",
            Self::QueueNameExists { .. } => "QueueAlreadyExists",
            Self::ReceiptHandleIsInvalid(_) => "ReceiptHandleIsInvalid",
            Self::MessageNotInflight => "AWS.SimpleQueueService.MessageNotInflight",
            Self::EmptyBatchRequest => "AWS.SimpleQueueService.EmptyBatchRequest",
            Self::TooManyEntriesInBatchRequest(_) => {
                "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
            }
            Self::BatchEntryIdsNotDistinct(_) => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
            Self::InvalidBatchEntryId => "AWS.SimpleQueueService.InvalidBatchEntryId",
            Self::BatchRequestTooLong { .. } => "AWS.SimpleQueueService.BatchRequestTooLong",
            Self::InvalidAttributeName(_) => "InvalidAttributeName",
            Self::InvalidAttributeValue(_) => "InvalidAttributeValue",
            Self::InvalidMessageContents => "InvalidMessageContents",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::UnsupportedOperation(_) => "AWS.SimpleQueueService.UnsupportedOperation",
            Self::InvalidParameterValue(_) => "InvalidParameterValue",
            Self::MissingParameter(_) => "MissingParameter",
            Self::Unreadable(_) => "MalformedInput",
            Self::InvalidAction(_) => "InvalidAction",
            Self::Internal(_) => "InternalFailure",
        }
    }

    /// Whether the caller is to blame, and trying again is no use.
    pub(crate) fn is_senders(&self) -> bool {
        !matches!(self, Self::Internal(_))
    }

    pub(crate) fn response(&self) -> Response<Bytes> {
        let body = json!({ "__type": self.shape(), "message": self.to_string() });
        let mut response = Response::new(Bytes::from(body.to_string()));
        let (status, blame) = if self.is_senders() {
            (StatusCode::BAD_REQUEST, "Sender")
        } else {
            (StatusCode::INTERNAL_SERVER_ERROR, "Receiver")
        };
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.0"));
        if let Ok(code) = HeaderValue::try_from(format!("{};{blame}", self.code())) {
            headers.insert("x-amzn-query-error", code);
        }
        response
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Internal(error.to_string())
    }
}
