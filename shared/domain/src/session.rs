//! Sessions: one sign-in of a person, and the family of refresh tokens that keeps it going.
//!
//! A refresh token works once. It is answered with its successor, and the session remembers the
//! hash of the current one and of the one before. All tokens of a session share a handle, so
//! whoever presents one that is neither has it from somewhere: it was copied, and nobody can tell
//! who is the thief. Then the session ends for both.
//!
//! An answer can get lost, and two windows of one browser can ask at once. So a successor is not
//! random but made of the session's own key and of the token that is presented: for
//! [`Session::GRACE`] the one before gets the same successor again.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::secret::{Secret, SecretHash, SecretKind, from_hex, hex};
use crate::{Scope, User, UserId, WorkspaceId};

/// The `client_id` of the service's own tools: a public client, which has no secret.
pub const OWN_CLIENT: &str = "signpost";

/// A refresh token as its holder has it: `sr_`, and the rest of a [`Secret`].
pub type RefreshToken = Secret<Refreshing>;

/// What makes a secret a refresh token.
#[derive(Debug)]
pub enum Refreshing {}

impl SecretKind for Refreshing {
    const PREFIX: &'static str = "sr_";
    const NAME: &'static str = "a refresh token";
}

/// The name of a session, as access tokens and the audit log have it: `ses_` and 26 characters.
///
/// It is a hash of the handle of the session's refresh tokens, so that whoever reads it knows
/// nothing that can be presented.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(Ulid);

/// A string that names no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the id of a session is `ses_` and 26 characters")]
pub struct SessionIdError;

/// A sign-in, and what is known of its refresh tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The person's [`User::tokens_valid_from`] when they proved who they are.
    pub tokens_valid_from: Timestamp,
    /// The workspace that new access tokens are for; none for somebody who is in none.
    pub workspace: Option<WorkspaceId>,
    /// What was asked for when it began. An access token has of it what the role allows.
    pub scopes: Vec<Scope>,
    /// The refresh token that works now.
    pub current: SecretHash,
    /// The one that it followed.
    pub previous: Option<SecretHash>,
    /// What successors are made with.
    pub key: SessionKey,
    /// When the person signed in.
    pub created_at: Timestamp,
    /// When the current refresh token was made.
    pub rotated_at: Timestamp,
    /// From when on it is over, if nobody refreshes it before.
    pub expires_at: Timestamp,
    /// When it was ended before its time.
    pub revoked_at: Option<Timestamp>,
}

/// What a session's refresh tokens are made with. It is stored, and no token can be made of it
/// alone.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionKey([u8; 32]);

/// What a refresh token is to its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented {
    /// The one that works.
    Current,
    /// The one before it, so shortly after that its answer may have been lost.
    Grace,
    /// One that worked once. Somebody has a copy: the session must end.
    Reused,
    /// The session is over by time.
    Expired,
    /// The session was ended.
    Revoked,
}

impl SessionId {
    /// The session of a refresh token, whichever of its family it is.
    pub fn of(token: &RefreshToken) -> Self {
        let hash = Sha256::digest(token.handle());
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hash[..16]);
        Self(Ulid(u128::from_be_bytes(bytes)))
    }

    /// Parses the id in its one canonical form.
    pub fn parse(text: &str) -> Result<Self, SessionIdError> {
        let read = |text| Ulid::from_string(text).ok().filter(|id| id.to_string() == text);
        text.strip_prefix("ses_").and_then(read).map(Self).ok_or(SessionIdError)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ses_{}", self.0)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;
    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        Self::parse(text)
    }
}

impl SessionKey {
    /// A key of these random bits.
    pub fn new(random: [u128; 2]) -> Self {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&random[0].to_be_bytes());
        bytes[16..].copy_from_slice(&random[1].to_be_bytes());
        Self(bytes)
    }

    /// The key as 64 hex digits, as the store keeps it.
    pub fn to_hex(&self) -> String {
        hex(&self.0)
    }

    /// Reads 64 hex digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        from_hex(text).map(Self)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(***)")
    }
}

