//! The stores as the platform sets them up: tables, queues, a bucket, and somebody who may use it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use domain::{ApiKey, KeyId, KeyRecord, Scope, WorkspaceId};
use embedded::Embedded;
use lambda::{Clock, Env, Random};
use store::{AccountStore, create_tables};
use tokio::time::{Instant, sleep};

use crate::contract::Contract;
use crate::data::{DataDir, DataDirError, Running};
use crate::settings::{RAW_BUCKET, TABLES};
use crate::sources::create_queues;

/// How long a command waits for another one on the same data directory.
const PATIENCE: Duration = Duration::from_secs(5);

/// Makes what is not there yet. The answer has the URLs of the queues.
pub(crate) async fn set_up(
    aws: &SdkConfig,
    contract: &Contract,
) -> anyhow::Result<HashMap<String, String>> {
    create_tables(aws, TABLES).await?;
    create_bucket(aws).await?;
    create_queues(&aws_sdk_sqs::Client::new(aws), &contract.queues).await
}

async fn create_bucket(aws: &SdkConfig) -> anyhow::Result<()> {
    let created = aws_sdk_s3::Client::new(aws).create_bucket().bucket(RAW_BUCKET).send().await;
    let Err(error) = created else { return Ok(()) };
    match error.as_service_error() {
        Some(e) if e.is_bucket_already_exists() || e.is_bucket_already_owned_by_you() => Ok(()),
        Some(_) | None => Err(error).with_context(|| format!("creating the bucket `{RAW_BUCKET}`")),
    }
}

/// The key that the platform shows, which may do everything: the one of the first start.
pub(crate) async fn api_key(
    accounts: &AccountStore,
    data: Option<&DataDir>,
    clock: &Clock,
    random: &Random,
) -> anyhow::Result<ApiKey> {
    let now = clock.now();
    let known = data.map(DataDir::api_key).transpose()?.flatten();
    let key = match &known {
        None => ApiKey::new(KeyId::new(now, random.u128()), [random.u128(), random.u128()]),
        Some(text) => match ApiKey::parse(text) {
            Ok(key) if accounts.find_key(key.id()).await?.is_some() => return Ok(key),
            // The stores were emptied, and the key was kept: it opens the new ones.
            Ok(key) => key,
            Err(_) => bail!(
                "the file `api-key` in the data directory does not hold an API key; \
                 delete it to get a new one"
            ),
        },
    };
    let workspace = match accounts.workspaces().await?.first() {
        Some(first) => *first,
        None => {
            let new = WorkspaceId::new(now, random.u128());
            accounts.put_workspace(new, "Signpost").await?;
            new
        }
    };
    let record = KeyRecord {
        id: key.id(),
        hash: key.hash(),
        workspace,
        name: "first start".to_owned(),
        scopes: vec![Scope::Admin],
        expires_at: None,
        created_by: None,
        writes_per_minute: None,
        last_used_at: None,
    };
    accounts.put_key(&record).await?;
    // After the row: a key that is shown works.
    if let Some(data) = data {
        data.remember_api_key(&key.reveal())?;
    }
    Ok(key)
}

/// The stores of a data directory, for a command that does not serve.
#[derive(Debug)]
pub(crate) enum Access {
    /// Nobody else uses them. Fields are dropped in their order: the lock last.
    Own {
        /// The stores.
        stores: Embedded,
        /// The directory.
        data: DataDir,
    },
    /// A server has them open, and lets us in by its port.
    Shared {
        /// The server.
        running: Box<Running>,
        /// How to reach its stores.
        aws: Box<SdkConfig>,
    },
}

impl Access {
    /// Opens the stores of a directory, which are made if they are missing, or reaches those of
    /// the server that has them open.
    pub(crate) async fn to(path: &Path) -> anyhow::Result<Self> {
        let begin = Instant::now();
        loop {
            match DataDir::take(path) {
                Ok(data) => {
                    let stores = Embedded::open(data.path())?;
                    set_up(&stores.sdk_config(), &Contract::read()?).await?;
                    return Ok(Self::Own { stores, data });
                }
                Err(DataDirError::InUse { running: Some(running), .. }) => {
                    let aws = Box::new(aws_at(&running.ready.aws_endpoint)?);
                    return Ok(Self::Shared { running, aws });
                }
                // It starts, or is another command: either will not take long.
                Err(DataDirError::InUse { running: None, .. }) if begin.elapsed() < PATIENCE => {
                    sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// For the SDK clients.
    pub(crate) fn aws(&self) -> SdkConfig {
        match self {
            Self::Own { stores, .. } => stores.sdk_config(),
            Self::Shared { aws, .. } => SdkConfig::clone(aws),
        }
    }
}

/// The stores behind a port of this machine.
fn aws_at(endpoint: &str) -> anyhow::Result<SdkConfig> {
    let env = Env::fixed([
        ("AWS_ENDPOINT_URL", endpoint.to_owned()),
        ("AWS_REGION", embedded::REGION.to_owned()),
        ("AWS_ACCESS_KEY_ID", embedded::ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", embedded::SECRET_ACCESS_KEY.to_owned()),
    ]);
    let config = lambda::aws_config(&env)?;
    // A function must answer in seconds; a command may wait while a server has much to do.
    let patient = TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(60));
    Ok(config.into_builder().timeout_config(patient.build()).build())
}
