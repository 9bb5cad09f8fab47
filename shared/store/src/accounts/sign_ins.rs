//! Sign-ins at the identity provider: under way, and done but not yet fetched.
//!
//! Both rows are found by the hash of a secret, which is not in them, and are good for one use. What
//! takes one leaves its mark instead of deleting the row: so a call whose answer was lost finds its
//! own mark when it is sent again, and a code that is shown twice leads to the session that it opened.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValue;
use domain::{
    BrowserSecret, ClientState, CodeChallenge, RedirectUri, Scope, SecretHash, SessionId, SignIn,
    SignInCode, SignInGrant, SignInRequest, SignInState, UserId, WorkspaceId,
};
use jiff::Timestamp;

use super::{AccountStore, ReadAccountError};
use crate::commit::{Change, Condition};
use crate::keys::{self, Key};
use crate::row::{BadRow, Item, Read, Value as _, Write, moment, row};
use crate::unavailable::Unavailable;

/// How long a code is remembered after its time: whoever finds one in a log and shows it ends the
/// session that it opened.
const CODE_REMEMBERED_SECONDS: i64 = 24 * 60 * 60;

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundCode {
    /// What it may be redeemed for.
    pub grant: SignInGrant,
    /// The session that it opened, if it was redeemed.
    pub opened: Option<SessionId>,
}

impl AccountStore {
    /// Remembers a sign-in, while its person is at the provider. One `PutItem`.
    pub async fn begin_sign_in(
        &self,
        state: &SignInState,
        sign_in: &SignIn,
    ) -> Result<(), Unavailable> {
        let mut item = row(&keys::sign_in(&state.hash()));
        write_request(&mut item, &sign_in.request);
        item.set_some("client_state", sign_in.state.as_ref().map(ClientState::as_str));
        item.set("browser", sign_in.browser.to_hex());
        item.set("expires_at", sign_in.expires_at.to_string());
        item.set("expires", moment(sign_in.expires_at.as_second()));
        self.put(item, "remembering a sign-in").await
    }

    /// Takes the sign-in of this state, if this browser began it: once, and in its time. One
    /// conditional `UpdateItem`.
    ///
    /// `taker` is who takes it, a number of no meaning that is like no other.
    pub async fn take_sign_in(
        &self,
        state: &SignInState,
        browser: &BrowserSecret,
        taker: u128,
        now: Timestamp,
    ) -> Result<Option<SignIn>, ReadAccountError> {
        let doing = "taking a sign-in";
        let call = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(keys::sign_in(&state.hash()).attributes()))
            .update_expression("SET taken_by = :taker")
            .condition_expression(
                "browser = :browser AND (attribute_not_exists(taken_by) OR taken_by = :taker)",
            )
            .expression_attribute_values(":browser", browser.hash().to_hex().attribute())
            .expression_attribute_values(":taker", format!("{taker:032x}").attribute())
            .return_values(ReturnValue::AllNew);
        let item = match call.send().await {
            Ok(answer) => answer.attributes.unwrap_or_default(),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => return Ok(None),
                Some(_) | None => return Err(Unavailable::new(doing, error).into()),
            },
        };
        let sign_in = read_sign_in(&item)?;
        Ok(Some(sign_in).filter(|sign_in| now < sign_in.expires_at))
    }

    /// Remembers what a code stands for. One `PutItem`.
    pub async fn put_code(
        &self,
        code: &SignInCode,
        grant: &SignInGrant,
    ) -> Result<(), Unavailable> {
        let mut item = row(&keys::sign_in(&code.hash()));
        write_request(&mut item, &grant.request);
        item.set("user_id", grant.user.to_string());
        item.set("expires_at", grant.expires_at.to_string());
        let expires = grant.expires_at.as_second().saturating_add(CODE_REMEMBERED_SECONDS);
        item.set("expires", moment(expires));
        self.put(item, "remembering the code of a sign-in").await
    }

    /// What a code stands for, also when its time is over. One `GetItem`.
    pub async fn find_code(
        &self,
        code: &SignInCode,
    ) -> Result<Option<FoundCode>, ReadAccountError> {
        let key = keys::sign_in(&code.hash());
        let item = self.row(&key, "reading the code of a sign-in").await?;
        Ok(item.as_ref().map(read_code).transpose()?)
    }
}

