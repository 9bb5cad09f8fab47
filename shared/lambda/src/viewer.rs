//! Where a request comes from: the address of whoever sent it, and where that is.
//!
//! The address is looked at and forgotten: never stored or logged in clear.

use std::net::{IpAddr, Ipv4Addr};

use lambda_http::http::{HeaderMap, HeaderName};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

use crate::boot::Boot;
use crate::door::FrontDoor;

/// Who asked CloudFront: an address and a port.
const ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");
/// Where that is, and in whose network.
const COUNTRY: HeaderName = HeaderName::from_static("cloudfront-viewer-country");
const REGION: HeaderName = HeaderName::from_static("cloudfront-viewer-country-region");
const CITY: HeaderName = HeaderName::from_static("cloudfront-viewer-city");
const NETWORK: HeaderName = HeaderName::from_static("cloudfront-viewer-asn");

/// Knows whom to believe about where a request comes from.
#[derive(Debug, Clone, Default)]
pub struct Viewers {
    door: FrontDoor,
}

impl Viewers {
    /// Reads `ORIGIN_SECRET`, by which requests through our CloudFront distribution are known.
    /// Without it, only the gateway is believed.
    pub fn load(boot: &Boot) -> Self {
        Self { door: FrontDoor::load(&boot.env) }
    }

    /// The address of whoever sent a request: what CloudFront says, if it is ours, and else whoever
    /// connected to the gateway. All whose address is not known share the address `0.0.0.0`.
    pub fn address(&self, request: &Request) -> IpAddr {
        self.told_by_cloudfront(request)
            .or_else(|| told_by_gateway(request))
            .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
    }

    /// What is known of whoever sent a request.
    pub fn viewer<'r>(&self, request: &'r Request) -> Viewer<'r> {
        if self.door.knows(request) {
            Viewer::Told(request.headers())
        } else if self.door.is_open() {
            Viewer::Direct(request)
        } else {
            Viewer::Unknown
        }
    }

    fn told_by_cloudfront(&self, request: &Request) -> Option<IpAddr> {
        if !self.door.knows(request) {
            return None;
        }
        address(request.headers())
    }
}

/// What is known of whoever sent a request. What CloudFront tells is believed only where the request
/// came through our own distribution: anybody else can make it up.
#[derive(Clone, Copy)]
pub enum Viewer<'r> {
    /// Our CloudFront distribution tells of them, in these headers.
    Told(&'r HeaderMap),
    /// There is no distribution: they asked the gateway, which knows their address.
    Direct(&'r Request),
    /// They went around the distribution.
    Unknown,
}

impl<'r> Viewer<'r> {
    /// Their address.
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Told(headers) => address(headers),
            Self::Direct(request) => told_by_gateway(request),
            Self::Unknown => None,
        }
    }

    /// Their country, two letters.
    pub fn country(self) -> Option<&'r str> {
        self.told(&COUNTRY)
    }

    /// The region of the country, up to three letters or digits.
    pub fn region(self) -> Option<&'r str> {
        self.told(&REGION)
    }

    /// Their town.
    pub fn city(self) -> Option<&'r str> {
        self.told(&CITY)
    }

    /// The number of the autonomous system that their address belongs to.
    pub fn network(self) -> Option<u32> {
        self.told(&NETWORK)?.parse().ok()
    }

    fn told(self, name: &HeaderName) -> Option<&'r str> {
        match self {
            // A town's name need not be ASCII.
            Self::Told(headers) => std::str::from_utf8(headers.get(name)?.as_bytes()).ok(),
            Self::Direct(_) | Self::Unknown => None,
        }
    }
}

impl std::fmt::Debug for Viewer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // It holds the address.
        f.write_str("Viewer(***)")
    }
}

