//! API keys as the API shows them.
//!
//! None of this is `Debug`: a key that was just made is in it.

use domain::{ApiKey, KeyRecord, Scope};
use serde::Serialize;

/// The JSON of an API key.
#[derive(Serialize)]
pub struct KeyView {
    id: String,
    name: String,
    scopes: Vec<&'static str>,
    created_at: String,
    created_by: Option<String>,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    writes_per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
}

impl KeyView {
    /// A key, without its secret.
    pub fn new(key: &KeyRecord) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.clone(),
            scopes: key.scopes.iter().copied().map(Scope::as_str).collect(),
            created_at: key.created_at().to_string(),
            created_by: key.created_by.map(|by| by.to_string()),
            expires_at: key.expires_at.map(|at| at.to_string()),
            last_used_at: key.last_used().map(|at| at.to_string()),
            writes_per_minute: key.writes_per_minute,
            key: None,
        }
    }

    /// A key that was just made, with its secret.
    pub fn made(record: &KeyRecord, key: &ApiKey) -> Self {
        Self { key: Some(key.reveal()), ..Self::new(record) }
    }
}
