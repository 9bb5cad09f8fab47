//! Tests of the platform.
