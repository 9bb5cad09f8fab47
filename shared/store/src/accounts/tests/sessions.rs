//! Sign-ins, the standing of tokens, and guesses.

use domain::{
    ApiKey, Guesses, KeyId, Presented, RefreshToken, Scope, Session, SessionKey, Throttle, TokenId,
};
use futures_util::future::join_all;

use super::*;
use crate::{Attempt, Claimed, OpenSessionError, RotateError, Standing};

fn token() -> RefreshToken {
    RefreshToken::new([1, 2, 3])
}

/// A session of user 1 in workspace 1.
fn session() -> Session {
    let (user, workspace) = (user(1, "ada"), workspace(1).id);
    let scopes = vec![Scope::LinksRead, Scope::Account];
    Session::open(&user, Some(workspace), scopes, &token(), SessionKey::new([4, 5]), now())
}

fn entry(number: u128, action: Action) -> Journal {
    let (id, user) = (AuditId::new(now(), number), UserId::new(now(), 1));
    Journal::new("accounts", AuditEvent::new(id, workspace(1).id, user, action, session().id))
}

async fn actions(store: &AccountStore) -> Vec<Action> {
    let page = store.audit(workspace(1).id, None, 100).await.unwrap();
    page.items.into_iter().map(|event| event.action).collect()
}

#[tokio::test]
async fn a_session_reads_back_through_all_of_its_life() {
    let (_embedded, store) = store().await;
    let first = session();
    assert_eq!(store.find_session(first.id).await.unwrap(), None);
    store.open_session(&first, None, &entry(1, Action::SessionOpened)).await.unwrap();
    assert_eq!(store.find_session(first.id).await.unwrap(), Some(first.clone()));

    let second = first.rotated(&first.successor(&token()), None, at(5));
    store.rotate_session(&first, &second).await.unwrap();
    assert_eq!(store.find_session(first.id).await.unwrap(), Some(second.clone()));

    let ended = store.revoke_session(first.id, at(6), &entry(2, Action::SessionRevoked)).await;
    assert!(ended.unwrap());
    let found = store.find_session(first.id).await.unwrap();
    assert_eq!(found, Some(Session { revoked_at: Some(at(6)), ..second }));
    assert_eq!(actions(&store).await, [Action::SessionRevoked, Action::SessionOpened]);
}

#[tokio::test]
async fn a_session_is_opened_once() {
    let (_embedded, store) = store().await;
    store.open_session(&session(), None, &entry(1, Action::SessionOpened)).await.unwrap();
    // The same call once more, as when its answer was lost.
    store.open_session(&session(), None, &entry(1, Action::SessionOpened)).await.unwrap();
    let other = store.open_session(&session(), None, &entry(2, Action::SessionOpened)).await;
    assert!(matches!(other, Err(OpenSessionError::Unavailable(_))), "{other:?}");
    assert_eq!(actions(&store).await, [Action::SessionOpened]);
}

#[tokio::test]
async fn of_twenty_refreshes_side_by_side_one_succeeds_and_the_others_find_what_it_left() {
    let (_embedded, store) = store().await;
    let first = session();
    store.open_session(&first, None, &Journal::none()).await.unwrap();
    let successor = first.successor(&token());
    let new = first.rotated(&successor, first.workspace, at(1));
    let outcomes = join_all((0..20).map(|_| store.rotate_session(&first, &new))).await;
    let lost = outcomes.iter().filter(|it| matches!(it, Err(RotateError::Changed(_)))).count();
    assert_eq!((outcomes.iter().filter(|it| it.is_ok()).count(), lost), (1, 19));
    let found = store.find_session(first.id).await.unwrap().unwrap();
    assert_eq!(found.presented(&token(), at(1)), Presented::Grace);
    assert_eq!(found.successor(&token()), successor);
}

