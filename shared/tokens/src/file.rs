//! Signing keys in files: for one machine, where there is no KMS.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;

use crate::jwk::PublicKey;
use crate::keys::KeyError;

/// The longest file that is read: a key has 250 bytes.
const MAX_BYTES: u64 = 16 * 1024;

/// Why a file is not taken as a signing key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[cfg(unix)]
    #[error("others may read it (mode {0:03o}); `chmod 600` it")]
    Open(u32),
    #[error("it holds no P-256 key in PEM (PKCS #8)")]
    NoKey,
}

/// A key pair that was read from a file.
pub(crate) struct FileKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

/// A new signing key: a file's text in PEM (PKCS #8). A secret.
pub fn new_key() -> Result<String, KeyError> {
    let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| KeyError::Failed)?;
    let text = BASE64_STANDARD.encode(key.as_ref());
    let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    Ok(pem)
}

impl FileKey {
    /// Reads a file that nobody else may read.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let file = File::open(path)?;
        private(&file)?;
        let mut pem = String::new();
        file.take(MAX_BYTES).read_to_string(&mut pem)?;
        Self::parse(&pem).ok_or(FileError::NoKey)
    }

    fn parse(pem: &str) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, der.secret_pkcs8_der(), &random).ok()?;
        let public = PublicKey::of_point(pair.public_key().as_ref())?;
        Some(Self { pair, public })
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    /// The signature, as JWTs have it.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        // The nonce is `ring`'s own business: one that a test could choose would give the key away.
        let signature = self.pair.sign(&SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| KeyError::Failed)
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FileKey({}, ***)", self.public.kid())
    }
}

/// Of the file that is open, and not of whatever its name stands for a moment later.
#[cfg(unix)]
fn private(file: &File) -> Result<(), FileError> {
    use std::os::unix::fs::PermissionsExt;
    match file.metadata()?.permissions().mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(FileError::Open(mode)),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn private(_: &File) -> Result<(), FileError> {
    Ok(())
}
