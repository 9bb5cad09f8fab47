//! What a function is given to build itself from, once per process.

use aws_types::SdkConfig;

use crate::clock::{Clock, Random};
use crate::env::{Env, EnvError};
use crate::logs;
use crate::metrics::Metrics;

/// What a function's `load` is given, once per process.
#[derive(Debug, Clone)]
pub struct Boot {
    /// The function's name.
    pub name: &'static str,
    /// Its settings.
    pub env: Env,
    /// Credentials, region, endpoint and HTTPS client of the AWS clients.
    pub aws: SdkConfig,
    /// The time.
    pub clock: Clock,
    /// Random bits.
    pub random: Random,
    /// Counters.
    pub metrics: Metrics,
}

impl Boot {
    /// What the process environment says.
    pub(crate) fn process(name: &'static str) -> Result<Self, EnvError> {
        let env = Env::process();
        let aws = crate::aws::config(&env)?;
        let (clock, random) = (Clock::system(), Random::system());
        let metrics = Metrics::stdout(name, clock.clone());
        Ok(Self { name, env, aws, clock, random, metrics })
    }
}

/// Logs as JSON lines on stdout, and a panic as one of them.
pub(crate) fn start_logs(function: &'static str) {
    logs::start(function);
    std::panic::set_hook(Box::new(|panic| {
        // The default hook prints lines that are not JSON, and the runtime logs `Any { .. }`.
        let message = panic.payload_as_str().unwrap_or("(no message)");
        let location = panic.location().map(ToString::to_string);
        tracing::error!(panic.location = location, "panicked: {message}");
    }));
}