#[tokio::test]
async fn a_session_that_was_ended_is_not_refreshed_and_not_ended_again() {
    let (_embedded, store) = store().await;
    let first = session();
    store.open_session(&first, None, &Journal::none()).await.unwrap();
    let ends = (1..=20).map(|number| {
        let entry = entry(number, Action::SessionReused);
        let store = &store;
        async move { store.revoke_session(session().id, at(1), &entry).await.unwrap() }
    });
    let ended = join_all(ends).await.into_iter().filter(|ended| *ended).count();
    assert_eq!(ended, 1);
    assert_eq!(actions(&store).await, [Action::SessionReused], "told once");
    let new = first.rotated(&first.successor(&token()), None, at(2));
    let outcome = store.rotate_session(&first, &new).await;
    assert!(matches!(outcome, Err(RotateError::Changed(_))), "{outcome:?}");
    let nobodys = Session { id: domain::SessionId::of(&RefreshToken::new([9, 9, 9])), ..session() };
    assert!(!store.revoke_session(nobodys.id, at(1), &Journal::none()).await.unwrap());
    assert_eq!(store.find_session(nobodys.id).await.unwrap(), None, "nothing is made of nothing");
}

#[tokio::test]
async fn the_standing_of_a_person_is_all_that_their_token_claims() {
    let (_embedded, store, ada) = with_owner().await;
    let (shop, session) = (workspace(1), session());
    store.open_session(&session, None, &Journal::none()).await.unwrap();
    let claimed = Claimed {
        token: TokenId::new(now(), 7),
        principal: ada.id.into(),
        session: Some(session.id),
        workspace: Some(shop.id),
    };
    let standing = store.standing(&claimed).await.unwrap();
    let expected = Standing {
        is_revoked: false,
        user: Some(ada.clone()),
        key: None,
        session: Some(session.clone()),
        member: store.find_member(shop.id, ada.id).await.unwrap(),
        workspace: Some(shop),
    };
    assert_eq!(standing, expected);
    assert!(standing.member.is_some());

    assert!(
        store.revoke_token(claimed.token, at(900), &entry(1, Action::TokenRevoked)).await.unwrap()
    );
    assert!(
        !store.revoke_token(claimed.token, at(900), &entry(2, Action::TokenRevoked)).await.unwrap()
    );
    assert_eq!(store.standing(&claimed).await.unwrap(), Standing { is_revoked: true, ..expected });
    assert_eq!(actions(&store).await, [Action::TokenRevoked]);

    let nowhere = Claimed { workspace: None, token: TokenId::new(now(), 8), ..claimed };
    let standing = store.standing(&nowhere).await.unwrap();
    assert_eq!((standing.member, standing.workspace), (None, None));
    let found = store.find_person(ada.id, Some(workspace(2).id)).await.unwrap();
    assert_eq!(found, (Some(ada), None), "of no other workspace");
}

#[tokio::test]
async fn the_standing_of_a_key_and_of_nobody() {
    let (_embedded, store, _ada) = with_owner().await;
    let key = ApiKey::new(KeyId::new(now(), 1), [1, 2]);
    let claimed = Claimed {
        token: TokenId::new(now(), 7),
        principal: key.id().into(),
        session: None,
        workspace: Some(workspace(1).id),
    };
    let standing = store.standing(&claimed).await.unwrap();
    assert_eq!((standing.key.is_none(), standing.workspace.is_some()), (true, true));
    let stranger = Claimed {
        principal: UserId::new(now(), 99).into(),
        session: Some(session().id),
        workspace: Some(workspace(9).id),
        ..claimed
    };
    assert_eq!(store.standing(&stranger).await.unwrap(), Standing::default());
}

fn account() -> Guesses {
    Guesses::at_account(&email("ada"))
}

async fn guess(store: &AccountStore, seconds: i64) -> Attempt {
    guess_of(store, &account(), seconds).await
}

