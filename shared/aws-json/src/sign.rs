//! AWS Signature Version 4, of the one kind of request that there is here.
//!
//! Always a POST, without a query, of the same headers. That leaves nothing of what makes signing
//! difficult. A test compares it with the SDKs' own.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use aws_credential_types::Credentials;
use http::Uri;
use jiff::Timestamp;
use jiff::tz::Offset;
use ring::digest::{SHA256, digest};
use ring::hmac::{self, HMAC_SHA256};

use crate::MEDIA;

/// Signs requests to one service.
pub(crate) struct Signer {
    service: &'static str,
    region: String,
    host: String,
    path: String,
    known: Mutex<Option<Known>>,
}

/// The key of a day, which takes four fifths of a signature's work.
struct Known {
    day: String,
    credentials: Credentials,
    key: hmac::Key,
}

/// What the headers of a signed request say.
pub(crate) struct Signed {
    pub(crate) time: String,
    pub(crate) authorization: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The key is as good as the secret.
        f.debug_struct("Signer").field("host", &self.host).finish_non_exhaustive()
    }
}

impl Signer {
    pub(crate) fn new(service: &'static str, region: &str, address: &Uri) -> Self {
        let host = address.authority().map_or("", |authority| authority.as_str());
        // HTTP leaves out the port that is meant anyway.
        let port = if address.scheme_str() == Some("http") { ":80" } else { ":443" };
        Self {
            service,
            region: region.to_owned(),
            host: host.strip_suffix(port).unwrap_or(host).to_owned(),
            path: address.path().to_owned(),
            known: Mutex::default(),
        }
    }

    pub(crate) fn sign(
        &self,
        credentials: &Credentials,
        now: SystemTime,
        target: &str,
        body: &[u8],
    ) -> Signed {
        let (day, time) = moment(now);
        let Self { service, region, host, path, .. } = self;
        let (token, names) = match credentials.session_token() {
            Some(token) => (
                format!("x-amz-security-token:{token}\n"),
                "content-type;host;x-amz-date;x-amz-security-token;x-amz-target",
            ),
            None => (String::new(), "content-type;host;x-amz-date;x-amz-target"),
        };
        let body = hex(digest(&SHA256, body).as_ref());
        let request = format!(
            "POST\n{path}\n\ncontent-type:{MEDIA}\nhost:{host}\nx-amz-date:{time}\n{token}x-amz-target:{target}\n\n{names}\n{body}"
        );
        let request = hex(digest(&SHA256, request.as_bytes()).as_ref());
        let scope = format!("{day}/{region}/{service}/aws4_request");
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{request}");
        let signature = hex(&self.with_key(credentials, day, &text));
        let id = credentials.access_key_id();
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}"
        );
        Signed { time, authorization }
    }

    /// What the key of a day makes of a text.
    fn with_key(&self, credentials: &Credentials, day: String, text: &str) -> Vec<u8> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match &mut *known {
            Some(known) if known.day == day && known.credentials == *credentials => known,
            other => {
                let mut key = format!("AWS4{}", credentials.secret_access_key()).into_bytes();
                for part in [&day, &self.region, self.service, "aws4_request"] {
                    key = mac(&hmac::Key::new(HMAC_SHA256, &key), part);
                }
                let key = hmac::Key::new(HMAC_SHA256, &key);
                other.insert(Known { day, credentials: credentials.clone(), key })
            }
        };
        mac(&known.key, text)
    }
}

fn mac(key: &hmac::Key, text: &str) -> Vec<u8> {
    hmac::sign(key, text.as_bytes()).as_ref().to_vec()
}

/// The day, and the moment: `20261123` and `20261123T091500Z`.
fn moment(now: SystemTime) -> (String, String) {
    // A clock that is in the year 10,000 signs nothing that anybody believes.
    let now = Timestamp::try_from(now).unwrap_or(Timestamp::MAX);
    let at = Offset::UTC.to_datetime(now);
    let day = format!("{:04}{:02}{:02}", at.year(), at.month(), at.day());
    let time = format!("{day}T{:02}{:02}{:02}Z", at.hour(), at.minute(), at.second());
    (day, time)
}

fn hex(bytes: &[u8]) -> String {
    let digit = |of: u8| char::from(b"0123456789abcdef"[usize::from(of)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
    use aws_sigv4::sign::v4::SigningParams;

    use super::*;

    const TARGET: &str = "DynamoDB_20120810.GetItem";

    fn credentials(token: Option<&str>) -> Credentials {
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned), None, "test")
    }

    /// What the SDKs would send.
    fn by_the_sdk(url: &str, credentials: &Credentials, now: SystemTime, body: &[u8]) -> String {
        let identity = credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region("eu-west-1")
            .name("dynamodb")
            .time(now)
            .settings(SigningSettings::default())
            .build()
            .unwrap();
        let headers = [("content-type", MEDIA), ("x-amz-target", TARGET)];
        let body = SignableBody::Bytes(body);
        let request = SignableRequest::new("POST", url, headers.into_iter(), body).unwrap();
        let (signed, _) = sign(request, &params.into()).unwrap().into_parts();
        let (headers, _) = signed.into_parts();
        let header = headers.iter().find(|header| header.name() == "authorization");
        header.unwrap().value().to_owned()
    }

    #[test]
    fn signatures_are_those_of_the_sdks() {
        let day = Duration::from_secs(86_400);
        for url in [
            "https://dynamodb.eu-west-1.amazonaws.com/",
            "https://dynamodb.eu-west-1.amazonaws.com:443/",
            "http://127.0.0.1:4566",
            "http://localhost:80/base",
        ] {
            let signer = Signer::new("dynamodb", "eu-west-1", &url.parse().unwrap());
            for now in
                [UNIX_EPOCH + 20_000 * day, UNIX_EPOCH + 20_001 * day - Duration::from_secs(1)]
            {
                // The same signer, whose key is of other credentials, or of yesterday.
                for token in [None, Some("a-token/of+signs=="), None] {
                    for body in [b"{}".as_slice(), b"{\"a\":\"\xc3\xa9\"}", b""] {
                        let credentials = credentials(token);
                        let ours = signer.sign(&credentials, now, TARGET, body).authorization;
                        assert_eq!(ours, by_the_sdk(url, &credentials, now, body), "{url}");
                    }
                }
            }
        }
    }

    #[test]
    fn moments_are_of_utc() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_425_309);
        assert_eq!(moment(now), ("20261123".to_owned(), "20261123T091509Z".to_owned()));
        assert_eq!(hex(&[0, 0x0f, 0xa5, 0xff]), "000fa5ff");
    }

    #[test]
    fn a_signer_does_not_show_its_key() {
        let signer = Signer::new("sqs", "eu-west-1", &"http://localhost/".parse().unwrap());
        let _ = signer.sign(&credentials(None), UNIX_EPOCH, TARGET, b"");
        assert!(!format!("{signer:?}").contains("wJalr"), "{signer:?}");
    }
}
