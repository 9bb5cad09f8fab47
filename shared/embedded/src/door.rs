//! The one door to the three stores: which of them a request is for, and the connector by which
//! the AWS SDKs hand their requests over without a socket.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response};
use http_body_util::BodyExt;

use crate::dynamodb::DynamoDb;
use crate::s3::S3;
use crate::sqs::Sqs;

/// The three stores.
#[derive(Debug)]
pub(crate) struct Door {
    pub(crate) dynamodb: DynamoDb,
    pub(crate) sqs: Sqs,
    pub(crate) s3: S3,
    /// The folder of S3 when nothing is to stay; deleted last.
    pub(crate) _scratch: Option<tempfile::TempDir>,
}

impl Door {
    /// Answers one request. Any failure is an answer too, in the service's own form.
    pub(crate) async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let target = request.headers().get("x-amz-target").and_then(|value| value.to_str().ok());
        if let Some(operation) = target.and_then(|it| it.strip_prefix("DynamoDB_20120810.")) {
            self.dynamodb.call(operation, request.body()).await
        } else if let Some(operation) = target.and_then(|it| it.strip_prefix("AmazonSQS.")) {
            self.sqs.call(operation, request.headers(), request.body()).await
        } else {
            // Boxed: its future is by far the largest, and the hot paths should not carry it.
            Box::pin(self.s3.call(request)).await
        }
    }
}

/// The SDKs' HTTP client and connector in one: there is no connection to share or to time out.
#[derive(Clone, Debug)]
pub(crate) struct Direct {
    door: Arc<Door>,
}

impl Direct {
    pub(crate) fn new(door: Arc<Door>) -> Self {
        Self { door }
    }
}

impl HttpClient for Direct {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Direct {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let door = Arc::clone(&self.door);
        HttpConnectorFuture::new(async move {
            let request =
                request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let (mut parts, body) = request.into_parts();
            // A connection would add it; S3's signature covers it.
            if !parts.headers.contains_key(HOST)
                && let Some(authority) = parts.uri.authority()
                && let Ok(host) = HeaderValue::from_str(authority.as_str())
            {
                parts.headers.insert(HOST, host);
            }
            // Small bodies are in memory already; a stream is collected.
            let body = match body.bytes() {
                Some(bytes) => Bytes::copy_from_slice(bytes),
                None => body.collect().await.map_err(ConnectorError::user)?.to_bytes(),
            };
            let response = door.call(Request::from_parts(parts, body)).await;
            HttpResponse::try_from(response.map(SdkBody::from))
                .map_err(|error| ConnectorError::user(error.into()))
        })
    }
}