async fn guess_of(store: &AccountStore, guesses: &Guesses, seconds: i64) -> Attempt {
    match store.begin_attempt(guesses, at(seconds)).await.unwrap() {
        // Rows have milliseconds, and the test's clock has more than that.
        Attempt::TooEarly(time) => Attempt::TooEarly(time.round(jiff::Unit::Second).unwrap()),
        Attempt::Begun => Attempt::Begun,
    }
}

fn wait(seconds: i64) -> Attempt {
    Attempt::TooEarly(SignedDuration::from_secs(seconds))
}

#[tokio::test]
async fn guesses_are_free_at_first_and_then_wait_longer_and_longer() {
    let (_embedded, store) = store().await;
    for _ in 0..5 {
        assert_eq!(guess(&store, 0).await, Attempt::Begun);
    }
    assert_eq!(guess(&store, 0).await, wait(1));
    assert_eq!(guess(&store, 1).await, Attempt::Begun, "waiting was not counted");
    assert_eq!(guess(&store, 1).await, wait(2));
    assert_eq!(guess(&store, 2).await, wait(1));
    assert_eq!(guess(&store, 3).await, Attempt::Begun);
    assert_eq!(guess(&store, 3).await, wait(4));
    let other = Guesses::at_account(&email("bea"));
    assert_eq!(store.begin_attempt(&other, at(3)).await.unwrap(), Attempt::Begun);
}

#[tokio::test]
async fn of_a_hundred_guesses_side_by_side_no_more_begin_than_one_after_another() {
    let (_embedded, store) = store().await;
    let begun = async |seconds| {
        let guesses = join_all((0..100).map(|_| guess(&store, seconds))).await;
        guesses.into_iter().filter(|attempt| *attempt == Attempt::Begun).count()
    };
    assert_eq!(begun(0).await, 5);
    assert_eq!(begun(0).await, 0);
    assert_eq!(begun(1).await, 1, "the wait was over for one of them");
    assert_eq!(begun(2).await, 0);
    assert_eq!(begun(3).await, 1);
}

#[tokio::test]
async fn a_right_password_makes_all_guesses_forgotten_and_a_day_does_too() {
    let (_embedded, store) = store().await;
    for _ in 0..5 {
        guess(&store, 0).await;
    }
    store.forget_attempts(&account()).await.unwrap();
    for _ in 0..5 {
        assert_eq!(guess(&store, 0).await, Attempt::Begun);
    }
    let day = Throttle::ACCOUNT.memory().as_secs();
    for _ in 0..5 {
        assert_eq!(guess(&store, day).await, Attempt::Begun);
    }
    assert_eq!(guess(&store, day).await, wait(1));
}

#[tokio::test]
async fn an_address_waits_half_a_minute_at_most_and_is_forgiven_after_an_hour() {
    let (_embedded, store) = store().await;
    let from = Guesses::from_address("192.0.2.1".parse().unwrap());
    let guess = |second| guess_of(&store, &from, second);
    for second in 0..30 {
        guess(100 * second).await;
    }
    assert_eq!(guess(2900).await, wait(30));
    let forgotten = 2900 + 60 * 60;
    for _ in 0..20 {
        assert_eq!(guess(forgotten).await, Attempt::Begun);
    }
    assert_eq!(guess(forgotten).await, wait(1));
}

#[tokio::test]
async fn a_guess_that_was_none_is_taken_back_and_the_others_are_not() {
    let (_embedded, store) = store().await;
    for _ in 0..100 {
        assert_eq!(guess(&store, 0).await, Attempt::Begun);
        store.take_attempt_back(&account()).await.unwrap();
    }
    for _ in 0..5 {
        guess(&store, 0).await;
    }
    assert_eq!(guess(&store, 0).await, wait(1));
    let never = Guesses::at_account(&email("bea"));
    store.take_attempt_back(&never).await.unwrap();
    assert_eq!(store.begin_attempt(&never, at(0)).await.unwrap(), Attempt::Begun);
}
