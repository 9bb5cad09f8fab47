//! Ids of requests: unique and without a pattern, but nobody's secret.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use lambda::Random;

/// Makes ids. Asking the system for random bits each time would be a call into the kernel for
/// every request, so they are a counter, mixed with bits that were asked for once.
#[derive(Debug)]
pub(super) struct Ids {
    seeds: [u64; 2],
    count: AtomicU64,
}

impl Ids {
    pub(super) fn new(random: &Random) -> Self {
        let bytes = random.u128().to_ne_bytes();
        let half = |at: usize| {
            let mut half = [0; 8];
            half.copy_from_slice(&bytes[at..at + 8]);
            u64::from_ne_bytes(half)
        };
        Self { seeds: [half(0), half(8)], count: AtomicU64::new(0) }
    }

    fn next(&self) -> [u8; 16] {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; 16];
        // The first half alone is different each time: mixing loses nothing.
        bytes[..8].copy_from_slice(&mix(self.seeds[0].wrapping_add(count)).to_be_bytes());
        bytes[8..].copy_from_slice(&mix(self.seeds[1] ^ count).to_be_bytes());
        bytes
    }

    /// As API Gateway counts requests: 11 bytes in base64.
    pub(super) fn gateway(&self) -> String {
        BASE64.encode(&self.next()[..11])
    }

    /// As Lambda counts invocations: a random UUID.
    pub(super) fn invocation(&self) -> String {
        let mut bytes = self.next();
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        let mut id = String::with_capacity(36);
        for (at, part) in [(0, 4), (4, 6), (6, 8), (8, 10), (10, 16)] {
            if 0 < at {
                id.push('-');
            }
            hex(&mut id, &bytes[at..part]);
        }
        id
    }

    /// As X-Ray counts traces: the second, and 12 bytes.
    pub(super) fn trace(&self, at: Timestamp) -> String {
        let second = u32::try_from(at.as_second()).unwrap_or(0);
        let mut id = String::with_capacity(40);
        id.push_str("Root=1-");
        hex(&mut id, &second.to_be_bytes());
        id.push('-');
        hex(&mut id, &self.next()[..12]);
        id
    }
}

/// The last step of `SplitMix64`: each number becomes another one, far away.
fn mix(mut z: u64) -> u64 {
    z = z.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn hex(out: &mut String, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
}
