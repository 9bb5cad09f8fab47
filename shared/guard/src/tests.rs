//! The guard against the embedded stores.
