//! Compaction: raw batches become files of hours.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Instant;

use bytes::Bytes;
use domain::RecordedClick;
use futures_util::{StreamExt, TryStreamExt, stream};
use lake::{BATCHES, Expected, Hour, LINES, Line, LineError, Listed, Object, Written};
use tokio::task::yield_now;

use crate::merge::{Gone, merge};
use crate::read::key_of;
use crate::{AT_ONCE, Archive, ArchiveError, PARQUET, Place, TRIES, hour_of, in_file};

/// How many bytes of batches are worked on together: what they become in memory is some three times
/// that. The more, the less often the file of an hour is written.
const BYTES: u64 = 192 * 1024 * 1024;

/// Raw batches that were read.
#[derive(Debug)]
pub struct Batch {
    objects: Vec<Raw>,
    hours: BTreeMap<Hour, Vec<RecordedClick>>,
    last: Place,
    errors: Vec<ArchiveError>,
}

/// A raw object.
#[derive(Debug)]
struct Raw {
    key: String,
    object: Object,
    lines: Vec<(Range<usize>, Fate)>,
}

/// What becomes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is a click of this hour.
    Click(Hour),
    /// It goes aside.
    Unreadable,
    /// It stays.
    Newer,
}

/// What became of raw batches.
#[derive(Debug, Default)]
pub struct Merged {
    /// Clicks that are in files now, and were not before.
    pub clicks: u64,
    /// Clicks that were there already, or several times in these batches.
    pub duplicates: u64,
    /// Clicks that were left out, or taken out of files.
    pub purged: u64,
    /// Lines that could not be read, and were put aside.
    pub unreadable: u64,
    /// Files that were written.
    pub files: u64,
    /// Raw objects that are gone.
    pub deleted: u64,
    /// Clicks that stay where they are for lack of time.
    pub left: u64,
    /// What could not be done; the lines concerned stay where they are.
    pub errors: Vec<ArchiveError>,
}

impl Merged {
    /// Takes in what became of others.
    pub fn add(&mut self, other: Self) {
        self.clicks += other.clicks;
        self.duplicates += other.duplicates;
        self.purged += other.purged;
        self.unreadable += other.unreadable;
        self.files += other.files;
        self.deleted += other.deleted;
        self.left += other.left;
        self.errors.extend(other.errors);
    }
}

impl Batch {
    /// Up to where raw objects were taken: the next ones come after that.
    pub fn last(&self) -> &Place {
        &self.last
    }
}

impl Archive {
    /// Reads the raw batches that come after a place, as many as are worked on together. None: there
    /// are no more.
    pub async fn take(&self, after: Option<&Place>) -> Result<Option<Batch>, ArchiveError> {
        let (listed, _) = self.objects.list(BATCHES, after.map(|place| place.0.as_str())).await?;
        let mut bytes = 0;
        let chosen: Vec<Listed> = listed
            .into_iter()
            .take_while(|object| {
                let first = bytes == 0;
                bytes += object.size.max(1);
                first || bytes <= BYTES
            })
            .collect();
        let Some(last) = chosen.last().map(|object| Place(object.key.clone())) else {
            return Ok(None);
        };
        let mut batch =
            Batch { objects: Vec::new(), hours: BTreeMap::new(), last, errors: Vec::new() };
        let mut reading = stream::iter(chosen)
            .map(|Listed { key, .. }| async move { (self.objects.get(&key).await, key) })
            .buffered(AT_ONCE);
        while let Some((read, key)) = reading.next().await {
            match read {
                Ok(Some(object)) => batch.add(key, object),
                // Another run was faster.
                Ok(None) => {}
                Err(error) => batch.errors.push(error.into()),
            }
            yield_now().await;
        }
        Ok(Some(batch))
    }

    /// Puts clicks into the files of their hours, and then deletes the batches. After `until` no
    /// further file is begun: what is left then, and what cannot be written, stays as it is.
    pub async fn merge(&self, batch: Batch, gone: Gone<'_>, until: Instant) -> Merged {
        let Batch { objects, hours, errors, .. } = batch;
        let mut merged = Merged { errors, ..Merged::default() };
        let mut done = BTreeSet::new();
        for (hour, clicks) in hours {
            // One at least, or nothing would ever be done where time is short.
            if !done.is_empty() && until <= Instant::now() {
                merged.left += u64::try_from(clicks.len()).unwrap_or(u64::MAX);
                continue;
            }
            match self.merge_hour(hour, clicks, gone, &mut merged).await {
                Ok(()) => {
                    done.insert(hour);
                }
                Err(error) => merged.errors.push(error),
            }
        }
        let mut finished = Vec::new();
        for raw in objects {
            match self.finish(&raw, &done, &mut merged).await {
                Ok(true) => finished.push(raw.key),
                Ok(false) => {}
                Err(error) => merged.errors.push(error),
            }
        }
        match self.objects.delete(&finished).await {
            Ok(()) => merged.deleted += u64::try_from(finished.len()).unwrap_or(u64::MAX),
            Err(error) => merged.errors.push(error.into()),
        }
        merged
    }

