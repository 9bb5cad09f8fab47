//! The handler from its events, against the embedded stores.

use domain::Role;
use jiff::SignedDuration;
use lambda::Function;
use serde_json::{Value, json};
use testkit::people::{INVITATION, INVITATION_TOKEN, LINUS_EMAIL, PASSWORD};
use testkit::probe::{Fault, On};
use testkit::{Answer, Event, WORKSPACE, World, event, people};

use super::*;

/// A world with the events' people, and the function with this policy.
async fn start(sign_up: &str) -> (World, Function) {
    let world = World::with_people().await;
    let boot = world.boot_with("register-user", &[("SIGNUP", sign_up)]);
    let function = Function::http(boot, load, handle).await.unwrap();
    (world, function)
}

fn signing_up(body: &Value) -> Event {
    event("register-user/open").body(body)
}

/// A body that is fine where everybody may sign up, with one more field or another value.
fn with(field: &str, value: impl Into<Value>) -> Value {
    let mut body = json!({"email": LINUS_EMAIL, "name": "Linus Example", "password": PASSWORD});
    body[field] = value.into();
    body
}

fn id(answer: &Answer) -> UserId {
    UserId::parse(answer.json()["id"].as_str().unwrap()).unwrap()
}

async fn linus(world: &World) -> Option<User> {
    let email = Email::parse(LINUS_EMAIL).unwrap();
    world.accounts().find_user_by_email(&email).await.unwrap()
}

fn no_writes(world: &World) {
    assert_eq!(world.probe.count("TransactWriteItems"), 0);
}

#[tokio::test]
async fn the_invited_become_members_and_can_sign_in() {
    let (world, function) = start("invite").await;
    let answer = event("register-user/minimal").send(&function).await;
    assert_eq!((answer.status, answer.header("location")), (201, "/api/v1/users/me"));
    let id = id(&answer);
    let expected = json!({
        "id": id.to_string(), "email": LINUS_EMAIL, "email_verified": false,
        "name": "Linus Example", "created_at": "2026-11-20T14:03:27.412Z",
        "workspaces": [{"id": WORKSPACE, "name": "Example Shop", "role": "member"}]
    });
    assert_eq!(answer.json(), expected);
    let user = linus(&world).await.unwrap();
    assert_eq!(user.id, id);
    let hasher = Hasher::new();
    assert!(hasher.verify(PASSWORD, user.password.clone()).await.unwrap());
    assert!(!hasher.verify("an example of some words", user.password).await.unwrap());
    let workspace = people::workspace().id;
    let member = world.accounts().find_member(workspace, id).await.unwrap().unwrap();
    assert_eq!(member.role, Role::Member);
    let mut log = world.audit_log(WORKSPACE).await;
    log.sort();
    let expected = [
        format!("invitation.accepted {id} {INVITATION} role=member"),
        format!("user.registered {id} {id}"),
    ];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn no_password_and_no_token_is_stored() {
    let (world, function) = start("invite").await;
    event("register-user/full").send(&function).await;
    for call in world.probe.take_calls() {
        let body = call.body.to_string();
        assert!(!body.contains(PASSWORD), "{}", call.operation);
        assert!(!body.contains(&INVITATION_TOKEN[29..72]), "{}", call.operation);
    }
}

#[tokio::test]
async fn the_policy_says_who_may_sign_up() {
    let (world, function) = start("closed").await;
    for name in ["minimal", "open", "invalid"] {
        let answer = event(&format!("register-user/{name}")).send(&function).await;
        answer.assert_problem(Kind::Forbidden);
    }
    no_writes(&world);
    let (world, function) = start("invite").await;
    for name in ["open", "workspace", "taken"] {
        let answer = event(&format!("register-user/{name}")).send(&function).await;
        answer.assert_problem(Kind::Forbidden);
    }
    no_writes(&world);
    // An invitation is good wherever anybody may come.
    let (_world, function) = start("open").await;
    assert_eq!(event("register-user/minimal").send(&function).await.status, 201);
}

#[tokio::test]
async fn without_a_setting_an_invitation_is_needed() {
    let world = World::with_people().await;
    let function = Function::http(world.boot("register-user"), load, handle).await.unwrap();
    let answer = event("register-user/open").send(&function).await;
    answer.assert_problem(Kind::Forbidden);
    let boot = world.boot_with("register-user", &[("SIGNUP", "everybody")]);
    assert!(matches!(load(boot).await, Err(EnvError::Invalid { name: "SIGNUP", .. })));
}

#[tokio::test]
async fn where_everybody_may_come_one_is_nowhere_or_has_a_workspace_of_ones_own() {
    let (world, function) = start("open").await;
    let answer = event("register-user/open").send(&function).await;
    assert_eq!((answer.status, answer.json()["workspaces"].clone()), (201, json!([])));
    assert!(world.accounts().all_workspaces_of(id(&answer)).await.unwrap().is_empty());

    let (world, function) = start("open").await;
    let answer = event("register-user/workspace").send(&function).await;
    assert_eq!(answer.status, 201);
    let user = id(&answer);
    let own = answer.json()["workspaces"][0].clone();
    assert_eq!((&own["name"], &own["role"]), (&json!("Linus & Co"), &json!("owner")));
    let found = world.accounts().all_workspaces_of(user).await.unwrap();
    assert_eq!((found.len(), found[0].1.role), (1, Role::Owner));
    let id = own["id"].as_str().unwrap();
    let mut log = world.audit_log(id).await;
    log.sort();
    let expected =
        [format!("user.registered {user} {user}"), format!("workspace.created {user} {id}")];
    assert_eq!(log, expected);
}

#[tokio::test]
async fn an_address_belongs_to_one_person() {
    let (world, function) = start("open").await;
    let answer = event("register-user/taken").send(&function).await;
    answer.assert_problem(Kind::Conflict);
    assert_eq!(answer.faults(), ["/email"]);
    world.probe.inject(On::operation("TransactWriteItems").times(2), Fault::meet(2));
    let event = event("register-user/open");
    let (a, b) = tokio::join!(event.send(&function), event.send(&function));
    let mut statuses = [a.status, b.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409]);
}

