//! The Extensions API, as far as a function needs it that is an extension of itself: to register for
//! invocations, and to ask for the next one.
//!
//! By HTTP on the loopback, over one connection. The official client makes two, and a start and each
//! request pay for what it can do besides (`docs/adr/0026-calls-without-the-sdks-clients.md`).

use std::io;
use std::panic::resume_unwind;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use lambda_http::http::header::{CONTENT_TYPE, HOST};
use lambda_http::http::uri::InvalidUri;
use lambda_http::http::{
    Error as HttpError, HeaderValue, Method, Request, Response, StatusCode, Uri,
};
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio::task::{JoinHandle, yield_now};

use crate::env::{Env, EnvError};

/// Where the API is: as for the runtime.
const ADDRESS: &str = "AWS_LAMBDA_RUNTIME_API";

/// How often who starts to register has to step aside until the request is on its way: it connects,
/// which takes no time on the loopback, and then it writes.
const TURNS_TO_ASK: usize = 2;

/// By which the API knows an extension.
const ID: &str = "lambda-extension-identifier";

/// Why there is no extension, or none any more.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExtensionError {
    #[error(transparent)]
    Env(#[from] EnvError),
    #[error("`{ADDRESS}` is no address")]
    Address(#[from] InvalidUri),
    #[error("connecting to the Extensions API")]
    Connect(#[source] io::Error),
    #[error("asking the Extensions API")]
    Ask(#[from] hyper::Error),
    #[error("writing a request to the Extensions API")]
    Request(#[from] HttpError),
    #[error("the Extensions API answers {0}")]
    Status(StatusCode),
    #[error("the Extensions API gives no `{ID}`")]
    NoId,
    #[error("the Extensions API tells of what is no event")]
    Event(#[from] serde_json::Error),
}

/// An extension that is registered.
pub(crate) struct Extension {
    api: Api,
    id: HeaderValue,
}

/// What the API tells of.
#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "eventType")]
    kind: String,
}

/// A registration that is under way.
pub(crate) struct Registering(JoinHandle<Result<Extension, ExtensionError>>);

impl Registering {
    /// Registers for invocations, under this name, while the caller does something else. When this
    /// returns, the API has been asked, or is about to be.
    pub(crate) async fn begin(env: Env, name: &'static str) -> Self {
        let registering = tokio::spawn(Extension::register(env, name));
        for _ in 0..TURNS_TO_ASK {
            yield_now().await;
        }
        Self(registering)
    }

    /// Waits for the answer.
    pub(crate) async fn done(self) -> Result<Extension, ExtensionError> {
        self.0.await.unwrap_or_else(|error| resume_unwind(error.into_panic()))
    }
}

impl Extension {
    /// Registers for invocations, under this name.
    async fn register(env: Env, name: &'static str) -> Result<Self, ExtensionError> {
        let mut api = Api::connect(&env.required(ADDRESS)?).await?;
        let request = || {
            let request = Request::builder()
                .method(Method::POST)
                .header("lambda-extension-name", name)
                .header(CONTENT_TYPE, "application/json");
            (request, "register", r#"{"events":["INVOKE"]}"#)
        };
        let response = api.ask(request).await?;
        let id = response.headers().get(ID).cloned().ok_or(ExtensionError::NoId)?;
        // The connection is free when all is read.
        response.into_body().collect().await?;
        Ok(Self { api, id })
    }

    /// Waits for the next event; says whether it is an invocation.
    pub(crate) async fn next(&mut self) -> Result<bool, ExtensionError> {
        let request = || (Request::builder().header(ID, &self.id), "event/next", "");
        let response = self.api.ask(request).await?;
        let body = response.into_body().collect().await?.to_bytes();
        let event: Event = serde_json::from_slice(&body)?;
        Ok(event.kind == "INVOKE")
    }
}

/// A connection to the API.
struct Api {
    host: String,
    base: String,
    requests: SendRequest<Full<Bytes>>,
}

impl Api {
    /// The address has a scheme and a path where an emulator serves several functions.
    async fn connect(address: &str) -> Result<Self, ExtensionError> {
        let address: Uri = address.parse()?;
        let mut host = address.authority().map_or("", |authority| authority.as_str()).to_owned();
        if address.port().is_none() {
            host.push_str(":80");
        }
        let base = address.path().trim_end_matches('/').to_owned();
        Ok(Self { requests: dial(&host).await?, host, base })
    }

    /// Sends a request, and waits for the head of its answer. A connection that was closed meanwhile
    /// is made anew; whatever may have arrived is not sent again.
    async fn ask(
        &mut self,
        request: impl Fn() -> (lambda_http::http::request::Builder, &'static str, &'static str),
    ) -> Result<Response<Incoming>, ExtensionError> {
        let mut is_new = false;
        loop {
            let (head, path, body) = request();
            let request = head
                .uri(format!("{}/2020-01-01/extension/{path}", self.base))
                .header(HOST, &self.host)
                .body(Full::from(body))?;
            let outcome = match self.requests.ready().await {
                Ok(()) => self.requests.send_request(request).await,
                Err(error) => Err(error),
            };
            match outcome {
                Ok(response) if response.status().is_success() => return Ok(response),
                Ok(response) => return Err(ExtensionError::Status(response.status())),
                Err(error) if is_new || !(error.is_closed() || error.is_canceled()) => {
                    return Err(error.into());
                }
                Err(_) => {
                    self.requests = dial(&self.host).await?;
                    is_new = true;
                }
            }
        }
    }
}

async fn dial(host: &str) -> Result<SendRequest<Full<Bytes>>, ExtensionError> {
    let stream = TcpStream::connect(host).await.map_err(ExtensionError::Connect)?;
    let (requests, connection) = handshake(TokioIo::new(stream)).await?;
    // What goes wrong there is told to whoever waits for an answer.
    tokio::spawn(connection);
    Ok(requests)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const REGISTERED: &str =
        "HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: e-1\r\ncontent-length: 2\r\n\r\n{}";
    const SHUTDOWN: &str =
        "HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\n{\"eventType\":\"SHUTDOWN\"}";
    /// In pieces.
    const INVOKE: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{\"eventType\r\nb\r\n\":\"INVOKE\"}\r\n0\r\n\r\n";

    async fn register(env: Env) -> Result<Extension, ExtensionError> {
        Registering::begin(env, "after-answer").await.done().await
    }

    /// Serves connections, one after the other, each with these answers and then closed. What was
    /// asked is told in the end.
    async fn serve(connections: Vec<Vec<&'static str>>) -> (Env, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let env = Env::fixed([(ADDRESS, format!("http://{address}/function/"))]);
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answers in connections {
                let (mut stream, _) = listener.accept().await.unwrap();
                for answer in answers {
                    let mut request = vec![0; 1_000];
                    let length = stream.read(&mut request).await.unwrap();
                    asked.push(String::from_utf8_lossy(&request[..length]).into_owned());
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
            }
            asked
        });
        (env, serving)
    }

    #[tokio::test]
    async fn it_registers_and_asks_over_one_connection() {
        let (env, serving) = serve(vec![vec![REGISTERED, INVOKE, SHUTDOWN]]).await;
        let mut extension = register(env).await.unwrap();
        assert!(extension.next().await.unwrap());
        assert!(!extension.next().await.unwrap());
        let asked = serving.await.unwrap();
        let has = |at: usize, texts: &[&str]| {
            let text = asked[at].to_lowercase();
            assert!(texts.iter().all(|it| text.contains(&it.to_lowercase())), "{text}");
        };
        has(0, &["POST /function/2020-01-01/extension/register HTTP/1.1\r\n", "host: 127.0.0.1:"]);
        has(0, &["lambda-extension-name: after-answer\r\n", "\r\n\r\n{\"events\":[\"INVOKE\"]}"]);
        has(
            1,
            &["GET /function/2020-01-01/extension/event/next HTTP/1.1\r\n", "-identifier: e-1\r\n"],
        );
    }

    /// A start is not kept waiting twice: for the API, and then for what it does itself.
    #[tokio::test]
    async fn it_is_asked_before_the_caller_goes_on() {
        use std::io::{Read, Write};

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let env = Env::fixed([(ADDRESS, listener.local_addr().unwrap().to_string())]);
        let registering = Registering::begin(env, "after-answer").await;
        // No task runs any more until this has read what was sent.
        let (mut stream, _) = listener.into_std().unwrap().accept().unwrap();
        stream.set_nonblocking(true).unwrap();
        let mut request = [0; 1_000];
        let length = stream.read(&mut request).unwrap();
        let request = String::from_utf8_lossy(&request[..length]).to_lowercase();
        assert!(request.ends_with("{\"events\":[\"invoke\"]}"), "{request}");
        stream.write_all(REGISTERED.as_bytes()).unwrap();
        assert!(registering.done().await.is_ok());
    }

    #[tokio::test]
    async fn a_connection_that_was_closed_is_made_anew() {
        let (env, serving) = serve(vec![vec![REGISTERED], vec![INVOKE], vec![INVOKE]]).await;
        let mut extension = register(env).await.unwrap();
        for _ in 0..2 {
            assert!(extension.next().await.unwrap());
        }
        assert_eq!(serving.await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn what_goes_wrong_is_an_error() {
        let refused = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        let nameless = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        for (answer, text) in [
            (refused, "the Extensions API answers 403 Forbidden"),
            (nameless, "the Extensions API gives no `lambda-extension-identifier`"),
            ("nonsense\r\n\r\n", "asking the Extensions API"),
        ] {
            let (env, _serving) = serve(vec![vec![answer]]).await;
            let error = register(env).await.err().unwrap();
            assert_eq!(error.to_string(), text);
        }
        let (env, _serving) = serve(vec![vec![REGISTERED, nameless]]).await;
        let mut extension = register(env).await.unwrap();
        let error = extension.next().await.unwrap_err().to_string();
        assert_eq!(error, "the Extensions API tells of what is no event");
        // Half an answer: the request has arrived, and is not sent again.
        let (env, _serving) =
            serve(vec![vec![REGISTERED, "HTTP/1.1 200 OK\r\n"], vec![INVOKE]]).await;
        let mut extension = register(env).await.unwrap();
        let error = extension.next().await.unwrap_err().to_string();
        assert_eq!(error, "asking the Extensions API");

        let error = register(Env::fixed([])).await.err().unwrap();
        assert!(error.to_string().contains(ADDRESS), "{error}");
        let nowhere = Env::fixed([(ADDRESS, "127.0.0.1:1".to_owned())]);
        let error = register(nowhere).await.err().unwrap();
        assert_eq!(error.to_string(), "connecting to the Extensions API");
    }
}
