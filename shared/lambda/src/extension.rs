//! The Extensions API, as far as a function needs it that is an extension of itself: to register for
//! invocations, and to ask for the next one.
//!
//! By a plain socket that is read and written at once, never waited for by the event loop. Each
//! invocation is told of twice, to the runtime and to the extension, at the same moment, so what the
//! extension is told is there when somebody looks: a call into the kernel, where a task of the event
//! loop and a client's connection cost as much as half an answer
//! (`docs/adr/0026-calls-without-the-sdks-clients.md`).

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use httparse::{EMPTY_HEADER, Response, Status};
use lambda_http::http::Uri;
use lambda_http::http::uri::InvalidUri;

use crate::env::{Env, EnvError};

/// Where the API is: as for the runtime.
const ADDRESS: &str = "AWS_LAMBDA_RUNTIME_API";

/// By which the API knows an extension.
const ID: &str = "lambda-extension-identifier";

/// The longest wait for an answer that is due. Where it does not come, something else than Lambda is
/// at the other end.
const PATIENCE: Duration = Duration::from_secs(2);

/// The largest answer, and the most headers of one. Lambda's are a tenth of that.
const MAX_BYTES: usize = 64 * 1024;
const MAX_HEADERS: usize = 32;

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
    Ask(#[source] io::Error),
    #[error("reading an answer of the Extensions API")]
    Read(#[source] io::Error),
    #[error("the Extensions API answers what is no HTTP")]
    Http(#[from] httparse::Error),
    #[error("the Extensions API answers {0}")]
    Status(u16),
    #[error("the Extensions API gives no `{ID}`")]
    NoId,
}

/// An extension that is registered, and has asked for its next event.
#[derive(Debug)]
pub(crate) struct Extension {
    api: Api,
    /// How it asks.
    next: String,
    /// Whether what it has been told of the invocation under way has been read.
    has_heard: bool,
}

/// A registration that is under way: the API has been asked.
#[derive(Debug)]
pub(crate) struct Registering(Api);

impl Registering {
    /// Asks to be told of invocations, under this name. The API answers while the caller does
    /// something else.
    pub(crate) fn begin(env: &Env, name: &str) -> Result<Self, ExtensionError> {
        let mut api = Api::connect(&env.required(ADDRESS)?)?;
        let body = r#"{"events":["INVOKE"]}"#;
        let request = format!(
            "POST {}/2020-01-01/extension/register HTTP/1.1\r\nhost: {}\r\n\
             lambda-extension-name: {name}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            api.base,
            api.host,
            body.len()
        );
        api.send(&request)?;
        Ok(Self(api))
    }

    /// Waits for the answer, and asks for the first event.
    pub(crate) fn done(self) -> Result<Extension, ExtensionError> {
        let Self(mut api) = self;
        let id = api.answer()?.ok_or(ExtensionError::NoId)?;
        let next = format!(
            "GET {}/2020-01-01/extension/event/next HTTP/1.1\r\nhost: {}\r\n{ID}: {id}\r\n\r\n",
            api.base, api.host
        );
        api.ask(&next)?;
        Ok(Extension { api, next, has_heard: false })
    }
}

impl Extension {
    /// An error if the API has said by now that it tells nothing more: then nobody keeps the process
    /// awake. It may also not have said anything yet.
    pub(crate) fn check(&mut self) -> Result<(), ExtensionError> {
        if !self.has_heard && !is_silent(&self.api.stream).map_err(ExtensionError::Read)? {
            self.hear()?;
        }
        Ok(())
    }

    /// Says that the invocation is over that it has been told of, by asking for the next one.
    pub(crate) fn ask_for_next(&mut self) -> Result<(), ExtensionError> {
        if !self.has_heard {
            self.hear()?;
        }
        self.has_heard = false;
        self.api.ask(&self.next)
    }

    fn hear(&mut self) -> Result<(), ExtensionError> {
        // Of the invocation it says nothing that the runtime does not know.
        self.api.answer()?;
        self.has_heard = true;
        Ok(())
    }
}

/// A connection to the API.
#[derive(Debug)]
struct Api {
    host: String,
    base: String,
    stream: TcpStream,
}

impl Api {
    /// The address has a scheme and a path where an emulator serves several functions.
    fn connect(address: &str) -> Result<Self, ExtensionError> {
        let address: Uri = address.parse()?;
        let mut host = address.authority().map_or("", |authority| authority.as_str()).to_owned();
        if address.port().is_none() {
            host.push_str(":80");
        }
        let base = address.path().trim_end_matches('/').to_owned();
        Ok(Self { stream: dial(&host).map_err(ExtensionError::Connect)?, host, base })
    }

    /// Sends a request. A connection that was closed since the last answer is made anew.
    fn ask(&mut self, request: &str) -> Result<(), ExtensionError> {
        // Nothing is due: what comes all the same belongs to nothing, and most likely is its end.
        if !is_silent(&self.stream).map_err(ExtensionError::Ask)? {
            self.stream = dial(&self.host).map_err(ExtensionError::Connect)?;
        }
        self.send(request)
    }

    fn send(&mut self, request: &str) -> Result<(), ExtensionError> {
        self.stream.write_all(request.as_bytes()).map_err(ExtensionError::Ask)
    }

    /// Reads the answer to the last request, whole; gives the extension's id, if it says one.
    fn answer(&mut self) -> Result<Option<String>, ExtensionError> {
        let mut bytes = Vec::new();
        loop {
            self.read_more(&mut bytes)?;
            let mut headers = [EMPTY_HEADER; MAX_HEADERS];
            let mut response = Response::new(&mut headers);
            let Status::Complete(head) = response.parse(&bytes)? else { continue };
            let told = |name: &str| {
                let header = response.headers.iter().find(|it| it.name.eq_ignore_ascii_case(name));
                header.and_then(|header| std::str::from_utf8(header.value).ok())
            };
            let is_chunked = told("transfer-encoding").is_some();
            let length = told("content-length").and_then(|it| it.trim().parse::<usize>().ok());
            let (id, status) = (told(ID).map(str::to_owned), response.code.unwrap_or_default());
            // The connection is free when all is read.
            while !is_whole(&bytes[head..], is_chunked, length)? {
                self.read_more(&mut bytes)?;
            }
            if !(200..300).contains(&status) {
                return Err(ExtensionError::Status(status));
            }
            return Ok(id);
        }
    }

    fn read_more(&mut self, bytes: &mut Vec<u8>) -> Result<(), ExtensionError> {
        let mut some = [0; 1_024];
        let length = loop {
            match self.stream.read(&mut some) {
                // A process that was stopped and goes on is told so.
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read.map_err(ExtensionError::Read)?,
            }
        };
        if length == 0 || MAX_BYTES < bytes.len() {
            return Err(ExtensionError::Read(ErrorKind::UnexpectedEof.into()));
        }
        bytes.extend_from_slice(&some[..length]);
        Ok(())
    }
}

/// Whether a body is all there.
fn is_whole(
    mut body: &[u8],
    is_chunked: bool,
    length: Option<usize>,
) -> Result<bool, httparse::Error> {
    if !is_chunked {
        return Ok(length.unwrap_or_default() <= body.len());
    }
    loop {
        let size = httparse::parse_chunk_size(body).map_err(|_| httparse::Error::Token)?;
        let Status::Complete((begin, size)) = size else { return Ok(false) };
        // The chunk, and the end of its line; behind the last one comes an empty line.
        let end =
            usize::try_from(size).ok().and_then(|size| begin.checked_add(size)?.checked_add(2));
        match end.and_then(|end| body.get(end..)) {
            None => return Ok(false),
            Some(_) if size == 0 => return Ok(true),
            Some(rest) => body = rest,
        }
    }
}

fn dial(host: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(host)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Whether nothing has come on a connection that has not been read, neither a byte nor its end.
fn is_silent(stream: &TcpStream) -> io::Result<bool> {
    stream.set_nonblocking(true)?;
    let peeked = stream.peek(&mut [0]);
    stream.set_nonblocking(false)?;
    Ok(matches!(peeked, Err(error) if error.kind() == ErrorKind::WouldBlock))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use super::*;

    const REGISTERED: &str =
        "HTTP/1.1 200 OK\r\nLambda-Extension-Identifier: e-1\r\ncontent-length: 2\r\n\r\n{}";
    const INVOKE: &str = "HTTP/1.1 200 OK\r\ncontent-length: 22\r\n\r\n{\"eventType\":\"INVOKE\"}";
    /// In pieces.
    const IN_CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nb\r\n{\"eventType\r\nb\r\n\":\"INVOKE\"}\r\n0\r\n\r\n";

    fn register(env: &Env) -> Result<Extension, ExtensionError> {
        Registering::begin(env, "after-answer")?.done()
    }

    /// Serves connections, one after the other, each with these answers and then closed. What was
    /// asked is told in the end.
    fn serve(connections: Vec<Vec<&'static str>>) -> (Env, JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let env = Env::fixed([(ADDRESS, format!("http://{address}/function/"))]);
        let serving = thread::spawn(move || {
            let mut asked = Vec::new();
            for answers in connections {
                let (mut stream, _) = listener.accept().unwrap();
                for answer in answers {
                    let mut request = vec![0; 1_000];
                    let length = stream.read(&mut request).unwrap();
                    asked.push(String::from_utf8_lossy(&request[..length]).into_owned());
                    // Byte by byte: it comes as it comes.
                    answer.bytes().for_each(|byte| stream.write_all(&[byte]).unwrap());
                }
            }
            asked
        });
        (env, serving)
    }

    #[test]
    fn it_registers_and_asks_over_one_connection() {
        let (env, serving) = serve(vec![vec![REGISTERED, INVOKE, IN_CHUNKS, INVOKE]]);
        let mut extension = register(&env).unwrap();
        for looks in [false, true] {
            while looks && !extension.has_heard {
                extension.check().unwrap();
            }
            extension.ask_for_next().unwrap();
        }
        let asked = serving.join().unwrap();
        let has = |at: usize, texts: &[&str]| {
            let text = &asked[at];
            assert!(texts.iter().all(|it| text.contains(it)), "{text}");
        };
        has(0, &["POST /function/2020-01-01/extension/register HTTP/1.1\r\n", "host: 127.0.0.1:"]);
        has(0, &["lambda-extension-name: after-answer\r\n", "content-length: 21\r\n"]);
        has(0, &["\r\n\r\n{\"events\":[\"INVOKE\"]}"]);
        for at in 1..=3 {
            has(at, &["GET /function/2020-01-01/extension/event/next HTTP/1.1\r\n"]);
            has(at, &["lambda-extension-identifier: e-1\r\n"]);
        }
    }

    /// A start is not kept waiting twice: for the API, and then for what it does itself.
    #[test]
    fn it_is_asked_before_the_caller_goes_on() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let env = Env::fixed([(ADDRESS, listener.local_addr().unwrap().to_string())]);
        let registering = Registering::begin(&env, "after-answer").unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1_000];
        let length = stream.read(&mut request).unwrap();
        let request = String::from_utf8_lossy(&request[..length]);
        assert!(request.ends_with("{\"events\":[\"INVOKE\"]}"), "{request}");
        stream.write_all(REGISTERED.as_bytes()).unwrap();
        assert!(registering.done().is_ok());
    }

    #[test]
    fn a_connection_that_was_closed_is_made_anew() {
        let (env, serving) = serve(vec![vec![REGISTERED, INVOKE], vec![INVOKE], vec![INVOKE]]);
        let mut extension = register(&env).unwrap();
        for _ in 0..2 {
            // Only when it is told of an invocation it is over, and by then the other end has closed.
            extension.api.answer().unwrap();
            thread::sleep(Duration::from_millis(20));
            extension.api.ask(&extension.next).unwrap();
        }
        assert_eq!(serving.join().unwrap().len(), 4);
    }

    #[test]
    fn what_goes_wrong_is_an_error() {
        let refused = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        let nameless = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
        for (answer, text) in [
            (refused, "the Extensions API answers 403"),
            (nameless, "the Extensions API gives no `lambda-extension-identifier`"),
            ("nonsense\r\n\r\n", "the Extensions API answers what is no HTTP"),
            ("HTTP/1.1 200 OK\r\n", "reading an answer of the Extensions API"),
        ] {
            let (env, _serving) = serve(vec![vec![answer]]);
            assert_eq!(register(&env).unwrap_err().to_string(), text);
        }
        // Half an answer; and a body that ends too soon, or is none.
        for (answer, text) in [
            ("HTTP/1.1 200 OK\r\n", "reading an answer of the Extensions API"),
            (
                "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{}",
                "reading an answer of the Extensions API",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{}",
                "reading an answer of the Extensions API",
            ),
            (
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
                "the Extensions API answers what is no HTTP",
            ),
        ] {
            let (env, _serving) = serve(vec![vec![REGISTERED, answer]]);
            let mut extension = register(&env).unwrap();
            assert_eq!(extension.ask_for_next().unwrap_err().to_string(), text);
        }
        // The API has nothing to say for now, and then that it never has.
        let (env, serving) = serve(vec![vec![REGISTERED, refused]]);
        let mut extension = register(&env).unwrap();
        serving.join().unwrap();
        let error = loop {
            if let Err(error) = extension.check() {
                break error;
            }
        };
        assert_eq!(error.to_string(), "the Extensions API answers 403");

        let error = register(&Env::fixed([])).unwrap_err();
        assert!(error.to_string().contains(ADDRESS), "{error}");
        let nowhere = Env::fixed([(ADDRESS, "127.0.0.1:1".to_owned())]);
        let error = register(&nowhere).unwrap_err();
        assert_eq!(error.to_string(), "connecting to the Extensions API");
    }
}
