//! People's accounts at the company's identity provider: whose they are here.

use domain::{Member, OutsideIdentity, User, UserId};

use super::members::join;
use super::users::{new_user, replace_user};
use super::{AccountStore, ReadAccountError};
use crate::commit::{Change, CommitError, Condition};
use crate::journal::Journal;
use crate::keys;
use crate::row::{Read, Write, row};
use crate::unavailable::Unavailable;

/// Why an identity was not linked to a person.
#[derive(Debug, thiserror::Error)]
pub enum LinkIdentityError {
    /// Something that was read is no longer so: the identity, the address, the person or a
    /// membership. Whoever looks again may find the person.
    #[error("the user `{0}` or the identity has changed")]
    Changed(UserId),
    /// DynamoDB is slow, throttled or away.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
}

impl AccountStore {
    /// The person whose account at the provider this is. Two `GetItem`; one if there is nobody.
    pub async fn find_user_by_identity(
        &self,
        identity: &OutsideIdentity,
    ) -> Result<Option<User>, ReadAccountError> {
        let doing = "finding a user by their identity";
        let Some(row) = self.row(&keys::identity(identity), doing).await? else {
            return Ok(None);
        };
        self.find_user(row.parse("user_id", |text| UserId::parse(text).ok())?).await
    }

    /// Registers a person together with their account at the provider and what they are a member
    /// of. Three rows in one transaction, and two for each membership, besides the journal's.
    pub async fn create_user_of_identity(
        &self,
        identity: &OutsideIdentity,
        user: &User,
        members: &[Member],
        journal: &Journal,
    ) -> Result<(), LinkIdentityError> {
        let mut changes = vec![link(identity, user.id)];
        changes.extend(new_user(user));
        changes.extend(members.iter().flat_map(join));
        self.link(user.id, changes, journal).await
    }

    /// Links a person's account at the provider to them, who are as `new` says from now on, and
    /// makes them a member of what they are not yet a member of. Two rows in one transaction, and two
    /// for each membership, besides the journal's.
    pub async fn link_identity(
        &self,
        identity: &OutsideIdentity,
        old: &User,
        new: &User,
        members: &[Member],
        journal: &Journal,
    ) -> Result<(), LinkIdentityError> {
        let mut changes = vec![link(identity, new.id)];
        // Also where nothing is edited: so they are still there.
        changes.push(replace_user(old, new));
        changes.extend(members.iter().flat_map(join));
        self.link(new.id, changes, journal).await
    }

    async fn link(
        &self,
        user: UserId,
        changes: Vec<Change>,
        journal: &Journal,
    ) -> Result<(), LinkIdentityError> {
        match self.commit(changes, journal).await {
            Ok(()) => Ok(()),
            Err(CommitError::Conditions(_) | CommitError::Answered) => {
                Err(LinkIdentityError::Changed(user))
            }
            Err(CommitError::Unavailable(source)) => {
                let doing = format!("linking an identity to the user `{user}`");
                Err(Unavailable::new(doing, source).into())
            }
        }
    }
}

/// Says whose the account is, under the condition that it is nobody's yet.
fn link(identity: &OutsideIdentity, user: UserId) -> Change {
    let mut item = row(&keys::identity(identity));
    item.set("user_id", user.to_string());
    Change::Put(item, Some(Condition::of("attribute_not_exists(pk)")))
}

#[cfg(test)]
mod tests {
    use domain::{Email, Name, PasswordHash, Role, Workspace, WorkspaceId};
    use embedded::Embedded;
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::{Joining, Tables, create_tables};

    fn now() -> Timestamp {
        "2026-11-22T10:00:00.123456Z".parse().unwrap()
    }

    /// A store with a workspace and its owner.
    async fn store() -> (Embedded, AccountStore) {
        let embedded = Embedded::in_memory().unwrap();
        let aws = embedded.sdk_config();
        let tables =
            Tables { links: "links", clicks: "clicks", accounts: "accounts", salts: "salts" };
        create_tables(&aws, tables).await.unwrap();
        let store = AccountStore::new(&aws, "accounts");
        let owner = user(1, "owner");
        let founding = Joining::Founding(&workspace());
        store.create_user(&owner, founding, &Journal::none()).await.unwrap();
        (embedded, store)
    }

    fn workspace() -> Workspace {
        Workspace::new(WorkspaceId::new(now(), 1), Name::parse("Shop").unwrap())
    }

    fn user(number: u128, name: &str) -> User {
        let email = Email::parse(&format!("{name}@example.com")).unwrap();
        User::new(UserId::new(now(), number), email, Name::parse(name).unwrap(), None)
    }

    fn member(user: &User) -> Member {
        Member { workspace: workspace().id, user: user.id, role: Role::Member, joined_at: now() }
    }

    fn identity(subject: &str) -> OutsideIdentity {
        OutsideIdentity::new("https://id.example.com", subject)
    }

