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
/// What the ids of people begin with.
const PERSON: &str = "usr_";

/// Somebody with good credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    principal: String,
    workspace: Option<String>,
    role: Option<String>,
    scopes: Vec<String>,
    session: Option<String>,
    writes_per_minute: Option<u32>,
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
    let own = |name: &'static str| text(name).map(str::to_owned);
    if text("auth") != Some("ok") {
        return Err(Problem::unauthorized());
    }
    let need = |name| own(name).ok_or_else(|| bad(name));
    let principal = need("principal")?;
    let workspace = own("workspace");
    // Only a person can be nowhere: a key is of one workspace.
    if workspace.is_none() && !principal.starts_with(PERSON) {
        return Err(bad("workspace"));
    }
    let writes_per_minute = text("writes_per_minute")
        .map(|digits| digits.parse().map_err(|_| bad("writes_per_minute")));
    Ok(Caller {
        principal,
        workspace,
        role: own("role"),
        scopes: need("scopes")?.split(' ').map(str::to_owned).collect(),
        session: own("session"),
        writes_per_minute: writes_per_minute.transpose()?,
    })
}

fn bad(name: &'static str) -> Problem {
    Problem::server(Kind::Internal, BadContext(name))
}

impl Caller {
    /// The caller, if it may do this; else 403.
    pub fn require(self, scope: impl AsRef<str>) -> Result<Self, Problem> {
        let scope = scope.as_ref();
        if self.may(scope) {
            return Ok(self);
        }
        let detail = format!("this needs the scope `{scope}`");
        Err(Problem::client(Kind::Forbidden, detail))
    }

    /// Whether it may do this.
    pub fn may(&self, scope: impl AsRef<str>) -> bool {
        let scope = scope.as_ref();
        let implied = |own: &str| own == ADMIN && scope != ACCOUNT;
        self.scopes.iter().any(|own| own == scope || implied(own))
    }

    /// The caller's workspace, as the type that the function works with; 403 for a person who is in
    /// none.
    pub fn workspace<W: FromStr<Err: Debug>>(&self) -> Result<W, Problem> {
        let none = || Problem::client(Kind::Forbidden, "this needs a token for a workspace");
        self.workspace.as_deref().ok_or_else(none).and_then(|text| parsed("workspace", text))
    }

    /// The same for what does not need one: `None` for a person who is in no workspace.
    pub fn some_workspace<W: FromStr<Err: Debug>>(&self) -> Result<Option<W>, Problem> {
        self.workspace.as_deref().map(|text| parsed("workspace", text)).transpose()
    }

    /// Who it is: the id of a user or of a key. For the log as it stands.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// Who it is, as the type that the function works with.
    pub fn principal_as<P: FromStr<Err: Debug>>(&self) -> Result<P, Problem> {
        parsed("principal", &self.principal)
    }

    /// A person's role in their workspace now; keys have none.
    pub fn role<R: FromStr<Err: Debug>>(&self) -> Result<Option<R>, Problem> {
        self.role.as_deref().map(|text| parsed("role", text)).transpose()
    }

    /// The sign-in that a person's token comes from.
    pub fn session(&self) -> Option<&str> {
        self.session.as_deref()
    }

    /// How much it may write, where its key or its workspace says so.
    pub fn writes_per_minute(&self) -> Option<u32> {
        self.writes_per_minute
    }
}

fn parsed<T: FromStr<Err: Debug>>(name: &'static str, text: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| bad(name))
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

    #[test]
    fn a_key_is_of_one_workspace_and_a_person_may_be_in_none() {
        let homeless = |principal: &str| {
            caller(&request(serde_json::json!({
                "auth": "ok", "principal": principal, "scopes": "account"
            })))
        };
        assert_eq!(status(homeless("key_1")), 500);
        let person = homeless("usr_1").unwrap();
        assert_eq!(person.some_workspace::<u8>().unwrap(), None);
        assert_eq!(person.workspace::<u8>().unwrap_err().kind(), Kind::Forbidden);
        assert!(person.may("account") && !person.may("links:read"));
    }

    #[test]
    fn what_the_authorizer_adds_is_read_and_its_nonsense_is_a_500() {
        let caller = |limit: &str| {
            caller(&request(serde_json::json!({
                "auth": "ok", "workspace": "7", "principal": "usr_1", "scopes": "account",
                "role": "3", "session": "ses_1", "writes_per_minute": limit
            })))
        };
        let person = caller("60").unwrap();
        assert_eq!(person.role::<u8>().unwrap(), Some(3));
        assert_eq!(person.role::<bool>().unwrap_err().kind(), Kind::Internal);
        assert_eq!((person.session(), person.writes_per_minute()), (Some("ses_1"), Some(60)));
        assert_eq!(status(caller("many")), 500);
    }
}
