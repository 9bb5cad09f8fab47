//! The gateway's port: connections, and what a bad one may cost.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioTimer;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Gateway;
use super::stall::Stalling;

/// The largest head of a request. API Gateway stops at 10,240 bytes.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// How long requests may still run after the end was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Serves `listener` until `shutdown` is done, and what has begun until it is answered.
pub(crate) async fn serve(
    gateway: Arc<Gateway>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()>,
) {
    let mut shutdown = pin!(shutdown);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(gateway.limits.connections));
    let mut connections = JoinSet::new();
    loop {
        let accept = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = accept => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                let connection = converse(Arc::clone(&gateway), socket, peer, graceful.watcher());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "accepting a connection");
                // Out of file descriptors, most likely: trying again at once would spin.
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    let end = async {
        graceful.shutdown().await;
        gateway.idle().await;
    };
    if timeout(GRACE, end).await.is_err() {
        tracing::warn!("some requests were cut off");
    }
}

async fn converse(gateway: Arc<Gateway>, socket: TcpStream, peer: SocketAddr, watcher: Watcher) {
    // Answers are small: without this, the kernel holds them back for an acknowledgement.
    let _ = socket.set_nodelay(true);
    let limits = gateway.limits;
    // It is the same for all requests of a connection.
    let source: Arc<str> = peer.ip().to_string().into();
    let service = service_fn(move |request| {
        let (gateway, source) = (Arc::clone(&gateway), Arc::clone(&source));
        async move { Ok::<_, Infallible>(gateway.answer(request, &source).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(Stalling::new(socket, limits.write), service);
    // A client that hangs up or does not speak HTTP is its own business.
    let _ = watcher.watch(connection).await;
}
