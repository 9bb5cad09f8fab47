//! DynamoDB did not do what it was asked.

/// What the SDK said, whichever operation it was: it is logged, and never matched.
pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// DynamoDB is slow, throttled or away. Trying again later may help.
#[derive(Debug, thiserror::Error)]
#[error("{doing}")]
pub struct Unavailable {
    /// What was being done, and to what.
    doing: String,
    #[source]
    source: Cause,
}

impl Unavailable {
    /// This could not be done, for this reason.
    pub(crate) fn new(doing: impl Into<String>, source: impl Into<Cause>) -> Self {
        Self { doing: doing.into(), source: source.into() }
    }
}
