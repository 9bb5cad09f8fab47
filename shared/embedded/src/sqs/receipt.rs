//! Receipt handles: which message, and which of its deliveries.

use std::fmt;

use md5::{Digest, Md5};

use super::fault::Fault;
use super::store::Queue;

/// What a receipt handle says.
///
/// As text, `queue.message.delivery.check` in hexadecimal. The check is made with the queue's own
/// salt, so a handle that was made up, or that belongs to a queue that was deleted, is told from
/// one whose message is merely gone. It is no secret: it catches mistakes, not attackers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) message: i64,
    /// How many times the message had been received with this delivery.
    pub(crate) delivery: i64,
}

impl Receipt {
    pub(crate) fn handle(self, queue: &Queue) -> String {
        format!("{:x}.{:x}.{:x}.{}", queue.id, self.message, self.delivery, self.check(queue))
    }

    /// Reads a handle that `queue` must have given out.
    pub(crate) fn parse(handle: &str, queue: &Queue) -> Result<Self, Fault> {
        let refused = || Fault::ReceiptHandleIsInvalid(handle.to_owned());
        let mut parts = handle.split('.');
        let mut number = || {
            let part = parts.next().ok_or_else(refused)?;
            i64::from_str_radix(part, 16).map_err(|_| refused())
        };
        let (owner, message, delivery) = (number()?, number()?, number()?);
        let receipt = Self { message, delivery };
        let check = parts.next().ok_or_else(refused)?;
        if owner != queue.id || check != receipt.check(queue) || parts.next().is_some() {
            return Err(refused());
        }
        Ok(receipt)
    }

    fn check(self, queue: &Queue) -> String {
        let mut digest = Md5::new();
        digest.update(queue.salt);
        for number in [queue.id, self.message, self.delivery] {
            digest.update(number.to_be_bytes());
        }
        Hex(&digest.finalize()[..8]).to_string()
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) struct Hex<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        let text: String = digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect();
        f.write_str(&text)
    }
}