#[tokio::test]
async fn an_invitation_that_is_not_good_is_a_fault_of_its_field_whatever_is_wrong() {
    let (world, function) = start("invite").await;
    let mut bodies = Vec::new();
    for name in ["unknown-invitation", "other-email"] {
        let answer = event(&format!("register-user/{name}")).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), ["/invitation"], "{name}");
        bodies.push(answer.text);
    }
    let forged = InvitationToken::of(people::invitation().id, [1, 2]).reveal();
    bodies.push(signing_up(&with("invitation", forged)).send(&function).await.text);
    world.clock.advance(SignedDuration::from_hours(168));
    let late = event("register-user/minimal").send(&function).await;
    assert_eq!(late.faults(), ["/invitation"]);
    bodies.push(late.text);
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
    no_writes(&world);
}

#[tokio::test]
async fn who_has_no_invitation_does_not_learn_who_has_an_account() {
    let (_world, function) = start("invite").await;
    let mut bodies = Vec::new();
    for email in [LINUS_EMAIL, people::ADA_EMAIL, "nobody@example.com"] {
        let forged = InvitationToken::of(people::invitation().id, [1, 2]).reveal();
        let mut body = with("invitation", forged);
        body["email"] = json!(email);
        bodies.push(signing_up(&body).send(&function).await.text);
    }
    assert!(bodies.iter().all(|body| *body == bodies[0]), "{bodies:?}");
}

