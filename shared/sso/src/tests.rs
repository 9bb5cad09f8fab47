//! Against a provider that can also lie.
