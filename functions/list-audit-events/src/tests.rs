//! Reading the audit log, from the events of `events/list-audit-events`.

use domain::{Action, AuditId, KeyId, KeyRecord, Principal, WorkspaceId};
use jiff::{SignedDuration, Timestamp};
use lambda::{Function, Kind};
use serde_json::{Value, json};
use store::Journal;
use testkit::people::{ADA, GRACE, ada, key};
use testkit::{OTHER_WORKSPACE, WORKSPACE, World, event, now};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("list-audit-events"), load, handle).await.unwrap();
    (world, function)
}

fn at(second: i64) -> Timestamp {
    now() + SignedDuration::from_secs(second)
}

fn entry(second: i64, action: Action, subject: &str) -> AuditEvent {
    let workspace = WorkspaceId::parse(WORKSPACE).unwrap();
    let id = AuditId::new(at(second), 1);
    AuditEvent::new(id, workspace, Principal::User(ada().id), action, subject)
}

/// Writes an entry as it is always written: with a change.
async fn add(world: &World, entry: AuditEvent) {
    let key = KeyRecord { id: KeyId::new(entry.at(), 7), ..key() };
    let journal = Journal::new("accounts", entry);
    world.accounts().create_key(&key, &journal).await.unwrap();
}

#[tokio::test]
async fn it_says_who_did_what_to_what_and_when() {
    let (world, function) = start().await;
    let role = entry(0, Action::MemberUpdated, GRACE).with("role", "viewer");
    add(&world, role.with("old_role", "member")).await;
    let answer = event("list-audit-events/minimal").send(&function).await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({
            "items": [{
                "id": entry(0, Action::MemberUpdated, GRACE).id.to_string(),
                "at": "2026-11-20T14:03:27.412Z",
                "actor": ADA, "action": "member.updated", "subject": GRACE,
                "details": { "role": "viewer", "old_role": "member" },
            }],
            "next": null,
        })
    );
    assert_eq!(world.probe.take_operations(), ["Query"]);
}

#[tokio::test]
async fn pages_go_on_where_the_last_one_ended_newest_first() {
    let (world, function) = start().await;
    for second in 0..5 {
        add(&world, entry(second, Action::LinkCreated, &format!("lnk_{second}"))).await;
    }
    let (mut seen, mut query) = (Vec::new(), "limit=2".to_owned());
    loop {
        let page = event("list-audit-events/full").query(&query).send(&function).await.json();
        let items = page["items"].as_array().unwrap().iter();
        seen.extend(items.map(|item| item["subject"].as_str().unwrap().to_owned()));
        let Value::String(next) = &page["next"] else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(seen, ["lnk_4", "lnk_3", "lnk_2", "lnk_1", "lnk_0"]);
}

#[tokio::test]
async fn another_workspace_has_its_own() {
    let (world, function) = start().await;
    add(&world, entry(0, Action::LinkCreated, "lnk_0")).await;
    let other = event("list-audit-events/minimal").of_workspace(OTHER_WORKSPACE);
    assert_eq!(other.send(&function).await.json(), json!({ "items": [], "next": null }));
}

#[tokio::test]
async fn what_is_not_a_page_is_refused_with_its_place() {
    let (world, function) = start().await;
    let answer = event("list-audit-events/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["limit", "cursor"]);
    assert!(world.probe.take_calls().is_empty());
}

#[tokio::test]
async fn credentials_come_before_everything_else() {
    let (world, function) = start().await;
    let events =
        [event("list-audit-events/not-authorized"), event("list-audit-events/missing-scope")];
    world.assert_credentials_come_first(events, "admin", &function).await;
}

#[tokio::test]
async fn without_dynamodb_it_says_try_again_and_nothing_of_the_cause() {
    let (world, function) = start().await;
    let event = event("list-audit-events/minimal");
    world.assert_unavailable_without(&["Query"], &event, &function).await;
}
