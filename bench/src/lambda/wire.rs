//! HTTP/1.1 as far as a Lambda runtime and an AWS client speak it, one thread for each connection.
//!
//! Blocking on purpose: an answer shall come at the moment that was meant, and not when a timer with
//! steps of a millisecond gets round to it.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// One request.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Asked {
    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// One answer.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Answer {
    pub(super) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into() }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        let mut head = format!("HTTP/1.1 {} -\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", self.body.len()));
        [head.into_bytes(), self.body.clone()].concat()
    }
}

/// Listens on loopback; answers each connection on a thread of its own, with TLS or without.
///
/// `answer` may take its time.
pub(super) fn listen<F>(tls: Option<Arc<ServerConfig>>, answer: F) -> io::Result<SocketAddr>
where
    F: Fn(Asked) -> Answer + Clone + Send + 'static,
{
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let (tls, answer) = (tls.clone(), answer.clone());
            thread::spawn(move || {
                // A process that is killed takes its connections with it.
                let _ = stream.set_nodelay(true);
                let _ = match tls {
                    None => serve(stream, answer),
                    Some(tls) => encrypted(stream, tls).and_then(|stream| serve(stream, answer)),
                };
            });
        }
    });
    Ok(address)
}

fn encrypted(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
) -> io::Result<StreamOwned<ServerConnection, TcpStream>> {
    let connection = ServerConnection::new(tls).map_err(io::Error::other)?;
    Ok(StreamOwned::new(connection, stream))
}

fn serve(stream: impl Read + Write, answer: impl Fn(Asked) -> Answer) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(asked) = read(&mut stream)? {
        let answer = answer(asked).bytes();
        let stream = stream.get_mut();
        stream.write_all(&answer)?;
        stream.flush()?;
    }
    Ok(())
}

/// The next request; none if the connection has ended.
fn read(stream: &mut impl BufRead) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace().map(str::to_owned);
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut asked = Asked { method, path, ..Asked::default() };
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        asked.headers.push((name.to_lowercase(), value.trim().to_owned()));
    }
    if asked.header("transfer-encoding").contains("chunked") {
        chunks(stream, &mut asked.body)?;
    } else {
        asked.body = vec![0; asked.header("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut asked.body)?;
    }
    Ok(Some(asked))
}

fn chunks(stream: &mut impl BufRead, body: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = line.trim_end().split(';').next().unwrap_or_default();
        let size = usize::from_str_radix(size, 16).map_err(io::Error::other)?;
        let begin = body.len();
        body.resize(begin + size, 0);
        stream.read_exact(&mut body[begin..])?;
        // The end of the chunk; after the last one, also of the request.
        stream.read_line(&mut String::new())?;
        if size == 0 {
            return Ok(());
        }
    }
}