impl Session {
    /// How long after a rotation the token before still gets its answer again. A lost answer is
    /// asked for again within seconds; a thief needs longer, and is no better off than with the
    /// answer itself.
    pub const GRACE: SignedDuration = SignedDuration::from_secs(10);

    /// How long a session lasts that nobody refreshes.
    pub const IDLE: SignedDuration = SignedDuration::from_hours(30 * 24);

    /// How long a session lasts at most. Then the person signs in again.
    pub const LONGEST: SignedDuration = SignedDuration::from_hours(90 * 24);

    /// A session that begins now, with its first refresh token.
    pub fn open(
        user: &User,
        workspace: Option<WorkspaceId>,
        scopes: Vec<Scope>,
        token: &RefreshToken,
        key: SessionKey,
        now: Timestamp,
    ) -> Self {
        Self {
            id: SessionId::of(token),
            user: user.id,
            tokens_valid_from: user.tokens_valid_from,
            workspace,
            scopes,
            current: token.hash(),
            previous: None,
            key,
            created_at: now,
            rotated_at: now,
            expires_at: after(now, Self::IDLE),
            revoked_at: None,
        }
    }

    /// What a refresh token of this session's handle is to it now.
    pub fn presented(&self, token: &RefreshToken, now: Timestamp) -> Presented {
        let hash = token.hash();
        if self.revoked_at.is_some() {
            Presented::Revoked
        } else if self.expires_at <= now {
            Presented::Expired
        } else if self.current.matches(&hash) {
            Presented::Current
        } else if self.previous.as_ref().is_some_and(|previous| previous.matches(&hash))
            && now < after(self.rotated_at, Self::GRACE)
        {
            Presented::Grace
        } else {
            Presented::Reused
        }
    }

    /// The token that follows a token of this session: the same one each time it is asked for.
    pub fn successor(&self, token: &RefreshToken) -> RefreshToken {
        token.next(&self.key.0)
    }

    /// The session after its current token was exchanged for the successor.
    #[must_use]
    pub fn rotated(
        &self,
        successor: &RefreshToken,
        workspace: Option<WorkspaceId>,
        now: Timestamp,
    ) -> Self {
        Self {
            workspace,
            current: successor.hash(),
            previous: Some(self.current.clone()),
            rotated_at: now,
            expires_at: after(now, Self::IDLE).min(after(self.created_at, Self::LONGEST)),
            ..self.clone()
        }
    }

    /// Whether it goes on at this moment.
    pub fn is_alive(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && now < self.expires_at
    }

    /// Whether it is this person's, and nothing has ended all of their sessions since.
    ///
    /// The moments are the same or not, and none is the earlier one: whoever signs in with an old
    /// password while a new one is being written signs in later than that was decided, and clocks
    /// differ besides.
    pub fn is_of(&self, user: &User) -> bool {
        self.user == user.id && self.tokens_valid_from == user.tokens_valid_from
    }
}

