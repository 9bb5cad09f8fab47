//! How the errors of rules and stores reach the caller.

use domain::{DefinitionError, Link, LinkId, Slug, WorkspaceId};
use lambda::{Fault, Kind, Problem, Request, input};
use store::ledger::{PurgeError, ReadError};
use store::{LinkStore, ReadIdsError, ReadLinkError, Unavailable};

/// Everything that does not hold between a link's fields.
pub fn faulty(faults: Vec<DefinitionError>) -> Problem {
    let fault = |error: DefinitionError| Fault::at(format!("/{}", error.field()), error);
    Problem::invalid(faults.into_iter().map(fault).collect())
}

/// Another link has one of the slugs of the link that was to be written.
pub fn slug_taken(link: &Link, slug: &Slug) -> Problem {
    let pointer = match link.aliases.iter().position(|alias| alias == slug) {
        Some(at) => format!("/aliases/{at}"),
        None => "/slug".to_owned(),
    };
    Problem::client(Kind::SlugTaken, format!("the slug `{slug}` is taken"))
        .at(Fault::at(pointer, "this slug is taken"))
}

/// It is not the version that `If-Match` names.
pub fn changed() -> Problem {
    Problem::client(Kind::PreconditionFailed, "the link has changed; read it again")
}

/// DynamoDB did not answer.
pub fn unavailable(error: Unavailable) -> Problem {
    Problem::server(Kind::Unavailable, error)
}

/// A link could not be read.
pub fn unreadable(error: ReadLinkError) -> Problem {
    match error {
        ReadLinkError::Unavailable(error) => unavailable(error),
        ReadLinkError::BadRow(error) => Problem::server(Kind::Internal, error),
    }
}

/// Clicks or their counts could not be read.
pub fn unread(error: ReadError) -> Problem {
    let kind = if error.is_final() { Kind::Internal } else { Kind::Unavailable };
    Problem::server(kind, error)
}

/// A list of ids could not be read.
pub fn unread_ids(error: ReadIdsError) -> Problem {
    match error {
        ReadIdsError::Unavailable(error) => unavailable(error),
        ReadIdsError::BadRow(error) => Problem::server(Kind::Internal, error),
    }
}

/// A purge could not be ordered.
pub fn unpurged(error: PurgeError) -> Problem {
    match error {
        PurgeError::Read(error) => unread(error),
        PurgeError::Unavailable(error) => unavailable(error),
    }
}

/// The id in the path. What is no id names nothing, so it is a 404 as well.
pub fn id_of(request: &Request) -> Result<LinkId, Problem> {
    LinkId::parse(&input::path(request, "id")).map_err(|_| no_link())
}

/// The link in the path, if it is the caller's. What another workspace owns does not exist.
pub async fn found(
    links: &LinkStore,
    workspace: WorkspaceId,
    request: &Request,
) -> Result<Link, Problem> {
    let id = id_of(request)?;
    links.find(workspace, id).await.map_err(unreadable)?.ok_or_else(no_link)
}

/// There is no such link, or it is not the caller's.
pub fn no_link() -> Problem {
    Problem::client(Kind::NotFound, "there is no such link")
}
