//! Signing keys in KMS: the private key never leaves it.

use aws_sdk_kms::Client;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{MessageType, SigningAlgorithmSpec};
use tokio::sync::OnceCell;

use crate::der;
use crate::jwk::PublicKey;
use crate::keys::KeyError;

/// A key in KMS, of the kind `ECC_NIST_P256` for `SIGN_VERIFY`.
#[derive(Debug)]
pub(crate) struct KmsKey {
    client: Client,
    id: String,
    /// It never changes, so it is fetched once, when it is needed first.
    public: OnceCell<PublicKey>,
}

impl KmsKey {
    pub(crate) fn new(client: Client, id: &str) -> Self {
        Self { client, id: id.to_owned(), public: OnceCell::new() }
    }

    /// The public key, if it is known already.
    pub(crate) fn known(&self) -> Option<&PublicKey> {
        self.public.get()
    }

    /// The public key. A failure is not remembered.
    pub(crate) async fn public(&self) -> Result<&PublicKey, KeyError> {
        self.public.get_or_try_init(|| self.fetch()).await
    }

    async fn fetch(&self) -> Result<PublicKey, KeyError> {
        let call = self.client.get_public_key().key_id(&self.id);
        let answer =
            call.send().await.map_err(|e| self.unavailable("fetching the public key", e))?;
        answer
            .public_key()
            .and_then(|info| der::point(info.as_ref()))
            .and_then(PublicKey::of_point)
            .ok_or_else(|| KeyError::NotP256(self.id.clone()))
    }

    /// The signature, as JWTs have it. One call.
    pub(crate) async fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let call = self
            .client
            .sign()
            .key_id(&self.id)
            // KMS takes up to 4,096 bytes as they are; a token has a thousand at most.
            .message(Blob::new(message))
            .message_type(MessageType::Raw)
            .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256);
        let answer = call.send().await.map_err(|error| self.unavailable("signing", error))?;
        let signature = answer.signature().map(Blob::as_ref).unwrap_or_default();
        let fixed = der::fixed_signature(signature);
        fixed.map(|fixed| fixed.to_vec()).ok_or_else(|| KeyError::NotP256(self.id.clone()))
    }

    fn unavailable(
        &self,
        doing: &'static str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> KeyError {
        KeyError::Unavailable { doing, id: self.id.clone(), source: Box::new(error) }
    }
}