#[tokio::test]
async fn an_invitation_that_is_used_meanwhile_is_gone() {
    let (world, function) = start("invite").await;
    let gone = Fault::cancel("ConditionalCheckFailed", |item| item.action == "Delete");
    world.probe.inject(On::operation("TransactWriteItems").once(), gone);
    let answer = event("register-user/minimal").send(&function).await;
    assert_eq!((answer.status, answer.faults()), (400, vec!["/invitation".to_owned()]));
    assert_eq!(linus(&world).await, None);
}

#[tokio::test]
async fn with_an_idempotency_key_there_is_one_person() {
    let (world, function) = start("invite").await;
    let answer = world.assert_made_once(&event("register-user/full"), &function).await;
    assert_eq!(linus(&world).await.unwrap().id, id(&answer));
    let (world, function) = start("invite").await;
    world.assert_made_once_at_once(&event("register-user/full"), &function).await;
    assert_eq!(world.audit_log(WORKSPACE).await.len(), 2);
    let (world, function) = start("invite").await;
    world.assert_made_once_meanwhile(&event("register-user/full"), &function).await;
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_still_a_201() {
    let (world, function) = start("invite").await;
    world.probe.inject(On::operation("TransactWriteItems").once(), Fault::LostAnswer);
    let answer = event("register-user/minimal").send(&function).await;
    assert_eq!((answer.status, world.probe.fired()), (201, 1));
    assert_eq!(linus(&world).await.unwrap().id, id(&answer));
}

#[tokio::test]
async fn an_invitation_by_somebody_who_could_not_make_it_now_is_worth_nothing() {
    let (world, function) = start("invite").await;
    world.demote_ada(Role::Viewer).await;
    let answer = event("register-user/minimal").send(&function).await;
    assert_eq!((answer.status, answer.faults()), (400, vec!["/invitation".to_owned()]));
    assert_eq!(linus(&world).await, None);
}

#[tokio::test]
async fn bad_input_is_named_field_by_field_and_nothing_is_written() {
    let (world, function) = start("open").await;
    let answer = event("register-user/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["/email", "/name", "/password", "/colour"]);
    let answer = event("register-user/common-password").send(&function).await;
    assert_eq!(answer.faults(), ["/password"]);
    let mut both = with("invitation", INVITATION_TOKEN);
    both["workspace"] = json!("Mine");
    let cases = [
        (json!({}), vec!["/email", "/name", "/password"]),
        (with("email", "linus"), vec!["/email"]),
        (with("email", json!(["linus@example.com"])), vec!["/email"]),
        (with("name", " "), vec!["/name"]),
        (with("name", "a\u{0}"), vec!["/name"]),
        (with("password", Value::Null), vec!["/password"]),
        (with("password", "x".repeat(257)), vec!["/password"]),
        (with("password", "Linus@Example.com"), vec!["/password"]),
        (with("invitation", people::API_KEY), vec!["/invitation"]),
        (with("workspace", ""), vec!["/workspace"]),
        (with("role", "owner"), vec!["/role"]),
        (both, vec!["/workspace"]),
    ];
    for (body, places) in cases {
        let answer = signing_up(&body).send(&function).await;
        answer.assert_problem(Kind::InvalidRequest);
        assert_eq!(answer.faults(), places, "{body}");
    }
    no_writes(&world);
}

#[tokio::test]
async fn an_address_cannot_sign_up_without_end() {
    let world = World::with_people().await;
    let boot = world.boot_with("register-user", &[("SIGN_IN_PER_MINUTE", "2")]);
    let function = Function::http(boot, load, handle).await.unwrap();
    for _ in 0..2 {
        let answer = event("register-user/open").send(&function).await;
        answer.assert_problem(Kind::Forbidden);
        assert!(answer.header("ratelimit-policy").ends_with(";q=2;w=60"));
    }
    event("register-user/open").send(&function).await.assert_problem(Kind::RateLimited);
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start("invite").await;
    let event = event("register-user/minimal");
    let operations = ["GetItem", "TransactWriteItems"];
    world.assert_unavailable_without(&operations, &event, &function).await;
    assert_eq!(linus(&world).await, None);
}