    async fn create(store: &AccountStore, subject: &str, user: &User) -> bool {
        let (id, members) = (identity(subject), [member(user)]);
        match store.create_user_of_identity(&id, user, &members, &Journal::none()).await {
            Ok(()) => true,
            Err(LinkIdentityError::Changed(_)) => false,
            Err(LinkIdentityError::Unavailable(error)) => panic!("{error}"),
        }
    }

    async fn role(store: &AccountStore, user: &User) -> Option<Role> {
        let member = store.find_member(workspace().id, user.id).await.unwrap();
        member.map(|member| member.role)
    }

    #[tokio::test]
    async fn somebody_new_is_there_at_once_with_address_and_membership() {
        let (_embedded, store) = store().await;
        let ada = user(2, "ada").verified(now());
        assert_eq!(store.find_user_by_identity(&identity("a")).await.unwrap(), None);
        assert!(create(&store, "a", &ada).await);
        assert_eq!(store.find_user_by_identity(&identity("a")).await.unwrap().as_ref(), Some(&ada));
        assert_eq!(store.find_user_by_email(&ada.email).await.unwrap().as_ref(), Some(&ada));
        assert_eq!(role(&store, &ada).await, Some(Role::Member));
    }

    #[tokio::test]
    async fn an_identity_and_an_address_have_one_person() {
        let (_embedded, store) = store().await;
        assert!(create(&store, "a", &user(2, "ada")).await);
        assert!(!create(&store, "a", &user(3, "bea")).await);
        assert!(!create(&store, "b", &user(4, "ada")).await);
        // Nothing is left of those who were refused.
        for number in [3, 4] {
            let id = user(number, "x").id;
            assert_eq!(store.find_user(id).await.unwrap(), None);
            assert!(store.all_workspaces_of(id).await.unwrap().is_empty());
        }
        assert_eq!(store.find_user_by_identity(&identity("b")).await.unwrap(), None);
        let bea = Email::parse("bea@example.com").unwrap();
        assert_eq!(store.find_user_by_email(&bea).await.unwrap(), None);
    }

    #[tokio::test]
    async fn of_two_first_sign_ins_at_once_one_makes_the_person() {
        let (_embedded, store) = store().await;
        let (first, second) = (user(2, "ada"), user(3, "ada"));
        let (a, b) = tokio::join!(create(&store, "a", &first), create(&store, "a", &second));
        assert!(a != b);
        let made = store.find_user_by_identity(&identity("a")).await.unwrap().unwrap();
        assert_eq!(made.id, if a { first.id } else { second.id });
    }

    #[tokio::test]
    async fn who_waits_in_an_account_of_somebody_elses_address_is_put_out_of_it() {
        let (_embedded, store) = store().await;
        let squatter = User { password: Some(PasswordHash::stored("$x")), ..user(2, "ada") };
        store.create_user(&squatter, Joining::Nothing, &Journal::none()).await.unwrap();
        let later = now() + SignedDuration::from_secs(60);
        let (ada, members) = (squatter.verified(later), [member(&squatter)]);
        let nothing = Journal::none();
        store.link_identity(&identity("a"), &squatter, &ada, &members, &nothing).await.unwrap();
        let found = store.find_user_by_identity(&identity("a")).await.unwrap().unwrap();
        assert_eq!(found, ada);
        assert_eq!((found.password, found.tokens_valid_from), (None, later));
        assert!(found.email_verified);
        assert_eq!(role(&store, &ada).await, Some(Role::Member));
    }

    #[tokio::test]
    async fn an_identity_is_not_linked_to_somebody_who_changes_meanwhile() {
        let (_embedded, store) = store().await;
        let ada = user(2, "ada");
        store.create_user(&ada, Joining::Nothing, &Journal::none()).await.unwrap();
        let edited = User { revision: 2, ..ada.clone() };
        store.update_user(&ada, &edited, &Journal::none()).await.unwrap();
        let verified = ada.verified(now());
        let link = |old: User, new: User, members: Vec<Member>| {
            let store = store.clone();
            async move {
                let (id, nothing) = (identity("a"), Journal::none());
                store.link_identity(&id, &old, &new, &members, &nothing).await
            }
        };
        let lost = link(ada.clone(), verified.clone(), Vec::new()).await;
        assert!(matches!(lost, Err(LinkIdentityError::Changed(id)) if id == ada.id), "{lost:?}");
        assert_eq!(store.find_user(ada.id).await.unwrap(), Some(edited.clone()));
        // A membership that is there already is in the way as well: its role is not to change.
        assert!(create(&store, "b", &user(3, "bea")).await);
        let bea = user(3, "bea");
        let lost = link(bea.clone(), bea.verified(now()), vec![member(&bea)]).await;
        assert!(matches!(lost, Err(LinkIdentityError::Changed(_))), "{lost:?}");
        // And an identity has one person only.
        link(edited.clone(), edited.verified(now()), Vec::new()).await.unwrap();
        assert!(link(bea.clone(), bea.verified(now()), Vec::new()).await.is_err());
    }
}
