//! What a client asks for, and who it says that it is.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use domain::{KeyId, OWN_CLIENT, Scope, WorkspaceId};
use lambda::form::{Form, decoded};
use lambda::{OAuthError, Request, header};

use crate::{Refused, refused};

/// The parameters of a request, and its client.
pub(crate) struct Ask<'a> {
    form: &'a Form,
    client: Client,
}

/// Who asks.
enum Client {
    /// The request does not say.
    Unnamed,
    /// A name alone.
    Public(String),
    /// A name and a secret, both in clear.
    Secret { id: String, secret: String },
}

impl<'a> Ask<'a> {
    /// The client is named in the form or in `Authorization: Basic`, and not in both (RFC 6749,
    /// 2.3).
    pub(crate) fn read(request: &Request, form: &'a Form) -> Result<Self, Refused> {
        let in_form = (form.get("client_id"), form.get("client_secret"));
        let client = match (basic(request)?, in_form) {
            (Some((id, secret)), (named, None)) if named.is_none_or(|named| named == id) => {
                Client::Secret { id, secret }
            }
            (Some(_), _) => {
                let twice = "the client proves who it is in one way, not in two";
                return Err(refused(OAuthError::InvalidRequest, twice));
            }
            (None, (Some(id), Some(secret))) => {
                Client::Secret { id: id.to_owned(), secret: secret.to_owned() }
            }
            (None, (Some(id), None)) => Client::Public(id.to_owned()),
            (None, (None, Some(_))) => return Err(missing("client_id")),
            (None, (None, None)) => Client::Unnamed,
        };
        Ok(Self { form, client })
    }

    /// A parameter that must be there.
    pub(crate) fn need(&self, name: &str) -> Result<&'a str, Refused> {
        self.form.get(name).ok_or_else(|| missing(name))
    }

    /// The scopes that are asked for, if some are.
    pub(crate) fn scopes(&self) -> Result<Option<Vec<Scope>>, Refused> {
        let Some(text) = self.form.get("scope") else { return Ok(None) };
        let words = text.split(' ').filter(|word| !word.is_empty()).map(Scope::parse);
        let scopes = words
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| refused(OAuthError::InvalidScope, "`scope` has words that name none"))?;
        Ok(Some(scopes).filter(|scopes| !scopes.is_empty()))
    }

    /// The workspace that is asked for, if one is.
    pub(crate) fn workspace(&self) -> Result<Option<WorkspaceId>, Refused> {
        let read = |text| {
            let wrong = "`workspace` is the id of a workspace";
            WorkspaceId::parse(text).map_err(|_| refused(OAuthError::InvalidRequest, wrong))
        };
        self.form.get("workspace").map(read).transpose()
    }

    /// Refuses all clients but the service's own tools, which have no secret.
    pub(crate) fn require_own_client(&self) -> Result<(), Refused> {
        match &self.client {
            Client::Public(id) if id == OWN_CLIENT => Ok(()),
            Client::Public(id) | Client::Secret { id, .. } if KeyId::parse(id).is_ok() => {
                let wrong = "a key asks by `client_credentials`";
                Err(refused(OAuthError::UnauthorizedClient, wrong))
            }
            Client::Public(_) | Client::Secret { .. } => Err(unknown_client()),
            Client::Unnamed => Err(missing("client_id")),
        }
    }

    /// The same, where the client need not be named.
    pub(crate) fn require_own_client_or_none(&self) -> Result<(), Refused> {
        match &self.client {
            Client::Unnamed => Ok(()),
            Client::Public(_) | Client::Secret { .. } => self.require_own_client(),
        }
    }

    /// The client's name and secret.
    pub(crate) fn secret(&self) -> Result<(&str, &str), Refused> {
        match &self.client {
            Client::Secret { id, secret } => Ok((id, secret)),
            Client::Public(_) | Client::Unnamed => Err(unknown_client()),
        }
    }
}

/// The same for a client that is not known and for one whose secret is wrong.
pub(crate) fn unknown_client() -> Refused {
    refused(OAuthError::InvalidClient, "the client is unknown or its secret is wrong")
}

fn missing(name: &str) -> Refused {
    let description = format!("the parameter `{name}` is missing");
    Refused::Grant(OAuthError::InvalidRequest, description)
}

/// Name and secret of `Authorization: Basic`, each encoded like a value of a form (RFC 6749, 2.3.1).
fn basic(request: &Request) -> Result<Option<(String, String)>, Refused> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return Ok(None) };
    let read = || {
        let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let pair = String::from_utf8(BASE64_STANDARD.decode(credentials.trim()).ok()?).ok()?;
        let (id, secret) = pair.split_once(':')?;
        Some((decoded(id).ok()?, decoded(secret).ok()?))
    };
    read().map(Some).ok_or_else(unknown_client)
}
