//! Accounts against the embedded DynamoDB: the real expressions run.

use domain::{
    Action, AuditEvent, AuditId, Email, Invitation, InvitationId, InvitationToken, Member, Name,
    PasswordHash, Principal, Role, User, UserChange, UserId, Workspace, WorkspaceChange,
    WorkspaceId,
};
use embedded::Embedded;
use jiff::{SignedDuration, Timestamp};

mod sessions;

use super::*;
use crate::{Tables, create_tables};

fn now() -> Timestamp {
    "2026-11-22T10:00:00.123456Z".parse().unwrap()
}

fn at(seconds: i64) -> Timestamp {
    now() + SignedDuration::from_secs(seconds)
}

async fn store() -> (Embedded, AccountStore) {
    let embedded = Embedded::in_memory().unwrap();
    let aws = embedded.sdk_config();
    let tables = Tables { links: "links", clicks: "clicks", accounts: "accounts", salts: "salts" };
    create_tables(&aws, tables).await.unwrap();
    (embedded, AccountStore::new(&aws, "accounts"))
}

fn email(name: &str) -> Email {
    Email::parse(&format!("{name}@example.com")).unwrap()
}

/// The person of this number, `name@example.com`.
fn user(number: u128, name: &str) -> User {
    let id = UserId::new(now(), number);
    let password = Some(PasswordHash::stored(format!("$argon2id${number}")));
    User::new(id, email(name), Name::parse(name).unwrap(), password)
}

fn workspace(number: u128) -> Workspace {
    Workspace::new(WorkspaceId::new(now(), number), Name::parse("Shop").unwrap())
}

/// An invitation of `name@example.com` to workspace 1.
fn invitation(number: u128, name: &str, role: Role) -> (Invitation, InvitationToken) {
    let id = InvitationId::new(now(), number);
    let token = InvitationToken::of(id, [number, number]);
    let invitation = Invitation {
        id,
        workspace: workspace(1).id,
        email: email(name),
        role,
        hash: token.hash(),
        invited_by: Principal::User(UserId::new(now(), 1)),
        expires_at: at(3600),
    };
    (invitation, token)
}

fn member(user: &User, role: Role) -> Member {
    Member { workspace: workspace(1).id, user: user.id, role, joined_at: at(1) }
}

/// A journal with one entry, which is like no other.
fn journal(number: u128) -> Journal {
    let (id, user) = (AuditId::new(now(), number), UserId::new(now(), 1));
    let event = AuditEvent::new(id, workspace(1).id, user, Action::MemberUpdated, user);
    Journal::new("accounts", event)
}

/// A store with workspace 1 and its owner `ada`, who is user 1.
async fn with_owner() -> (Embedded, AccountStore, User) {
    let (embedded, store) = store().await;
    let ada = user(1, "ada");
    store.create_user(&ada, Joining::Founding(&workspace(1)), &Journal::none()).await.unwrap();
    (embedded, store, ada)
}

/// Adds somebody to workspace 1 by an invitation.
async fn add(store: &AccountStore, number: u128, name: &str, role: Role) -> (User, Member) {
    let (invitation, _) = invitation(number, name, role);
    store.create_invitation(&invitation, &Journal::none()).await.unwrap();
    let user = user(number, name);
    store.create_user(&user, Joining::Invited(&invitation), &Journal::none()).await.unwrap();
    let member = store.find_member(workspace(1).id, user.id).await.unwrap().unwrap();
    (user, member)
}

#[tokio::test]
async fn a_person_reads_back_whole_by_id_and_by_address() {
    let (_embedded, store) = store().await;
    let mut ada = user(1, "ada");
    store.create_user(&ada, Joining::Nothing, &Journal::none()).await.unwrap();
    assert_eq!(store.find_user(ada.id).await.unwrap().as_ref(), Some(&ada));
    assert_eq!(store.find_user_by_email(&email("ada")).await.unwrap().as_ref(), Some(&ada));
    assert_eq!(store.find_user_by_email(&email("eve")).await.unwrap(), None);
    assert_eq!(store.find_user(user(2, "eve").id).await.unwrap(), None);
    assert!(store.all_workspaces_of(ada.id).await.unwrap().is_empty());
    let verified = ada.verified(at(9));
    store.update_user(&ada, &verified, &Journal::none()).await.unwrap();
    ada = store.find_user(ada.id).await.unwrap().unwrap();
    assert_eq!(ada, verified);
    assert_eq!(ada.password, None);
}

