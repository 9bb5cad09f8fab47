//! Sign-ins of people, and access tokens that are worthless before their time.

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use domain::{
    Scope, SecretHash, Session, SessionId, SessionKey, SignInCode, TokenId, UserId, WorkspaceId,
};
use jiff::Timestamp;

use super::sign_ins::redeem;
use super::{AccountStore, ReadAccountError};
use crate::commit::{Change, CommitError, Condition};
use crate::journal::Journal;
use crate::keys;
use crate::row::{BadRow, Item, Read, Value as _, Write, moment, row};
use crate::unavailable::Unavailable;

/// Why a session was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenSessionError {
    /// Somebody else has redeemed its code.
    #[error("the code was redeemed before")]
    CodeUsed,
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

/// Why a refresh token was not exchanged.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// Another request has exchanged it, or ended the session, since it was read.
    #[error("the session `{0}` has changed")]
    Changed(SessionId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AccountStore {
    /// The session of this id. One `GetItem`.
    pub async fn find_session(&self, id: SessionId) -> Result<Option<Session>, ReadAccountError> {
        let row = self.row(&keys::session(id), format!("reading the session `{id}`")).await?;
        Ok(row.as_ref().map(read_session).transpose()?)
    }

    /// Begins a session, and uses up the code that it is opened with, if it is by one. One
    /// transaction with the journal.
    pub async fn open_session(
        &self,
        session: &Session,
        code: Option<&SignInCode>,
        journal: &Journal,
    ) -> Result<(), OpenSessionError> {
        let free = Condition::of("attribute_not_exists(pk)");
        let mut changes = vec![Change::Put(session_row(session), Some(free))];
        let by_code = changes.len();
        changes.extend(code.map(|code| redeem(code, session.id)));
        let source = match self.commit(changes, journal).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conditions(failed)) if failed.iter().any(|(at, _)| *at == by_code) => {
                return Err(OpenSessionError::CodeUsed);
            }
            Err(CommitError::Conditions(_) | CommitError::Answered) => "its id is taken".into(),
            Err(CommitError::Unavailable(source)) => source,
        };
        Err(Unavailable::new(format!("opening the session `{}`", session.id), source).into())
    }

    /// Writes a session whose refresh token was exchanged in the place of the one that was read.
    /// One conditional write: of requests that do so side by side, one succeeds.
    pub async fn rotate_session(&self, old: &Session, new: &Session) -> Result<(), RotateError> {
        let call = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(session_row(new)))
            .condition_expression("token_hash = :current AND attribute_not_exists(revoked_at)")
            .expression_attribute_values(":current", old.current.to_hex().attribute());
        let Err(error) = call.send().await else { return Ok(()) };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(_)) => {
                Err(RotateError::Changed(old.id))
            }
            Some(_) | None => {
                let doing = format!("refreshing the session `{}`", old.id);
                Err(Unavailable::new(doing, error).into())
            }
        }
    }

    /// Ends a session, with all its tokens. One transaction with the journal, which is written if the
    /// session was not ended before: `true`.
    pub async fn revoke_session(
        &self,
        id: SessionId,
        now: Timestamp,
        journal: &Journal,
    ) -> Result<bool, Unavailable> {
        let goes_on = Condition::of("attribute_exists(pk) AND attribute_not_exists(revoked_at)")
            .with(":now", now.to_string());
        let change = Change::Update(keys::session(id), "SET revoked_at = :now", goes_on);
        self.end(change, journal, format!("revoking the session `{id}`")).await
    }

    /// Makes an access token worthless that is good until this moment. One transaction with the
    /// journal, which is written if the token was not revoked before: `true`.
    pub async fn revoke_token(
        &self,
        id: TokenId,
        until: Timestamp,
        journal: &Journal,
    ) -> Result<bool, Unavailable> {
        let mut item = row(&keys::revoked_token(id));
        // Longer than any clock believes it.
        item.set("expires", moment(until.as_second().saturating_add(KEPT_SECONDS)));
        let change = Change::Put(item, Some(Condition::of("attribute_not_exists(pk)")));
        self.end(change, journal, format!("revoking the token `{id}`")).await
    }

    async fn end(
        &self,
        change: Change,
        journal: &Journal,
        doing: String,
    ) -> Result<bool, Unavailable> {
        match self.commit(vec![change], journal).await {
            Ok(()) => Ok(true),
            Err(CommitError::Conditions(_) | CommitError::Answered) => Ok(false),
            Err(CommitError::Unavailable(source)) => Err(Unavailable::new(doing, source)),
        }
    }
}

/// For how long rows are kept of what is worthless by time: an hour, which is more than clocks
/// differ.
const KEPT_SECONDS: i64 = 60 * 60;

fn session_row(session: &Session) -> Item {
    let mut item = row(&keys::session(session.id));
    item.set("user_id", session.user.to_string());
    item.set("tokens_valid_from", session.tokens_valid_from.to_string());
    item.set_some("workspace", session.workspace.map(|id| id.to_string()));
    item.set("scopes", session.scopes.iter().map(Scope::to_string).collect::<Vec<_>>());
    item.set("token_hash", session.current.to_hex());
    item.set_some("previous_hash", session.previous.as_ref().map(SecretHash::to_hex));
    item.set("refresh_key", session.key.to_hex());
    item.set("created_at", session.created_at.to_string());
    item.set("rotated_at", session.rotated_at.to_string());
    item.set("expires_at", session.expires_at.to_string());
    item.set_some("revoked_at", session.revoked_at.map(|at| at.to_string()));
    item.set("expires", moment(session.expires_at.as_second().saturating_add(KEPT_SECONDS)));
    item
}

pub(super) fn read_session(item: &Item) -> Result<Session, BadRow> {
    let time = |text: &str| text.parse::<Timestamp>().ok();
    Ok(Session {
        id: item.parse(keys::PK, keys::parse_session)?,
        user: item.parse("user_id", |text| UserId::parse(text).ok())?,
        tokens_valid_from: item.parse("tokens_valid_from", time)?,
        workspace: item.parse_some("workspace", |text| WorkspaceId::parse(text).ok())?,
        scopes: item.list("scopes", |text| Scope::parse(text).ok())?,
        current: item.parse("token_hash", SecretHash::from_hex)?,
        previous: item.parse_some("previous_hash", SecretHash::from_hex)?,
        key: item.parse("refresh_key", SessionKey::from_hex)?,
        created_at: item.parse("created_at", time)?,
        rotated_at: item.parse("rotated_at", time)?,
        expires_at: item.parse("expires_at", time)?,
        revoked_at: item.parse_some("revoked_at", time)?,
    })
}
