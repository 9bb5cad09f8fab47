//! What a function answers, as an HTTP response.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::is_hop_by_hop;

/// Why an answer is no response.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{0} is no status")]
    Status(u16),
    #[error("a cookie is no header")]
    Cookie,
    #[error("the body is not in base 64")]
    Body(#[from] base64::DecodeError),
}

/// Payload format 2.0.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer<'a> {
    status_code: u16,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    multi_value_headers: Headers,
    #[serde(borrow, default)]
    cookies: Vec<Text<'a>>,
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
    #[serde(default)]
    is_base64_encoded: bool,
}

/// Reads an answer.
pub(super) fn parse(answer: &[u8]) -> Result<Response<Full<Bytes>>, BadAnswer> {
    let answer: Answer<'_> = serde_json::from_slice(answer)?;
    // What is below 200 says that an answer is still to come.
    let status = StatusCode::from_u16(answer.status_code).ok();
    let status = status
        .filter(|status| !status.is_informational())
        .ok_or(BadAnswer::Status(answer.status_code))?;
    let body = answer.body.map(|body| body.0).unwrap_or_default();
    let body = if answer.is_base64_encoded {
        Bytes::from(BASE64.decode(body.as_bytes())?)
    } else {
        Bytes::from(body.into_owned())
    };
    let mut headers = answer.headers.0;
    for name in answer.multi_value_headers.0.keys() {
        headers.remove(name);
    }
    headers.extend(answer.multi_value_headers.0);
    for Text(cookie) in &answer.cookies {
        let cookie = HeaderValue::from_str(cookie).map_err(|_| BadAnswer::Cookie)?;
        headers.append(header::SET_COOKIE, cookie);
    }
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    Ok(response)
}

/// Headers, each with one value or with several.
#[derive(Default)]
struct Headers(HeaderMap);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HeadersVisitor)
    }
}

struct HeadersVisitor;

impl<'de> Visitor<'de> for HeadersVisitor {
    type Value = Headers;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("headers")
    }

    fn visit_unit<E>(self) -> Result<Headers, E> {
        Ok(Headers::default())
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Headers, M::Error> {
        let mut headers = HeaderMap::with_capacity(map.size_hint().unwrap_or(8));
        while let Some(Text(name)) = map.next_key()? {
            let name = HeaderName::from_bytes(name.as_bytes()).map_err(M::Error::custom)?;
            // The connection is the gateway's business, and so is how long the body is.
            let is_ours = is_hop_by_hop(&name) || name == header::CONTENT_LENGTH;
            map.next_value_seed(Values { headers: (!is_ours).then_some(&mut headers), name })?;
        }
        Ok(Headers(headers))
    }
}

/// The values of one header.
struct Values<'a> {
    /// `None`: they are dropped.
    headers: Option<&'a mut HeaderMap>,
    name: HeaderName,
}

impl Values<'_> {
    fn add<E: Error>(&mut self, value: &str) -> Result<(), E> {
        let value = HeaderValue::from_str(value).map_err(E::custom)?;
        if let Some(headers) = &mut self.headers {
            headers.append(self.name.clone(), value);
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Values<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Values<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the value of a header")
    }

    fn visit_str<E: Error>(mut self, value: &str) -> Result<(), E> {
        self.add(value)
    }

    fn visit_bool<E: Error>(mut self, value: bool) -> Result<(), E> {
        self.add(&value.to_string())
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<(), E> {
        self.add(&value.to_string())
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<(), E> {
        self.add(&value.to_string())
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        self.add(&value.to_string())
    }

    fn visit_seq<S: SeqAccess<'de>>(mut self, mut values: S) -> Result<(), S::Error> {
        while let Some(Text(value)) = values.next_element()? {
            self.add(&value)?;
        }
        Ok(())
    }
}

/// A text that is not copied where JSON has it as it is.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