#[tokio::test]
async fn an_address_belongs_to_one_person() {
    let (_embedded, store, _) = with_owner().await;
    let rival = user(2, "ada");
    let shop = workspace(2);
    let taken = store.create_user(&rival, Joining::Founding(&shop), &Journal::none()).await;
    assert!(matches!(taken, Err(CreateUserError::EmailTaken)), "{taken:?}");
    assert_eq!(store.find_user(rival.id).await.unwrap(), None);
    assert_eq!(store.find_workspace(shop.id).await.unwrap(), None);

    let (first, second) = (user(3, "bea"), user(4, "bea"));
    let nothing = Journal::none();
    let (a, b) = tokio::join!(
        store.create_user(&first, Joining::Nothing, &nothing),
        store.create_user(&second, Joining::Nothing, &nothing)
    );
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
}

#[tokio::test]
async fn a_write_that_arrives_twice_is_made_once_and_succeeds_twice() {
    let (_embedded, store, ada) = with_owner().await;
    let shop = workspace(1).id;
    let bea = user(2, "bea");
    let (invited, _) = invitation(2, "bea", Role::Owner);
    // Another call has another token: only the journal can tell that it is the same write.
    for _ in 0..2 {
        store.create_invitation(&invited, &journal(1)).await.unwrap();
    }
    for _ in 0..2 {
        store.create_user(&bea, Joining::Invited(&invited), &journal(2)).await.unwrap();
    }
    let owner = store.find_member(shop, bea.id).await.unwrap().unwrap();
    for _ in 0..2 {
        store.change_role(&owner, Role::Viewer, &journal(3)).await.unwrap();
    }
    let viewer = store.find_member(shop, bea.id).await.unwrap().unwrap();
    for _ in 0..2 {
        store.remove_member(&viewer, &journal(4)).await.unwrap();
    }
    let renamed = ada.edited(UserChange::default(), now());
    for _ in 0..2 {
        store.update_user(&ada, &renamed, &journal(5)).await.unwrap();
    }
    // Owners were counted once each time: ada is the last one.
    let ada = store.find_member(shop, ada.id).await.unwrap().unwrap();
    let last = store.remove_member(&ada, &journal(6)).await;
    assert!(matches!(last, Err(ChangeMemberError::LastOwner(_))), "{last:?}");
}

#[tokio::test]
async fn an_edit_of_an_older_version_of_a_person_is_refused() {
    let (_embedded, store, ada) = with_owner().await;
    let name = |text: &str| UserChange { name: Name::parse(text).ok(), ..UserChange::default() };
    let first = ada.edited(name("Ada L."), at(1));
    let second = ada.edited(name("A. L."), at(1));
    store.update_user(&ada, &first, &Journal::none()).await.unwrap();
    let outcome = store.update_user(&ada, &second, &Journal::none()).await;
    assert!(matches!(outcome, Err(UpdateUserError::Changed(_))), "{outcome:?}");
    assert_eq!(store.find_user(ada.id).await.unwrap(), Some(first));
    let nobody = user(9, "eve");
    let outcome = store.update_user(&nobody, &nobody, &Journal::none()).await;
    assert!(matches!(outcome, Err(UpdateUserError::Changed(_))), "{outcome:?}");
}

#[tokio::test]
async fn workspaces_are_edited_while_members_come_and_go() {
    let (_embedded, store, ada) = with_owner().await;
    let old = store.find_workspace(workspace(1).id).await.unwrap().unwrap();
    assert_eq!(old, workspace(1));
    let limit = WorkspaceChange { writes_per_minute: Some(Some(60)), ..Default::default() };
    let limited = old.edited(limit);
    add(&store, 2, "bea", Role::Owner).await;
    store.update_workspace(&old, &limited, &Journal::none()).await.unwrap();
    assert_eq!(store.find_workspace(old.id).await.unwrap().as_ref(), Some(&limited));
    let outcome = store.update_workspace(&old, &limited, &Journal::none()).await;
    assert!(matches!(outcome, Err(UpdateWorkspaceError::Changed(_))), "{outcome:?}");
    let free = WorkspaceChange { writes_per_minute: Some(None), ..Default::default() };
    store.update_workspace(&limited, &limited.edited(free), &Journal::none()).await.unwrap();
    let found = store.find_workspace(old.id).await.unwrap().unwrap();
    assert_eq!((found.writes_per_minute, found.revision), (None, 3));
    // The second owner was not forgotten by the edits.
    let ada = store.find_member(old.id, ada.id).await.unwrap().unwrap();
    store.remove_member(&ada, &Journal::none()).await.unwrap();
}

