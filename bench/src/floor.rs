//! The floor: a bare server of the same HTTP stack that answers 302 to everything.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::{Response, StatusCode, header};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;

use crate::table::say;

/// Says its address, and serves until it is killed. With the settings of `local`'s port.
pub(crate) fn run() -> anyhow::Result<()> {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.clamp(2, 4))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.context("listening")?;
        say(&listener.local_addr()?.to_string());
        loop {
            let (socket, _) = listener.accept().await?;
            socket.set_nodelay(true)?;
            tokio::spawn(async move {
                let answer = service_fn(|_| async {
                    let mut response = Response::new(Full::new(Bytes::new()));
                    *response.status_mut() = StatusCode::FOUND;
                    let to = header::HeaderValue::from_static("https://example.com/spring");
                    response.headers_mut().insert(header::LOCATION, to);
                    Ok::<_, Infallible>(response)
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(75))
                    .max_buf_size(16 * 1024)
                    .serve_connection(TokioIo::new(socket), answer);
                // Whoever hangs up has had enough.
                let _ = connection.await;
            });
        }
    })
}