    /// Puts clicks into the file of their hour.
    async fn merge_hour(
        &self,
        hour: Hour,
        mut clicks: Vec<RecordedClick>,
        gone: Gone<'_>,
        merged: &mut Merged,
    ) -> Result<(), ArchiveError> {
        let count = |clicks: &[RecordedClick]| u64::try_from(clicks.len()).unwrap_or(u64::MAX);
        let all = count(&clicks);
        clicks.retain(|it| !gone(it.click.link, it.click.workspace));
        let kept = count(&clicks);
        clicks.sort_by_key(key_of);
        clicks.dedup_by_key(|it| key_of(it));
        let (purged, twice) = (all - kept, kept - count(&clicks));
        let key = hour.key();
        let mut tries = 0;
        loop {
            tries += 1;
            let file = self.objects.get(&key).await?;
            let old = file.as_ref().map(|file| file.bytes.clone());
            let made = merge(old, &clicks, gone).await.map_err(|error| in_file(&key, error))?;
            let is_new = made.is_new();
            if is_new {
                let expected = file.as_ref().map_or(Expected::Nothing, |it| Expected::Tag(&it.tag));
                let put = self.objects.put(&key, made.bytes.into(), PARQUET, expected);
                if put.await? == Written::Unexpected {
                    if tries < TRIES {
                        continue;
                    }
                    return Err(ArchiveError::Contended(key));
                }
            }
            merged.files += u64::from(is_new);
            merged.clicks += made.added;
            merged.duplicates += made.duplicates + twice;
            merged.purged += made.removed + purged;
            return Ok(());
        }
    }

    /// Puts aside what cannot be read of a batch, and takes out of it what is in files. Says whether
    /// nothing of it is left, so that it can go.
    async fn finish(
        &self,
        raw: &Raw,
        done: &BTreeSet<Hour>,
        merged: &mut Merged,
    ) -> Result<bool, ArchiveError> {
        let text = |picks: &dyn Fn(Fate) -> bool| {
            let mut text = Vec::new();
            for (range, _) in raw.lines.iter().filter(|(_, fate)| picks(*fate)) {
                text.extend_from_slice(&raw.object.bytes[range.clone()]);
                text.push(b'\n');
            }
            text
        };
        let unreadable = raw.lines.iter().filter(|(_, fate)| *fate == Fate::Unreadable).count();
        if 0 < unreadable {
            let lines = text(&|fate| fate == Fate::Unreadable);
            let key = lake::unreadable(&raw.key);
            self.objects.put(&key, lines.into(), LINES, Expected::Anything).await?;
            merged.unreadable += u64::try_from(unreadable).unwrap_or(u64::MAX);
        }
        let stays = |fate: Fate| match fate {
            Fate::Click(hour) => !done.contains(&hour),
            Fate::Newer => true,
            Fate::Unreadable => false,
        };
        if raw.lines.iter().any(|(_, fate)| *fate == Fate::Newer) {
            merged.errors.push(ArchiveError::Newer(raw.key.clone()));
        }
        let staying = raw.lines.iter().filter(|(_, fate)| stays(*fate)).count();
        if staying == 0 {
            return Ok(true);
        }
        if staying < raw.lines.len() {
            let rest = text(&stays);
            // Who was faster has taken out the same.
            let expected = Expected::Tag(&raw.object.tag);
            self.objects.put(&raw.key, rest.into(), LINES, expected).await?;
        }
        Ok(false)
    }

    /// All raw batches, one after the other.
    pub(crate) async fn batches(&self) -> Result<Vec<Bytes>, ArchiveError> {
        let (mut after, mut all) = (None, Vec::new());
        loop {
            let (listed, more) = self.objects.list(BATCHES, after.as_deref()).await?;
            let Some(last) = listed.last().map(|object| object.key.clone()) else {
                return Ok(all);
            };
            let read: Vec<Option<Object>> = stream::iter(listed)
                .map(|Listed { key, .. }| async move { self.objects.get(&key).await })
                .buffered(AT_ONCE)
                .try_collect()
                .await?;
            all.extend(read.into_iter().flatten().map(|object| object.bytes));
            if !more {
                return Ok(all);
            }
            after = Some(last);
        }
    }
}

impl Batch {
    fn add(&mut self, key: String, object: Object) {
        let mut lines = Vec::new();
        for range in lines_of(&object.bytes) {
            let fate = match Line::read(&object.bytes[range.clone()]) {
                Ok(click) => {
                    let hour = hour_of(&click);
                    self.hours.entry(hour).or_default().push(click);
                    Fate::Click(hour)
                }
                Err(LineError::Newer(_)) => Fate::Newer,
                Err(LineError::NoClick | LineError::Value(_)) => Fate::Unreadable,
            };
            lines.push((range, fate));
        }
        self.objects.push(Raw { key, object, lines });
    }
}

/// Where the lines of a text are that are not empty.
pub(crate) fn lines_of(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    text.split(|byte| *byte == b'\n').filter_map(move |line| {
        let range = at..at + line.len();
        at = range.end + 1;
        (!range.is_empty()).then_some(range)
    })
}
