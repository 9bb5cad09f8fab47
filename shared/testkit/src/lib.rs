//! What tests of several crates share. Never a dependency of what ships.

pub mod probe;
