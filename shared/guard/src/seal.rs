//! What an idempotency key locks: the place, the fingerprint and the contents of an answer.
//!
//! Everything is derived from the key by HKDF-SHA256 (RFC 5869), which is not stored anywhere. So the
//! table alone says neither whose answer a row is, nor what was asked, nor what was answered: bodies
//! hold passwords, and answers new API keys. That is as good as the key is hard to guess; clients are
//! told to take random ones.

use std::fmt;

use domain::IdempotencyKey;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk, Salt};
use ring::hmac;

/// An answer that does not open: somebody has written the row who does not know the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the kept answer does not open")]
pub(crate) struct Unopened;

/// The keys that an idempotency key leads to, for whoever sent it.
pub(crate) struct Lock {
    id: [u8; 32],
    fingerprint: hmac::Key,
    seal: LessSafeKey,
}

impl Lock {
    /// The lock of a key of somebody's: another one's same key leads elsewhere.
    pub(crate) fn new(whose: &[&str], key: &IdempotencyKey) -> Self {
        let mut salt = Vec::new();
        for part in whose {
            append(&mut salt, part.as_bytes());
        }
        let secret = Salt::new(HKDF_SHA256, &salt).extract(key.reveal().as_bytes());
        let seal = UnboundKey::new(&AES_256_GCM, &derived(&secret, b"signpost answer seal"));
        Self {
            id: derived(&secret, b"signpost answer id"),
            fingerprint: hmac::Key::new(
                hmac::HMAC_SHA256,
                &derived(&secret, b"signpost answer fingerprint"),
            ),
            seal: LessSafeKey::new(seal.expect("the key has 32 bytes")),
        }
    }

    /// Where the answer is.
    pub(crate) fn id(&self) -> String {
        hex(&self.id)
    }

    /// What tells requests apart: method, path and body, for whoever has the key only.
    pub(crate) fn fingerprint(&self, parts: &[&[u8]]) -> String {
        let mut whole = Vec::new();
        for part in parts {
            append(&mut whole, part);
        }
        hex(hmac::sign(&self.fingerprint, &whole).as_ref())
    }

    /// Encrypts an answer for its place. The nonce is random: the key seals few texts, mostly one.
    pub(crate) fn seal(&self, text: &[u8], random: u128) -> Vec<u8> {
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&random.to_be_bytes()[..NONCE_LEN]);
        let mut sealed = text.to_vec();
        self.seal
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.id),
                &mut sealed,
            )
            .expect("an answer is shorter than 64 GB");
        [nonce.as_slice(), &sealed].concat()
    }

    /// Decrypts an answer.
    pub(crate) fn open(&self, sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(Unopened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened)?;
        let mut text = text.to_vec();
        let opened = self.seal.open_in_place(nonce, Aad::from(self.id), &mut text);
        opened.map(|text| text.to_vec()).map_err(|_| Unopened)
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock(***)")
    }
}

/// 32 bytes for one use.
fn derived(secret: &Prk, info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    secret
        .expand(&[info], HKDF_SHA256)
        .and_then(|derived| derived.fill(&mut key))
        .expect("32 bytes are few enough");
    key
}

/// Appends a part so that no two lists of parts make the same bytes.
fn append(whole: &mut Vec<u8>, part: &[u8]) {
    whole.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    whole.extend_from_slice(part);
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(whose: &[&str], key: &str) -> Lock {
        Lock::new(whose, &IdempotencyKey::parse(key).unwrap())
    }

    #[test]
    fn what_is_sealed_opens_with_the_same_key_of_the_same_caller_only() {
        let own = lock(&["key_1", "wrk_1"], "k");
        let sealed = own.seal(b"sp_secret", 7);
        assert_eq!(lock(&["key_1", "wrk_1"], "k").open(&sealed).unwrap(), b"sp_secret");
        assert!(!sealed.windows(9).any(|window| window == b"sp_secret"));
        for other in [
            lock(&["key_2", "wrk_1"], "k"),
            lock(&["key_1", "wrk_2"], "k"),
            lock(&["key_1wrk_1", ""], "k"),
            lock(&["key_1", "wrk_1"], "K"),
        ] {
            assert_eq!(other.open(&sealed), Err(Unopened));
            assert_ne!(other.id(), own.id());
        }
    }

    #[test]
    fn a_changed_row_does_not_open() {
        let lock = lock(&["key_1"], "k");
        let sealed = lock.seal(b"{}", 7);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(lock.open(&changed), Err(Unopened), "{at}");
        }
        for length in 0..sealed.len() {
            assert_eq!(lock.open(&sealed[..length]), Err(Unopened), "{length}");
        }
    }

    #[test]
    fn two_seals_of_one_text_differ() {
        let lock = lock(&["key_1"], "k");
        assert_ne!(lock.seal(b"{}", 1 << 64), lock.seal(b"{}", 2 << 64));
    }

    #[test]
    fn a_fingerprint_tells_requests_apart_and_nothing_else() {
        let fingerprint = |key, parts: &[&[u8]]| lock(&["key_1"], key).fingerprint(parts);
        let one = fingerprint("k", &[b"POST", b"/a", b"{}"]);
        assert_eq!(one, fingerprint("k", &[b"POST", b"/a", b"{}"]));
        assert_ne!(one, fingerprint("k", &[b"POST", b"/a{", b"}"]));
        // Whoever has the table cannot try out bodies.
        assert_ne!(one, fingerprint("l", &[b"POST", b"/a", b"{}"]));
    }

    #[test]
    fn debug_output_hides_the_keys() {
        assert_eq!(format!("{:?}", lock(&["key_1"], "k")), "Lock(***)");
    }
}