#[tokio::test]
async fn a_workspace_of_the_first_rows_can_be_edited_and_joined() {
    let (_embedded, store) = store().await;
    let id = workspace(1).id;
    store.put_workspace(id, "Signpost").await.unwrap();
    let old = store.find_workspace(id).await.unwrap().unwrap();
    assert_eq!((old.name.as_str(), old.revision), ("Signpost", 1));
    let (_, owner) = add(&store, 2, "bea", Role::Owner).await;
    let last = store.change_role(&owner, Role::Admin, &Journal::none()).await;
    assert!(matches!(last, Err(ChangeMemberError::LastOwner(_))), "{last:?}");
    let new = old.edited(WorkspaceChange { name: Name::parse("New").ok(), ..Default::default() });
    store.update_workspace(&old, &new, &Journal::none()).await.unwrap();
    assert_eq!(store.find_workspace(id).await.unwrap(), Some(new));
    let missing = workspace(9);
    let outcome = store.update_workspace(&missing, &missing, &Journal::none()).await;
    assert!(matches!(outcome, Err(UpdateWorkspaceError::Changed(_))), "{outcome:?}");
    assert_eq!(store.find_workspace(missing.id).await.unwrap(), None);
}

#[tokio::test]
async fn the_last_owner_stays_whatever_happens_at_once() {
    let (_embedded, store, ada) = with_owner().await;
    let shop = workspace(1).id;
    let ada = store.find_member(shop, ada.id).await.unwrap().unwrap();
    for role in [Role::Admin, Role::Viewer] {
        let last = store.change_role(&ada, role, &Journal::none()).await;
        assert!(matches!(last, Err(ChangeMemberError::LastOwner(_))), "{last:?}");
    }
    let (_, bea) = add(&store, 2, "bea", Role::Owner).await;
    let nothing = Journal::none();
    let (a, b) = tokio::join!(
        store.remove_member(&ada, &nothing),
        store.change_role(&bea, Role::Member, &nothing)
    );
    assert!(a.is_ok() != b.is_ok(), "{a:?} {b:?}");
    let page = store.members(shop, None, 10).await.unwrap();
    let owners = page.items.iter().filter(|(member, _)| member.role == Role::Owner).count();
    assert_eq!(owners, 1);
}

#[tokio::test]
async fn a_member_that_was_changed_meanwhile_is_not_changed_again() {
    let (_embedded, store, _) = with_owner().await;
    let (_, bea) = add(&store, 2, "bea", Role::Member).await;
    store.change_role(&bea, Role::Admin, &Journal::none()).await.unwrap();
    let page = store.members(bea.workspace, None, 10).await.unwrap();
    assert_eq!(page.items[1].0.role, Role::Admin);
    for outcome in [
        store.change_role(&bea, Role::Viewer, &Journal::none()).await,
        store.remove_member(&bea, &Journal::none()).await,
    ] {
        assert!(matches!(outcome, Err(ChangeMemberError::Changed(_))), "{outcome:?}");
    }
    let admin = store.find_member(bea.workspace, bea.user).await.unwrap().unwrap();
    store.remove_member(&admin, &Journal::none()).await.unwrap();
    assert_eq!(store.find_member(bea.workspace, bea.user).await.unwrap(), None);
    assert_eq!(store.members(bea.workspace, None, 10).await.unwrap().items.len(), 1);
    // Somebody who was an owner a moment ago has changed; they are not the last one.
    let owner = Member { role: Role::Owner, ..bea };
    let outcome = store.remove_member(&owner, &Journal::none()).await;
    assert!(matches!(outcome, Err(ChangeMemberError::Changed(_))), "{outcome:?}");
}

#[tokio::test]
async fn an_invitation_is_found_by_its_token_and_used_once() {
    let (_embedded, store, _) = with_owner().await;
    let (invitation, token) = invitation(2, "bea", Role::Admin);
    store.create_invitation(&invitation, &Journal::none()).await.unwrap();
    assert_eq!(store.invitation_of(&token).await.unwrap().as_ref(), Some(&invitation));
    let unknown = InvitationToken::new([1, 2, 3]);
    assert_eq!(store.invitation_of(&unknown).await.unwrap(), None);
    let other = InvitationToken::of(InvitationId::new(now(), 9), [1, 2]);
    assert_eq!(store.invitation_of(&other).await.unwrap(), None);

    let bea = user(2, "bea");
    store.create_user(&bea, Joining::Nothing, &Journal::none()).await.unwrap();
    let joins =
        [member(&bea, Role::Admin), Member { joined_at: at(2), ..member(&bea, Role::Admin) }];
    let journals = [journal(1), journal(2)];
    let (a, b) = tokio::join!(
        store.accept_invitation(&invitation, &joins[0], &journals[0]),
        store.accept_invitation(&invitation, &joins[1], &journals[1])
    );
    let gone = |outcome: &Result<(), AcceptError>| matches!(outcome, Err(AcceptError::Gone(_)));
    assert!(a.is_ok() && gone(&b) || b.is_ok() && gone(&a), "{a:?} {b:?}");
    assert_eq!(store.invitation_of(&token).await.unwrap(), None);
    let late =
        store.create_user(&user(3, "cleo"), Joining::Invited(&invitation), &journal(3)).await;
    assert!(matches!(late, Err(CreateUserError::InvitationGone)), "{late:?}");
    assert_eq!(store.find_user_by_email(&email("cleo")).await.unwrap(), None);
}

