//! The objects of the bucket, for those who move and remove clicks.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{AggregatedBytes, ByteStream};
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use bytes::Bytes;

/// How long an attempt may take: an hour's file can have 100 MB, and S3 gives some 50 a second.
const ATTEMPT: Duration = Duration::from_secs(40);

/// How often a body is asked for anew that broke off, which the SDK does not do.
const BODIES: u32 = 3;

/// How many objects S3 deletes in one call.
const DELETED_AT_ONCE: usize = 1_000;

/// The objects of the bucket of clicks.
#[derive(Debug, Clone)]
pub struct Objects {
    client: Client,
    bucket: String,
}

/// An object, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its bytes.
    pub size: u64,
}

/// What was read of an object.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its bytes: all of them, or the last ones.
    pub bytes: Bytes,
    /// How many bytes it has as a whole.
    pub size: u64,
    /// What stands for this content of it.
    pub tag: String,
}

/// What must be there for a write to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected<'a> {
    /// No object.
    Nothing,
    /// The object with this tag.
    Tag(&'a str),
    /// Whatever it is.
    Anything,
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is there.
    Done,
    /// Something else was there than was expected, and still is.
    Unexpected,
}

/// The bucket did not do what it was asked to.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{doing} `{key}` in the bucket `{bucket}`: {cause}")]
pub struct ObjectError {
    doing: &'static str,
    key: String,
    bucket: String,
    cause: String,
}

impl Objects {
    /// The objects of this bucket.
    pub fn new(aws: &SdkConfig, bucket: impl Into<String>) -> Self {
        let mut timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT);
        timeouts.set_connect_timeout(aws.timeout_config().and_then(TimeoutConfig::connect_timeout));
        // Without one for all attempts: who has no time left drops the call.
        let config = aws.to_builder().timeout_config(timeouts.build()).build();
        Self { client: Client::new(&config), bucket: bucket.into() }
    }

    /// The objects whose keys begin so and come after this one, in the order of their keys, and
    /// whether there are more.
    pub async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Result<(Vec<Listed>, bool), ObjectError> {
        let list = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix);
        let list = list.set_start_after(after.map(str::to_owned));
        let page = list.send().await.map_err(|error| self.error("listing", prefix, error))?;
        let (more, count) = (page.is_truncated().unwrap_or(false), page.key_count());
        let listed = page.contents.unwrap_or_default().into_iter().filter_map(|object| {
            let size = u64::try_from(object.size.unwrap_or(0)).unwrap_or(0);
            Some(Listed { key: object.key?, size })
        });
        let listed: Vec<_> = listed.collect();
        // The SDK takes half of an answer for a shorter list, by which nothing can be proved.
        if count.and_then(|count| usize::try_from(count).ok()) != Some(listed.len()) {
            return Err(self.failed("listing", prefix, "the list is not whole".to_owned()));
        }
        Ok((listed, more))
    }

    /// An object, if it is there.
    pub async fn get(&self, key: &str) -> Result<Option<Object>, ObjectError> {
        self.read(key, None).await
    }

    /// The last bytes of an object, if it is there. It must not be shorter than that.
    pub async fn get_end(&self, key: &str, bytes: u64) -> Result<Option<Object>, ObjectError> {
        self.read(key, Some(format!("bytes=-{bytes}"))).await
    }

    async fn read(&self, key: &str, range: Option<String>) -> Result<Option<Object>, ObjectError> {
        let mut tries = 0;
        loop {
            tries += 1;
            let get = self.client.get_object().bucket(&self.bucket).key(key);
            let answer = match get.set_range(range.clone()).send().await {
                Ok(answer) => answer,
                Err(error) if is(&error, 404) => return Ok(None),
                Err(error) => return Err(self.error("reading", key, error)),
            };
            let tag = answer.e_tag.unwrap_or_default();
            let size = answer.content_range.as_deref().and_then(size_of_all);
            let length = answer.content_length.and_then(|length| usize::try_from(length).ok());
            let cause = match answer.body.collect().await.map(AggregatedBytes::into_bytes) {
                // Half an object would be taken for a whole one with a broken line.
                Ok(bytes) if length.is_some_and(|length| length != bytes.len()) => {
                    "the end of it is missing".to_owned()
                }
                Ok(bytes) => {
                    let all = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    return Ok(Some(Object { size: size.unwrap_or(all), bytes, tag }));
                }
                Err(error) => error.to_string(),
            };
            if tries == BODIES {
                return Err(self.failed("reading", key, cause));
            }
        }
    }

    /// Puts an object where there is what is expected.
    pub async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        media: &str,
        expected: Expected<'_>,
    ) -> Result<Written, ObjectError> {
        let put = self.client.put_object().bucket(&self.bucket).key(key).content_type(media);
        let put = match expected {
            Expected::Nothing => put.if_none_match("*"),
            Expected::Tag(tag) => put.if_match(tag),
            Expected::Anything => put,
        };
        match put.body(ByteStream::from(bytes)).send().await {
            Ok(_) => Ok(Written::Done),
            // Another write at the same time; or what should be replaced is gone.
            Err(error) if is(&error, 412) || is(&error, 409) => Ok(Written::Unexpected),
            Err(error) if is(&error, 404) && matches!(expected, Expected::Tag(_)) => {
                Ok(Written::Unexpected)
            }
            Err(error) => Err(self.error("putting", key, error)),
        }
    }

    /// Deletes objects, of which some may be gone already.
    pub async fn delete(&self, keys: &[String]) -> Result<(), ObjectError> {
        for keys in keys.chunks(DELETED_AT_ONCE) {
            let first = keys.first().map_or("", String::as_str);
            let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(key).build());
            let objects = objects.collect::<Result<Vec<_>, _>>();
            let delete = objects
                .and_then(|objects| {
                    Delete::builder().set_objects(Some(objects)).quiet(true).build()
                })
                .map_err(|error| self.failed("deleting", first, error.to_string()))?;
            let call = self.client.delete_objects().bucket(&self.bucket).delete(delete);
            let done = call.send().await.map_err(|error| self.error("deleting", first, error))?;
            if let Some(error) = done.errors().first() {
                let cause = cause(error.code(), error.message());
                let cause = cause.unwrap_or_else(|| "no reason was given".to_owned());
                return Err(self.failed("deleting", error.key().unwrap_or(first), cause));
            }
        }
        Ok(())
    }

    fn error<E, R>(&self, doing: &'static str, key: &str, error: SdkError<E, R>) -> ObjectError
    where
        E: std::error::Error + ProvideErrorMetadata + Send + Sync + 'static,
        R: std::fmt::Debug + Send + Sync + 'static,
    {
        let cause = cause(error.code(), error.message());
        let cause = cause.unwrap_or_else(|| DisplayErrorContext(&error).to_string());
        self.failed(doing, key, cause)
    }

    fn failed(&self, doing: &'static str, key: &str, cause: String) -> ObjectError {
        ObjectError { doing, key: key.to_owned(), bucket: self.bucket.clone(), cause }
    }
}

/// What S3 says is wrong: the message names the action that is not allowed.
fn cause(code: Option<&str>, message: Option<&str>) -> Option<String> {
    let code = code?;
    Some(message.map_or_else(|| code.to_owned(), |message| format!("{code}: {message}")))
}

/// Whether this status was answered.
fn is<E>(error: &SdkError<E>, status: u16) -> bool {
    error.raw_response().is_some_and(|response| response.status().as_u16() == status)
}

/// The number behind the stroke of `bytes 0-9/100`.
fn size_of_all(range: &str) -> Option<u64> {
    range.rsplit('/').next()?.parse().ok()
}
