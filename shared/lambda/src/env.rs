//! Settings from environment variables.

use std::str::FromStr;
use std::sync::Arc;

/// A setting that is missing, or says nothing that can be used.
#[derive(Debug, thiserror::Error)]
pub enum EnvError {
    /// It has no value, and there is no default.
    #[error("environment variable `{0}` is not set")]
    Missing(&'static str),
    /// It has a value that cannot be used.
    #[error("environment variable `{name}` is `{value}`: {why}")]
    Invalid {
        /// Which one.
        name: &'static str,
        /// What it says.
        value: String,
        /// What is wrong with that.
        why: String,
    },
}

/// Where settings come from: the process environment, or a list.
#[derive(Debug, Clone, Default)]
pub struct Env(Option<Arc<[(&'static str, String)]>>);

impl Env {
    /// The process environment.
    pub fn process() -> Self {
        Self(None)
    }

    /// A fixed list: for tests and the local platform.
    pub fn fixed(values: impl IntoIterator<Item = (&'static str, String)>) -> Self {
        Self(Some(values.into_iter().collect()))
    }

    /// The value of `name`; an empty one counts as none.
    #[expect(clippy::disallowed_methods, reason = "this is the one place that may")]
    pub fn optional(&self, name: &'static str) -> Option<String> {
        let value = match &self.0 {
            None => std::env::var(name).ok(),
            Some(values) => values.iter().find(|(n, _)| *n == name).map(|(_, v)| v.clone()),
        };
        value.filter(|v| !v.is_empty())
    }

    /// The value of `name`.
    pub fn required(&self, name: &'static str) -> Result<String, EnvError> {
        self.optional(name).ok_or(EnvError::Missing(name))
    }

    /// The value of `name`, read by a parser.
    pub fn required_as<T, E: std::fmt::Display>(
        &self,
        name: &'static str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, EnvError> {
        let value = self.required(name)?;
        parse(&value).map_err(|e| EnvError::Invalid { name, why: e.to_string(), value })
    }

    /// The value of `name` as a `T`, or the default where there is none.
    pub fn parsed<T: FromStr>(&self, name: &'static str, default: T) -> Result<T, EnvError>
    where
        T::Err: std::fmt::Display,
    {
        match self.optional(name) {
            None => Ok(default),
            Some(value) => value.parse().map_err(|e: T::Err| EnvError::Invalid {
                name,
                why: e.to_string(),
                value,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_there_or_missing_or_wrong() {
        let env = Env::fixed([("A", "5".to_owned()), ("B", String::new()), ("C", "x".to_owned())]);
        assert_eq!(env.parsed("A", 1).unwrap(), 5);
        assert_eq!(env.parsed("B", 1).unwrap(), 1);
        assert!(matches!(env.required("B"), Err(EnvError::Missing("B"))));
        let wrong = env.parsed("C", 1).unwrap_err().to_string();
        assert!(wrong.starts_with("environment variable `C` is `x`"), "{wrong}");
    }
}
