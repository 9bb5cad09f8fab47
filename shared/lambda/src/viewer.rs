//! Where a request comes from: the address of whoever sent it.
//!
//! It is looked at and forgotten: never stored or logged in clear.

use std::net::{IpAddr, Ipv4Addr};

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};

use crate::boot::Boot;
use crate::door::FrontDoor;

/// Who asked CloudFront: an address and a port.
const ADDRESS: &str = "cloudfront-viewer-address";

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

    fn told_by_cloudfront(&self, request: &Request) -> Option<IpAddr> {
        if !self.door.knows(request) {
            return None;
        }
        // The port is behind the last colon, whatever colons the address has.
        let (address, _) = request.headers().get(ADDRESS)?.to_str().ok()?.rsplit_once(':')?;
        address.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }
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
    fn all_of_whom_nothing_is_known_are_one() {
        assert_eq!(Viewers::default().address(&request(&[], "")).to_string(), "0.0.0.0");
        assert_eq!(Viewers::default().address(&Request::default()).to_string(), "0.0.0.0");
    }
}
