//! Looking for clicks of a link or a workspace, to remove them or to prove that there are none.

use std::time::Instant;

use lake::{Expected, Hour, LINES, Line, Listed, Written};
use tokio::task::yield_now;

use crate::compact::lines_of;
use crate::merge::merge;
use crate::read::{End, File, FileError};
use crate::{Archive, ArchiveError, Of, PARQUET, Place, TRIES, in_file};

/// Raw objects, read or not.
const RAW: &str = "raw/";

/// So much of a file's end is read to see what can be in it: that of a million clicks has 100 KB.
const END: u64 = 256 * 1024;

/// What was found, or removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Looked {
    /// Objects that were looked at.
    pub objects: u64,
    /// Lines and rows that were found.
    pub clicks: u64,
    /// Where to go on; none if everything was looked at.
    pub next: Option<Place>,
}

impl Archive {
    /// Counts the clicks of a link or a workspace in raw batches, lines put aside, and files, from a
    /// place on. What cannot be read is an error and not nothing.
    ///
    /// Batches come first: what is compacted meanwhile is found in a file.
    pub async fn find(
        &self,
        of: Of,
        from: Option<Place>,
        until: Instant,
    ) -> Result<Looked, ArchiveError> {
        self.look(of, from, until, false).await
    }

    /// The same, and removes what it finds. It may be stopped anywhere and begun anew.
    pub async fn purge(
        &self,
        of: Of,
        from: Option<Place>,
        until: Instant,
    ) -> Result<Looked, ArchiveError> {
        self.look(of, from, until, true).await
    }

    async fn look(
        &self,
        of: Of,
        from: Option<Place>,
        until: Instant,
        remove: bool,
    ) -> Result<Looked, ArchiveError> {
        let mut looked = Looked::default();
        // After all raw objects the files have their turn.
        for prefix in [RAW, Hour::FILES] {
            let mut after = match &from {
                Some(Place(key)) if key.starts_with(prefix) => Some(key.clone()),
                Some(Place(key)) if prefix == RAW && key.starts_with(Hour::FILES) => continue,
                Some(_) | None => None,
            };
            loop {
                let (listed, more) = self.objects.list(prefix, after.as_deref()).await?;
                for Listed { key, size } in listed {
                    if until <= Instant::now() {
                        // The first one to look at may be the first of all.
                        looked.next = Some(Place(after.unwrap_or_else(|| prefix.to_owned())));
                        return Ok(looked);
                    }
                    looked.clicks += if prefix == RAW {
                        self.in_lines(&key, of, remove).await?
                    } else {
                        self.in_file(&key, size, of, remove).await?
                    };
                    looked.objects += 1;
                    after = Some(key);
                }
                if !more {
                    break;
                }
            }
        }
        Ok(looked)
    }

    /// The lines of a raw object.
    async fn in_lines(&self, key: &str, of: Of, remove: bool) -> Result<u64, ArchiveError> {
        for _ in 0..TRIES {
            let Some(object) = self.objects.get(key).await? else { return Ok(0) };
            let (mut found, mut rest) = (0, Vec::new());
            for range in lines_of(&object.bytes) {
                let line = &object.bytes[range];
                if is_of(line, of) {
                    found += 1;
                } else {
                    rest.extend_from_slice(line);
                    rest.push(b'\n');
                }
            }
            if found == 0 || !remove {
                return Ok(found);
            }
            // It only ever gets shorter, so what is to go as a whole may go whatever it is by now.
            if rest.is_empty() {
                self.objects.delete(&[key.to_owned()]).await?;
                return Ok(found);
            }
            let expected = Expected::Tag(&object.tag);
            if self.objects.put(key, rest.into(), LINES, expected).await? == Written::Done {
                return Ok(found);
            }
        }
        Err(ArchiveError::Contended(key.to_owned()))
    }

    /// The rows of a file. One that becomes empty stays as an empty file: a deletion could hit what
    /// somebody else has just written.
    async fn in_file(
        &self,
        key: &str,
        size: u64,
        of: Of,
        remove: bool,
    ) -> Result<u64, ArchiveError> {
        if Hour::parse(key).is_none() {
            return Ok(0);
        }
        if END < size {
            let Some(end) = self.objects.get_end(key, END).await? else { return Ok(0) };
            match File::open(End { size: end.size, bytes: end.bytes }) {
                Ok(file) if (0..file.groups()).all(|group| !file.may_hold(group, of)) => {
                    return Ok(0);
                }
                // It may be in there; or the end is longer.
                Ok(_) | Err(_) => {}
            }
        }
        for _ in 0..TRIES {
            let Some(object) = self.objects.get(key).await? else { return Ok(0) };
            let found =
                count(object.bytes.clone(), of).await.map_err(|error| in_file(key, error))?;
            if found == 0 || !remove {
                return Ok(found);
            }
            let gone = |link, workspace| of.covers(workspace, link);
            let made = merge(Some(object.bytes), &[], &gone);
            let made = made.await.map_err(|error| in_file(key, error))?;
            let expected = Expected::Tag(&object.tag);
            let written = self.objects.put(key, made.bytes.into(), PARQUET, expected).await?;
            if written == Written::Done {
                return Ok(made.removed);
            }
        }
        Err(ArchiveError::Contended(key.to_owned()))
    }
}

/// Whether a line is of these; of one that cannot be read, whether it names them.
fn is_of(line: &[u8], of: Of) -> bool {
    match Line::read(line) {
        Ok(it) => of.covers(it.click.workspace, it.click.link),
        Err(_) => {
            let name = match of {
                Of::Link(_, link) => link.to_string(),
                Of::Workspace(workspace) => workspace.to_string(),
            };
            line.windows(name.len()).any(|part| part == name.as_bytes())
        }
    }
}

async fn count(bytes: bytes::Bytes, of: Of) -> Result<u64, FileError> {
    let file = File::open(bytes)?;
    let mut found = 0;
    for group in (0..file.groups()).filter(|group| file.may_hold(*group, of)) {
        let mut keys = file.keys(group)?;
        loop {
            let batch = keys.next()?;
            if batch.is_empty() {
                break;
            }
            let here =
                batch.iter().filter(|((workspace, link, _), _)| of.covers(*workspace, *link));
            found += u64::try_from(here.count()).unwrap_or(u64::MAX);
            yield_now().await;
        }
    }
    Ok(found)
}
