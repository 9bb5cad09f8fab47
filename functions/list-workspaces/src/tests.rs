//! The handler from its events, against the embedded stores.

use domain::{Name, Workspace, WorkspaceId};
use lambda::{Function, Kind};
use serde_json::{Value, json};
use store::Journal;
use testkit::{WORKSPACE, World, event, now, people};

use super::*;

async fn start() -> (World, Function) {
    let world = World::with_people().await;
    let function = Function::http(world.boot("list-workspaces"), load, handle).await.unwrap();
    (world, function)
}

/// Ada founds so many more workspaces.
async fn found(world: &World, count: u128) {
    for number in 1..=count {
        let id = WorkspaceId::new(now(), number);
        let workspace = Workspace::new(id, Name::parse(&format!("Shop {number}")).unwrap());
        let (accounts, ada) = (world.accounts(), people::ada().id);
        accounts.create_workspace(&workspace, ada, &Journal::none()).await.unwrap();
    }
}

#[tokio::test]
async fn a_person_sees_their_workspaces_and_what_they_are_in_them() {
    let (world, function) = start().await;
    let answer = event("list-workspaces/minimal").send(&function).await;
    let expected = json!({
        "items": [{
            "id": WORKSPACE, "name": "Example Shop", "role": "owner", "writes_per_minute": null,
            "created_at": people::workspace().created_at().to_string()
        }],
        "next": null
    });
    assert_eq!((answer.status, answer.json()), (200, expected));
    assert_eq!(world.probe.take_operations(), ["Query", "BatchGetItem"]);
}

#[tokio::test]
async fn pages_show_each_once_oldest_first() {
    let (world, function) = start().await;
    found(&world, 4).await;
    let mut names = Vec::new();
    let mut next = Value::Null;
    loop {
        let query = match next.as_str() {
            None => "limit=2".to_owned(),
            Some(cursor) => format!("limit=2&cursor={cursor}"),
        };
        let answer = event("list-workspaces/full").query(&query).send(&function).await;
        let page = answer.json();
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        names.extend(items.iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        next = page["next"].clone();
        if next.is_null() {
            break;
        }
    }
    assert_eq!(names, ["Example Shop", "Shop 1", "Shop 2", "Shop 3", "Shop 4"]);
}

#[tokio::test]
async fn the_oldest_membership_comes_first_and_not_the_oldest_workspace() {
    let (world, function) = start().await;
    found(&world, 1).await;
    // One that is older than hers, and that she joined last.
    let (accounts, alan) = (world.accounts(), people::alan().id);
    let old = WorkspaceId::new(jiff::Timestamp::UNIX_EPOCH, 1);
    let workspace = Workspace::new(old, Name::parse("Old Shop").unwrap());
    accounts.create_workspace(&workspace, alan, &Journal::none()).await.unwrap();
    let invitation = domain::Invitation {
        id: domain::InvitationId::new(now(), 7),
        workspace: old,
        email: people::ada().email,
        ..people::invitation()
    };
    accounts.create_invitation(&invitation, &Journal::none()).await.unwrap();
    let at = now() + jiff::SignedDuration::from_secs(1);
    let member = invitation.accepted_by(people::ada().id, at);
    accounts.accept_invitation(&invitation, &member, &Journal::none()).await.unwrap();
    let answer = event("list-workspaces/minimal").send(&function).await.json();
    let names: Vec<_> = answer["items"].as_array().unwrap().iter().collect();
    let names: Vec<_> = names.iter().map(|item| item["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["Example Shop", "Shop 1", "Old Shop"]);
}

#[tokio::test]
async fn somebody_without_a_workspace_has_an_empty_list() {
    let (_world, function) = start().await;
    let nobody = event("list-workspaces/minimal").of_principal("usr_01K9Z0000000000000000000TZ");
    let answer = nobody.send(&function).await;
    assert_eq!((answer.status, answer.json()), (200, json!({"items": [], "next": null})));
}

#[tokio::test]
async fn bad_parameters_are_all_named() {
    let (_world, function) = start().await;
    let answer = event("list-workspaces/invalid").send(&function).await;
    answer.assert_problem(Kind::InvalidRequest);
    assert_eq!(answer.faults(), ["limit", "cursor", "colour"]);
}

#[tokio::test]
async fn nothing_is_read_without_credentials() {
    let (world, function) = start().await;
    let events = [event("list-workspaces/not-authorized"), event("list-workspaces/missing-scope")];
    world.assert_credentials_come_first(events, "account", &function).await;
}

#[tokio::test]
async fn without_dynamodb_the_caller_is_told_to_come_back() {
    let (world, function) = start().await;
    let event = event("list-workspaces/minimal");
    world.assert_unavailable_without(&["Query", "BatchGetItem"], &event, &function).await;
}
