//! The stores through the real SDK clients.

mod dynamodb;
mod port;
mod s3;
mod sqs;
