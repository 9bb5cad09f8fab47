//! Clicks under torture: whatever happens to them, each is counted once.
//!
//! A run sends visits through the real redirect over stores in memory, and its messages to the real
//! workers, while everything goes wrong that can: messages are delivered twice, late and in any order,
//! workers are killed wherever they wait, DynamoDB throttles, loses answers and cancels transactions,
//! SQS and S3 are away for a while ([`weather`]). A naive model is told of each answer, and at the end
//! everything must be what the model says ([`proof`]).
//!
//! - All choices come from one seed, and time is simulated ([`sim`]): a run that fails fails again.
//! - The harness itself is put to the test: programs with a mistake must be found out
//!   ([`weather::Mistake`]).
//!
//! A small run is a test here; `just torture` is one of 200,000 clicks.

pub mod chance;
pub mod crowd;
pub mod logs;
pub mod model;
pub mod post;
pub mod proof;
pub mod run;
pub mod sim;
#[cfg(test)]
mod tests;
pub mod weather;

pub use run::{Plan, Report, run};
