//! The whole platform in one process: gateway, functions, event sources and stores.
//!
//! It is what a newcomer starts, what the tests run against, and a deployment on a single box. The
//! functions are the very ones that run in Lambda, and get the same events; what is AWS's in the
//! cloud is here:
//!
//! | in the cloud | here |
//! | --- | --- |
//! | API Gateway | `gateway`: routes of `openapi.yaml`, payload 2.0, authorizer |
//! | Lambda and its event sources | `registry`, `sources`: triggers of `workers.yaml` |
//! | DynamoDB, SQS, S3 | the crate `embedded` |
//! | Terraform's outputs | `settings`, and tables, queues and bucket in `stores` |
//!
//! [`Platform`] starts and stops it; [`main`] is the command line around it.

mod background;
mod cli;
mod compact;
mod contract;
mod data;
mod demo;
mod gateway;
mod json;
mod keys;
mod logs;
mod platform;
mod registry;
mod remote;
mod replay;
mod settings;
mod sources;
mod stores;
#[cfg(test)]
mod tests;
mod verify;

pub use cli::main;
pub use data::{Owner, Ready};
pub use platform::{Data, Options, Platform};
