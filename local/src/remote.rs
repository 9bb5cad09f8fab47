//! A deployment in AWS, for commands that can work on one instead of a data directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use clap::Args;
use lambda::Env;
use serde_json::Value;

/// Which deployment.
#[derive(Debug, Args)]
pub(crate) struct Remote {
    /// Work on a deployment in AWS. Credentials and region are taken from the environment
    /// (`aws configure export-credentials --format env`, and `AWS_REGION`)
    #[arg(long)]
    pub(crate) aws: bool,
    /// What `terraform output -json` says of the deployment
    #[arg(long, value_name = "FILE", requires = "aws")]
    pub(crate) outputs: Option<PathBuf>,
}

/// What Terraform says of a deployment.
#[derive(Debug, Default)]
pub(crate) struct Outputs(Value);

impl Remote {
    /// The outputs, if a file was named.
    pub(crate) fn outputs(&self) -> anyhow::Result<Outputs> {
        self.outputs.as_deref().map_or_else(|| Ok(Outputs::default()), Outputs::read)
    }

    /// The SDK's configuration. A function must answer in seconds; a command may wait.
    pub(crate) fn config(env: &Env) -> anyhow::Result<SdkConfig> {
        let config = lambda::aws_config(env)
            .context("AWS_REGION and credentials are taken from the environment")?;
        let patient = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(30))
            .build();
        Ok(config.into_builder().timeout_config(patient).build())
    }
}

impl Outputs {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading `{}`", path.display()))?;
        let outputs = serde_json::from_str(&text)
            .with_context(|| format!("`{}` is not JSON", path.display()))?;
        Ok(Self(outputs))
    }

    /// The value that a flag gives, or that of an output: `tables.links`.
    pub(crate) fn or(
        &self,
        flag: Option<&String>,
        name: &str,
        path: &str,
    ) -> anyhow::Result<String> {
        if let Some(given) = flag {
            return Ok(given.clone());
        }
        let (output, part) = path.split_once('.').unwrap_or((path, ""));
        // `terraform output -json` wraps each value; `… -json <name>` does not.
        let value = &self.0[output];
        let value = value.get("value").unwrap_or(value);
        let value = if part.is_empty() { value } else { &value[part] };
        match value.as_str() {
            Some(text) => Ok(text.to_owned()),
            None => bail!("give `{name}`, or `--outputs` with the output `{path}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_terraform_says_stands_in_for_flags() {
        let outputs = Outputs(json!({
            "tables": {"value": {"links": "shop-links"}},
            "raw_bucket": {"value": "shop-clicks"},
        }));
        let or = |flag: Option<&str>, path| {
            outputs.or(flag.map(str::to_owned).as_ref(), "--it", path).map_err(|e| e.to_string())
        };
        assert_eq!(or(None, "tables.links"), Ok("shop-links".to_owned()));
        assert_eq!(or(None, "raw_bucket"), Ok("shop-clicks".to_owned()));
        assert_eq!(or(Some("mine"), "tables.links"), Ok("mine".to_owned()));
        let missing = or(None, "tables.salts").unwrap_err();
        assert_eq!(missing, "give `--it`, or `--outputs` with the output `tables.salts`");
    }
}
