//! The keys of this service, and what is done with them.

use std::path::Path;
use std::sync::Arc;

use aws_sdk_kms::Client;
use domain::Origins;
use jiff::Timestamp;
use lambda::{Boot, EnvError};
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

use crate::claims::AccessToken;
use crate::file::FileKey;
use crate::jwk::{Jwks, PublicKey};
use crate::jwt::{self, Parties, Refusal};
use crate::kms::KmsKey;

/// The setting that names the keys.
const SETTING: &str = "TOKEN_KEYS";

/// Why a key did not do what it is for.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// KMS is slow, throttled or away, or does not let us.
    #[error("{doing} with the KMS key `{id}`")]
    Unavailable {
        /// What was being done.
        doing: &'static str,
        /// With which key.
        id: String,
        /// What the SDK said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The key in KMS is of another kind.
    #[error("the KMS key `{0}` is not for ECDSA with P-256")]
    NotP256(String),
    /// The system has no randomness.
    #[error("making a signature")]
    Failed,
    /// What is to be signed is no JSON.
    #[error("writing the claims of a token")]
    Claims(#[from] serde_json::Error),
}

/// Why nothing is known of a token's holder.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The token is not believed.
    #[error("the token is not believed: {0}")]
    Refused(#[from] Refusal),
    /// It cannot be said.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Signs and verifies access tokens.
///
/// `TOKEN_KEYS` lists the keys, comma-separated: `file:<path>` (PEM, PKCS #8, P-256, readable by its
/// owner only) or `kms:<key id>`. The first signs; all verify and are published. To change keys, a
/// new one is put in front, and the old one stays until all tokens that it signed are worthless.
#[derive(Debug, Clone)]
pub struct Tokens {
    issuer: Arc<str>,
    audience: Arc<str>,
    signer: Arc<Key>,
    others: Arc<[Key]>,
}

#[derive(Debug)]
enum Key {
    File(FileKey),
    Kms(KmsKey),
}

impl Tokens {
    /// Reads the settings `TOKEN_KEYS` and `ORIGINS`. Files are read now, once per process; KMS is
    /// asked when a key is needed.
    pub fn load(boot: &Boot) -> Result<Self, EnvError> {
        let origins = boot.env.required_as("ORIGINS", Origins::parse)?;
        let list = boot.env.required(SETTING)?;
        let mut keys = list.split(',').map(|one| Key::parse(one.trim(), boot));
        let wrong = |why: String| EnvError::Invalid { name: SETTING, value: list.clone(), why };
        let signer = keys.next().unwrap_or_else(|| Err("it names no key".to_owned()));
        let signer = signer.map_err(wrong)?;
        let others = keys.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
        let issuer = origins.default_origin();
        Ok(Self {
            audience: format!("{issuer}/api/v1").into(),
            issuer: issuer.into(),
            signer: Arc::new(signer),
            others: others.into(),
        })
    }

    /// Who makes the tokens: the first of the service's origins.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The text of a token. A secret.
    pub async fn sign(&self, token: &AccessToken) -> Result<String, KeyError> {
        let kid = self.signer.public().await?.kid();
        let unsigned = jwt::unsigned(token, kid, self.parties())?;
        let signature = match &*self.signer {
            Key::File(key) => key.sign(unsigned.as_bytes())?,
            Key::Kms(key) => key.sign(unsigned.as_bytes()).await?,
        };
        Ok(jwt::signed(&unsigned, &signature))
    }

    /// What a token says, if one of the keys signed it, for this service and this moment. Whether
    /// it was revoked is for others to say.
    pub async fn verify(&self, text: &str, now: Timestamp) -> Result<AccessToken, VerifyError> {
        let unverified = jwt::read(text)?;
        let key = self.find(&unverified.kid).await?.ok_or(Refusal::UnknownKey)?;
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.point())
            .verify(unverified.signed, &unverified.signature)
            .map_err(|_| Refusal::Signature)?;
        Ok(unverified.claims(self.parties(), now)?)
    }

    /// All public keys.
    pub async fn jwks(&self) -> Result<Jwks, KeyError> {
        let mut keys = Vec::new();
        for key in self.all() {
            keys.push(key.public().await?.jwk());
        }
        Ok(Jwks { keys })
    }

    /// The public key that a token names. Those that are known are asked first: a made-up name must
    /// not keep the others waiting, and costs calls only until each key was fetched once.
    async fn find(&self, kid: &str) -> Result<Option<&PublicKey>, KeyError> {
        let mut known = self.all().filter_map(Key::known);
        if let Some(key) = known.find(|key| key.kid() == kid) {
            return Ok(Some(key));
        }
        for key in self.all().filter(|key| key.known().is_none()) {
            let key = key.public().await?;
            if key.kid() == kid {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn all(&self) -> impl Iterator<Item = &Key> {
        std::iter::once(&*self.signer).chain(&*self.others)
    }

    fn parties(&self) -> Parties<'_> {
        Parties { issuer: &self.issuer, audience: &self.audience }
    }
}

impl Key {
    fn parse(text: &str, boot: &Boot) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("file", path)) => FileKey::read(Path::new(path))
                .map(Self::File)
                .map_err(|error| format!("`{path}`: {error}")),
            Some(("kms", id)) if !id.is_empty() => {
                Ok(Self::Kms(KmsKey::new(Client::new(&boot.aws), id)))
            }
            Some(_) | None => Err(format!("`{text}` is neither `file:<path>` nor `kms:<key id>`")),
        }
    }

    fn known(&self) -> Option<&PublicKey> {
        match self {
            Self::File(key) => Some(key.public()),
            Self::Kms(key) => key.known(),
        }
    }

    async fn public(&self) -> Result<&PublicKey, KeyError> {
        match self {
            Self::File(key) => Ok(key.public()),
            Self::Kms(key) => key.public().await,
        }
    }
}
