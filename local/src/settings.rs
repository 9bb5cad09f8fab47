//! What every function is told: the one list of settings.
//!
//! In the cloud Terraform makes it. No function knows where it runs.

use domain::Retention;
use lambda::{ClickSend, Env, EnvError};
use store::Tables;

/// The tables.
pub(crate) const TABLES: Tables<'static> =
    Tables { links: "links", clicks: "clicks", accounts: "accounts", salts: "salts" };

/// The bucket of raw clicks.
pub(crate) const RAW_BUCKET: &str = "raw-clicks";

/// The queue of clicks, by its key in `workers.yaml`.
pub(crate) const CLICKS_QUEUE: &str = "clicks";

/// The queue of purges.
pub(crate) const PURGES_QUEUE: &str = "purges";

/// What the operator may set in the environment of this process, as in the cloud.
const PASSED_THROUGH: [&str; 13] = [
    "BLOCKED_HOSTS",
    "CACHE_TTL_SECONDS",
    "CLICK_RETENTION_DAYS",
    "OIDC_CLIENT_ID",
    "OIDC_CLIENT_SECRET",
    "OIDC_ISSUER",
    "OIDC_MEMBERS",
    "OIDC_TRUST_EMAIL",
    "SIGNUP",
    "SIGN_IN_PER_MINUTE",
    "SIGN_IN_REDIRECTS",
    "STALE_IF_ERROR_SECONDS",
    "WRITES_PER_MINUTE",
];

/// The settings for all functions. Each reads its own; in the cloud it would get no others.
pub(crate) fn of_functions(
    process: &Env,
    origins: &str,
    [clicks_queue_url, purges_queue_url]: [&str; 2],
    token_keys: &str,
    origin_secret: &str,
) -> Env {
    let fixed = [
        ("LINKS_TABLE", TABLES.links),
        ("CLICKS_TABLE", TABLES.clicks),
        ("ACCOUNTS_TABLE", TABLES.accounts),
        ("SALTS_TABLE", TABLES.salts),
        ("CLICKS_QUEUE_URL", clicks_queue_url),
        ("PURGES_QUEUE_URL", purges_queue_url),
        ("RAW_BUCKET", RAW_BUCKET),
        ("ORIGINS", origins),
        ("TOKEN_KEYS", token_keys),
        ("ORIGIN_SECRET", origin_secret),
        // There is nobody here who would keep the process awake after the answer.
        ("CLICK_SEND", "before"),
    ];
    let fixed = fixed.map(|(name, value)| (name, value.to_owned()));
    let passed =
        PASSED_THROUGH.into_iter().filter_map(|name| Some((name, process.optional(name)?)));
    Env::fixed(fixed.into_iter().chain(passed))
}

/// The origins that the operator has set; then they hold, and nothing is remembered.
pub(crate) fn origins(process: &Env) -> Option<String> {
    process.optional("ORIGINS")
}

/// The keys of access tokens that the operator has set; then none are made.
pub(crate) fn token_keys(process: &Env) -> Option<String> {
    process.optional("TOKEN_KEYS")
}

/// The secrets of the front door that the operator has set; then none is made.
pub(crate) fn origin_secret(process: &Env) -> Option<String> {
    process.optional("ORIGIN_SECRET")
}

/// Whether a redirect waits until its click is on the disk, or only until the system has it.
pub(crate) fn click_send(process: &Env) -> Result<ClickSend, EnvError> {
    process.parsed("CLICK_SEND", ClickSend::Before)
}

/// For how long clicks are kept.
pub(crate) fn retention(process: &Env) -> Result<Retention, EnvError> {
    process.parsed("CLICK_RETENTION_DAYS", Retention::DEFAULT)
}