/// The address that CloudFront tells.
fn address(headers: &HeaderMap) -> Option<IpAddr> {
    // The port is behind the last colon, whatever colons the address has.
    let (address, _) = headers.get(&ADDRESS)?.to_str().ok()?.rsplit_once(':')?;
    address.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn told_by_gateway(request: &Request) -> Option<IpAddr> {
    match request.request_context_ref()? {
        RequestContext::ApiGatewayV2(context) => context.http.source_ip.as_deref()?.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env::Env;

    const SECRET: &str = "x-origin-secret";
    const ADDRESS: &str = "cloudfront-viewer-address";
    const COUNTRY: &str = "cloudfront-viewer-country";
    const REGION: &str = "cloudfront-viewer-country-region";
    const CITY: &str = "cloudfront-viewer-city";
    const NETWORK: &str = "cloudfront-viewer-asn";

    fn request(headers: &[(&str, &str)], source: &str) -> Request {
        let headers: serde_json::Map<_, _> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "POST /x", "rawPath": "/x", "rawQueryString": "",
            "headers": headers,
            "requestContext": {
                "domainName": "d", "stage": "$default",
                "http": {"method": "POST", "path": "/x", "sourceIp": source}
            },
            "isBase64Encoded": false
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    fn behind_cloudfront() -> Viewers {
        Viewers { door: FrontDoor::load(&Env::fixed([("ORIGIN_SECRET", "a secret".to_owned())])) }
    }

    #[test]
    fn cloudfront_is_believed_if_it_is_ours() {
        for (told, address) in [
            ("198.51.100.10:46532", "198.51.100.10"),
            ("2001:db8::1:46532", "2001:db8::1"),
            ("[2001:db8::1]:46532", "2001:db8::1"),
        ] {
            let ours = request(&[(SECRET, "a secret"), (ADDRESS, told)], "192.0.2.1");
            assert_eq!(behind_cloudfront().address(&ours).to_string(), address, "{told}");
            assert_eq!(Viewers::default().address(&ours).to_string(), "192.0.2.1");
        }
    }

    #[test]
    fn whoever_makes_the_header_up_has_the_address_that_the_gateway_saw() {
        const TOLD: (&str, &str) = (ADDRESS, "198.51.100.10:46532");
        for headers in [
            [TOLD].as_slice(),
            &[TOLD, (SECRET, "")],
            &[TOLD, (SECRET, "another")],
            &[TOLD, (SECRET, "a secret ")],
            &[(SECRET, "a secret")],
            &[(SECRET, "a secret"), (ADDRESS, "nonsense")],
        ] {
            let address = behind_cloudfront().address(&request(headers, "192.0.2.1"));
            assert_eq!(address.to_string(), "192.0.2.1", "{headers:?}");
        }
    }

    #[test]
    fn where_a_viewer_is_is_believed_of_our_cloudfront_only() {
        let told = [
            (SECRET, "a secret"),
            (ADDRESS, "198.51.100.10:46532"),
            (COUNTRY, "DE"),
            (REGION, "BE"),
            (CITY, "Köln"),
            (NETWORK, "64500"),
        ];
        let all = |viewer: Viewer<'_>| {
            (viewer.country().is_some(), viewer.region().is_some(), viewer.city().is_some())
        };
        let ours = request(&told, "192.0.2.1");
        let viewers = behind_cloudfront();
        let viewer = viewers.viewer(&ours);
        assert_eq!((viewer.country(), viewer.region()), (Some("DE"), Some("BE")));
        assert_eq!((viewer.city(), viewer.network()), (Some("Köln"), Some(64_500)));
        assert_eq!(viewer.address().unwrap().to_string(), "198.51.100.10");
        assert_eq!(format!("{viewer:?}"), "Viewer(***)");

        // Without a distribution the headers are anybody's, and the address is the gateway's.
        let open = Viewers::default();
        let viewer = open.viewer(&ours);
        assert_eq!((all(viewer), viewer.network()), ((false, false, false), None));
        assert_eq!(viewer.address().unwrap().to_string(), "192.0.2.1");

        // Around it: nothing at all, for the gateway saw who knows whom.
        let around = request(&told[1..], "192.0.2.1");
        let viewer = viewers.viewer(&around);
        assert_eq!((all(viewer), viewer.network()), ((false, false, false), None));
        assert_eq!(viewer.address(), None);
    }

    #[test]
    fn all_of_whom_nothing_is_known_are_one() {
        assert_eq!(Viewers::default().address(&request(&[], "")).to_string(), "0.0.0.0");
        assert_eq!(Viewers::default().address(&Request::default()).to_string(), "0.0.0.0");
    }
}
