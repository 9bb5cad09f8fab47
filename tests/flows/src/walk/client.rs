//! Asking the platform over HTTP.

use std::time::Duration;

use serde_json::Value;
use testkit::Answer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No test waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request, but for who sends it.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) media_type: Option<String>,
    pub(super) body: String,
}

impl Request {
    pub(super) fn new(method: &str, path: impl Into<String>) -> Self {
        Self { method: method.to_owned(), path: path.into(), media_type: None, body: String::new() }
    }

    pub(super) fn json(self, body: &Value) -> Self {
        Self { media_type: Some("application/json".to_owned()), body: body.to_string(), ..self }
    }

    /// With the fields of a form.
    pub(super) fn form(self, fields: &[(&str, &str)]) -> Self {
        let encoded = |text: &str| text.replace('@', "%40").replace('+', "%2B").replace(' ', "+");
        let pairs: Vec<_> =
            fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let media_type = Some("application/x-www-form-urlencoded".to_owned());
        Self { media_type, body: pairs.join("&"), ..self }
    }
}

/// Sends a request to an address, with this `Authorization`, and reads the whole answer.
pub(super) async fn send(address: &str, request: &Request, authorization: Option<&str>) -> Answer {
    let exchange = async {
        let mut socket = TcpStream::connect(address).await.expect("the platform listens");
        let Request { method, path, media_type, body } = request;
        let mut text =
            format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
        for (name, value) in
            [("Authorization", authorization), ("Content-Type", media_type.as_deref())]
        {
            if let Some(value) = value {
                text.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{body}", body.len()));
        socket.write_all(text.as_bytes()).await.expect("the platform reads");
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).await.expect("the platform answers");
        String::from_utf8(answer).expect("an answer is text")
    };
    parse(&timeout(PATIENCE, exchange).await.expect("an answer in time"))
}

fn parse(text: &str) -> Answer {
    let (head, body) = text.split_once("\r\n\r\n").expect("an answer has a head");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let (cookies, headers): (Vec<_>, Vec<_>) = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .partition(|(name, _)| name == "set-cookie");
    Answer {
        status: status.expect("an answer has a status"),
        headers: headers.into_iter().collect(),
        cookies: cookies.into_iter().map(|(_, value)| value).collect(),
        text: body.to_owned(),
    }
}
