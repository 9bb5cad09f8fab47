//! The handler from its events, against the embedded stores.

use jiff::SignedDuration;
use lambda::Function;
use serde_json::{Value, json};
use store::Journal;
use testkit::people::{ADA, ADA_EMAIL, PASSWORD};
use testkit::probe::{Fault, On};
use testkit::{Event, WORKSPACE, World, event, now, people};

use super::*;

const NEW_PASSWORD: &str = "another example of five words";

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("update-user"), load, handle).await.unwrap();
    (world, function)
}

fn patch(body: &Value) -> Event {
    event("update-user/minimal").body(body)
}

async fn ada(world: &World) -> User {
    world.accounts().find_user(people::ada().id).await.unwrap().unwrap()
}

/// Ada becomes somebody else by another way than this function.
async fn edit(world: &World, change: UserChange) {
    let old = ada(world).await;
    let new = old.edited(change, now());
    world.accounts().update_user(&old, &new, &Journal::none()).await.unwrap();
}

async fn is_password(world: &World, password: &str) -> bool {
    Hasher::new().verify(password, ada(world).await.password).await.unwrap()
}

#[tokio::test]
async fn a_new_name_is_shown_and_ends_nothing() {
    let (world, function) = start().await;
    for name in ["minimal", "merge-patch"] {
        let answer = event(&format!("update-user/{name}")).send(&function).await;
        let expected = json!({
            "id": ADA, "email": ADA_EMAIL, "email_verified": false, "name": "Ada King",
            "created_at": people::ada().created_at().to_string(),
            "workspaces": [{"id": WORKSPACE, "name": "Example Shop", "role": "owner"}]
        });
        assert_eq!((answer.status, answer.json()), (200, expected), "{name}");
    }
    let user = ada(&world).await;
    assert_eq!(user.tokens_valid_from, people::ada().tokens_valid_from);
    // The second one changed nothing.
    assert_eq!((user.name.as_str(), user.revision), ("Ada King", 2));
    assert_eq!(world.audit_log(WORKSPACE).await, [format!("user.updated {ADA} {ADA} fields=name")]);
}

#[tokio::test]
async fn an_edit_that_changes_nothing_writes_nothing() {
    let (world, function) = start().await;
    for body in [json!({}), json!({"name": "Ada Example"}), json!({"current_password": PASSWORD})] {
        assert_eq!(patch(&body).send(&function).await.status, 200, "{body}");
    }
    assert_eq!(event("update-user/nothing").send(&function).await.status, 200);
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn a_new_password_ends_all_that_was_signed_in() {
    let (world, function) = start().await;
    let answer = event("update-user/password").send(&function).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.text.contains("password"));
    assert_eq!(ada(&world).await.tokens_valid_from, now());
    assert!(is_password(&world, NEW_PASSWORD).await);
    assert!(!is_password(&world, PASSWORD).await);
    let log = world.audit_log(WORKSPACE).await;
    assert_eq!(log, [format!("user.updated {ADA} {ADA} fields=password")]);
    for call in world.probe.take_calls() {
        let body = call.body.to_string();
        assert!(!body.contains(PASSWORD) && !body.contains(NEW_PASSWORD), "{}", call.operation);
    }
}

#[tokio::test]
async fn the_current_password_must_be_proven() {
    let (world, function) = start().await;
    for name in ["no-current-password", "wrong-password"] {
        let answer = event(&format!("update-user/{name}")).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["/current_password"], "{name}");
    }
    assert!(is_password(&world, PASSWORD).await);
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn guesses_are_slowed_down_and_a_right_one_ends_that() {
    let (world, function) = start().await;
    for _ in 0..5 {
        let answer = event("update-user/wrong-password").send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
    }
    for name in ["wrong-password", "password"] {
        let answer = event(&format!("update-user/{name}")).send(&function).await;
        answer.assert_problem(Kind::RateLimited);
        assert_eq!(answer.header("retry-after"), "1");
    }
    // What needs no password is not slowed down.
    assert_eq!(event("update-user/minimal").send(&function).await.status, 200);
    world.clock.advance(SignedDuration::from_secs(1));
    assert_eq!(event("update-user/password").send(&function).await.status, 200);
    let body = json!({"password": PASSWORD, "current_password": NEW_PASSWORD});
    assert_eq!(patch(&body).send(&function).await.status, 200);
}