/// Marks a code as redeemed for a session, in the transaction that opens the session. The condition
/// fails where it was redeemed before.
pub(super) fn redeem(code: &SignInCode, session: SessionId) -> Change {
    let key: Key = keys::sign_in(&code.hash());
    let condition = Condition::of("attribute_exists(pk) AND attribute_not_exists(opened)");
    Change::Update(key, "SET opened = :session", condition.with(":session", session.to_string()))
}

fn write_request(item: &mut Item, request: &SignInRequest) {
    item.set("redirect_uri", request.redirect_uri.as_str());
    item.set("challenge", request.challenge.as_str());
    let scopes = request.scopes.as_ref();
    let names = |scopes: &Vec<Scope>| scopes.iter().map(Scope::to_string).collect::<Vec<_>>();
    item.set_some("scopes", scopes.map(names));
    item.set_some("workspace", request.workspace.map(|workspace| workspace.to_string()));
}

fn read_request(item: &Item) -> Result<SignInRequest, BadRow> {
    let scopes = match item.contains_key("scopes") {
        true => Some(item.list("scopes", |text| Scope::parse(text).ok())?),
        false => None,
    };
    Ok(SignInRequest {
        redirect_uri: item.parse("redirect_uri", |text| Some(RedirectUri::stored(text)))?,
        challenge: item.parse("challenge", |text| CodeChallenge::parse(text).ok())?,
        scopes,
        workspace: item.parse_some("workspace", |text| WorkspaceId::parse(text).ok())?,
    })
}

fn read_sign_in(item: &Item) -> Result<SignIn, BadRow> {
    Ok(SignIn {
        request: read_request(item)?,
        state: item.parse_some("client_state", |text| ClientState::parse(text).ok())?,
        browser: item.parse("browser", SecretHash::from_hex)?,
        expires_at: item.parse("expires_at", |text| text.parse().ok())?,
    })
}

fn read_code(item: &Item) -> Result<FoundCode, BadRow> {
    Ok(FoundCode {
        grant: SignInGrant {
            user: item.parse("user_id", |text| UserId::parse(text).ok())?,
            request: read_request(item)?,
            expires_at: item.parse("expires_at", |text| text.parse().ok())?,
        },
        opened: item.parse_some("opened", |text| SessionId::parse(text).ok())?,
    })
}

#[cfg(test)]
mod tests {
    use domain::CodeVerifier;
    use embedded::Embedded;
    use jiff::SignedDuration;

    use super::*;
    use crate::{Tables, create_tables};

    async fn store() -> (Embedded, AccountStore) {
        let embedded = Embedded::in_memory().unwrap();
        let aws = embedded.sdk_config();
        let tables =
            Tables { links: "links", clicks: "clicks", accounts: "accounts", salts: "salts" };
        create_tables(&aws, tables).await.unwrap();
        (embedded, AccountStore::new(&aws, "accounts"))
    }

    fn now() -> Timestamp {
        "2026-11-22T10:00:00.123456Z".parse().unwrap()
    }

    fn request() -> SignInRequest {
        let verifier = CodeVerifier::parse(&"v".repeat(43)).unwrap();
        SignInRequest {
            redirect_uri: RedirectUri::stored("http://127.0.0.1:5000/cb?x=1"),
            challenge: CodeChallenge::of(&verifier),
            scopes: Some(vec![Scope::LinksRead, Scope::Account]),
            workspace: Some(WorkspaceId::new(now(), 1)),
        }
    }

    fn bare() -> SignInRequest {
        SignInRequest { scopes: None, workspace: None, ..request() }
    }

    fn secrets() -> (SignInState, BrowserSecret) {
        (SignInState::new([1, 2, 3]), BrowserSecret::new([4, 5, 6]))
    }

    #[tokio::test]
    async fn a_sign_in_reads_back_whole_and_is_taken_once() {
        let (_embedded, store) = store().await;
        let (state, browser) = secrets();
        let given = ClientState::parse("given").unwrap();
        for (request, client) in [(request(), Some(given)), (bare(), None)] {
            let sign_in = SignIn::begin(request, client, &browser, now());
            store.begin_sign_in(&state, &sign_in).await.unwrap();
            let take = |taker| store.take_sign_in(&state, &browser, taker, now());
            assert_eq!(take(7).await.unwrap().as_ref(), Some(&sign_in));
            assert_eq!(take(7).await.unwrap(), Some(sign_in), "its answer may have been lost");
            assert_eq!(take(8).await.unwrap(), None);
        }
    }

