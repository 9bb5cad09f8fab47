//! The handler from its events, against the embedded stores.
