//! The stores as the platform sets them up: tables, queues, a bucket, and somebody who may use it.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use domain::{
    ApiKey, Email, Guesses, Invitation, InvitationId, InvitationToken, KeyId, KeyRecord, Name,
    Role, Scope, User, UserChange, UserId, WorkspaceId,
};
use embedded::Embedded;
use jiff::SignedDuration;
use lambda::{Clock, Env, Random};
use passwords::{Hasher, NewPassword};
use store::{AccountStore, Joining, Journal, UpdateUserError, create_tables};
use tokio::time::{Instant, sleep};

use crate::contract::Contract;
use crate::data::{DataDir, DataDirError, Owner, Running, remember_owner_password};
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
    let new = || ApiKey::new(KeyId::new(now, random.u128()), [random.u128(), random.u128()]);
    let first = accounts.workspaces().await?.first().copied();
    let key = match &known {
        None => new(),
        Some(text) => match ApiKey::parse(text) {
            Ok(key) => {
                if let Some(record) = accounts.find_key(key.id()).await? {
                    // The first versions had no lists of keys: nobody could have revoked it.
                    accounts.list_key(&record).await?;
                    return Ok(key);
                }
                // The stores were emptied, and the key was kept: it opens the new ones. But one that was
                // revoked does not come back.
                if first.is_none() { key } else { new() }
            }
            Err(_) => bail!(
                "the file `api-key` in the data directory does not hold an API key; \
                 delete it to get a new one"
            ),
        },
    };
    let workspace = match first {
        Some(first) => first,
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

/// The address of the first person.
const OWNER_EMAIL: &str = "owner@example.com";

/// Makes somebody who owns the first workspace, at the first start: how they sign in. Nobody where
/// they are there already.
pub(crate) async fn owner(
    accounts: &AccountStore,
    data: Option<&DataDir>,
    clock: &Clock,
    random: &Random,
) -> anyhow::Result<Option<Owner>> {
    let email = Email::parse(OWNER_EMAIL)?;
    if accounts.find_user_by_email(&email).await?.is_some() {
        return Ok(None);
    }
    let workspaces = accounts.workspaces().await?;
    let workspace = *workspaces.first().context("the API key has a workspace")?;
    let now = clock.now();
    let password = password(random.u128());
    let chosen = NewPassword::parse(&password, Some(&email))?;
    let hash = Hasher::new().hash(chosen, random.u128()).await?;
    let id = UserId::new(now, random.u128());
    let user = User::new(id, email.clone(), Name::parse("Owner")?, Some(hash));
    // Whoever gets into a workspace that is there was invited.
    let invitation = InvitationId::new(now, random.u128());
    let token = InvitationToken::of(invitation, [random.u128(), random.u128()]);
    let invitation = Invitation {
        id: invitation,
        workspace,
        email,
        role: Role::Owner,
        hash: token.hash(),
        invited_by: id.into(),
        expires_at: now.saturating_add(SignedDuration::from_hours(1))?,
    };
    accounts.create_invitation(&invitation, &Journal::none()).await?;
    // Before the row: whoever is there can sign in.
    if let Some(data) = data {
        remember_owner_password(data.path(), &password)?;
    }
    accounts.create_user(&user, Joining::Invited(&invitation), &Journal::none()).await?;
    Ok(Some(Owner { email: OWNER_EMAIL.to_owned(), password }))
}

/// Gives somebody a new random password, and ends all that was signed in with the old one: for who
/// has forgotten theirs. The waits after wrong guesses at it are over, too.
pub(crate) async fn reset_password(
    accounts: &AccountStore,
    data: &Path,
    email: &Email,
    clock: &Clock,
    random: &Random,
) -> anyhow::Result<String> {
    let password = password(random.u128());
    let chosen = NewPassword::parse(&password, email)?;
    let hash = Hasher::new().hash(chosen, random.u128()).await?;
    loop {
        let old = accounts.find_user_by_email(email).await?;
        let old = old.with_context(|| format!("nobody has the address `{}`", email.as_str()))?;
        let change = UserChange { password: Some(hash.clone()), ..UserChange::default() };
        let new = old.edited(change, clock.now());
        // There is nobody whom the audit log could name.
        match accounts.update_user(&old, &new, &Journal::none()).await {
            Ok(()) => break,
            Err(UpdateUserError::Changed(_)) => {}
            Err(error @ UpdateUserError::Unavailable(_)) => return Err(error.into()),
        }
    }
    accounts.forget_attempts(&Guesses::at_account(email)).await?;
    if email.as_str() == OWNER_EMAIL {
        remember_owner_password(data, &password)?;
    }
    Ok(password)
}

/// Five groups of five letters and digits that are not taken for one another: 125 bits.
fn password(mut random: u128) -> String {
    const ALPHABET: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
    let mut password = String::with_capacity(29);
    for at in 0..25 {
        if at != 0 && at % 5 == 0 {
            password.push('-');
        }
        let place = usize::try_from(random % 32).unwrap_or(0);
        password.push(char::from(ALPHABET[place]));
        random /= 32;
    }
    password
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
