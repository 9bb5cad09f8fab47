//! The HTTP client: few calls, to one provider, none of which may hang.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client, Error as SendError};
use hyper_util::rt::TokioExecutor;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};
use url::{Host, Url};

/// How long one call may take, from connecting to the last byte. A person waits for it.
const CALL: Duration = Duration::from_secs(3);

/// How large an answer may be: a hundred times the usual.
const MAX_ANSWER_BYTES: usize = 1024 * 1024;

/// Why a call got no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Only a provider on this machine may be asked without TLS.
    #[error("it is reached neither by https nor on this machine")]
    Insecure,
    /// The system has no certificates to check the provider's with.
    #[error("loading the system's trusted certificates")]
    NoRoots(#[source] io::Error),
    /// No answer in time.
    #[error("it took longer than {} s", CALL.as_secs())]
    Timeout,
    /// It could not be reached, or hung up.
    #[error("sending the request")]
    Send(#[source] SendError),
    /// It hung up in the middle of the answer.
    #[error("reading the answer")]
    Read(#[source] Box<dyn Error + Send + Sync>),
    /// The answer has no end.
    #[error("its answer is larger than {MAX_ANSWER_BYTES} bytes")]
    TooLarge,
    /// It says that it cannot answer now.
    #[error("it answered {0}")]
    Busy(StatusCode),
}

type Connection = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A client that asks by TLS, or on this machine.
#[derive(Debug, Clone, Default)]
pub(crate) struct HttpClient(Arc<OnceLock<Connection>>);

/// Whether what is sent there cannot be read on the way.
pub(crate) fn is_private(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        // Resolvers answer this name themselves (RFC 6761).
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    url.host().is_some() && (url.scheme() == "https" || url.scheme() == "http" && is_here)
}

impl HttpClient {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        // The addresses come from the provider's own metadata.
        if !Url::parse(&request.uri().to_string()).is_ok_and(|url| is_private(&url)) {
            return Err(HttpError::Insecure);
        }
        let asked = self.ask(request.map(|body| Full::new(Bytes::from(body))));
        let answer = tokio::time::timeout(CALL, asked).await.map_err(|_| HttpError::Timeout)??;
        let status = answer.status();
        match status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            true => Err(HttpError::Busy(status)),
            // A redirect is none that may be followed: secrets go where the metadata says, or nowhere.
            false => Ok(answer),
        }
    }

    async fn ask(&self, request: http::Request<Full<Bytes>>) -> Result<HttpResponse, HttpError> {
        let answer = self.client()?.request(request).await.map_err(HttpError::Send)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
        let body = body.map_err(|error| match error.is::<LengthLimitError>() {
            true => HttpError::TooLarge,
            false => HttpError::Read(error),
        })?;
        Ok(HttpResponse::from_parts(head, body.to_bytes().into()))
    }

    /// Made when it is first needed: reading the system's certificates takes some milliseconds.
    ///
    /// The system's, and not a list of our own: a company's provider may have a certificate of the
    /// company's, and the operator of the machine says whom it trusts (`SSL_CERT_FILE`).
    fn client(&self) -> Result<&Connection, HttpError> {
        if let Some(client) = self.0.get() {
            return Ok(client);
        }
        let ring = rustls::crypto::ring::default_provider();
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(ring)
            .map_err(HttpError::NoRoots)?
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            // A connection that was frozen along with the process is dead, and a code is good for one
            // call: each gets a connection of its own.
            .pool_max_idle_per_host(0)
            .build(connector);
        Ok(self.0.get_or_init(|| client))
    }
}

impl<'c> AsyncHttpClient<'c> for HttpClient {
    type Error = HttpError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(Self::call(self, request))
    }
}