#[tokio::test]
async fn guesses_here_and_at_the_sign_in_are_counted_together() {
    let (world, function) = start().await;
    let guesses = Guesses::at_account(&people::ada().email);
    for _ in 0..5 {
        world.accounts().begin_attempt(&guesses, now()).await.unwrap();
    }
    let answer = event("update-user/password").send(&function).await;
    answer.assert_problem(Kind::RateLimited);
}

#[tokio::test]
async fn who_has_no_password_may_choose_one() {
    let (world, function) = start().await;
    let old = ada(&world).await;
    let verified = old.verified(now());
    world.accounts().update_user(&old, &verified, &Journal::none()).await.unwrap();
    let answer = event("update-user/no-current-password").send(&function).await;
    assert_eq!(answer.status, 200);
    assert!(is_password(&world, NEW_PASSWORD).await);
}

#[tokio::test]
async fn edits_at_once_are_all_made() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let (name, password) = (event("update-user/minimal"), event("update-user/password"));
    let (a, b) = tokio::join!(name.send(&function), password.send(&function));
    assert_eq!((a.status, b.status), (200, 200));
    assert_eq!((ada(&world).await.name.as_str(), ada(&world).await.revision), ("Ada King", 3));
    assert!(is_password(&world, NEW_PASSWORD).await);
}

#[tokio::test]
async fn of_two_new_passwords_at_once_one_is_taken() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let other = json!({"password": "yet another five word one", "current_password": PASSWORD});
    let (first, other) = (event("update-user/password"), patch(&other));
    let (a, b) = tokio::join!(first.send(&function), other.send(&function));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    // What the second one has proven is a password that is no more.
    assert_eq!(statuses, [200, 409]);
    assert_eq!(ada(&world).await.revision, 2);
}

#[tokio::test]
async fn whoever_always_loses_is_told_so() {
    let (world, function) = start().await;
    let lost = Fault::cancel("ConditionalCheckFailed", |item| item.sk == "U");
    world.probe.inject(On::operation("TransactWriteItems"), lost);
    event("update-user/minimal").send(&function).await.assert_problem(Kind::Conflict);
    assert_eq!(world.probe.count("TransactWriteItems"), TRIES);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_made_once() {
    let (world, function) = start().await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    assert_eq!(event("update-user/password").send(&function).await.status, 200);
    assert_eq!(ada(&world).await.revision, 2);
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 1);
}

#[tokio::test]
async fn bad_input_is_named_field_by_field_and_nothing_is_written() {
    let (world, function) = start().await;
    let answer = event("update-user/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/name", "/email"]);
    let password = |new: &str| json!({"password": new, "current_password": PASSWORD});
    let cases = [
        (password("short"), "/password"),
        (password("password1234"), "/password"),
        (password(ADA_EMAIL), "/password"),
        (json!({"password": null}), "/password"),
        (json!({"current_password": ""}), "/current_password"),
        (json!({"current_password": "x".repeat(257)}), "/current_password"),
        (json!({"name": ""}), "/name"),
    ];
    for (body, place) in cases {
        let answer = patch(&body).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), [place], "{body}");
    }
    assert_eq!(ada(&world).await.revision, 1);
}

#[tokio::test]
async fn whoever_is_gone_has_no_credentials() {
    let (world, function) = start().await;
    let nobody = event("update-user/minimal").of_principal("usr_01K9Z0000000000000000000TZ");
    nobody.send(&function).await.assert_problem(Kind::Unauthorized);
    // A name that somebody else gave her meanwhile stays.
    let name = Name::parse("Ada L.").unwrap();
    edit(&world, UserChange { name: Some(name), ..UserChange::default() }).await;
    assert_eq!(event("update-user/password").send(&function).await.json()["name"], "Ada L.");
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events = [event("update-user/not-authorized"), event("update-user/missing-scope")];
    world.assert_credentials_come_first(events, "account", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let minimal = event("update-user/minimal");
    let operations = ["GetItem", "Query", "BatchGetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &minimal, &function).await;
    let password = event("update-user/password");
    world.assert_unavailable_without(&["UpdateItem", "DeleteItem"], &password, &function).await;
}
