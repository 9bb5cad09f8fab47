//! The stores through the real SDK clients.

mod sqs;
