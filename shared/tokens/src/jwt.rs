//! The text of a token: three parts of base64url, joined by dots.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use domain::{Principal, Scope, SessionId, TokenId, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::claims::AccessToken;

/// The one algorithm: ECDSA with P-256 and SHA-256, which KMS has, too.
const ALGORITHM: &str = "ES256";
/// What RFC 9068 calls an access token, so that no other JWT of ours is ever taken for one.
const TYPE: &str = "at+jwt";
/// By how much clocks may differ.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// The longest text that is looked at. Ours have 700 bytes.
const MAX_BYTES: usize = 4096;

/// Why a token is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not three parts with the fields of an access token.
    #[error("malformed")]
    Malformed,
    /// It names another algorithm than ours.
    #[error("wrong algorithm")]
    Algorithm,
    /// It is another kind of JWT.
    #[error("wrong type")]
    Type,
    /// None of our keys has its `kid`.
    #[error("unknown key")]
    UnknownKey,
    /// That key did not sign it.
    #[error("wrong signature")]
    Signature,
    /// It is another service's.
    #[error("wrong issuer")]
    Issuer,
    /// It is for another service.
    #[error("wrong audience")]
    Audience,
    /// Its time is over.
    #[error("expired")]
    Expired,
    /// Its time has not come.
    #[error("not valid yet")]
    NotYet,
}

/// Who makes tokens, and who takes them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parties<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
}

#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    typ: String,
    kid: String,
    /// Extensions that must be understood: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    crit: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ws: Option<String>,
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    /// The holder's client (RFC 9068 asks for it).
    client_id: String,
    jti: String,
    iat: i64,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
}

/// A token whose signature is still to be looked at.
#[derive(Debug)]
pub(crate) struct Unverified<'a> {
    /// Which key it names.
    pub(crate) kid: String,
    /// What is signed: the first two parts.
    pub(crate) signed: &'a [u8],
    /// The signature: two numbers of 32 bytes.
    pub(crate) signature: Vec<u8>,
    claims: Vec<u8>,
}

/// The two parts that are signed.
pub(crate) fn unsigned(
    token: &AccessToken,
    kid: &str,
    parties: Parties<'_>,
) -> Result<String, serde_json::Error> {
    let header =
        Header { alg: ALGORITHM.to_owned(), typ: TYPE.to_owned(), kid: kid.to_owned(), crit: None };
    let scopes: Vec<&str> = token.scopes.iter().map(|scope| scope.as_str()).collect();
    let claims = Claims {
        iss: parties.issuer.to_owned(),
        aud: parties.audience.to_owned(),
        sub: token.principal.to_string(),
        ws: token.workspace.map(|id| id.to_string()),
        scope: scopes.join(" "),
        sid: token.session.map(|id| id.to_string()),
        client_id: match token.principal {
            Principal::User(_) => domain::OWN_CLIENT.to_owned(),
            Principal::Key(id) => id.to_string(),
        },
        jti: token.id.to_string(),
        iat: token.issued_at.as_second(),
        exp: token.expires_at.as_second(),
        nbf: None,
    };
    let (header, claims) = (serde_json::to_vec(&header)?, serde_json::to_vec(&claims)?);
    Ok(format!("{}.{}", BASE64.encode(header), BASE64.encode(claims)))
}

/// The whole text.
pub(crate) fn signed(unsigned: &str, signature: &[u8]) -> String {
    format!("{unsigned}.{}", BASE64.encode(signature))
}

/// Reads a token as far as one may before its signature is known to be right.
pub(crate) fn read(text: &str) -> Result<Unverified<'_>, Refusal> {
    if MAX_BYTES < text.len() {
        return Err(Refusal::Malformed);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
    let (header, claims) = signed.split_once('.').ok_or(Refusal::Malformed)?;
    let decode = |part: &str| BASE64.decode(part).map_err(|_| Refusal::Malformed);
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| Refusal::Malformed)?;
    if header.alg != ALGORITHM {
        return Err(Refusal::Algorithm);
    }
    if header.typ != TYPE || header.crit.is_some() {
        return Err(Refusal::Type);
    }
    Ok(Unverified {
        kid: header.kid,
        signed: signed.as_bytes(),
        signature: decode(signature)?,
        claims: decode(claims)?,
    })
}

impl Unverified<'_> {
    /// What the token says, if it is ours and for us and of now. To be called once the signature is
    /// known to be right.
    pub(crate) fn claims(
        &self,
        parties: Parties<'_>,
        now: Timestamp,
    ) -> Result<AccessToken, Refusal> {
        let claims: Claims =
            serde_json::from_slice(&self.claims).map_err(|_| Refusal::Malformed)?;
        if claims.iss != parties.issuer {
            return Err(Refusal::Issuer);
        }
        if claims.aud != parties.audience {
            return Err(Refusal::Audience);
        }
        let token = claims.token().ok_or(Refusal::Malformed)?;
        let moment = |second| Timestamp::from_second(second).map_err(|_| Refusal::Malformed);
        if SKEW <= now.duration_since(token.expires_at) {
            return Err(Refusal::Expired);
        }
        let begin = token.issued_at.max(moment(claims.nbf.unwrap_or(claims.iat))?);
        if SKEW < begin.duration_since(now) {
            return Err(Refusal::NotYet);
        }
        Ok(token)
    }
}

impl Claims {
    fn token(&self) -> Option<AccessToken> {
        let scopes = self.scope.split(' ').filter(|scope| !scope.is_empty());
        Some(AccessToken {
            id: TokenId::parse(&self.jti).ok()?,
            principal: Principal::parse(&self.sub).ok()?,
            workspace: parsed(self.ws.as_deref(), |text| WorkspaceId::parse(text).ok())?,
            scopes: scopes.map(|scope| Scope::parse(scope).ok()).collect::<Option<_>>()?,
            session: parsed(self.sid.as_deref(), |text| SessionId::parse(text).ok())?,
            issued_at: Timestamp::from_second(self.iat).ok()?,
            expires_at: Timestamp::from_second(self.exp).ok()?,
        })
    }
}

/// What may be missing, but not be wrong.
fn parsed<T>(text: Option<&str>, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match text {
        None => Some(None),
        Some(text) => parse(text).map(Some),
    }
}
