//! The two structures of ASN.1 DER that KMS answers with.

/// What a `SubjectPublicKeyInfo` of a P-256 key begins with: its algorithm and curve, and the
/// header of the bit string that is the point (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const NUMBER_BYTES: usize = 32;

/// The point of a public key on P-256; nothing for any other key.
pub(crate) fn point(public_key_info: &[u8]) -> Option<&[u8]> {
    public_key_info.strip_prefix(&P256_PREFIX)
}

/// An ECDSA signature as JWTs have it: both numbers with 32 bytes each (RFC 7518, 3.4).
pub(crate) fn fixed_signature(der: &[u8]) -> Option<[u8; 2 * NUMBER_BYTES]> {
    let (numbers, rest) = element(SEQUENCE, der)?;
    let (r, numbers) = element(INTEGER, numbers)?;
    let (s, numbers) = element(INTEGER, numbers)?;
    if !rest.is_empty() || !numbers.is_empty() {
        return None;
    }
    let mut fixed = [0; 2 * NUMBER_BYTES];
    for (number, place) in [r, s].into_iter().zip(fixed.chunks_exact_mut(NUMBER_BYTES)) {
        // A zero stands before a number whose first bit would make it negative.
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        let begin = NUMBER_BYTES.checked_sub(number.len())?;
        place[begin..].copy_from_slice(number);
    }
    Some(fixed)
}

/// The content of the element at the beginning, and what follows it. Those of a signature on P-256
/// are shorter than 128 bytes, so that their length is one byte.
fn element(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let [first, length, rest @ ..] = bytes else { return None };
    let length = usize::from(*length);
    (*first == tag && length < 128).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ring::rand::SystemRandom;
    use ring::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED, EcdsaKeyPair, KeyPair,
        UnparsedPublicKey,
    };

    use super::*;

    #[test]
    fn signatures_of_all_lengths_are_the_same_ones_in_the_other_form() {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let key = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.public_key().as_ref());
        let mut lengths = std::collections::BTreeSet::new();
        // One number in 256 is a byte shorter.
        for number in 0_u32..2000 {
            let message = number.to_be_bytes();
            let der = key.sign(&random, &message).unwrap();
            lengths.insert(der.as_ref().len());
            let fixed = fixed_signature(der.as_ref()).unwrap();
            public.verify(&message, &fixed).unwrap();
        }
        assert!(lengths.contains(&72) && lengths.contains(&70) && 3 < lengths.len(), "{lengths:?}");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = fixed_signature(&bytes);
            let _ = point(&bytes);
        }
    }

    #[test]
    fn numbers_too_long_and_rests_are_refused() {
        let long = [vec![SEQUENCE, 38, INTEGER, 33], vec![1; 33], vec![INTEGER, 1, 1]].concat();
        assert_eq!(fixed_signature(&long), None);
        assert!(fixed_signature(&[SEQUENCE, 6, INTEGER, 1, 1, INTEGER, 1, 1]).is_some());
        assert_eq!(fixed_signature(&[SEQUENCE, 6, INTEGER, 1, 1, INTEGER, 1, 1, 0]), None);
        assert_eq!(fixed_signature(&[SEQUENCE, 7, INTEGER, 1, 1, INTEGER, 1, 1, 0]), None);
        assert_eq!(fixed_signature(&[SEQUENCE, 0x81, 6, INTEGER, 1, 1, INTEGER, 1, 1]), None);
    }
}