#[tokio::test]
async fn whoever_is_a_member_already_leaves_an_invitation_open() {
    let (_embedded, store, ada) = with_owner().await;
    let (invitation, token) = invitation(2, "ada", Role::Viewer);
    store.create_invitation(&invitation, &Journal::none()).await.unwrap();
    let outcome =
        store.accept_invitation(&invitation, &member(&ada, Role::Viewer), &journal(1)).await;
    assert!(matches!(outcome, Err(AcceptError::Member(_))), "{outcome:?}");
    assert_eq!(store.invitation_of(&token).await.unwrap().as_ref(), Some(&invitation));
    let still = store.find_member(workspace(1).id, ada.id).await.unwrap().unwrap();
    assert_eq!(still.role, Role::Owner);

    store.delete_invitation(&invitation, &journal(2)).await.unwrap();
    assert_eq!(store.invitation_of(&token).await.unwrap(), None);
    let again = store.delete_invitation(&invitation, &journal(3)).await;
    assert!(matches!(again, Err(DeleteInvitationError::Gone(_))), "{again:?}");
}

#[tokio::test]
async fn an_owner_by_invitation_counts() {
    let (_embedded, store, ada) = with_owner().await;
    let bea = user(2, "bea");
    store.create_user(&bea, Joining::Nothing, &Journal::none()).await.unwrap();
    let (invitation, _) = invitation(2, "bea", Role::Owner);
    store.create_invitation(&invitation, &Journal::none()).await.unwrap();
    let owner = member(&bea, Role::Owner);
    store.accept_invitation(&invitation, &owner, &Journal::none()).await.unwrap();
    let ada = store.find_member(workspace(1).id, ada.id).await.unwrap().unwrap();
    store.remove_member(&ada, &Journal::none()).await.unwrap();
    let last = store.remove_member(&owner, &Journal::none()).await;
    assert!(matches!(last, Err(ChangeMemberError::LastOwner(_))), "{last:?}");
}

#[tokio::test]
async fn pages_show_each_once_in_order() {
    let (_embedded, store, ada) = with_owner().await;
    for number in 2..=5 {
        let shop = workspace(number);
        store.create_workspace(&shop, ada.id, &Journal::none()).await.unwrap();
        add(&store, number, &format!("member{number}"), Role::Member).await;
        let (invitation, _) = invitation(10 + number, "guest", Role::Viewer);
        store.create_invitation(&invitation, &Journal::none()).await.unwrap();
    }
    let shop = workspace(1).id;
    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.workspaces_of(ada.id, after, 2).await.unwrap();
        assert!(page.items.len() <= 2);
        assert!(page.items.iter().all(|(_, member)| member.role == Role::Owner));
        seen.extend(page.items.into_iter().map(|(workspace, _)| workspace.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=5).map(|number| workspace(number).id).collect::<Vec<_>>());
    assert_eq!(store.all_workspaces_of(ada.id).await.unwrap().len(), 5);

    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.members(shop, after, 2).await.unwrap();
        assert!(page.items.iter().all(|(member, user)| member.user == user.id));
        seen.extend(page.items.into_iter().map(|(_, user)| user.name.as_str().to_owned()));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(seen, ["ada", "member2", "member3", "member4", "member5"]);

    let (mut after, mut seen) = (None, Vec::new());
    loop {
        let page = store.invitations(shop, after, 3).await.unwrap();
        seen.extend(page.items.into_iter().map(|invitation| invitation.id));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let ids = (12..=15).rev().map(|number| InvitationId::new(now(), number)).collect::<Vec<_>>();
    assert_eq!(seen, ids);
    assert!(store.members(workspace(9).id, None, 2).await.unwrap().items.is_empty());
}