fn after(moment: Timestamp, time: SignedDuration) -> Timestamp {
    moment.saturating_add(time).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Email, Name, PasswordHash, UserChange};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn first() -> RefreshToken {
        RefreshToken::new([1, 2, 3])
    }

    fn user() -> User {
        let email = Email::parse("ada@example.com").unwrap();
        User::new(UserId::new(at(-9), 1), email, Name::parse("Ada").unwrap(), None)
    }

    fn session() -> Session {
        let key = SessionKey::new([4, 5]);
        Session::open(&user(), None, vec![Scope::LinksRead], &first(), key, at(0))
    }

    fn refresh(session: &Session, token: &RefreshToken, now: i64) -> (Session, RefreshToken) {
        let successor = session.successor(token);
        (session.rotated(&successor, session.workspace, at(now)), successor)
    }

    #[test]
    fn a_token_works_until_it_was_exchanged_and_for_a_short_grace() {
        assert_eq!(session().presented(&first(), at(5)), Presented::Current);
        let (session, second) = refresh(&session(), &first(), 100);
        assert_eq!(session.presented(&second, at(100)), Presented::Current);
        assert_eq!(session.presented(&first(), at(100)), Presented::Grace);
        assert_eq!(session.presented(&first(), at(109)), Presented::Grace);
        assert_eq!(session.successor(&first()), second, "a lost answer is given again");
        assert_eq!(session.presented(&first(), at(110)), Presented::Reused);
        assert_eq!(session.presented(&second, at(110)), Presented::Current);
    }

    #[test]
    fn a_token_before_the_last_one_and_a_made_up_one_are_reused() {
        let (session, second) = refresh(&session(), &first(), 1);
        let (session, third) = refresh(&session, &second, 2);
        assert_eq!(session.presented(&first(), at(2)), Presented::Reused);
        assert_eq!(session.presented(&second, at(2)), Presented::Grace);
        assert_eq!(session.presented(&third, at(2)), Presented::Current);
        let forged = RefreshToken::new([1, 9, 9]);
        assert_eq!(SessionId::of(&forged), session.id);
        assert_eq!(session.presented(&forged, at(2)), Presented::Reused);
    }

    #[test]
    fn a_session_ends_when_nobody_uses_it_and_after_ninety_days_at_the_latest() {
        let day = 24 * 60 * 60;
        let mut session = session();
        assert!(session.is_alive(at(30 * day - 1)));
        assert!(!session.is_alive(at(30 * day)));
        assert_eq!(session.presented(&first(), at(30 * day)), Presented::Expired);
        let mut token = first();
        for days in [29, 58, 87] {
            (session, token) = refresh(&session, &token, days * day);
        }
        assert_eq!(session.expires_at, at(90 * day));
        assert_eq!(session.presented(&token, at(90 * day - 1)), Presented::Current);
        assert_eq!(session.presented(&token, at(90 * day)), Presented::Expired);
    }

    #[test]
    fn nothing_works_once_it_was_revoked() {
        let revoked = Session { revoked_at: Some(at(3)), ..session() };
        assert_eq!(revoked.presented(&first(), at(4)), Presented::Revoked);
        assert!(!revoked.is_alive(at(4)));
    }

    #[test]
    fn what_ends_all_sessions_ends_those_that_are_opened_beside_it_and_by_slow_clocks() {
        let (session, second) = refresh(&session(), &first(), 1);
        assert!(session.is_of(&user()));
        let change = UserChange { password: Some(PasswordHash::stored("x")), name: None };
        // Decided before the session was opened, and written after it.
        for decided in [-5, 0, 5] {
            let edited = user().edited(change.clone(), at(decided));
            assert!(!session.is_of(&edited), "{decided}");
            assert!(!session.is_of(&user().verified(at(decided))), "{decided}");
            let opened = Session::open(&edited, None, vec![], &second, session.key.clone(), at(0));
            assert!(opened.is_of(&edited));
            // Even at the same moment by the clock.
            let again = edited.edited(change.clone(), edited.tokens_valid_from);
            assert!(!opened.is_of(&again), "{decided}");
        }
        let other = User { id: UserId::new(at(-9), 2), ..user() };
        assert!(!session.is_of(&other));
    }

    #[test]
    fn the_id_of_a_session_is_the_same_for_its_whole_family_and_tells_no_handle() {
        let (session, second) = refresh(&session(), &first(), 1);
        assert_eq!(SessionId::of(&second), session.id);
        assert_ne!(SessionId::of(&RefreshToken::new([2, 2, 3])), session.id);
        let text = session.id.to_string();
        assert_eq!(text.parse(), Ok(session.id));
        assert!(!first().reveal().contains(&text[4..]));
        for wrong in ["", "ses_", &text.to_lowercase(), &text[4..], &first().reveal()] {
            assert_eq!(SessionId::parse(wrong), Err(SessionIdError), "{wrong}");
        }
    }

    #[test]
    fn debug_output_hides_the_key_and_the_hashes() {
        let session = session();
        let shown = format!("{session:?} {:?}", first());
        assert!(!shown.contains(&session.key.to_hex()), "{shown}");
        assert!(!shown.contains(&session.current.to_hex()), "{shown}");
        assert!(!shown.contains(first().handle()), "{shown}");
        assert_eq!(SessionKey::from_hex(&session.key.to_hex()), Some(session.key));
    }
}
