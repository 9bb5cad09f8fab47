//! The stores on one loopback port, for AWS tools.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::door::Door;

/// How long requests may still run after the shutdown: a long poll would take 20 seconds.
const GRACE: Duration = Duration::from_secs(1);
/// The largest body. S3 objects are held in memory here, so there has to be one.
const MAX_BODY_BYTES: usize = 256 * 1024 * 1024;

/// Accepts connections until `shutdown` is done.
pub(crate) async fn serve(
    door: Arc<Door>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let socket = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => socket,
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection to the embedded stores");
                    // Out of file descriptors, most likely: trying again at once would spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            },
        };
        // Answers are small: without this, the kernel holds them back for an acknowledgement.
        let _ = socket.set_nodelay(true);
        let door = Arc::clone(&door);
        let connection = http1::Builder::new().timer(TokioTimer::new()).serve_connection(
            TokioIo::new(socket),
            service_fn(move |request| answer(Arc::clone(&door), request)),
        );
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            // A client that hangs up is its own business.
            let _ = connection.await;
        });
    }
    // What is left after that is cut off when the set is dropped.
    let _ = tokio::time::timeout(GRACE, graceful.shutdown()).await;
}

async fn answer(
    door: Arc<Door>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MAX_BODY_BYTES).collect().await else {
        let mut response = Response::new(Full::new(Bytes::from_static(b"the body is too large\n")));
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
        return Ok(response);
    };
    let response = door.call(Request::from_parts(parts, body.to_bytes())).await;
    Ok(response.map(Full::new))
}
