//! Invitations: who may become a member of a workspace, and until when.

use jiff::Timestamp;

use crate::secret::{InvitationToken, SecretHash};
use crate::{Email, InvitationId, Member, Principal, Role, UserId, WorkspaceId};

/// An invitation that nobody has accepted yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Its id; its time is when it was made.
    pub id: InvitationId,
    /// Where to.
    pub workspace: WorkspaceId,
    /// Whom: nobody else can accept it.
    pub email: Email,
    /// As what.
    pub role: Role,
    /// The hash of its token.
    pub hash: SecretHash,
    /// By whom.
    pub invited_by: Principal,
    /// From when on it is worthless.
    pub expires_at: Timestamp,
}

impl InvitationToken {
    /// The token of an invitation, of these random bits. Its handle is the invitation's id.
    pub fn of(id: InvitationId, random: [u128; 2]) -> Self {
        Self::with_handle(id.ulid(), random)
    }

    /// The invitation that it is for; none if its handle is no id.
    pub fn invitation(&self) -> Option<InvitationId> {
        InvitationId::parse_ulid(self.handle()).ok()
    }
}

impl Invitation {
    /// When it was made.
    pub fn created_at(&self) -> Timestamp {
        self.id.at()
    }

    /// What whoever accepts it becomes.
    pub fn accepted_by(&self, user: UserId, now: Timestamp) -> Member {
        Member { workspace: self.workspace, user, role: self.role, joined_at: now }
    }

    /// Whether somebody can still accept it.
    pub fn is_open(&self, now: Timestamp) -> bool {
        now < self.expires_at
    }

    /// Whether whoever has this token and this address may accept it at this moment.
    pub fn admits(&self, token: &InvitationToken, email: &Email, now: Timestamp) -> bool {
        self.hash.matches(&token.hash()) && self.email == *email && self.is_open(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyId;

    fn id() -> InvitationId {
        InvitationId::new(Timestamp::UNIX_EPOCH, 5)
    }

    fn token(number: u128) -> InvitationToken {
        InvitationToken::of(id(), [number, number])
    }

    fn email(text: &str) -> Email {
        Email::parse(text).unwrap()
    }

    fn invitation() -> Invitation {
        Invitation {
            id: id(),
            workspace: WorkspaceId::new(Timestamp::UNIX_EPOCH, 1),
            email: email("ada@example.com"),
            role: Role::Member,
            hash: token(7).hash(),
            invited_by: Principal::Key(KeyId::new(Timestamp::UNIX_EPOCH, 1)),
            expires_at: Timestamp::from_second(60).unwrap(),
        }
    }

    #[test]
    fn a_token_names_its_invitation() {
        let text = token(7).reveal();
        assert_eq!(InvitationToken::parse(&text), Ok(token(7)));
        assert_eq!(token(7).invitation(), Some(id()));
        let nameless = InvitationToken::new([u128::MAX, 1, 2]);
        assert_eq!(nameless.invitation(), None);
    }

    #[test]
    fn only_the_invited_person_is_let_in_and_only_in_time() {
        let admits = |number, address: &str, second| {
            let now = Timestamp::from_second(second).unwrap();
            invitation().admits(&token(number), &email(address), now)
        };
        assert!(admits(7, "Ada@example.com", 59));
        assert!(!admits(8, "ada@example.com", 59));
        assert!(!admits(7, "eve@example.com", 59));
        assert!(!admits(7, "ada@example.com", 60));
    }

    #[test]
    fn debug_output_hides_the_secret_and_the_address() {
        let shown = format!("{:?} {:?}", token(7), invitation());
        assert!(!shown.contains(&token(7).reveal()[29..72]), "{shown}");
        assert!(!shown.contains(&invitation().hash.to_hex()), "{shown}");
        assert!(!shown.contains("ada@"), "{shown}");
    }
}
