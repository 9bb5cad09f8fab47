//! `functions/<name>/function.yaml`: what a function is given where it runs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Deserialize;

use crate::repository::read;

/// All that a function is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Given {
    pub(crate) memory_mb: u32,
    /// Not of workers: theirs is in `workers.yaml`, beside what depends on it.
    pub(crate) timeout_seconds: Option<u32>,
    pub(crate) environment: Environment,
    /// The IAM actions, by what they are allowed on.
    pub(crate) permissions: BTreeMap<Resource, Vec<String>>,
}

/// The settings that a function reads.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Environment {
    pub(crate) required: Vec<String>,
    pub(crate) optional: Vec<String>,
}

impl Environment {
    /// All names.
    pub(crate) fn all(&self) -> BTreeSet<String> {
        self.required.iter().chain(&self.optional).cloned().collect()
    }

    /// The names without which it does not start.
    pub(crate) fn required(&self) -> BTreeSet<String> {
        self.required.iter().cloned().collect()
    }
}

/// What a permission can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Resource {
    LinksTable,
    /// The index `by-slug` of the links table.
    LinksIndex,
    ClicksTable,
    AccountsTable,
    SaltsTable,
    ClicksQueue,
    PurgesQueue,
    /// What is below `raw/` in the bucket.
    RawObjects,
    /// What is below `clicks/` in it.
    LakeObjects,
    /// The names of both.
    LakeBucket,
    TokenKeys,
}

impl Resource {
    pub(crate) const ALL: [Self; 11] = [
        Self::LinksTable,
        Self::LinksIndex,
        Self::ClicksTable,
        Self::AccountsTable,
        Self::SaltsTable,
        Self::ClicksQueue,
        Self::PurgesQueue,
        Self::RawObjects,
        Self::LakeObjects,
        Self::LakeBucket,
        Self::TokenKeys,
    ];

    /// As the files name it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::LinksTable => "links-table",
            Self::LinksIndex => "links-index",
            Self::ClicksTable => "clicks-table",
            Self::AccountsTable => "accounts-table",
            Self::SaltsTable => "salts-table",
            Self::ClicksQueue => "clicks-queue",
            Self::PurgesQueue => "purges-queue",
            Self::RawObjects => "raw-objects",
            Self::LakeObjects => "lake-objects",
            Self::LakeBucket => "lake-bucket",
            Self::TokenKeys => "token-keys",
        }
    }

    /// What its actions begin with.
    pub(crate) fn service(self) -> &'static str {
        match self {
            Self::LinksTable
            | Self::LinksIndex
            | Self::ClicksTable
            | Self::AccountsTable
            | Self::SaltsTable => "dynamodb:",
            Self::ClicksQueue | Self::PurgesQueue => "sqs:",
            Self::RawObjects | Self::LakeObjects | Self::LakeBucket => "s3:",
            Self::TokenKeys => "kms:",
        }
    }

    /// The setting that says where it is.
    pub(crate) fn setting(self) -> &'static str {
        match self {
            Self::LinksTable | Self::LinksIndex => "LINKS_TABLE",
            Self::ClicksTable => "CLICKS_TABLE",
            Self::AccountsTable => "ACCOUNTS_TABLE",
            Self::SaltsTable => "SALTS_TABLE",
            Self::ClicksQueue => "CLICKS_QUEUE_URL",
            Self::PurgesQueue => "PURGES_QUEUE_URL",
            Self::RawObjects | Self::LakeObjects | Self::LakeBucket => "RAW_BUCKET",
            Self::TokenKeys => "TOKEN_KEYS",
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Given {
    /// Where it stands.
    pub(crate) fn place(function: &str) -> String {
        format!("functions/{function}/function.yaml")
    }

    /// What a function is given.
    pub(crate) fn to(function: &str) -> Self {
        let place = Self::place(function);
        serde_saphyr::from_str(&read(&place)).unwrap_or_else(|error| panic!("{place}: {error}"))
    }

    /// Every action with what it is allowed on.
    pub(crate) fn actions(&self) -> impl Iterator<Item = (Resource, &str)> {
        let all = self.permissions.iter();
        all.flat_map(|(resource, actions)| actions.iter().map(|action| (*resource, &**action)))
    }
}
