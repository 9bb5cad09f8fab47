//! The archive, in memory and over the embedded S3.

mod compaction;
mod files;
mod looking;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_types::SdkConfig;
use bytes::Bytes;
use domain::{ClickId, Device, LinkId, RecordedClick, WorkspaceId};
use embedded::Embedded;
use jiff::{SignedDuration, Timestamp};
use lake::RawClicks;
use testkit::probe::Probe;

use crate::read::{File, FileError};
use crate::{Archive, Merged};

pub(crate) const BUCKET: &str = "raw-clicks";

pub(crate) fn now() -> Timestamp {
    "2026-11-22T09:08:07.654Z".parse().unwrap()
}

pub(crate) fn workspace(number: u128) -> WorkspaceId {
    WorkspaceId::new(Timestamp::UNIX_EPOCH, number)
}

pub(crate) fn link(number: u128) -> LinkId {
    LinkId::new(Timestamp::UNIX_EPOCH, number)
}

/// Click number so and so of a link of the first workspace, so many minutes before now.
pub(crate) fn click(of: u128, number: u128, minutes: i64) -> RecordedClick {
    let at = now() - SignedDuration::from_mins(minutes);
    let mut click = testkit::full_click(ClickId::new(at, number));
    click.click.workspace = workspace(1);
    click.click.link = link(of);
    if number.is_multiple_of(2) {
        click.bot = None;
        click.agent.device = Some(Device::Mobile);
    }
    click
}

/// What a file holds.
pub(crate) fn read(file: Bytes) -> Result<Vec<RecordedClick>, FileError> {
    let file = File::open(file)?;
    let mut all = Vec::new();
    for group in 0..file.groups() {
        let mut clicks = file.clicks(group)?;
        loop {
            let batch = clicks.next()?;
            if batch.is_empty() {
                break;
            }
            all.extend(batch);
        }
    }
    Ok(all)
}

/// A bucket, and who writes to it.
pub(crate) struct Place {
    pub(crate) raw: RawClicks,
    pub(crate) archive: Archive,
    pub(crate) probe: Probe,
    pub(crate) client: Client,
    pub(crate) aws: SdkConfig,
}

impl Place {
    pub(crate) async fn new() -> Self {
        let aws = Embedded::in_memory().unwrap().sdk_config();
        let client = Client::new(&aws);
        client.create_bucket().bucket(BUCKET).send().await.unwrap();
        let (probe, through) = Probe::between(&aws);
        let raw = RawClicks::new(&aws, BUCKET);
        Self { raw, archive: Archive::new(&through, BUCKET), probe, client, aws }
    }

    /// Puts a batch into the bucket.
    pub(crate) async fn batch(&self, clicks: &[RecordedClick], number: u128) -> String {
        self.raw.put(clicks, now(), number).await.unwrap()
    }

    pub(crate) async fn put(&self, key: &str, body: impl Into<Bytes>) {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        put.body(body.into().into()).send().await.unwrap();
    }

    pub(crate) async fn get(&self, key: &str) -> Bytes {
        let object = self.client.get_object().bucket(BUCKET).key(key).send().await.unwrap();
        object.body.collect().await.unwrap().into_bytes()
    }

    pub(crate) async fn keys(&self, prefix: &str) -> Vec<String> {
        let listed = self.client.list_objects_v2().bucket(BUCKET).prefix(prefix).send().await;
        let listed = listed.unwrap().contents.unwrap_or_default();
        listed.into_iter().filter_map(|object| object.key).collect()
    }

    /// All clicks in files, by their keys.
    pub(crate) async fn files(&self) -> BTreeMap<String, Vec<RecordedClick>> {
        let mut files = BTreeMap::new();
        for key in self.keys("clicks/").await {
            let file = read(self.get(&key).await).unwrap();
            files.insert(key, file);
        }
        files
    }

    /// Compacts all that there is.
    pub(crate) async fn compact(&self) -> Merged {
        compact(&self.archive).await
    }
}

/// Nobody is forgotten.
pub(crate) fn nobody(_: LinkId, _: WorkspaceId) -> bool {
    false
}

pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

pub(crate) async fn compact(archive: &Archive) -> Merged {
    let (mut all, mut after) = (Merged::default(), None);
    while let Some(batch) = archive.take(after.as_ref()).await.unwrap() {
        after = Some(batch.last().clone());
        all.add(archive.merge(batch, &nobody, soon()).await);
    }
    all
}
