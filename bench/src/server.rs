//! Servers as processes of their own: `local` as a user starts it, and the floor.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::load::Connection;
use crate::redirect::{cargo, target};
use crate::table::here;

/// The longest wait for a backlog to be worked off.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a queue says of its length: of messages that wait, and of those that somebody works on.
const NAMES: [&str; 2] = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];

/// A server, killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// The floor.
    pub(crate) fn floor() -> anyhow::Result<Self> {
        // This program, by a name that lasts: its file is another one when `local` has been compiled.
        let (child, line) = started(Command::new("/proc/self/exe").arg("floor"))?;
        Ok(Self { child, address: line.trim().parse()? })
    }

    /// The most memory that it has had, in MB.
    pub(crate) fn peak_mb(&self) -> f64 {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        number.unwrap_or(0.0) / 1_024.0
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program that says one line when it is ready.
fn started(command: &mut Command) -> anyhow::Result<(Child, String)> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting a server")?;
    let stdout = child.stdout.take().context("its output is ours")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    ensure!(!line.is_empty(), "the server did not start");
    Ok((child, line))
}

/// `local` on a folder.
#[derive(Debug)]
pub(crate) struct Local {
    pub(crate) server: Server,
    pub(crate) key: String,
    /// Where its stores answer.
    stores: SocketAddr,
}

impl Local {
    /// Compiles it as `cargo run -p local --release` does.
    pub(crate) fn built() -> anyhow::Result<PathBuf> {
        // With the bench: by itself it may get other features, and the SDKs would be compiled again.
        let both = ["build", "--release", "--locked", "-p", "bench", "-p", "local"];
        cargo(&here().join(".."), &both)?;
        Ok(target()?.join("release/local"))
    }

    /// Starts it with its own settings, but for the limit of writes: there is one caller here, who
    /// would be told to wait.
    pub(crate) fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let mut command = Command::new(program);
        command.args(["--json", "--port", "0", "--data-dir"]).arg(folder);
        // Its log goes where its data are: it is as much work as on a screen, and nobody's screen.
        command.stderr(File::create(folder.join("log"))?);
        let (child, line) = started(command.env("WRITES_PER_MINUTE", "60000"))?;
        let ready: Value = serde_json::from_str(&line)?;
        let text = |name: &str| ready[name].as_str().unwrap_or_default().to_owned();
        let address = |name: &str| text(name).trim_start_matches("http://").parse();
        let server = Server { child, address: address("url")? };
        Ok(Self { server, key: text("api_key"), stores: address("aws_endpoint")? })
    }

    /// A request of the API.
    pub(crate) fn request(&self, method: &str, path: &str, body: &str) -> String {
        api_request(&self.server.address.to_string(), &self.key, method, path, body)
    }

    /// Asks the API once.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        body: &str,
        status: u16,
    ) -> anyhow::Result<Value> {
        let mut connection = Connection::open(self.server.address).await?;
        connection.expect(self.request(method, path, body).as_bytes(), status).await?;
        serde_json::from_slice(connection.body()).context("reading an answer")
    }

    /// How many messages are on the queue of clicks.
    pub(crate) async fn backlog(&self) -> anyhow::Result<u64> {
        let mut connection = Connection::open(self.stores).await?;
        let asked = json!({ "QueueName": "clicks" });
        let queue = self.sqs(&mut connection, "GetQueueUrl", &asked).await?;
        let url = &queue["QueueUrl"];
        let asked = json!({ "QueueUrl": url, "AttributeNames": NAMES });
        let said = self.sqs(&mut connection, "GetQueueAttributes", &asked).await?;
        let number = |name| said["Attributes"][name].as_str()?.parse::<u64>().ok();
        NAMES.into_iter().map(number).sum::<Option<u64>>().context("a queue says how long it is")
    }

    async fn sqs(
        &self,
        connection: &mut Connection,
        operation: &str,
        body: &Value,
    ) -> anyhow::Result<Value> {
        let body = body.to_string();
        let request = format!(
            "POST / HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-amz-json-1.0\r\n\
             X-Amz-Target: AmazonSQS.{operation}\r\nContent-Length: {}\r\n\r\n{body}",
            self.stores,
            body.len()
        );
        connection.expect(request.as_bytes(), 200).await?;
        serde_json::from_slice(connection.body()).context("reading an answer of the queue")
    }

    /// Waits until all clicks are counted.
    pub(crate) async fn drain(&self) -> anyhow::Result<()> {
        let begin = Instant::now();
        loop {
            let left = self.backlog().await?;
            if left == 0 {
                return Ok(());
            }
            ensure!(begin.elapsed() < PATIENCE, "{left} messages are still not worked off");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A request of the API, by a caller with a key.
pub(crate) fn api_request(host: &str, key: &str, method: &str, path: &str, body: &str) -> String {
    let of_body = match body {
        "" => String::new(),
        body => format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()),
    };
    format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n{of_body}\r\n\
         {body}"
    )
}
