//! Making a file of the one before and of what is new.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use domain::{LinkId, RecordedClick, WorkspaceId};
use futures_util::FutureExt;
use tokio::task::yield_now;

use crate::read::{File, FileError, key_of};
use crate::write::Writer;

/// Which clicks are left out.
pub(crate) type Gone<'a> = &'a (dyn Fn(LinkId, WorkspaceId) -> bool + Sync);

/// A file, and what is different from the one before.
#[derive(Debug, Default)]
pub(crate) struct Made {
    pub(crate) bytes: Vec<u8>,
    /// Clicks that were not in the one before.
    pub(crate) added: u64,
    /// Clicks that were.
    pub(crate) duplicates: u64,
    /// Clicks of before that are left out now.
    pub(crate) removed: u64,
}

impl Made {
    pub(crate) fn is_new(&self) -> bool {
        0 < self.added || 0 < self.removed
    }
}

/// Adds clicks to a file, if there is one; both are in their order, each once. Of a click that is in
/// both the file's stays. Memory holds a group of rows besides the bytes and what is new.
pub(crate) async fn merge(
    file: Option<Bytes>,
    new: &[RecordedClick],
    gone: Gone<'_>,
) -> Result<Made, FileError> {
    // What is damaged may not stop what is sound.
    let made = AssertUnwindSafe(merge_unguarded(file, new, gone)).catch_unwind().await;
    made.unwrap_or(Err(FileError::Panic))
}

async fn merge_unguarded(
    file: Option<Bytes>,
    new: &[RecordedClick],
    gone: Gone<'_>,
) -> Result<Made, FileError> {
    let mut made = Made::default();
    let mut writer = Writer::new()?;
    let mut new = new.iter().peekable();
    let mut last = None;
    if let Some(file) = file {
        let file = File::open(file)?;
        for group in 0..file.groups() {
            let mut rows = file.clicks(group)?;
            loop {
                let batch = rows.next()?;
                if batch.is_empty() {
                    break;
                }
                for row in batch {
                    let key = key_of(&row);
                    if last.is_some_and(|last| key <= last) {
                        return Err(FileError::Order);
                    }
                    last = Some(key);
                    while let Some(click) = new.next_if(|click| key_of(click) < key) {
                        made.added += 1;
                        writer.push(click.clone())?;
                    }
                    if new.next_if(|click| key_of(click) == key).is_some() {
                        made.duplicates += 1;
                    }
                    if gone(row.click.link, row.click.workspace) {
                        made.removed += 1;
                    } else {
                        writer.push(row)?;
                    }
                }
                // Others have work, too.
                yield_now().await;
            }
        }
    }
    for click in new {
        made.added += 1;
        if writer.push(click.clone())? {
            yield_now().await;
        }
    }
    made.bytes = writer.finish()?;
    Ok(made)
}
