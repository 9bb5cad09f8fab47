//! Public keys, as JSON Web Keys (RFC 7517) and by their thumbprints (RFC 7638).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde::Serialize;
use sha2::{Digest, Sha256};

/// A point of the curve P-256: the byte 4, and two coordinates of 32 bytes.
const POINT_BYTES: usize = 65;
const UNCOMPRESSED: u8 = 4;

/// A set of public keys, as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwks {
    /// The one that signs first.
    pub keys: Vec<Jwk>,
}

/// A public key, as it is published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Jwk {
    kty: &'static str,
    crv: &'static str,
    x: String,
    y: String,
    /// Its thumbprint: what tokens name it by.
    pub kid: String,
    r#use: &'static str,
    alg: &'static str,
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    point: [u8; POINT_BYTES],
    kid: String,
}

impl PublicKey {
    /// The key of this point, if it has the form of one.
    pub(crate) fn of_point(point: &[u8]) -> Option<Self> {
        let point: [u8; POINT_BYTES] = point.try_into().ok()?;
        (point[0] == UNCOMPRESSED).then(|| Self { kid: thumbprint(&point), point })
    }

    pub(crate) fn point(&self) -> &[u8] {
        &self.point
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    pub(crate) fn jwk(&self) -> Jwk {
        let [x, y] = coordinates(&self.point);
        let kid = self.kid.clone();
        Jwk { kty: "EC", crv: "P-256", x, y, kid, r#use: "sig", alg: "ES256" }
    }
}

fn coordinates(point: &[u8; POINT_BYTES]) -> [String; 2] {
    let (x, y) = point[1..].split_at(32);
    [BASE64.encode(x), BASE64.encode(y)]
}

/// The hash of the key's required fields, in the order of the alphabet.
fn thumbprint(point: &[u8; POINT_BYTES]) -> String {
    let [x, y] = coordinates(point);
    let fields = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    BASE64.encode(Sha256::digest(fields))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_rfc_7515_has_the_thumbprint_that_others_compute() {
        let decode = |text| BASE64.decode(text).unwrap();
        let x = decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        let y = decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let point = [vec![4], x, y].concat();
        let key = PublicKey::of_point(&point).unwrap();
        assert_eq!(key.kid(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
        let json = serde_json::to_value(key.jwk()).unwrap();
        assert_eq!(json["x"], "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        assert_eq!(json["use"], "sig");
    }

    #[test]
    fn what_is_no_uncompressed_point_is_no_key() {
        assert!(PublicKey::of_point(&[4; 65]).is_some());
        assert!(PublicKey::of_point(&[2; 65]).is_none(), "a compressed one is shorter");
        assert!(PublicKey::of_point(&[4; 64]).is_none());
        assert!(PublicKey::of_point(&[]).is_none());
    }
}
