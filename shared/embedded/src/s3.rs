//! S3 on a folder: `s3s` speaks the protocol and checks signatures, `s3s-fs` keeps the objects as
//! files.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use s3s::S3Result;
use s3s::auth::SimpleAuth;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tokio::sync::RwLock;

use crate::{ACCESS_KEY_ID, OpenError, SECRET_ACCESS_KEY};

/// The suffix of a host that names a bucket; see [`crate::ENDPOINT`].
const BUCKET_HOST_SUFFIX: &str = ".embedded.local";

/// The S3 service of one folder.
pub(crate) struct S3 {
    inner: Arc<Inner>,
}

struct Inner {
    service: S3Service,
    /// `s3s-fs` looks at a condition first and writes later, and keeps an object's tag beside it. So
    /// whoever changes something is alone: then a condition holds when its write happens, and nobody
    /// reads one object's bytes with the tag of another.
    turn: RwLock<()>,
}

impl S3 {
    /// `dir` must exist.
    pub(crate) fn open(dir: &Path) -> Result<Self, OpenError> {
        let files = FileSystem::new(dir).map_err(|error| OpenError::S3 {
            path: dir.to_owned(),
            reason: format!("{error:?}"),
        })?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY_ID, SECRET_ACCESS_KEY));
        builder.set_host(Hosts);
        let inner = Inner { service: builder.build(), turn: RwLock::new(()) };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(crate) async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        if matches!(*request.method(), Method::GET | Method::HEAD) {
            let _together = self.inner.turn.read().await;
            return self.inner.call(request).await;
        }
        // On a task of its own: a caller who goes away does not leave half of a change behind.
        let inner = Arc::clone(&self.inner);
        let changing = tokio::spawn(async move {
            let _alone = inner.turn.write().await;
            inner.call(request).await
        });
        changing.await.unwrap_or_else(|error| broken(&error.to_string()))
    }
}

impl Inner {
    async fn call(&self, request: Request<Bytes>) -> Response<Bytes> {
        let response = match self.service.call(request.map(s3s::Body::from)).await {
            Ok(response) => response,
            Err(error) => return broken(&format!("{error:?}")),
        };
        let (parts, body) = response.into_parts();
        match body.collect().await {
            Ok(body) => Response::from_parts(parts, body.to_bytes()),
            Err(error) => broken(&error.to_string()),
        }
    }
}

impl fmt::Debug for S3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("S3").finish_non_exhaustive()
    }
}

/// A failure of the service itself; its own errors are proper answers.
fn broken(error: &str) -> Response<Bytes> {
    tracing::error!(error, "answering an S3 request");
    let mut response = Response::new(Bytes::from_static(
        b"<Error><Code>InternalError</Code><Message>the embedded S3 failed</Message></Error>",
    ));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}

/// Takes the bucket from the host as the SDKs send it by default, and from the path for any other
/// host (the loopback port).
struct Hosts;

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        Ok(match host.strip_suffix(BUCKET_HOST_SUFFIX) {
            Some(bucket) => VirtualHost::new("embedded.local").with_bucket(bucket),
            None => VirtualHost::new(host),
        })
    }
}
