//! The keys that access tokens are signed with, where the operator names none.
//!
//! They are files of the data directory, `token-keys/<when it was made>.pem`, and the newest signs.
//! Older ones stay, so that tokens which they have signed are still believed.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;

use crate::data::{DataDir, make_private, write_private};

/// The folder of the keys in the data directory.
const FOLDER: &str = "token-keys";

/// For how long a key stays that another one follows: longer than any token that it signed.
const OVERLAP: SignedDuration = SignedDuration::from_hours(1);

/// The files of keys, newest first.
#[derive(Debug)]
pub(crate) struct TokenKeys {
    folder: PathBuf,
    /// Gone with this: where there is no data directory. Functions read their keys when they are
    /// loaded.
    _temporary: Option<TempDir>,
}

/// What a rotation did.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rotated {
    /// The key that signs from the next start on.
    pub(crate) new: PathBuf,
    /// The keys that are no longer believed from then on.
    pub(crate) dropped: Vec<PathBuf>,
}

impl TokenKeys {
    /// The keys of a data directory, or some that are gone with this.
    pub(crate) fn open(data: Option<&DataDir>) -> anyhow::Result<Self> {
        match data {
            Some(data) => Self::of(data.path()),
            None => {
                let temporary = TempDir::new().context("making a folder for token keys")?;
                let keys = Self::of(temporary.path())?;
                Ok(Self { _temporary: Some(temporary), ..keys })
            }
        }
    }

    /// The keys in a data directory, whether a server uses it or not.
    pub(crate) fn of(data_dir: &Path) -> anyhow::Result<Self> {
        let folder = data_dir.join(FOLDER);
        make_private(&folder).with_context(|| format!("making `{}`", folder.display()))?;
        Ok(Self { folder, _temporary: None })
    }

    /// The setting `TOKEN_KEYS`. The first key is made if there is none.
    pub(crate) fn setting(&self, now: Timestamp) -> anyhow::Result<String> {
        if self.files()?.is_empty() {
            self.make(now)?;
        }
        let files = self.files()?;
        let names = files.iter().map(|(_, path)| format!("file:{}", path.display()));
        Ok(names.collect::<Vec<_>>().join(","))
    }

    /// Puts a new key in front, and drops those whose successor has signed for so long that their
    /// own tokens are worthless.
    pub(crate) fn rotate(&self, now: Timestamp) -> anyhow::Result<Rotated> {
        let files = self.files()?;
        let over = |successor: &Timestamp| OVERLAP <= now.duration_since(*successor);
        let followed = files.windows(2).filter(|pair| over(&pair[0].0));
        let dropped: Vec<PathBuf> = followed.map(|pair| pair[1].1.clone()).collect();
        let new = self.make(now)?;
        for path in &dropped {
            fs::remove_file(path).with_context(|| format!("deleting `{}`", path.display()))?;
        }
        Ok(Rotated { new, dropped })
    }

    fn make(&self, now: Timestamp) -> anyhow::Result<PathBuf> {
        let name = format!("{}.pem", now.strftime("%Y%m%dT%H%M%S%3fZ"));
        write_private(&self.folder, &name, tokens::new_key()?.trim_end())?;
        Ok(self.folder.join(name))
    }

    /// When each was made, and where it is; newest first.
    fn files(&self) -> anyhow::Result<Vec<(Timestamp, PathBuf)>> {
        let reading = || format!("reading `{}`", self.folder.display());
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).with_context(reading)? {
            let path = entry.with_context(reading)?.path();
            // Others are leftovers of a write that was cut off, or somebody's notes.
            if let Some(made) = made_at(&path) {
                files.push((made, path));
            }
        }
        files.sort_by(|one, other| other.cmp(one));
        Ok(files)
    }
}

fn made_at(path: &Path) -> Option<Timestamp> {
    let name = path.file_name()?.to_str()?.strip_suffix(".pem")?;
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let part = |from: usize, to: usize| digits.get(from..to);
    let text = format!(
        "{}-{}-{}T{}:{}:{}.{}Z",
        part(0, 4)?,
        part(4, 6)?,
        part(6, 8)?,
        part(8, 10)?,
        part(10, 12)?,
        part(12, 14)?,
        part(14, 17)?,
    );
    text.parse().ok()
}
