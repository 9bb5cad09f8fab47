//! The data directory: whose it is, and what it holds besides the stores.
//!
//! | file | what |
//! | --- | --- |
//! | `lock` | locked by the one process that uses the directory; the system frees it with the process |
//! | `running.json` | how to reach the server that runs; left over after a crash, which the lock tells |
//! | `api-key` | the first API key, to be shown again |
//! | `owner-password` | the password of the first person, for as long as they do not choose another |
//! | `token-keys/` | what access tokens are signed with, see [`crate::keys`] |
//! | `origin` | where links live that name no domain, see [`DataDir::origin`] |

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};

/// What a platform says when it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// Where it is reached.
    pub url: String,
    /// A key that may do everything in its workspace.
    pub api_key: String,
    /// The person who owns that workspace, at the first start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Where DynamoDB, SQS and S3 answer AWS SDKs and tools.
    pub aws_endpoint: String,
    /// Where the data is; `None` if it is in memory only.
    pub data_dir: Option<PathBuf>,
}

/// How the first person signs in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Their e-mail address.
    pub email: String,
    /// Their first password.
    pub password: String,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({}, ***)", self.email)
    }
}

/// A server that runs, for other commands on its data directory.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Running {
    #[serde(flatten)]
    pub(crate) ready: Ready,
    /// The origins that it was started with.
    pub(crate) origins: String,
}

/// A data directory that is this process's own until this is dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    _lock: File,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DataDirError {
    /// Another process has it.
    #[error(
        "`{path}` is in use by {}",
        running.as_ref().map_or("another command".to_owned(), |it| format!("the server at {}", it.ready.url))
    )]
    InUse {
        /// Which directory.
        path: PathBuf,
        /// The other process, if it is a server that is ready.
        running: Option<Box<Running>>,
    },
    /// The file system does not play along.
    #[error("using the data directory `{path}`")]
    Io {
        /// Which directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl DataDir {
    /// Takes a directory, which is made if it is missing.
    pub(crate) fn take(path: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: path.to_owned(), source };
        make_private(path).map_err(failed)?;
        let path = path.canonicalize().map_err(failed)?;
        let lock = private_file(&path.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let running = running(&path).map(Box::new);
                return Err(DataDirError::InUse { path, running });
            }
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        make_stores_private(&path).map_err(failed)?;
        let own = Self { path, _lock: lock };
        // Of a server that was killed. Whoever meets the lock from now on must not believe it.
        own.forget_running();
        Ok(own)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Tells other commands how to reach this server.
    pub(crate) fn remember_running(&self, running: &Running) -> anyhow::Result<()> {
        self.write("running.json", &serde_json::to_string(running)?)
    }

    pub(crate) fn forget_running(&self) {
        // If it stays, the lock still tells that it is stale.
        let _ = fs::remove_file(self.path.join("running.json"));
    }

    pub(crate) fn api_key(&self) -> anyhow::Result<Option<String>> {
        self.read("api-key")
    }

    pub(crate) fn remember_api_key(&self, key: &str) -> anyhow::Result<()> {
        self.write("api-key", key)
    }

    /// The origin of links that name no domain: that of the first start, for as long as the
    /// directory lives.
    ///
    /// A link belongs to its domain, and here a domain is host and port. If it were the port of
    /// the day, `--port 9000` would show an empty service. So the first one stays, and as a host
    /// that is not configured means the default domain, every slug works at every port; only the
    /// `short_url` still says the first one. Who wants more sets `ORIGINS`.
    pub(crate) fn origin(&self, port: u16) -> anyhow::Result<String> {
        if let Some(origin) = self.read("origin")? {
            return Ok(origin);
        }
        let origin = origin_at(port);
        self.write("origin", &origin)?;
        Ok(origin)
    }

    fn read(&self, name: &str) -> anyhow::Result<Option<String>> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim().to_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading `{}`", path.display())),
        }
    }

    fn write(&self, name: &str, text: &str) -> anyhow::Result<()> {
        write_private(&self.path, name, text)
    }
}

/// Keeps the password of the first person. Whoever does so may not have the lock: it is a new one that
/// they know, whichever server runs.
pub(crate) fn remember_owner_password(folder: &Path, password: &str) -> anyhow::Result<()> {
    write_private(folder, "owner-password", password)
}

/// Writes a file that only this user may read, the whole of it or nothing.
pub(crate) fn write_private(folder: &Path, name: &str, text: &str) -> anyhow::Result<()> {
    let path = folder.join(name);
    let new = folder.join(format!("{name}.new"));
    let write = || {
        // A leftover may have been made with other permissions.
        let _ = fs::remove_file(&new);
        let mut file = private().write(true).create_new(true).open(&new)?;
        writeln!(file, "{text}")?;
        file.sync_all()?;
        fs::rename(&new, &path)
    };
    write().with_context(|| format!("writing `{}`", path.display()))
}

/// The stores make their files as the umask says. What is there before keeps its permissions, and
/// SQLite gives them to the files that it makes beside its own.
fn make_stores_private(path: &Path) -> io::Result<()> {
    for name in ["dynamodb.sqlite", "sqs.sqlite"] {
        private_file(&path.join(name))?;
        // Of a process that was killed, or of one that did not care.
        for beside in ["-wal", "-shm"] {
            let beside = path.join(format!("{name}{beside}"));
            if beside.exists() {
                private_file(&beside)?;
            }
        }
    }
    let folder = path.join("s3");
    make_private(&folder)?;
    restrict(&folder, 0o700)
}

/// Opens a file, which is made if it is missing, and which only this user may read from now on.
fn private_file(path: &Path) -> io::Result<File> {
    let file = private().create(true).append(true).open(path)?;
    restrict(path, 0o600)?;
    Ok(file)
}

/// The server that says that it runs on this directory.
fn running(path: &Path) -> Option<Running> {
    serde_json::from_str(&fs::read_to_string(path.join("running.json")).ok()?).ok()
}

/// The origin of a port on this machine.
pub(crate) fn origin_at(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

#[cfg(unix)]
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(not(unix))]
pub(crate) fn make_private(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(unix)]
fn private() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = OpenOptions::new();
    options.mode(0o600);
    options
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn restrict(_: &Path, _: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn private() -> OpenOptions {
    OpenOptions::new()
}
