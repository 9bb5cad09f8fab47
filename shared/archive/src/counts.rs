//! Counting, to compare with what others have counted.

use std::collections::{BTreeMap, BTreeSet};

use domain::rollup::Counts;
use domain::{Day, LinkId, WorkspaceId};
use lake::{Hour, Line};
use tokio::task::yield_now;

use crate::compact::lines_of;
use crate::read::{File, FileError, Key, key_of};
use crate::{Archive, ArchiveError, hour_of, in_file};

/// Clicks that are in no file yet, each once, and whether it was a program.
#[derive(Debug, Default)]
pub struct Waiting {
    hours: BTreeMap<Hour, BTreeMap<Key, bool>>,
    /// Lines that are no click, or of a newer version: nobody can count them.
    pub unreadable: u64,
}

impl Waiting {
    /// How many clicks these are.
    pub fn clicks(&self) -> u64 {
        let clicks: usize = self.hours.values().map(BTreeMap::len).sum();
        u64::try_from(clicks).unwrap_or(u64::MAX)
    }
}

impl Archive {
    /// What waits for compaction. Taken before [`Self::counts`]: what is compacted meanwhile is then
    /// in both, and counted once.
    pub async fn waiting(&self) -> Result<Waiting, ArchiveError> {
        let mut waiting = Waiting::default();
        for batch in self.batches().await? {
            for range in lines_of(&batch) {
                let Ok(click) = Line::read(&batch[range]) else {
                    waiting.unreadable += 1;
                    continue;
                };
                let hour = waiting.hours.entry(hour_of(&click)).or_default();
                hour.insert(key_of(&click), click.bot.is_some());
            }
            yield_now().await;
        }
        Ok(waiting)
    }

    /// The days that have files, or clicks that wait.
    pub async fn days(&self, waiting: &Waiting) -> Result<Vec<Day>, ArchiveError> {
        let mut days: BTreeSet<Day> = waiting.hours.keys().map(|hour| hour.day()).collect();
        days.extend(self.files(Hour::FILES).await?.into_iter().map(Hour::day));
        Ok(days.into_iter().collect())
    }

    /// How many clicks of a day each link has, in files and waiting together, each once.
    pub async fn counts(
        &self,
        day: Day,
        waiting: &Waiting,
    ) -> Result<BTreeMap<(WorkspaceId, LinkId), Counts>, ArchiveError> {
        let mut hours: BTreeSet<Hour> =
            waiting.hours.keys().copied().filter(|hour| hour.day() == day).collect();
        hours.extend(self.files(&Hour::files_of(day)).await?);
        let mut counts = BTreeMap::new();
        for hour in hours {
            let mut left = waiting.hours.get(&hour).cloned().unwrap_or_default();
            let key = hour.key();
            if let Some(object) = self.objects.get(&key).await? {
                let counted = count(object.bytes, &mut left, &mut counts).await;
                counted.map_err(|error| in_file(&key, error))?;
            }
            for (key, bot) in left {
                add(&mut counts, key, bot);
            }
        }
        Ok(counts)
    }

    /// The hours that have files whose keys begin so.
    async fn files(&self, prefix: &str) -> Result<Vec<Hour>, ArchiveError> {
        let (mut after, mut hours) = (None, Vec::new());
        loop {
            let (listed, more) = self.objects.list(prefix, after.as_deref()).await?;
            hours.extend(listed.iter().filter_map(|object| Hour::parse(&object.key)));
            after = listed.last().map(|object| object.key.clone());
            if !more || after.is_none() {
                return Ok(hours);
            }
        }
    }
}

fn add(counts: &mut BTreeMap<(WorkspaceId, LinkId), Counts>, (workspace, link, _): Key, bot: bool) {
    let counts = counts.entry((workspace, link)).or_default();
    counts.human += u64::from(!bot);
    counts.bot += u64::from(bot);
}

/// Counts the rows of a file, and takes them out of what waits.
async fn count(
    bytes: bytes::Bytes,
    waiting: &mut BTreeMap<Key, bool>,
    counts: &mut BTreeMap<(WorkspaceId, LinkId), Counts>,
) -> Result<(), FileError> {
    let file = File::open(bytes)?;
    for group in 0..file.groups() {
        let mut keys = file.keys(group)?;
        loop {
            let batch = keys.next()?;
            if batch.is_empty() {
                break;
            }
            for (key, bot) in batch {
                waiting.remove(&key);
                add(counts, key, bot);
            }
            yield_now().await;
        }
    }
    Ok(())
}
