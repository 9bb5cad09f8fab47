//! Who is asking: what the authorizer found out, as API Gateway passes it on.

use std::fmt::Debug;
use std::str::FromStr;

use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use serde_json::Value;

use crate::problem::{Kind, Problem};

/// The scope that includes all others but [`ACCOUNT`].
const ADMIN: &str = "admin";
/// The scope that only people have.
const ACCOUNT: &str = "account";

/// Somebody with good credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    workspace: String,
    principal: String,
    scopes: Vec<String>,
}

/// The authorizer's context is not as it should be: a bug of ours.
#[derive(Debug, thiserror::Error)]
#[error("the authorizer's context has no usable `{0}`")]
struct BadContext(&'static str);

/// The caller, or 401: the authorizer lets bad credentials through as `auth=invalid`, because a
/// denial of its own would reach the client as API Gateway's bare 403.
pub fn caller(request: &Request) -> Result<Caller, Problem> {
    let context = request.request_context_ref();
    let fields = context.and_then(RequestContext::authorizer).map(|a| &a.fields);
    let text = |name: &'static str| fields.and_then(|f| f.get(name)).and_then(Value::as_str);
    if text("auth") != Some("ok") {
        return Err(Problem::unauthorized());
    }
    let need = |name| {
        text(name)
            .map(str::to_owned)
            .ok_or_else(|| Problem::server(Kind::Internal, BadContext(name)))
    };
    let scopes = need("scopes")?.split(' ').map(str::to_owned).collect();
    Ok(Caller { workspace: need("workspace")?, principal: need("principal")?, scopes })
}

impl Caller {
    /// The caller, if it may do this; else 403.
    pub fn require(self, scope: impl AsRef<str>) -> Result<Self, Problem> {
        let scope = scope.as_ref();
        if self.scopes.iter().any(|own| own == scope || (own == ADMIN && scope != ACCOUNT)) {
            return Ok(self);
        }
        let detail = format!("this needs the scope `{scope}`");
        Err(Problem::client(Kind::Forbidden, detail))
    }

    /// The caller's workspace, as the type that the function works with.
    pub fn workspace<W: FromStr<Err: Debug>>(&self) -> Result<W, Problem> {
        self.workspace.parse().map_err(|_| Problem::server(Kind::Internal, BadContext("workspace")))
    }

    /// Who it is, for the log and the audit: a key's id, later a user's.
    pub fn principal(&self) -> &str {
        &self.principal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(context: Value) -> Request {
        let event = serde_json::json!({
            "version": "2.0", "routeKey": "GET /x", "rawPath": "/x", "rawQueryString": "",
            "headers": {},
            "requestContext": {
                "authorizer": {"lambda": context}, "domainName": "d", "stage": "$default",
                "http": {"method": "GET", "path": "/x"}
            },
            "isBase64Encoded": false
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    fn status(outcome: Result<Caller, Problem>) -> u16 {
        outcome.map_or_else(|problem| problem.kind().status().as_u16(), |_| 200)
    }

    #[test]
    fn a_good_caller_may_do_what_its_scopes_say() {
        let caller = |scopes: &str| {
            caller(&request(serde_json::json!({
                "auth": "ok", "workspace": "7", "principal": "key_1", "scopes": scopes
            })))
        };
        assert_eq!(status(caller("links:read links:write").unwrap().require("links:write")), 200);
        assert_eq!(status(caller("admin").unwrap().require("links:write")), 200);
        assert_eq!(status(caller("links:read").unwrap().require("links:write")), 403);
        assert_eq!(status(caller("admin").unwrap().require("account")), 403);
        assert_eq!(status(caller("links:read account").unwrap().require("account")), 200);
        assert_eq!(caller("admin").unwrap().workspace::<u8>().unwrap(), 7);
        assert_eq!(caller("admin").unwrap().principal(), "key_1");
    }

    #[test]
    fn bad_or_no_credentials_are_a_401_and_a_broken_context_a_500() {
        assert_eq!(status(caller(&request(serde_json::json!({"auth": "invalid"})))), 401);
        assert_eq!(status(caller(&request(serde_json::json!({})))), 401);
        assert_eq!(status(caller(&Request::default())), 401);
        assert_eq!(status(caller(&request(serde_json::json!({"auth": "ok"})))), 500);
    }
}