    #[tokio::test]
    async fn only_the_browser_that_began_takes_a_sign_in_and_only_in_time() {
        let (_embedded, store) = store().await;
        let (state, browser) = secrets();
        let sign_in = SignIn::begin(request(), None, &browser, now());
        store.begin_sign_in(&state, &sign_in).await.unwrap();

        let other = BrowserSecret::new([4, 5, 7]);
        assert_eq!(store.take_sign_in(&state, &other, 1, now()).await.unwrap(), None);
        let unknown = SignInState::new([1, 2, 4]);
        assert_eq!(store.take_sign_in(&unknown, &browser, 1, now()).await.unwrap(), None);
        let late = now() + SignIn::LASTS;
        assert_eq!(store.take_sign_in(&state, &browser, 1, late).await.unwrap(), None);

        let (state, in_time) = (SignInState::new([1, 2, 5]), late - SignedDuration::from_secs(1));
        store.begin_sign_in(&state, &sign_in).await.unwrap();
        assert!(store.take_sign_in(&state, &browser, 1, in_time).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn of_many_who_take_a_sign_in_at_once_one_gets_it() {
        let (_embedded, store) = store().await;
        let (state, browser) = secrets();
        let sign_in = SignIn::begin(request(), None, &browser, now());
        store.begin_sign_in(&state, &sign_in).await.unwrap();
        let takes = (0..20).map(|taker| store.take_sign_in(&state, &browser, taker, now()));
        let taken = futures_util::future::try_join_all(takes).await.unwrap();
        assert_eq!(taken.iter().flatten().count(), 1);
    }

    #[tokio::test]
    async fn a_code_reads_back_whole_and_says_which_session_it_opened() {
        let (_embedded, store) = store().await;
        let code = SignInCode::new([7, 8, 9]);
        assert_eq!(store.find_code(&code).await.unwrap(), None);
        for request in [request(), bare()] {
            let grant = SignInGrant::new(UserId::new(now(), 1), request, now());
            store.put_code(&code, &grant).await.unwrap();
            let found = store.find_code(&code).await.unwrap().unwrap();
            assert_eq!(found, FoundCode { grant, opened: None });
        }
        let session = |number| SessionId::of(&domain::RefreshToken::new([number, 1, 1]));
        let open = |number| {
            let changes = vec![redeem(&code, session(number))];
            async { store.commit(changes, &crate::Journal::none()).await }
        };
        open(1).await.unwrap();
        assert!(open(2).await.is_err());
        let found = store.find_code(&code).await.unwrap().unwrap();
        assert_eq!(found.opened, Some(session(1)));
        // A code that never was opens nothing.
        let unknown = SignInCode::new([7, 8, 10]);
        let changes = vec![redeem(&unknown, session(3))];
        assert!(store.commit(changes, &crate::Journal::none()).await.is_err());
        assert_eq!(store.find_code(&unknown).await.unwrap(), None);
    }

    #[tokio::test]
    async fn no_row_holds_a_secret() {
        let (_embedded, store) = store().await;
        let (state, browser) = secrets();
        let sign_in = SignIn::begin(request(), None, &browser, now());
        store.begin_sign_in(&state, &sign_in).await.unwrap();
        let code = SignInCode::new([7, 8, 9]);
        let grant = SignInGrant::new(UserId::new(now(), 1), request(), now());
        store.put_code(&code, &grant).await.unwrap();
        for (key, secrets) in [
            (keys::sign_in(&state.hash()), vec![state.reveal(), browser.reveal()]),
            (keys::sign_in(&code.hash()), vec![code.reveal()]),
        ] {
            let row = format!("{:?}", store.row(&key, "reading").await.unwrap().unwrap());
            for secret in secrets {
                assert!(!row.contains(&secret) && !row.contains(&secret[29..72]), "{row}");
            }
        }
    }
}
