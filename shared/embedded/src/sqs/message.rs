//! Messages as they are sent: what may be in them, and their digests.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::fault::Fault;
use super::receipt::Hex;

/// How many attributes a message may have.
const MAX_ATTRIBUTES: usize = 10;

/// A message that was checked and may be stored.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) id: String,
    pub(crate) body: String,
    /// The [`Attributes`] as JSON text, if there are any.
    pub(crate) attributes: Option<String>,
    /// `None`: the queue's own delay.
    pub(crate) delay_seconds: Option<i64>,
}

/// The attributes of one message, both kinds, as they are stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Attributes {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) own: BTreeMap<String, Attribute>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trace_header: Option<String>,
}

/// One attribute as the protocol writes it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Attribute {
    pub(crate) data_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) string_value: Option<String>,
    /// In base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) binary_value: Option<String>,
}

impl Attributes {
    /// `None` if there is nothing to store.
    pub(crate) fn stored(&self) -> Option<String> {
        if self.own.is_empty() && self.trace_header.is_none() {
            return None;
        }
        serde_json::to_string(self).ok()
    }

    /// Checks what was sent.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.own.len() > MAX_ATTRIBUTES {
            return Err(Fault::InvalidParameterValue(format!(
                "Number of message attributes [{}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].",
                self.own.len()
            )));
        }
        self.own.iter().try_for_each(|(name, attribute)| attribute.check(name))
    }
}

impl Attribute {
    fn check(&self, name: &str) -> Result<(), Fault> {
        let refused = |reason: &str| {
            Fault::InvalidParameterValue(format!(
                "The message attribute '{name}' is invalid. Reason: {reason}"
            ))
        };
        let named = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.is_empty() || name.len() > 256 || !name.chars().all(named) {
            return Err(refused("the name is not allowed"));
        }
        let kind = self.data_type.split('.').next().unwrap_or_default();
        let (is_text, is_binary) = (matches!(kind, "String" | "Number"), kind == "Binary");
        if !is_text && !is_binary {
            return Err(refused("the type must be String, Number or Binary"));
        }
        if is_text && self.string_value.as_ref().is_none_or(String::is_empty) {
            return Err(refused("the value must not be empty"));
        }
        if self.string_value.as_ref().is_some_and(|value| !is_sendable(value)) {
            return Err(Fault::InvalidMessageContents);
        }
        match self.value() {
            Some(value) if !value.is_empty() => Ok(()),
            Some(_) | None => Err(refused("the value must not be empty")),
        }
    }

    /// What the value counts towards the size of its message.
    pub(crate) fn value_bytes(&self) -> usize {
        self.value().map_or(0, |value| value.len())
    }

    /// The value's bytes, `None` if there is none or it is not base64.
    fn value(&self) -> Option<Vec<u8>> {
        if self.data_type.starts_with("Binary") {
            BASE64.decode(self.binary_value.as_deref()?).ok()
        } else {
            Some(self.string_value.as_ref()?.clone().into_bytes())
        }
    }
}

/// Whether a text holds only characters that SQS takes (those of XML 1.0).
pub(crate) fn is_sendable(text: &str) -> bool {
    // A byte test first: almost every message is plain. Of all bytes, which takes a few at a time.
    let is_plain = text.bytes().fold(true, |all, byte| all & (b' '..0x80).contains(&byte));
    is_plain
        || text.chars().all(|c| {
            matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
                || c >= '\u{10000}'
        })
}

/// `MD5OfMessageBody`.
pub(crate) fn body_digest(body: &str) -> String {
    Hex(&Md5::digest(body.as_bytes())).to_string()
}

/// `MD5OfMessageAttributes`: names, types and values in the order of the names, each after its
/// length.
pub(crate) fn attributes_digest<'a>(
    attributes: impl IntoIterator<Item = (&'a String, &'a Attribute)>,
) -> Option<String> {
    let mut digest = Md5::new();
    let mut any = false;
    let mut part = |digest: &mut Md5, bytes: &[u8]| {
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        digest.update(length.to_be_bytes());
        digest.update(bytes);
        any = true;
    };
    for (name, attribute) in attributes {
        part(&mut digest, name.as_bytes());
        part(&mut digest, attribute.data_type.as_bytes());
        digest.update(if attribute.data_type.starts_with("Binary") { [2] } else { [1] });
        part(&mut digest, &attribute.value().unwrap_or_default());
    }
    any.then(|| Hex(&digest.finalize()).to_string())
}

/// A random UUID. It is nobody's secret: asking the system would be a call into the kernel for each
/// message.
pub(crate) fn new_id() -> String {
    let mut bytes = fastrand::u128(..).to_ne_bytes();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = Hex(&bytes).to_string();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

/// Random bytes for a salt.
#[expect(clippy::disallowed_methods, reason = "a stand-in for AWS, which nobody can seed either")]
pub(crate) fn random() -> Result<[u8; 16], Fault> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Fault::Internal(error.to_string()))?;
    Ok(bytes)
}
